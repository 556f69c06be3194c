"""What `merge` refuses, in one line, and then makes nothing of."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from merging import merge, pair, parts, refused, small_blocks
from shards import run

from xaibench.datasets.load import load_dataset
from xaibench.store import layout, lock, tables

__all__ = ["pair", "parts", "small_blocks"]
IDS = load_dataset("samples").ids


def changed_value(root: Path) -> str:
    """Another value of an image, as a processor of another kind may give it."""
    path = next(p for p in layout.score_files(root) if "sparseness" in str(p))
    table, made = tables.load(path)
    values = table["value"].to_pylist()
    columns = {name: table[name] for name in table.column_names}
    tables.save(path, columns | {"value": [values[0] + 1e-12, *values[1:]]}, tables.SCORES, made)
    return str(table["image"][0])


def test_another_value_of_the_same_image_is_refused(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.rmtree(pair[1])
    shutil.copytree(pair[0], pair[1])
    image = changed_value(pair[1])
    line = refused(tmp_path, *pair)
    assert f" differ in {image}: nothing was written" in line
    assert "method=gradient" in line


def test_other_maps_of_the_same_image_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    from xaibench.store import maps

    shutil.rmtree(pair[1])
    shutil.copytree(pair[0], pair[1])
    path = next(p for p in layout.stored(pair[1]) if p.suffix == layout.MAPS and "maps" in str(p))
    shard = maps.load(path)
    shard.maps[1] += 1
    maps.save(path, shard, shard.state_sha256)
    assert f" differ in {shard.ids[1]}: nothing was written" in refused(tmp_path, *pair)


def test_another_state_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    from xaibench.store import state

    path = next((pair[1] / "state").glob("*.safetensors"))
    held = state.load(path)
    state.save(path, {k: v.logical_not() for k, v in held.tensors.items()}, held.origin)
    assert "/state/rise" in refused(tmp_path, *pair)


OTHERS = {
    "seed": ({"seed": 1}, "seed: 0 in "),
    "batch size": ({"batch_size": 32}, "batch_size: "),
    "protocol": ({"protocol": "reference"}, "protocol: published in "),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_run_is_refused(case: str, parts: Path, tmp_path: Path) -> None:
    more, expected = OTHERS[case]
    run(tmp_path / "other", method="gradient", metric="sparseness", limit=2, **more)
    line = refused(tmp_path, parts / "1", tmp_path / "other")
    assert f"{tmp_path / 'other'} is not of the run of {parts / '1'}: " in line
    assert expected in line


def test_groups_of_another_subset_are_refused(tmp_path: Path) -> None:
    for name, places in (("a", (4, 2, 9)), ("b", (2, 4, 9))):
        listed = tmp_path / f"{name}.txt"
        listed.write_text("\n".join(IDS[p] for p in places))
        more = {"subset": listed, "transform": "mixup", "method": "fakecam"}
        run(tmp_path / name, metric="sparseness", **more)
    assert "differ in subset" in refused(tmp_path, tmp_path / "a", tmp_path / "b")


RECORDS = {
    "classes": ([["cat"]], [["dog"]], "differ in classes."),
    "files": (
        {"my.py": {"path": "/a/my.py", "sha256": "0"}},
        {"my.py": {"path": "/b/my.py", "sha256": "1"}},
        "differ in files, my.py.",
    ),
    "maps": (
        {"mine": {"path": "/a.npz", "sha256": "0"}},
        {"mine": {"path": "/a.npz", "sha256": "1"}},
        "differ in maps, mine.",
    ),
    "run-20260101T000000000000-1": ({"config": 1}, {"config": 2}, "is another record"),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_other_records_are_refused_and_equal_ones_joined(
    kind: str, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    mine, other, expected = RECORDS[kind]
    for root, held in zip(pair, (mine, other), strict=True):
        layout.manifest(root, kind).write_text(json.dumps(held))
    assert expected in refused(tmp_path, *pair)
    layout.manifest(pair[1], kind).write_text(json.dumps(mine))
    assert merge(*pair, "--out", tmp_path / "out")[0] == 0
    assert json.loads(layout.manifest(tmp_path / "out", kind).read_text()) == mine


def test_other_versions_are_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (path,) = layout.manifests(pair[1])
    record = json.loads(path.read_text())
    record["versions"]["torch"] = "0.1"
    path.write_text(json.dumps(record))
    code, said, _ = merge(*pair, "--out", tmp_path / "out")
    assert code == 0
    assert re.search(r"^warning: made with several versions: torch \S+, 0\.1$", said, re.M)


def damaged(pair: tuple[Path, Path]) -> str:
    path = layout.score_files(pair[1])[0]
    path.write_bytes(path.read_bytes()[:-9])
    return f"{path} is damaged"


def foreign(pair: tuple[Path, Path]) -> str:
    first, second = layout.score_files(pair[1])[:2]
    shutil.copyfile(first, second)
    return f"{second} is foreign"


def nowhere(pair: tuple[Path, Path]) -> str:
    shutil.rmtree(pair[1])
    return f"{pair[1]} is not a run directory"


def twice(pair: tuple[Path, Path]) -> str:
    shutil.rmtree(pair[1])
    pair[1].symlink_to(pair[0])
    return "given twice"


@pytest.mark.parametrize("harm", [damaged, foreign, nowhere, twice])
def test_what_cannot_be_merged(
    harm: Callable[[tuple[Path, Path]], str], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    expected = harm(pair)
    assert expected in refused(tmp_path, *pair)


def test_one_directory_is_wrong_usage(parts: Path, tmp_path: Path) -> None:
    assert "at least two" in refused(tmp_path, parts / "1", code=2)


def test_a_directory_with_files_is_left_alone(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "mine.txt"
    mine.write_text("mine")
    code, _, err = merge(parts / "1", parts / "2", "--out", tmp_path / "out")
    assert (code, mine.read_text()) == (1, "mine")
    assert "is there and not empty: choose a new --out." in err
    mine.unlink()
    assert merge(parts / "1", parts / "2", "--out", tmp_path / "out")[0] == 0


def test_a_source_in_use_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with lock.writing(pair[1]):
        assert f"{pair[1]} is in use by process {os.getpid()} on " in refused(tmp_path, *pair)
