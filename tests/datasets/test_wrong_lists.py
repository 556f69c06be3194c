"""Wrong or incomplete lists of labels and folders: what is wrong, which first, what to do."""

from __future__ import annotations

from pathlib import Path

import layouts
import pytest
from layouts import Photo, official
from refusals import NAMES, message

from xaibench.datasets.base import SUFFIXES
from xaibench.datasets.load import load_dataset


def test_flat_images_without_labels(tmp_path: Path, photos: list[Photo]) -> None:
    text = message(layouts.bare(tmp_path / "data", photos))
    assert "has 20 of ImageNet's validation images but not their labels" in text
    assert "ILSVRC2012_devkit_t12.tar.gz" in text
    assert "`name,label`" in text


def test_a_list_that_names_more_than_there_is(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos)
    for place in (4, 9):
        (root / official(place)).unlink()
    text = message(root)
    assert "18 of 20 images that" in text
    assert "first missing: ILSVRC2012_val_00000005" in text
    assert "--subset" in text


def test_a_devkit_that_names_more_than_there_is(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_devkit(tmp_path / "data", photos)
    (root / official(0)).unlink()
    text = message(root)
    assert "19 of 20 images" in text
    assert "first missing: ILSVRC2012_val_00000001" in text


def test_a_list_that_names_less_than_there_is(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos)
    kept = (root / "labels.csv").read_text().splitlines()[:-2]
    (root / "labels.csv").write_text("\n".join(kept))
    text = message(root)
    assert "2 of 20 images" in text
    assert f"first: {official(18)}" in text


def test_a_shorter_list_is_no_matter_where_another_has_all(
    tmp_path: Path, photos: list[Photo]
) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos)
    (root / "a_few.csv").write_text(f"{official(0)},{photos[0].label}\n")
    assert len(load_dataset(str(root))) == 20
    layouts.devkit(root, [photo.label for photo in photos])
    (root / "labels.csv").unlink()
    assert len(load_dataset(str(root))) == 20


def test_two_lists_that_contradict(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos[:2])
    (root / "other.csv").write_text(f"{official(0)},1\n{official(1)},2\n")
    text = message(root)
    assert "labels.csv" in text
    assert "other.csv" in text


def test_a_list_with_a_broken_line(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos[:3])
    with (root / "labels.csv").open("a") as file:
        file.write("ILSVRC2012_val_00000004.JPEG\n")
    assert "line 5 of" in message(root)


def test_labels_that_count_from_one(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.bare(tmp_path / "data", photos[:3])
    rows = zip(NAMES, ("1", "1000", "244"), strict=False)
    (root / "labels.csv").write_text("".join(f"{name},{label}\n" for name, label in rows))
    text = message(root)
    assert "look 1-based (1 to 1000, none is 0)" in text
    assert "subtract 1" in text


@pytest.mark.parametrize("label", ["1000", "-2", "n00000000"])
def test_labels_that_are_no_class(tmp_path: Path, photos: list[Photo], label: str) -> None:
    root = layouts.bare(tmp_path / "data", photos[:2])
    (root / "labels.csv").write_text(f"{official(0)},0\n{official(1)},{label}\n")
    text = message(root)
    assert label in text
    assert "labels.csv" in text


def test_other_images_between_imagenets(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_csv(tmp_path / "data", photos[:3])
    (root / "cat.jpg").write_bytes(photos[0].data)
    text = message(root)
    assert "1 of 4 images" in text
    assert "cat.jpg" in text


def test_folders_of_classes_that_imagenet_has_not(tmp_path: Path, photos: list[Photo]) -> None:
    for wnid in ("n01440764", "n99999999"):
        (tmp_path / "data" / wnid).mkdir(parents=True)
        (tmp_path / "data" / wnid / "a.jpg").write_bytes(photos[0].data)
    text = message(tmp_path / "data")
    assert "'n99999999'" in text
    assert "ImageNet's 1,000 classes" in text


def test_nothing_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    text = message(tmp_path)
    assert all(kind in text for kind in SUFFIXES)
    assert "WebDataset" in text
