"""A unit in hand: what is finished stays, memory that runs out halves the batch, failures stand.

A kill is an exception that nothing catches and nothing can prepare for.
"""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from networks import tiny
from PIL import Image
from torch import Tensor, nn

import xaibench
from xaibench.errors import XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.stages import chunks
from xaibench.stages.chunks import slices
from xaibench.store import compact as compaction
from xaibench.store import layout
from xaibench.store.ledger import contents
from xaibench.store.state import load as load_state
from xaibench.types import Explanation

COUNT = 50
"""Images: three batches of 16 and one of two."""
KEYS = ["method", "metric", "image"]


class Killed(BaseException):
    """The process is gone: no handler knows of it."""


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> Iterator[None]:
    """Collecting garbage, as is done where memory runs out, passes over what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures of noise."""
    folder = tmp_path_factory.mktemp("pictures")
    drawn = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), np.uint8)
    for place, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / f"{place:02d}.png")
    return folder


@pytest.fixture(scope="module")
def base(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("base") / "run"
    run(data, out)
    return out


def run(
    data: Path, out: Path, network: TorchClassifier | None = None, **more: Any
) -> tuple[dict[str, int], list[str]]:
    """What a run computed, and the lines that it said."""
    lines: list[str] = []
    config = {
        "data": str(data),
        "target": "predicted",
        "method": "gradient,fakecam",
        "metric": "sparseness,average_drop,insertion(rows_per_step=32)",
        "workers": 0,
        "out": out,
        **more,
    }
    found = xaibench.run(config, network=network or tiny(classes=1000), say=lines.append)
    return found.computed, [line for line in lines if "classes" not in line]


def files(out: Path, kind: str, method: str = "gradient") -> list[Path]:
    """Files of maps or scores of a method, and of predictions."""
    paths = sorted(p for p in (out / kind).rglob("[0-9]*") if p.is_file())
    return [p for p in paths if method in str(p.relative_to(out)) or kind == "predictions"]


def held(out: Path, kind: str, method: str = "gradient") -> int:
    """How many images are in these files."""
    return sum(len(contents(path)[0]) for path in files(out, kind, method))


def same(out: Path, base: Path) -> None:
    """Scores and maps are equal to the bit, one row each, in one file a block."""
    ours, theirs = xaibench.load_scores(out), xaibench.load_scores(base)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert not pd.read_parquet(out / "scores").duplicated(KEYS).any()
    for method in ("gradient", "fakecam"):
        (ids, maps), (their_ids, their_maps) = (
            xaibench.load_maps(one, method, "predicted") for one in (out, base)
        )
        assert ids == their_ids
        assert np.array_equal(maps, their_maps)
    for kind in ("maps", "scores", "predictions"):
        names = [[path.relative_to(of) for path in files(of, kind)] for of in (out, base)]
        assert names[0] == names[1]


@contextmanager
def broken_in_call(where: str, call: int, error: BaseException) -> Iterator[mock.Mock]:
    """A function raises at its n-th call; the mock counts them."""
    module, _, name = where.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)
    calls = iter(range(1, 10_000))

    def function(*given: Any, **more: Any) -> Any:
        if next(calls) == call:
            raise error
        return real(*given, **more)

    with mock.patch(where, side_effect=function) as made:
        yield made


METHOD = "xaibench.methods.gradient.gradient_maps"
METRIC = "xaibench.metrics.sparsity.gini"  # sparseness alone calls it, once a slice


@pytest.mark.parametrize(
    ("stop", "every", "kept"),
    [
        (Killed(), 0.0, 32),
        (Killed(), 30.0, 0),
        (KeyboardInterrupt(), 30.0, 32),
        (SystemExit(0), 30.0, 32),
        (KeyboardInterrupt(), 0.0, 32),
    ],
)
@pytest.mark.parametrize(("where", "kind"), [(METHOD, "maps"), (METRIC, "scores")])
def test_what_was_finished_is_there_and_only_the_rest_is_done(
    data: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: BaseException,
    every: float,
    kept: int,
    where: str,
    kind: str,
) -> None:
    """In the third batch, or the third slice of a batch each."""
    monkeypatch.setattr(chunks, "EVERY", every)
    call, per = 3, 3 if kind == "scores" else 1
    if kind == "scores" and every:  # slices of 16 and 32, and 2 are left
        kept = kept and 48
    with broken_in_call(where, call, stop), pytest.raises(type(stop)):
        run(data, tmp_path)
    assert held(tmp_path, kind) == kept * per
    with broken_in_call(where, 0, stop) as calls:
        computed, _ = run(data, tmp_path)
    assert computed[kind] == 2 * COUNT * per - kept * per
    batches = -(-(COUNT - kept) // 16)
    if kind == "maps":
        assert calls.call_count == batches
    same(tmp_path, base)


def test_a_kill_while_predicting(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions of 80 images are one piece; a smaller one here."""
    monkeypatch.setattr(chunks, "EVERY", 0.0)
    monkeypatch.setattr("xaibench.stages.predict.BLOCK", 16)
    with broken_in_call("xaibench.stages.predict._columns", 3, Killed()), pytest.raises(Killed):
        run(data, tmp_path)
    assert held(tmp_path, "predictions") == 32
    assert run(data, tmp_path)[0]["predictions"] == COUNT - 32
    same(tmp_path, base)


@pytest.mark.parametrize("kind", ["maps", "scores", "predictions"])
def test_a_kill_between_the_whole_and_its_parts(
    data: Path, base: Path, tmp_path: Path, kind: str
) -> None:
    """Images lie in two files: each is read once, and the next work on the block tidies up."""
    run(data, tmp_path, limit=20)
    real = compaction.compact

    def killed(folder: Path, suffix: str, block: int, order: list[str]) -> None:
        with mock.patch.object(Path, "unlink", side_effect=Killed):
            real(folder, suffix, block, order)

    inside = {"maps": "maps", "scores": "sparseness", "predictions": "predictions"}[kind]

    def sometimes(folder: Path, *more: Any) -> None:
        (killed if inside in str(folder.relative_to(tmp_path)) else real)(folder, *more)

    with mock.patch("xaibench.stages.block.compact", sometimes), pytest.raises(Killed):
        run(data, tmp_path)
    assert max(len(contents(path)[0]) for path in files(tmp_path, kind)) == COUNT
    assert len({path.parent for path in files(tmp_path, kind)}) < len(files(tmp_path, kind))
    if kind == "maps":
        ids, maps = xaibench.load_maps(tmp_path, "gradient", "predicted")
        assert len(ids) == len(set(ids)) == len(maps) == COUNT
    scores = xaibench.load_scores(tmp_path)
    assert not scores.duplicated(KEYS).any()
    if kind == "predictions":
        assert not xaibench.load_predictions(tmp_path).image.duplicated().any()
    for path in files(tmp_path, "scores", "average_drop"):
        path.unlink()  # so that there is something to do
    run(data, tmp_path)
    same(tmp_path, base)


@pytest.mark.parametrize(
    ("batch", "seconds", "expected"),
    [
        (16, 0.01, [16, 32, 64, 80, 80, 48]),  # the fifth is cut at the end of 320
        (16, 1.5, [16] * 20),
        (16, 0.5, [16, 32, 32, 32, 32, 32, 32, 32, 32, 32, 16]),
        (48, 0.01, [48, 80, 80, 80, 32]),
        (128, 0.01, [80, 80, 80, 80]),
        (128, 100.0, [80, 80, 80, 80]),
    ],
)
def test_slices_grow_until_they_take_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, batch: int, seconds: float, expected: list[int]
) -> None:
    """seconds: of an image."""
    now = [0.0]
    monkeypatch.setattr(chunks, "clock", lambda: now[0])
    sizes = []
    for rows in slices(320, batch):
        sizes.append(len(rows))
        now[0] += seconds * len(rows)
    assert sizes == expected


def test_slices_shrink_where_they_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(chunks, "clock", lambda: now[0])
    sizes = []
    for rows in slices(320, 16):
        sizes.append(len(rows))
        now[0] += 1.0 if len(sizes) < 5 else 40.0
    assert sizes == [16, 32, 64, 80, 80, 32, 16]


def cuda() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


def cpu() -> Exception:
    return RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 2 bytes")


class Tight(nn.Module):
    """A network that has no memory for more than so many rows."""

    def __init__(self, inner: nn.Module, most: int, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.inner, self.most, self.error = inner, most, error

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error()
        return self.inner(images)


def tight(most: int, error: Callable[[], Exception] = cuda) -> TorchClassifier:
    import dataclasses

    found = tiny(classes=1000)
    layers = {role: f"inner.{name}" for role, name in found.layers.items()}
    return dataclasses.replace(found, module=Tight(found.module, most, error), layers=layers)


def line(*sizes: int) -> list[str]:
    """What is said while batches become smaller."""
    pairs = itertools.pairwise(sizes)
    return [f"out of memory at batch size {old}: going on with {new}" for old, new in pairs]


def batches(out: Path, kind: str, method: str = "gradient") -> set[int]:
    """The batch sizes that files say."""
    return {contents(path)[1].batch for path in files(out, kind, method)}


@pytest.mark.parametrize(
    ("most", "asked", "error", "expected"),
    [
        (8, "auto", cuda, line(16, 8)),
        (8, "auto", cpu, line(16, 8)),
        (8, "auto", MemoryError, line(16, 8)),
        (1, "auto", cuda, line(16, 8, 4, 2, 1)),
        (32, 64, cuda, line(64, 32)),
        (16, 100, cuda, line(100, 50, 25, 12)),
    ],
)
def test_a_network_that_is_too_large_goes_on_in_smaller_batches(
    data: Path,
    base: Path,
    tmp_path: Path,
    most: int,
    asked: str | int,
    error: Callable[[], Exception],
    expected: list[str],
) -> None:
    methods = "gradient,fakecam,gradcam"
    _, said = run(data, tmp_path, tight(most, error), batch_size=asked, method=methods, limit=18)
    assert [one for one in said if "memory" in one] == expected
    fitted = int(expected[-1].split()[-1])
    assert batches(tmp_path, "predictions") == batches(tmp_path, "maps") == {fitted}
    assert batches(tmp_path, "maps", "gradcam") == {fitted}
    assert batches(tmp_path, "maps", "fakecam") == {0}  # needs no network
    assert batches(tmp_path, "scores") == {0, fitted}  # sparseness needs none
    ours, theirs = xaibench.load_scores(tmp_path), xaibench.load_scores(base)
    ours = ours[ours.method != "gradcam"].reset_index(drop=True)
    theirs = theirs[theirs.image.isin(ours.image)].reset_index(drop=True)
    assert set(ours.status) == {"ok"}
    assert ours[KEYS].equals(theirs[KEYS])
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)


def test_whole_groups_stay_together(data: Path, tmp_path: Path) -> None:
    """BatchNorm over five images: fewer are no batch of theirs."""
    more = {"transform": "mixup", "method": "gradient", "metric": "average_drop", "limit": 7}
    _, said = run(data, tmp_path / "small", tight(8), **more)
    run(data, tmp_path / "large", **more)
    assert said == [*line(16, 8), *line(8, 5)]
    assert batches(tmp_path / "small", "maps") == {5}
    ours, theirs = (xaibench.load_scores(tmp_path / name) for name in ("small", "large"))
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)
    with pytest.raises(XaibenchError, match=r"gradient failed: out of memory at batch size 5, the"):
        run(data, tmp_path / "none", tight(4), **more)


def test_what_a_method_prepares(data: Path, tmp_path: Path) -> None:
    more = {"method": "iba(steps=2,samples=2)", "metric": "sparseness", "limit": 3}
    _, said = run(data, tmp_path, tight(8), **more)
    assert said == line(16, 8)
    (path,) = (tmp_path / "state").glob("*.safetensors")
    assert load_state(path).origin.batch == 8


def test_a_network_that_does_not_fit_at_all_is_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(XaibenchError) as error:
        run(data, tmp_path, tight(0))
    text = str(error.value)
    assert "tiny: out of memory at batch size 1, the smallest: OutOfMemoryError: CUDA" in text
    assert "\n" not in text


def short_of_memory(where: str, most: int, error: Callable[[], Exception], of: Callable[..., int]):
    """A function that has no memory for more than so many images."""
    module, _, name = where.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)

    def function(*given: Any, **more: Any) -> Any:
        if of(*given) > most:
            raise error()
        return real(*given, **more)

    return mock.patch(where, side_effect=function)


def images_of_method(_ctx: Any, batch: Any, *_: Any) -> int:
    return len(batch)


def images_of_metric(maps: Tensor, *_: Any) -> int:
    return len(maps)


PLACES = {"maps": (METHOD, images_of_method), "scores": (METRIC, images_of_metric)}


@pytest.mark.parametrize("error", [cuda, cpu, MemoryError])
@pytest.mark.parametrize("kind", list(PLACES))
def test_a_methods_or_metrics_own_tensors(
    data: Path, base: Path, tmp_path: Path, kind: str, error: Callable[[], Exception]
) -> None:
    """Fewer images at a time; nothing else goes in smaller batches, and the values stay."""
    where, of = PLACES[kind]
    with short_of_memory(where, 5, error, of):
        computed, said = run(data, tmp_path)
    assert said == line(16, 8, 4)
    assert "failed" not in computed
    assert batches(tmp_path, kind) == ({4} if kind == "maps" else {0, 4})
    assert batches(tmp_path, kind, "average_drop") <= {0}
    assert batches(tmp_path, "predictions") == {0}
    ours, theirs = xaibench.load_scores(tmp_path), xaibench.load_scores(base)
    assert ours[KEYS].equals(theirs[KEYS])
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("maps", "54 failed: gradient failed: out of memory at batch size 1, the smallest: Out"),
        ("scores", "sparseness of gradient failed: out of memory at batch size 1, the smallest"),
    ],
)
def test_a_batch_of_one_that_fails_is_a_failed_unit(
    data: Path, tmp_path: Path, kind: str, expected: str
) -> None:
    where, of = PLACES[kind]
    with short_of_memory(where, 0, cuda, of), pytest.raises(XaibenchError, match=expected) as error:
        run(data, tmp_path, limit=18)
    assert "\n" not in str(error.value)
    scores = xaibench.load_scores(tmp_path)
    good = scores[(scores.method == "fakecam") & (scores.metric != "sparseness")]
    assert set(good.status) == {"ok"}
    assert held(tmp_path, "maps") == (0 if kind == "maps" else 18)
    assert held(tmp_path, "scores", "sparseness") == (18 if kind == "maps" else 0)


@pytest.mark.parametrize("kind", list(PLACES))
def test_no_other_error_is_tried_again(data: Path, tmp_path: Path, kind: str) -> None:
    where, _ = PLACES[kind]
    with mock.patch(where, side_effect=RuntimeError("out of luck")) as calls:
        with pytest.raises(XaibenchError, match="out of luck"):
            run(data, tmp_path, limit=5, method="gradient")
    assert calls.call_count == (1 if kind == "maps" else 2)  # a metric once more, by itself


def test_the_smaller_batch_stays(data: Path, tmp_path: Path) -> None:
    """Of four batches the first alone runs out of memory."""
    with short_of_memory(METHOD, 8, cuda, images_of_method) as calls:
        run(data, tmp_path, method="gradient")
    assert calls.call_count == 1 + -(-COUNT // 8)


NONSENSE = {
    "no explanation": torch.zeros(16, 1, 4, 4),
    "another shape": Explanation(torch.zeros(3, 1, 4, 4)),
    "an error": RuntimeError("out of luck"),
}


@pytest.mark.parametrize("what", list(NONSENSE))
def test_nothing_of_a_failed_unit_stays(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """In the third batch, after two were written; the others go on, and the next run makes it."""
    monkeypatch.setattr(chunks, "EVERY", 0.0)
    from xaibench.methods import gradient

    answers = iter([gradient.gradient_maps] * 2)

    def function(*given: Any) -> Any:
        real = next(answers, None)
        if real:
            return real(*given)
        if isinstance(NONSENSE[what], Exception):
            raise NONSENSE[what]
        return NONSENSE[what]

    with mock.patch(METHOD, function), pytest.raises(XaibenchError, match="gradient failed"):
        run(data, tmp_path)
    assert files(tmp_path, "maps") == files(tmp_path, "scores") == []
    assert held(tmp_path, "maps", "fakecam") == COUNT
    run(data, tmp_path)
    same(tmp_path, base)


def luckless(where: str = METHOD) -> Any:
    return mock.patch(where, side_effect=RuntimeError("out of luck"))


LEFT = "that failed before left alone (--no-retry-failed)"


@pytest.mark.parametrize(("where", "left"), [(METHOD, 30), (METRIC, 20)])
def test_what_failed_is_left_alone_if_asked(
    data: Path, tmp_path: Path, where: str, left: int
) -> None:
    """Of ten images and three metrics; the count is of scores."""
    with luckless(where), pytest.raises(XaibenchError):
        run(data, tmp_path, limit=10)
    with luckless(where) as calls:
        computed, _ = run(data, tmp_path, limit=10, retry_failed=False)
    assert calls.call_count == 0
    assert computed == {"predictions": 0, "maps": 0, "scores": 0, "left": left}
    scores = xaibench.load_scores(tmp_path)
    assert (scores.status == "failed").sum() == left
    result = xaibench.api.RunResult(tmp_path, 10, computed, 0, 1.0)
    assert result.line.endswith(f"nothing left to compute in 1.0 s; {left} {LEFT}")
    with pytest.raises(XaibenchError, match=r"left alone.*leave out --strict"):
        run(data, tmp_path, limit=10, retry_failed=False, strict=True)
    computed, _ = run(data, tmp_path, limit=10)
    assert computed["scores"] == left
    assert not list((tmp_path / "failures").rglob("*.json"))


def test_maps_alone_are_left_too(data: Path, tmp_path: Path) -> None:
    explain = frozenset({"explain"})
    config = {"data": str(data), "target": "predicted", "method": "gradient", "out": tmp_path}
    network = tiny(classes=1000)
    with luckless(), pytest.raises(XaibenchError):
        xaibench.run({**config, "limit": 4}, network=network, stages=explain)
    found = xaibench.run(
        {**config, "limit": 9, "retry_failed": False}, network=network, stages=explain
    )
    assert found.computed == {"predictions": 5, "maps": 5, "scores": 0, "left": 4}
    found = xaibench.run(
        {**config, "limit": 9, "retry_failed": False}, network=network, stages=explain
    )
    assert found.computed == {"predictions": 0, "maps": 0, "scores": 0, "left": 4}


def edit(record: dict[str, Any], **more: Any) -> str:
    return json.dumps(record | more)


@pytest.mark.parametrize(
    "changed",
    [
        lambda record: edit(record, code="of another time"),
        lambda record: edit(record, code=""),
        lambda record: edit(record, images="all"),
        lambda record: edit(record, images=["none/of/these.png", 7]),
        lambda _: "[]",
        lambda _: "{",
        lambda _: "",
        None,
    ],
)
def test_a_record_of_other_code_or_none_is_no_reason_to_leave_it(
    data: Path, tmp_path: Path, changed: Callable[[dict[str, Any]], str] | None
) -> None:
    with luckless(), pytest.raises(XaibenchError):
        run(data, tmp_path, limit=4)
    (path,) = (tmp_path / "failures" / "units").rglob("*.json")
    path.write_text(changed(json.loads(path.read_text()))) if changed else path.unlink()
    computed, _ = run(data, tmp_path, limit=4, retry_failed=False)
    assert computed == {"predictions": 0, "maps": 4, "scores": 12}
    assert not path.exists()


def test_images_that_were_not_tried_are(data: Path, tmp_path: Path) -> None:
    with luckless(), pytest.raises(XaibenchError):
        run(data, tmp_path, limit=4)
    computed, _ = run(data, tmp_path, limit=6, retry_failed=False)
    assert computed == {"predictions": 2, "maps": 2 + 2, "scores": 6 + 6, "left": 12}
    assert run(data, tmp_path, limit=6, retry_failed=False)[0]["left"] == 12
    assert list((tmp_path / "failures" / "units").rglob("*.json"))
    assert layout.is_run(tmp_path)
