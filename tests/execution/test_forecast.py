"""The forecast of a plan against what the meter then counts, and what the disk then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from networks import tiny

import xaibench
from xaibench import meter
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_metrics
from xaibench.config.run import load_config
from xaibench.execution.amounts import Amount, Line, explained, metric_cost, passes
from xaibench.execution.forecast import Forecaster
from xaibench.execution.outlook import Made, table_bytes
from xaibench.execution.plan import plan
from xaibench.models.classifier import TorchClassifier
from xaibench.stages.run import resolve
from xaibench.types import Cost

ALL = frozenset({"explain", "score"})
METHODS = (
    *("fakecam", "gradient", "ig(steps=16)", "guidedbp", "gradcam", "gradcampp", "scorecam"),
    *("rise(n_masks=8)", "lime(n_samples=8)", "iba(steps=2,samples=5)"),
)
METRICS = (
    "average_increase,average_drop,average_gain,insertion(rows_per_step=56),"
    "deletion(rows_per_step=56),monotonicity(draws=2),completeness,max_sensitivity(draws=2),"
    "avg_sensitivity(draws=2),sparseness,complexity,effective_complexity(draws=2)"
)
TWO = "ground_truth,predicted"


def forecast(network: TorchClassifier, **config: Any) -> dict[Line, Amount]:
    run = resolve(load_config(config), network=network)
    made = Forecaster(run, table_bytes)
    return made.of(Made().left(run, plan(run, ALL), made)).lines()


def total(lines: dict[Line, Amount]) -> Amount:
    found = Amount()
    for amount in lines.values():
        found.add(amount)
    return found


def stored(out: Path, *folders: str) -> int:
    return sum(p.stat().st_size for f in folders for p in (out / f).rglob("[0-9]*.*"))


def compared(out: Path, spare: int = 0, **config: Any) -> dict[Line, Amount]:
    """Forwards, rows, backwards, images and bytes; spare: rows that may come beside."""
    network = tiny(classes=1000)
    config = {"data": "samples", "workers": 0, "out": out, **config}
    lines = forecast(network, **config)
    before = meter.counts()
    xaibench.run(config, network=network)
    seen, found = meter.counts() - before, total(lines)
    assert found.forwards <= seen.forwards <= found.forwards + bool(spare)
    assert found.backwards == seen.backwards
    assert found.rows <= seen.rows <= found.rows + spare
    assert found.decoded == seen.images
    assert found.maps == pytest.approx(stored(out, "maps"), rel=0.02, abs=200)
    assert found.tables == pytest.approx(stored(out, "scores", "predictions"), rel=0.05)
    assert total(forecast(network, **config)) == Amount(), "nothing is left"
    return lines


@pytest.mark.parametrize("protocol", ["published", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_under_every_metric(tmp_path: Path, method: str, protocol: str) -> None:
    """19 images: a batch and three.

    Score-CAM has two streams a call to fill up, which shows where the channels are no multiple of
    16, here 7: three or five calls. And it looks once how many channels there are.
    """
    spare = 0 if method != "scorecam" else 5 * 16 + 1
    metrics = "average_drop,insertion(rows_per_step=56)" if method.startswith("lime") else METRICS
    common = {"method": method, "metric": metrics, "protocol": protocol, "target": TWO}
    compared(tmp_path, spare, limit=19, **common)


@pytest.mark.parametrize("protocol", ["published", "reference"])
def test_what_methods_share_and_what_transforms_need(tmp_path: Path, protocol: str) -> None:
    methods = "gradient,gradcam,ig(steps=4)"
    common = {"protocol": protocol, "target": TWO, "limit": 7, "method": methods}
    compared(tmp_path / "a", metric=METRICS, **common)
    compared(tmp_path / "b", metric="average_drop", transform="none,mixup,resize,crop", **common)


@pytest.mark.parametrize("keep", ["small", "none"])
def test_maps_that_are_not_kept_take_no_room(tmp_path: Path, keep: str) -> None:
    lines = compared(
        tmp_path, method="gradcam,gradient", metric="sparseness", limit=3, keep_maps=keep
    )
    maps = {line.method: amount.maps for line, amount in lines.items() if line.stage == "explain"}
    assert maps["gradient"] == 0
    assert bool(maps["gradcam"]) == (keep == "small")


def test_curves_that_are_kept_take_room(tmp_path: Path) -> None:
    metric = "insertion(rows_per_step=4),deletion(rows_per_step=4),sparseness"
    lines = compared(tmp_path, method="gradcam", metric=metric, limit=7, keep_curves=True)
    bytes_ = {len(line.metrics): amount.tables for line, amount in lines.items() if line.metrics}
    assert bytes_[2] - 2 * bytes_[1] == 7 * 2 * (64 // 4 + 1) * 8


def test_a_slow_method_is_explained_again_on_the_subset_alone(tmp_path: Path) -> None:
    """Of over 500 forwards an image, if that subset is smaller than the data."""
    from unittest import mock

    with mock.patch("xaibench.stages.run.SUBSET_IMAGES", 3):
        config = {"method": "rise(n_masks=501)", "metric": "max_sensitivity", "limit": 5}
        lines = forecast(tiny(classes=1000), protocol="reference", out=tmp_path, **config)
    (scored,) = (amount for line, amount in lines.items() if line.stage == "score")
    assert scored.times % 10 == 0
    assert scored.times <= 30
    assert scored.forwards == scored.times * 501


def test_what_declares_no_cost_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def flat(ctx, batch, state):\n"
        "    from xaibench.types import Explanation\n"
        "    return Explanation(batch.images.new_ones(*batch.targets.shape, 2, 2))\n"
    )
    config = {"method": f"file:{file}:flat,gradcam", "metric": "sparseness", "limit": 2}
    lines = forecast(tiny(classes=1000), out=tmp_path / "o", **config)
    unknown = [line.method for line, amount in lines.items() if amount.unknown]
    assert unknown == ["file:mine.py:flat"]


def test_configurations_share_what_the_first_ones_make(tmp_path: Path) -> None:
    network, made = tiny(classes=1000), Made()
    counts = []
    for more in ({"metric": "sparseness"}, {"metric": "sparseness,complexity", "limit": 5}):
        run = resolve(load_config({"out": tmp_path, "limit": 3, **more}), network=network)
        fits = Forecaster(run, table_bytes)
        left = made.left(run, plan(run, ALL), fits)
        counts.append((left.count("predictions"), left.count("maps"), left.count("scores")))
    assert counts == [(3, 3, 3), (2, 2, 2 + 5)]


@pytest.mark.parametrize(
    ("inputs", "rows", "group", "expected"),
    [
        (0, 16, 1, 0),
        (1, 16, 1, 16),
        (33, 16, 1, 48),
        (10, 16, 5, 20),
        (3, 16, 5, 18),
        (23, 16, 5, 38),
    ],
)
def test_rows_of_passes(inputs: int, rows: int, group: int, expected: int) -> None:
    assert passes(inputs, rows, group) == expected


def test_a_call_of_a_method() -> None:
    stream = Cost(shared=10, backwards=1)
    assert explained(stream, 3, 2, 16, 1, False) == Amount(forwards=30, rows=32, backwards=6)
    parts = Cost(forwards=100, backwards=100, at_once=100, call=1)
    one = explained(parts, 3, 2, 16, 1, False)
    assert one == Amount(forwards=601, rows=6 * 112 + 16, backwards=600)
    groups = Cost(shared=101, backwards=100, at_once=100)
    group = explained(groups, 5, 1, 16, 5, True)
    assert group == Amount(forwards=505, rows=20 + 500, backwards=500)


def test_keys_of_one_function_share_or_add_their_passes() -> None:
    def of(specs: str, protocol: str = "published") -> float:
        asked = resolve_metrics(specs.split(","), load_protocol(protocol))
        found = metric_cost(asked, (224, 224))
        assert found is not None
        return found.forwards

    assert of("average_drop,average_gain") == of("average_drop") == 1
    assert of("insertion,deletion") == 2 * of("deletion") == 2 * 27
    assert (
        metric_cost(resolve_metrics(["quantus_complexity"], load_protocol("published")), (8, 8))
        is None
    )
