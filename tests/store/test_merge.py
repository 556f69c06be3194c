"""`merge`: directories of one run become what one process would have written, or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest
from helpers import cli
from shards import COMMON, DRAWN, contents, run, same, shards

import xaibench
from xaibench.datasets.load import load_dataset
from xaibench.store import layout, lock, tables
from xaibench.store.ledger import contents as ids_in

IDS = load_dataset("samples").ids


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards in directories of their own."""
    out = tmp_path_factory.mktemp("parts")
    shards(out, (3, 1, 2), apart=True)
    return out


@pytest.fixture
def pair(parts: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of two of them, to be changed."""
    return tuple(shutil.copytree(parts / n, tmp_path / n) for n in ("1", "2"))  # type: ignore[return-value]


def merge(*words: object) -> tuple[int, str, str]:
    return cli("merge", *words)


def refused(tmp_path: Path, *words: object, code: int = 1) -> str:
    """The one line of a merge that makes nothing."""
    out = tmp_path / "merged" / "run"
    ended, _, err = merge(*words, "--out", out)
    assert (ended, err.count("\n")) == (code, 1), err
    assert not out.exists()
    assert not list(out.parent.glob(".*")) if out.parent.exists() else True
    return err


def test_shards_of_directories_of_their_own(parts: Path, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    left = layout.score_files(parts / "1")[0].with_name(f"{layout.TEMPORARY}kill.parquet")
    left.touch()
    before = contents(parts)
    code, said, err = merge(parts / "2", parts / "1", parts / "3", "--out", tmp_path / "out")
    assert code == 0, err
    assert f"{tmp_path / 'out'}: 3 runs, 20 images, " in said
    assert said.endswith(f"; next: xaibench report {tmp_path / 'out'}\n")
    same(tmp_path / "out", tmp_path / "whole")
    assert contents(parts) == before
    assert len(layout.manifests(tmp_path / "out")) == 3
    assert (tmp_path / "out" / "manifests" / "catalog.json").read_text() == (
        tmp_path / "whole" / "manifests" / "catalog.json"
    ).read_text()
    assert "nothing left to compute" in run(tmp_path / "out")[0].line
    assert cli("doctor", tmp_path / "out")[0] == 0


def test_groups_whose_classes_every_shard_predicted(tmp_path: Path) -> None:
    """Each directory holds predictions of images of the others; the overlap is equal."""
    more = {**DRAWN, "method": "fakecam"}
    run(tmp_path / "whole", **more)
    shards(tmp_path / "parts", apart=True, **more)
    code, said, err = merge(*sorted((tmp_path / "parts").iterdir()), "--out", tmp_path / "out")
    assert code == 0, err
    assert "put together from parts" in said
    same(tmp_path / "out", tmp_path / "whole")
    assert "nothing left to compute" in run(tmp_path / "out", **more)[0].line


def test_blocks_in_parts_are_put_together(tmp_path: Path) -> None:
    """Of images chosen by name, in blocks that the other directory has a part of too."""
    more = {"method": "gradient", "keep_curves": True, "metric": "insertion(rows_per_step=56)"}
    for name, places in (("a", (7, 0, 3, 12)), ("b", (1, 3, 8, 19))):
        listed = tmp_path / f"{name}.txt"
        listed.write_text("\n".join(IDS[p] for p in places))
        run(tmp_path / name, subset=listed, **more)
    both = tmp_path / "both.txt"
    both.write_text("\n".join(IDS[p] for p in (0, 1, 3, 7, 8, 12, 19)))
    run(tmp_path / "whole", subset=both, **more)
    code, _, err = merge(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert code == 0, err
    same(tmp_path / "out", tmp_path / "whole")


def test_blocks_in_parts_of_a_drawn_order(tmp_path: Path) -> None:
    """The overlap is taken once, and the order of the seed is that of the rows."""
    first = {"order": "drawn", "limit": 3, "method": "gradient,fakecam"}
    then = {"order": "drawn", "limit": 8, "method": "gradient"}
    run(tmp_path / "a", **first)
    run(tmp_path / "b", **then)
    run(tmp_path / "whole", **first)
    run(tmp_path / "whole", **then)
    code, _, err = merge(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert code == 0, err
    same(tmp_path / "out", tmp_path / "whole")


def test_as_json(parts: Path, tmp_path: Path) -> None:
    code, out, err = merge(parts / "1", parts / "2", "--out", tmp_path / "out", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["run"] == str(tmp_path / "out")
    assert found["from"] == [str(parts / "1"), str(parts / "2")]
    assert found["images"] == 15
    assert "next: xaibench report" in err


def test_files_are_shared_on_one_disk_and_copied_elsewhere(parts: Path, tmp_path: Path) -> None:
    words = (parts / "1", parts / "2", "--out")
    assert merge(*words, tmp_path / "linked")[0] == 0
    with mock.patch("os.link", side_effect=OSError(18, "Invalid cross-device link")):
        assert merge(*words, tmp_path / "copied")[0] == 0
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")
    for name, shared in (("linked", True), ("copied", False)):
        links = {path.stat().st_nlink > 1 for path in layout.score_files(tmp_path / name)}
        assert links == {shared}


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
    "network": ({"model": "file:{here}:ten", "target": "predicted"}, "weights_sha256: "),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_run_is_refused(case: str, parts: Path, tmp_path: Path) -> None:
    more, expected = OTHERS[case]
    here = Path(__file__).parents[1] / "networks.py"
    more = {k: v.format(here=here) if isinstance(v, str) else v for k, v in more.items()}
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


def test_a_failure_in_the_middle_leaves_nothing(parts: Path, tmp_path: Path) -> None:
    with mock.patch("os.link", side_effect=KeyboardInterrupt):
        assert merge(parts / "1", parts / "2", "--out", tmp_path / "run")[0] == 130
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_merge_left_is_no_hindrance(parts: Path, tmp_path: Path) -> None:
    left = tmp_path / ".run.merging" / "scores"
    left.mkdir(parents=True)
    (left / "left.txt").touch()
    assert merge(parts / "1", parts / "2", "--out", tmp_path / "run")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not (tmp_path / "run" / "scores" / "left.txt").exists()


def test_unreadable_images_and_failed_units(tmp_path: Path) -> None:
    """One list a block; a row that one directory has is not beside one that failed in another."""
    data = tmp_path / "data"
    data.mkdir()
    for place in range(4):
        source = load_dataset("samples").blob(place).open()
        (data / f"{place}.jpg").write_bytes(b"\0" if place % 2 else source.read())
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def broken(scoring):\n    if '0.jpg' in scoring.batch.ids:\n"
        "        raise ValueError('not now')\n    return scoring.maps[:, 3, 3].double()\n"
    )
    more = {"data": str(data), "target": "predicted", "method": "gradient"}
    more["metric"] = f"sparseness,file:{mine}:broken"
    for name, places in (("a", (0, 1)), ("b", (2, 3))):
        listed = tmp_path / f"{name}.txt"
        listed.write_text("\n".join(f"{place}.jpg" for place in places))
        with mock.patch("xaibench.api._finish"):
            xaibench.run({**COMMON, **more, "subset": listed, "out": tmp_path / name})
    code, _, err = merge(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert code == 0, err
    (path,) = layout.failures(tmp_path / "out").glob("*.json")
    assert [row["image"] for row in json.loads(path.read_text())["unreadable"]] == [
        "1.jpg",
        "3.jpg",
    ]
    failed = [p for p in layout.score_files(tmp_path / "out") if p.name.startswith(layout.FAILED)]
    assert [ids_in(path)[0] for path in failed] == [("0.jpg",)]
    assert list((layout.failures(tmp_path / "out") / "units").rglob("*.json"))
    for path in layout.score_files(tmp_path / "out", failed=False):
        if "sparseness" in str(path):
            assert pq.read_table(path, partitioning=None)["image"].to_pylist() == ["0.jpg", "2.jpg"]
