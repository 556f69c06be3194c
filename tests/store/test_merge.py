"""`merge`: directories of one run become what one process would have written, or nothing."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest
from helpers import cli
from merging import merge, parts, small_blocks
from shards import COMMON, DRAWN, contents, run, same, shards

import xaibench
from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.ledger import contents as ids_in

__all__ = ["parts", "small_blocks"]
IDS = load_dataset("samples").ids


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
    more = {"method": "gradient", "keep_curves": True, "metric": "insertion(rows_per_step=112)"}
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


def test_copies_that_went_on_apart(tmp_path: Path) -> None:
    """One with more images, the other with another method, at the same time."""
    part = {"method": "gradient", "metric": "sparseness", "order": "drawn"}
    run(tmp_path / "a", limit=3, **part)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    run(tmp_path / "a", limit=7, **part)
    run(tmp_path / "b", limit=3, **{**part, "method": "fakecam"})
    code, _, err = merge(tmp_path / "b", tmp_path / "a", "--out", tmp_path / "out")
    assert code == 0, err
    run(tmp_path / "whole", limit=7, **part)
    run(tmp_path / "whole", limit=3, **{**part, "method": "fakecam"})
    same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_at_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched, and is no place for what is made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url, more = f"file://{tmp_path}/far", {"method": "fakecam", "metric": "sparseness"}
    run(Path(url), "1/2", **more)
    run(tmp_path / "near", "2/2", **more)
    run(tmp_path / "whole", **more)
    code, _, err = merge(url, tmp_path / "near", "--out", url)
    assert (code, err) == (1, f"xaibench: {url} is there and not empty: choose a new --out.\n")
    code, _, err = merge(url, tmp_path / "near", "--out", tmp_path / "out")
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
        with suppress(XaibenchError):  # of the one that fails
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


def test_no_failure_stays_of_what_another_directory_has(tmp_path: Path) -> None:
    """A metric that fails in one, and maps that fail in it; both are had in the other."""
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from pathlib import Path\n"
        "from xaibench.types import Explanation\n"
        "def now(images):\n    if Path(__file__).with_name('off').exists():\n"
        "        raise ValueError('not now')\n    return images\n"
        "def broken(scoring):\n    return now(scoring.maps)[:, 3, 3].double()\n"
        "def blank(ctx, batch, state):\n    shape = -1, batch.targets.shape[1], -1, -1\n"
        "    return Explanation(now(batch.images).mean(1)[:, None].expand(shape))\n"
    )
    more = {"method": f"gradient,file:{mine}:blank", "metric": f"file:{mine}:broken", "limit": 3}
    xaibench.run({**COMMON, **more, "out": tmp_path / "b"})
    (tmp_path / "off").touch()
    with suppress(XaibenchError):
        xaibench.run({**COMMON, **more, "out": tmp_path / "a", "limit": 5})
    (tmp_path / "off").unlink()
    units = layout.failures(tmp_path / "a") / "units"
    assert len(list(units.rglob("*.json"))) == 2
    assert merge(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "few")[0] == 0
    left = (layout.failures(tmp_path / "few") / "units").rglob("*.json")
    assert len(list(left)) == 2, "of images that no directory has"
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    for name, image in (("a", "one.jpg"), ("c", "other.jpg")):
        for path in (layout.failures(tmp_path / name) / "units").rglob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"reasons": {image: "why"}}))
    assert merge(tmp_path / "a", tmp_path / "c", "--out", tmp_path / "both")[0] == 0
    for path in (layout.failures(tmp_path / "both") / "units").rglob("*.json"):
        assert json.loads(path.read_text())["reasons"] == {"one.jpg": "why", "other.jpg": "why"}
    xaibench.run({**COMMON, **more, "out": tmp_path / "b", "limit": 5})
    assert merge(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "all")[0] == 0
    assert not list((layout.failures(tmp_path / "all") / "units").rglob("*.json"))
    same(tmp_path / "all", tmp_path / "b")
