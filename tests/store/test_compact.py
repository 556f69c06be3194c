"""Files of a block become one; where a kill left an image in two of them, it is read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import xaibench
from xaibench.store import layout, maps, tables
from xaibench.store.compact import compact
from xaibench.store.ledger import contents
from xaibench.store.origin import origin
from xaibench.store.read import MapReader

IDS = tuple("abcde")


def put(folder: Path, ids: str, code: str = "new", batch: int = 0, state: str = "", side: int = 2):
    """Maps whose values are the place of their image."""
    places = torch.tensor([IDS.index(i) for i in ids])
    native = places.float()[:, None, None].expand(-1, side, side)
    scalars = {"sum": places.double()}
    shard = maps.MapShard(tuple(ids), native, places, (4, 4), scalars, origin(code, batch=batch))
    path = folder / f"{layout.block_name(0, ids, code)}{layout.MAPS}"
    maps.save(path, shard, state)
    return path


def put_scores(folder: Path, ids: str, code: str = "new", batch: int = 0) -> Path:
    columns = {name: ["x"] * len(ids) for name in ("status", "model", "dataset", "protocol")}
    columns |= {"image": list(ids), "value": [float(IDS.index(i)) / 3 for i in ids]}
    columns |= dict.fromkeys(("label", "class_index", "explained_index"), [2**40] * len(ids))
    path = folder / f"{layout.block_name(0, ids, code)}{layout.TABLE}"
    ordered = {name: columns[name] for name in tables.SCORES.names}
    tables.save(path, ordered, tables.SCORES, origin(code, batch=batch))
    return path


def held(folder: Path) -> list[str]:
    return sorted("".join(contents(path)[0]) for path in folder.iterdir())


@pytest.mark.parametrize("write", [put, put_scores])
@pytest.mark.parametrize(
    ("parts", "order", "expected"),
    [
        ([("de", "new"), ("ba", "new")], "abcde", ["abde"]),
        ([("de", "new"), ("ba", "new")], "ba", ["bade"]),  # those of no order come last
        ([("ab", "new"), ("c", "old"), ("d", "new")], "abcde", ["abd", "c"]),
        ([("ab", "new"), ("c", "old")], "abcde", ["ab", "c"]),
        ([("abc", "new"), ("ab", "new"), ("c", "new")], "abcde", ["abc"]),  # a kill
        ([("abc", "new"), ("a", "new")], "abcde", ["abc"]),
        ([("ab", "new"), ("bc", "new")], "abcde", ["abc"]),
    ],
)
def test_files_of_one_origin_become_one(
    tmp_path: Path,
    write: Callable[..., Path],
    parts: list[tuple[str, str]],
    order: str,
    expected: list[str],
) -> None:
    suffix = {write(tmp_path, ids, code).suffix for ids, code in parts}.pop()
    for _ in range(2):
        compact(tmp_path, suffix, 0, tuple(order))
        assert held(tmp_path) == expected
    for path in tmp_path.iterdir():
        ids, made = contents(path)
        assert path.stem == layout.block_name(0, ids, made.code)
        places = [IDS.index(image) for image in ids]
        if suffix == layout.MAPS:
            shard = maps.load(path)
            assert shard.maps[:, 0, 0].tolist() == shard.explained.tolist() == places
            assert shard.scalars["sum"].tolist() == places
        else:
            table = tables.read(path)
            assert table["value"].to_pylist() == [place / 3 for place in places]
            assert table.schema.remove_metadata() == tables.SCORES


@pytest.mark.parametrize("other", [{"batch": 8}, {"state": "f" * 64}, {"side": 3}])
def test_what_was_made_otherwise_stays_apart(tmp_path: Path, other: dict[str, object]) -> None:
    put(tmp_path, "ab")
    put(tmp_path, "c", **other)
    put(tmp_path, "d", **other)
    compact(tmp_path, layout.MAPS, 0, IDS)
    assert held(tmp_path) == ["ab", "cd"]
    if "state" in other:
        (path,) = (p for p in tmp_path.iterdir() if contents(p)[0] == ("c", "d"))
        assert maps.load(path).state_sha256 == other["state"]


def test_another_block_is_another(tmp_path: Path) -> None:
    put(tmp_path, "ab")
    other = put(tmp_path, "c")
    other.rename(tmp_path / other.name.replace("00000", "00001"))
    compact(tmp_path, layout.MAPS, 0, IDS)
    assert held(tmp_path) == ["ab", "c"]


def test_an_image_in_two_files_is_read_once(tmp_path: Path) -> None:
    """As a kill between writing the whole and removing its parts leaves it."""
    xaibench.run({"metric": "sparseness", "method": "fakecam", "limit": 3, "out": tmp_path})
    ids, before = xaibench.load_maps(tmp_path, "fakecam")
    (whole,) = (tmp_path / "maps").rglob(f"*{layout.MAPS}")
    for rows in ([2, 0], [1]):
        again = maps.load(whole).select(rows)
        name = layout.block_name(0, again.ids, again.origin.code)
        maps.save(whole.with_name(f"{name}{layout.MAPS}"), again)
    found, after = xaibench.load_maps(tmp_path, "fakecam")
    assert sorted(found) == sorted(ids)
    assert np.array_equal(after[[found.index(image) for image in ids]], before)
    reader = MapReader(tmp_path, "fakecam")
    assert sorted(reader.ids) == sorted(ids)
    assert set(reader.take(ids)) == set(ids)
