"""Damaged files are found, named, and cured by deleting them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import xaibench
from xaibench.errors import XaibenchError
from xaibench.store import maps as store
from xaibench.store import tables

METRIC = "insertion(rows_per_step=112)"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two photographs; tests work on copies."""
    place = tmp_path_factory.mktemp("damage") / "run"
    xaibench.run({"metric": METRIC, "limit": 2, "out": place})
    return place


@pytest.fixture
def out(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "run"))


def the(out: Path, part: str) -> Path:
    (found,) = [p for p in (out / part).rglob("*") if p.is_file()]
    return found


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def assert_named(error: pytest.ExceptionInfo[XaibenchError], path: Path) -> None:
    text = str(error.value)
    assert str(path) in text
    assert "damaged: delete it and run the same command again" in text
    assert "\n" not in text


def test_exchanged_ids_in_a_shards_header(out: Path) -> None:
    shard = the(out, "maps")
    content = shard.read_bytes()
    for old, new in ((b"imagenet_00_243", b"imagenet_00_559"),):
        assert old in content
        shard.write_bytes(content.replace(old, new))
    with pytest.raises(XaibenchError) as error:
        store.load(shard)
    assert_named(error, shard)


def test_a_foreign_safetensors_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"maps": torch.zeros(2, 7, 7)}, tmp_path / "x.safetensors")
    with pytest.raises(XaibenchError, match=r"x\.safetensors"):
        store.load(tmp_path / "x.safetensors")


def test_no_flipped_bit_changes_a_score_unseen(out: Path) -> None:
    path = the(out, "scores")
    content = path.read_bytes()
    values = tables.read(path)["value"].to_pylist()
    columns = pq.ParquetFile(path).metadata.row_group(0)
    (column,) = (
        columns.column(i)
        for i in range(columns.num_columns)
        if columns.column(i).path_in_schema == "value"
    )
    start = min(p for p in (column.dictionary_page_offset, column.data_page_offset) if p)
    unseen = []
    for place in range(start, start + column.total_compressed_size):
        flip(path, place)
        try:
            if tables.read(path)["value"].to_pylist() != values:
                unseen.append(place)
        except XaibenchError:
            pass
        path.write_bytes(content)
    assert unseen == []


def test_maps_come_back_as_they_were(tmp_path: Path) -> None:
    shard = store.MapShard(
        ("a", "b/ü,.jpg"),
        torch.randn(2, 3, 7, 7)[:, 1],
        torch.tensor([[1, 2], [3, 4]])[:, 1],
        (224, 200),
        {"attribution_sum": torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64)[:, 0]},
    )
    store.save(tmp_path / "x.safetensors", shard)
    found = store.load(tmp_path / "x.safetensors")
    assert found.ids == shard.ids == store.read_ids(tmp_path / "x.safetensors")
    assert found.size == (224, 200)
    assert torch.equal(found.maps, shard.maps)
    assert torch.equal(found.explained, shard.explained)
    assert torch.equal(found.scalars["attribution_sum"], shard.scalars["attribution_sum"])
    assert found.scalars["attribution_sum"].dtype == torch.float64


@pytest.mark.parametrize("native", [(7, 7), (1, 1), (7, 1)])
@pytest.mark.parametrize("images", [1, 2])
def test_one_of_several_targets_can_be_saved(
    tmp_path: Path, images: int, native: tuple[int, int]
) -> None:
    maps, explained = torch.randn(images, 3, *native), torch.arange(3 * images).view(images, 3)
    for target in range(3):
        ids = tuple(map(str, range(images)))
        shard = store.MapShard(
            ids, maps[:, target], explained[:, target], (8, 8), {"s": maps[:, target, 0, 0]}
        )
        store.save(tmp_path / f"{target}.safetensors", shard)
        found = store.load(tmp_path / f"{target}.safetensors")
        assert torch.equal(found.maps, maps[:, target])
        assert torch.equal(found.explained, explained[:, target])


def test_equal_shards_are_equal_files(tmp_path: Path) -> None:
    shard = store.MapShard(("a",), torch.ones(1, 7, 7), torch.tensor([3]), (224, 224))
    contents = set()
    for i in range(8):
        store.save(tmp_path / f"{i}.safetensors", shard)
        contents.add((tmp_path / f"{i}.safetensors").read_bytes())
    assert len(contents) == 1


def test_a_flipped_bit_is_seen_by_all_who_read_a_table_or_by_none(out: Path) -> None:
    (path,) = (out / "scores").rglob("*.parquet")
    content, sound = path.read_bytes(), tables.load(path)
    seen = 0
    for place in range(0, len(content), 3):
        flip(path, place)
        try:
            table, origin = tables.load(path)
        except XaibenchError:
            seen += 1
        else:
            assert (table.replace_schema_metadata(), origin) == (
                sound[0].replace_schema_metadata(),
                sound[1],
            )
            assert tables.read_origin(path) == sound[1]
        path.write_bytes(content)
    assert seen > len(content) / 6
