"""What a folder of results holds and lacks, by image and by the code that made it."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch

from xaibench.store import layout, ledger, maps, tables
from xaibench.store.ledger import Lacking, Ledger, contents, give_way
from xaibench.store.origin import origin

IDS = tuple("abcde")


def put(folder: Path, ids: tuple[str, ...], code: str, block: int = 0) -> Path:
    shard = maps.MapShard(
        ids, torch.rand(len(ids), 2, 2), torch.zeros(len(ids)).long(), (4, 4), {}, origin(code)
    )
    path = folder / f"{layout.block_name(block, ids, code)}{layout.MAPS}"
    maps.save(path, shard)
    return path


def put_scores(folder: Path, ids: tuple[str, ...], code: str) -> Path:
    columns = {name: [0] * len(ids) for name in ("label", "class_index", "explained_index")}
    columns |= {name: ["x"] * len(ids) for name in ("status", "model", "dataset", "protocol")}
    path = folder / f"{layout.block_name(0, ids, code)}{layout.TABLE}"
    values = {"image": list(ids), "value": [0.5] * len(ids), **columns}
    ordered = {name: values[name] for name in tables.SCORES.names}
    tables.save(path, ordered, tables.SCORES, origin(code))
    return path


@pytest.mark.parametrize("write", [put, put_scores])
def test_lacking_and_stale(tmp_path: Path, write) -> None:
    folder = tmp_path / "x"
    assert Ledger(tmp_path).lacking(folder, 0, IDS, "new") == Lacking(IDS)
    write(folder, IDS[:2], "new")
    write(folder, IDS[2:4], "old")
    found = Ledger(tmp_path).lacking(folder, 0, IDS, "new")
    assert found == Lacking(("c", "d", "e"), ("c", "d"))
    assert Ledger(tmp_path, keep_stale=True).lacking(folder, 0, IDS, "new") == Lacking(("e",))


def test_another_block_is_another(tmp_path: Path) -> None:
    put(tmp_path, IDS, "new", block=1)
    assert Ledger(tmp_path).lacking(tmp_path, 0, IDS, "new").ids == IDS


def test_a_file_of_exactly_these_images_is_not_opened(tmp_path: Path) -> None:
    put(tmp_path, IDS, "new")
    with mock.patch.object(ledger, "contents", side_effect=AssertionError("opened")):
        assert Ledger(tmp_path).lacking(tmp_path, 0, IDS, "new") == Lacking()


def test_a_folder_is_listed_once(tmp_path: Path) -> None:
    held = Ledger(tmp_path)
    assert held.lacking(tmp_path, 0, IDS, "new").ids == IDS
    put(tmp_path, IDS, "new")
    assert held.lacking(tmp_path, 0, IDS, "new").ids == IDS
    assert Ledger(tmp_path).lacking(tmp_path, 0, IDS, "new").ids == ()


@pytest.mark.parametrize("write", [put, put_scores])
def test_stale_images_give_way_and_the_others_stay(tmp_path: Path, write) -> None:
    old = write(tmp_path, IDS, "old")
    new = write(tmp_path, ("a",), "new")
    give_way(tmp_path, old.suffix, 0, ("b", "d"), "new")
    assert not old.exists()
    assert new.exists()
    left = [path for path in tmp_path.iterdir() if path != new]
    assert [contents(path)[0] for path in left] == [("a", "c", "e")]
    assert contents(left[0])[1].code == "old"
    assert left[0].stem == layout.block_name(0, ("a", "c", "e"), "old")
    give_way(tmp_path, old.suffix, 0, ("a", "c", "e"), "new")
    assert list(tmp_path.iterdir()) == [new]
