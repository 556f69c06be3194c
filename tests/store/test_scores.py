"""All scores as one frame: with names as categories, in several processes, as one reads by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import xaibench
from xaibench.report import write_report
from xaibench.store import layout, scores, tables
from xaibench.store.columns import Files
from xaibench.store.origin import NOWHERE, Unsound
from xaibench.store.scores import COLUMNS, KEYS, REPORTED, read_scores

MADE = replace(NOWHERE, code="a code", run="a run")
CELLS = [
    (method, target, metric)
    for method in ("rise(n_masks=16)", "gradcam")
    for target in ("predicted", "ground_truth")
    for metric in ("insertion", "average_increase")
]


def rows(images: list[str], status: str, draws: np.random.Generator) -> dict[str, list[object]]:
    """The columns of a file."""
    count = len(images)
    label = draws.integers(0, 9, count).tolist()
    return {
        "image": images,
        "status": draws.choice([status, "constant_map"], count).tolist()
        if status == "ok"
        else [status] * count,
        **{name: [name] * count for name in ("model", "dataset", "protocol")},
        **dict.fromkeys(("label", "class_index", "explained_index"), label),
        "value": draws.integers(0, 2, count).astype(float).tolist()
        if status == "ok"
        else [float("nan")] * count,
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight cells of five blocks out of order: some images twice, some failed, some of both."""
    root = tmp_path_factory.mktemp("scores")
    for place, (method, target, metric) in enumerate(CELLS):
        folder = layout.UnitKey(method).scores(root, target, metric)
        for block in range(5):
            draws = np.random.default_rng([block, place])
            names = [f"{place % 2}/ü {n:03}.jpg" for n in range(100 - block * 20, 124 - block * 20)]
            held = rows(names[::-1] if block == 2 else names, "ok", draws)
            tables.save(folder / f"{block:05}-good.parquet", held, tables.SCORES, MADE)
        lost = rows([*names[:2], "0/never.jpg"], "failed", draws)
        tables.save(folder / "failed-00004-bad.parquet", lost, tables.SCORES, MADE)
    return root


def by_hand(root: Path) -> pd.DataFrame:
    """The slow way: every file a frame, failures last, the first of each image."""
    parts = []
    for path in layout.score_files(root):
        keys = dict(zip(layout.PARTITIONS, layout.score_keys(path), strict=True))
        parts.append(tables.read(path).to_pandas().assign(**keys))
    frame = pd.concat(parts, ignore_index=True)
    last = frame["status"].eq("failed").sort_values(kind="stable").index
    return frame.loc[last].drop_duplicates(KEYS)[COLUMNS].sort_values(KEYS, ignore_index=True)


def test_the_frame_is_that_of_the_slow_way(out: Path) -> None:
    expected = by_hand(out)
    assert len(expected) < sum(len(tables.read(path)) for path in layout.score_files(out))
    pd.testing.assert_frame_equal(xaibench.load_scores(out), expected, check_exact=True)


def test_names_as_categories_are_the_same_names(out: Path) -> None:
    held, plain = read_scores(out, REPORTED).frame, xaibench.load_scores(out)
    assert list(held) == REPORTED
    for name in held.select_dtypes("category"):
        assert list(held[name].cat.categories) == sorted(plain[name].unique())
        held[name] = held[name].astype(str)
    pd.testing.assert_frame_equal(held, plain[REPORTED], check_exact=True)


def test_several_processes_read_the_same(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And refuse the same file."""
    alone = xaibench.load_scores(out)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(scores, "MANY", 0)
    monkeypatch.setattr(scores, "FOLDERS", 3)
    monkeypatch.setattr(scores, "_cell", None)  # nothing is read here
    pd.testing.assert_frame_equal(xaibench.load_scores(out), alone, check_exact=True)
    path = layout.score_files(out)[20]
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(Unsound, match=f"{path.name} is damaged: delete it"):
        xaibench.load_scores(out)
    path.write_bytes(content)


def test_a_report_of_categories_is_that_of_strings(out: Path, tmp_path: Path) -> None:
    frames = {"lean": read_scores(out, REPORTED).frame, "plain": xaibench.load_scores(out)}
    for name, frame in frames.items():
        write_report(frame, tmp_path / name, None, Console(quiet=True))
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "lean" / path.name).read_bytes()


def test_what_files_of_the_same_images_share_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n:03}.jpg" for n in range(24)]
    held = {**rows(names, "ok", np.random.default_rng(0)), "status": ["ok"] * 24}
    others: list[dict[str, object]] = [
        {},
        {"value": np.linspace(0, 1, 24)},
        {"status": ["ok"] * 23 + ["constant_map"]},
        {"class_index": list(range(24))},
    ]
    paths = []
    for place, other in enumerate(others):
        folder = layout.UnitKey("gradcam").scores(tmp_path, "predicted", f"metric{place}")
        paths.append(folder / "00000-good.parquet")
        tables.save(paths[-1], held | other, tables.SCORES, MADE)
    alone = [Files(MADE.run).read(path)[0] for path in paths]
    read, real = [], pq.ParquetFile.read

    def listed(self: pq.ParquetFile, columns: list[str], **options: bool) -> pa.Table:
        read.append(columns)
        return real(self, columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read", listed)
    files = Files(MADE.run)
    for path, expected in zip(paths, alone, strict=True):
        found = files.read(path)[0]
        assert list(found) == tables.SCORES.names
        assert [found[name].dtype for name in found] == [expected[name].dtype for name in found]
        for name in set(found) - {"status"}:  # a number there is that of a name met before
            assert np.array_equal(found[name], expected[name])
    assert read == [tables.SCORES.names, ["value"], ["status", "value"], tables.SCORES.names]
    assert files.numbers["status"] == {"ok": 0, "constant_map": 1}


def test_a_flipped_bit_is_seen_where_most_columns_are_known(out: Path, tmp_path: Path) -> None:
    """As `tables.load` sees it, or nothing that is read has changed."""
    path = layout.score_files(out)[0]
    other = tmp_path / path.relative_to(out)
    other.parent.mkdir(parents=True)
    content, seen = path.read_bytes(), 0
    files = Files(MADE.run)
    sound, made = files.read(path)
    for place in range(0, len(content), 5):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        other.write_bytes(flipped)
        try:
            found, origin = files.read(other)
        except Unsound:
            seen += 1
            continue
        assert origin == made
        assert all(np.array_equal(found[name], sound[name], equal_nan=True) for name in sound)
    assert seen > len(content) / 5 / 4


def test_one_run_at_a_time(out: Path) -> None:
    with pytest.raises(Unsound, match="is foreign"):
        Files("another run").read(layout.score_files(out)[0])
