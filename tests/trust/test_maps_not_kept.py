"""`run --maps small|none`: maps that are scored as they are made give the rows of stored ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from helpers import cli
from networks import THOUSAND, tiny
from test_out_of_memory import tight
from units import COUNT, METHOD, Killed, broken_in_call, held, run

import xaibench
from xaibench.errors import UsageError, XaibenchError
from xaibench.stages import chunks
from xaibench.store.layout import map_sets
from xaibench.store.ledger import contents

pytestmark = pytest.mark.usefixtures("little_to_collect")
MANY: dict[str, Any] = {
    "limit": 7,
    "method": "gradient,gradcam,fakecam,ig(steps=3),rise(n_masks=16),iba(steps=2,samples=2)",
    "metric": "sparseness,insertion(rows_per_step=32),completeness,"
    "max_sensitivity(draws=2),avg_sensitivity(draws=2)",
    "target": "predicted,least_probable",
    "protocol": "reference",
}
TURNED: dict[str, Any] = {
    "limit": 4,
    "method": "gradient,gradcam",
    "metric": "average_drop",
    "transform": "mixup,resize",
}
SMALL = {"gradcam", "iba(samples=2,steps=2)"}


def equal(out: Path, base: Path) -> None:
    ours, theirs = xaibench.load_scores(out), xaibench.load_scores(base)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.fixture(scope="module")
def kept(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs whose maps are stored."""
    made = {}
    for name, asked in (("many", MANY), ("turned", TURNED)):
        made[name] = tmp_path_factory.mktemp("kept") / name
        run(noise, made[name], **asked)
    return made


@pytest.mark.parametrize("keep", ["small", "none"])
@pytest.mark.parametrize(("name", "asked"), [("many", MANY), ("turned", TURNED)])
def test_the_rows_are_those_of_stored_maps(
    noise: Path, kept: dict[str, Path], tmp_path: Path, keep: str, name: str, asked: dict[str, Any]
) -> None:
    run(noise, tmp_path, keep_maps=keep, **asked)
    equal(tmp_path, kept[name])
    stored = {method for method, *_ in map_sets(tmp_path)}
    all_of = {method for method, *_ in map_sets(kept[name])}
    assert stored == (all_of & SMALL if keep == "small" else set())
    again, _ = run(noise, tmp_path, keep_maps=keep, **asked)
    assert not any(again.values()), "nothing is computed twice"
    path = max((tmp_path / "manifests").glob("run-*.json"))
    assert json.loads(path.read_text())["config"]["keep_maps"] == keep
    assert "keep_maps" not in (tmp_path / "manifests" / "identity.json").read_text()


def test_a_later_metric_needs_the_maps_again(
    noise: Path, kept: dict[str, Path], tmp_path: Path
) -> None:
    """`score` says so; `run` makes them; what was stored before is taken."""
    run(noise, tmp_path, **{**MANY, "metric": "sparseness", "keep_maps": "none"})
    config = {"data": str(noise), **MANY, "out": tmp_path}
    with pytest.raises(XaibenchError, match=r"scores need maps that are not there \(gradient.*run"):
        xaibench.run(config, stages=frozenset({"score"}), network=tiny(classes=1000))
    computed, _ = run(noise, tmp_path, **{**MANY, "keep_maps": "small"})
    assert computed["maps"] == 2 * 6 * 7
    equal(tmp_path, kept["many"])
    assert run(noise, tmp_path, **{**MANY, "metric": "complexity"})[0]["maps"] == 2 * 4 * 7
    assert len({method for method, *_ in map_sets(tmp_path)}) == 6


@pytest.mark.parametrize("stop", [Killed(), KeyboardInterrupt()])
def test_a_stop_costs_what_is_in_hand(
    noise: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: BaseException,
) -> None:
    """Each batch of 16 is explained and scored before the next; the third is never explained."""
    monkeypatch.setattr(chunks, "EVERY", 0.0)
    explain = "xaibench.stages.explain.explain"
    with broken_in_call(explain, 3, stop), pytest.raises(type(stop)):
        run(noise, tmp_path, keep_maps="none")
    assert held(tmp_path, "scores") == 32 * 3
    with broken_in_call(explain, 0, stop) as calls:
        computed, _ = run(noise, tmp_path, keep_maps="none")
    assert computed["scores"] == (2 * COUNT - 32) * 3
    assert calls.call_count == 2 + 4
    equal(tmp_path, undisturbed)
    assert not map_sets(tmp_path)


def test_a_stop_waits_for_no_score(noise: Path, tmp_path: Path) -> None:
    """Explained images are not scored any more where the process is asked to end."""
    with (
        broken_in_call("xaibench.stages.explain.explain", 3, KeyboardInterrupt()),
        mock.patch("xaibench.stages.score.score") as score,
        pytest.raises(KeyboardInterrupt),
    ):
        run(noise, tmp_path, keep_maps="none")
    assert not score.called


def test_half_the_batch_is_said_and_stored(noise: Path, tmp_path: Path) -> None:
    """sparseness needs no network: its rows say the batch in which their maps were made."""
    more = {"method": "gradient", "metric": "sparseness", "limit": 18}
    _, said = run(noise, tmp_path, tight(8), keep_maps="none", **more)
    assert said == ["out of memory at batch size 16: going on with 8"]
    (path,) = (tmp_path / "scores").rglob("*.parquet")
    assert contents(path)[1].batch == 8


def test_a_method_that_fails_midway_leaves_what_was_scored(noise: Path, tmp_path: Path) -> None:
    """On the third batch, though on none of its images alone: that batch is lost."""
    more = {"method": "gradient", "metric": "sparseness", "keep_maps": "none"}
    with (
        mock.patch.object(chunks, "EVERY", 0.0),
        broken_in_call(METHOD, 3, ValueError("no")),
        pytest.raises(XaibenchError, match="gradient failed: "),
    ):
        run(noise, tmp_path, **more)
    scores = xaibench.load_scores(tmp_path)
    assert dict(scores.status.value_counts()) == {"ok": COUNT - 16, "failed": 16}
    assert run(noise, tmp_path, **more)[0]["maps"] == 16
    assert set(xaibench.load_scores(tmp_path).status) == {"ok"}


def test_what_is_said_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--model", THOUSAND, "--workers", 0, "--limit", 2, "--method", "gradient,gradcam")
    for keep in ("small", "none"):
        with pytest.raises(UsageError, match=f"maps {keep}: `explain` only stores maps"):
            xaibench.run({"keep_maps": keep}, stages=frozenset({"explain"}))
    assert cli("explain", "--maps", "none")[0] == 2
    code, _, err = cli("run", "--maps", "some")
    assert (code, err) == (2, "xaibench: maps 'some': give keep, small or none.\n")
    assert cli("run", *words, "--metric", "sparseness", "--maps", "small", "--out", "o")[0] == 0
    line = "o maps of gradient are stored, which"
    assert line in cli("doctor", "o")[1]
    assert line in " ".join(cli("report", "o")[1].split())
    assert "map" in cli("audit", "o")[2]
    code, _, err = cli("report", "o", "--agreement")
    assert (code, "at least two methods" in err) == (1, True)
    with pytest.raises(XaibenchError, match=r"no maps of gradient .*explain --method gradient`"):
        xaibench.load_maps("o", "gradient")
    assert cli("explain", *words, "--out", "o")[0] == 0
    assert line not in cli("doctor", "o")[1]
    assert len(xaibench.load_maps("o", "gradient")[0]) == 2
