"""A unit in hand: what is finished stays, whenever a run is stopped.

A kill is an exception that nothing catches and nothing can prepare for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from units import (
    COUNT,
    KEYS,
    Killed,
    broken_in_call,
    files,
    held,
    run,
    same,
)

import xaibench
from xaibench.stages import chunks
from xaibench.stages.chunks import slices
from xaibench.store import compact as compaction
from xaibench.store.ledger import contents

EXPLAIN, SCORE = "xaibench.stages.explain.explain", "xaibench.stages.score.score"


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
@pytest.mark.parametrize(("where", "kind"), [(EXPLAIN, "maps"), (SCORE, "scores")])
def test_what_was_finished_is_there_and_only_the_rest_is_done(
    noise: Path,
    undisturbed: Path,
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
        run(noise, tmp_path)
    assert held(tmp_path, kind) == kept * per
    with broken_in_call(where, 0, stop) as calls:
        computed, _ = run(noise, tmp_path)
    assert computed[kind] == 2 * COUNT * per - kept * per
    batches = -(-(COUNT - kept) // 16)
    if kind == "maps":
        assert calls.call_count == batches + -(-COUNT // 16)  # and of the second method
    same(tmp_path, undisturbed)


def test_a_kill_while_predicting(
    noise: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions of 80 images are one piece; a smaller one here."""
    monkeypatch.setattr(chunks, "EVERY", 0.0)
    monkeypatch.setattr("xaibench.stages.predict.BLOCK", 16)
    with broken_in_call("xaibench.stages.predict._columns", 3, Killed()), pytest.raises(Killed):
        run(noise, tmp_path)
    assert held(tmp_path, "predictions") == 32
    assert run(noise, tmp_path)[0]["predictions"] == COUNT - 32
    same(tmp_path, undisturbed)


@pytest.mark.parametrize("kind", ["maps", "scores", "predictions"])
def test_a_kill_between_the_whole_and_its_parts(
    noise: Path, undisturbed: Path, tmp_path: Path, kind: str
) -> None:
    """Images lie in two files: each is read once, and the next work on the block tidies up."""
    run(noise, tmp_path, limit=20)
    real = compaction.compact

    def killed(folder: Path, suffix: str, block: int, order: list[str]) -> None:
        with mock.patch.object(Path, "unlink", side_effect=Killed):
            real(folder, suffix, block, order)

    inside = {"maps": "maps", "scores": "sparseness", "predictions": "predictions"}[kind]

    def sometimes(folder: Path, *more: Any) -> None:
        (killed if inside in str(folder.relative_to(tmp_path)) else real)(folder, *more)

    with mock.patch("xaibench.stages.block.compact", sometimes), pytest.raises(Killed):
        run(noise, tmp_path)
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
    run(noise, tmp_path)
    same(tmp_path, undisturbed)


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
