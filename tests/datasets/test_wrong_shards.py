"""Wrong or incomplete Parquet shards and WebDataset tars."""

from __future__ import annotations

from pathlib import Path

import layouts
import pytest
from layouts import Photo
from refusals import message

from xaibench.datasets.load import load_dataset


def test_shards_that_are_missing(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.hub(tmp_path / "data", photos)
    (root / "data" / "validation-00000-of-00002.parquet").unlink()
    text = message(root)
    assert "1 of 2 shards" in text
    assert "first missing: validation-00000-of-00002.parquet" in text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["airplane", "automobile"], "not ImageNet's: 2 of them (first: 'airplane'), not 1,000"),
        ([f"thing {i}" for i in range(1000)], "class 0 is 'thing 0', not 'tench'"),
        (["n99999999", "n01440764"], "'n99999999'"),
    ],
)
def test_classes_of_another_dataset(
    tmp_path: Path, photos: list[Photo], names: list[str], said: str
) -> None:
    rows = [(photos[0].data, None, 0), (photos[1].data, None, 1)]
    layouts.hub_shard(tmp_path / "d" / "a.parquet", rows, names)
    assert said in message(tmp_path / "d")


def test_imagenets_classes_under_the_names_of_others(tmp_path: Path, photos: list[Photo]) -> None:
    """Synonyms behind a comma, and a few names that differ, are the same classes."""
    from torchvision.models import ResNet50_Weights

    names = [f"{name}, Latin name" for name in ResNet50_Weights.IMAGENET1K_V1.meta["categories"]]
    names[134], names[744] = "crane", "projectile"
    layouts.hub_shard(tmp_path / "d" / "a.parquet", [(photos[0].data, None, 243)], names)
    assert load_dataset(str(tmp_path / "d")).labels == (243,)
    layouts.hub_shard(tmp_path / "d" / "a.parquet", [(photos[0].data, None, 243)], sorted(names))
    assert "in another order" in message(tmp_path / "d")


def test_shards_without_images(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    assert "Parquet shards with a column of images" in message(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    assert f"cannot read {tmp_path / 'a.parquet'}" in message(tmp_path)


def test_partly_labelled_rows(tmp_path: Path, photos: list[Photo]) -> None:
    rows = [(photos[0].data, None, 0), (photos[1].data, None, None)]
    layouts.hub_shard(tmp_path / "a.parquet", rows)
    assert "1 of 2 images" in message(tmp_path)


def test_keys_without_labels(tmp_path: Path, photos: list[Photo]) -> None:
    data = photos[0].data
    members = [("a.jpg", data), ("a.cls", b"3"), ("b.jpg", data)]
    layouts.pack(tmp_path / "0.tar", members)
    assert f"b in {tmp_path / '0.tar'} has no label" in message(tmp_path)
    layouts.pack(tmp_path / "0.tar", [*members, ("b.json", b'{"caption": "x"}')])
    assert f"b.json in {tmp_path / '0.tar'}" in message(tmp_path)
    layouts.pack(tmp_path / "0.tar", [*members, ("b.cls", b"seven")])
    assert "'seven'" in message(tmp_path)


def test_a_cut_shard(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.web(tmp_path / "data", photos)
    path = root / "imagenet-val-000001.tar"
    path.write_bytes(path.read_bytes()[:200_000])
    assert f"{path} is cut short after" in message(root)
