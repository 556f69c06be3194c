"""A wrong or incomplete archive or devkit: what is wrong, how much of it, what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import layouts
import pytest
from layouts import WNIDS, Photo, official
from refusals import FULL, NAMES, TRUTH, message

from xaibench.datasets.load import load_dataset


def repack(path: Path, keep: Callable[[str], bool]) -> None:
    """A tar without some of its members."""
    import tarfile

    with tarfile.open(path) as archive:
        members = [(m.name, archive.extractfile(m).read()) for m in archive if keep(m.name)]
    layouts.pack(path, members)


def test_an_archive_without_some_images(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "data", photos)
    gone = {official(6), official(11)}
    repack(root / "ILSVRC2012_img_val.tar", lambda name: name not in gone)
    text = message(root)
    assert "18 of 20 images are in" in text
    assert "first missing: ILSVRC2012_val_00000007" in text
    assert "copy or download it again" in text


def test_an_archive_with_more_images_than_labels(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "data", photos)
    layouts.devkit(root, [photo.label for photo in photos[:18]])
    text = message(root)
    assert "names 18 images" in text
    assert official(19) in text or official(18) in text


@pytest.mark.slow
def test_counts_are_those_of_imagenet(tmp_path: Path) -> None:
    """50,000 labels and 49,998 (empty) files, as a broken copy has them."""
    kept = [(name, b"") for i, name in enumerate(NAMES) if i not in (122, 40_000)]
    layouts.pack(tmp_path / "ILSVRC2012_img_val.tar", kept)
    layouts.devkit(tmp_path, FULL)
    text = message(tmp_path)
    assert "49,998 of 50,000 images" in text
    assert "ILSVRC2012_val_00000123" in text
    layouts.pack(tmp_path / "ILSVRC2012_img_val.tar", [(name, b"") for name in NAMES])
    dataset = load_dataset(str(tmp_path))
    assert (dataset.name, len(dataset)) == ("imagenet", 50_000)
    assert (dataset.ids[0], dataset.ids[-1]) == (NAMES[0], NAMES[-1])
    assert dataset.labels == tuple(FULL)


@pytest.mark.parametrize("where", ["end", "middle of a header", "between two files"])
def test_a_cut_archive(tmp_path: Path, photos: list[Photo], where: str) -> None:
    root = layouts.archive(tmp_path / "data", photos)
    path = root / "ILSVRC2012_img_val.tar"
    from xaibench.datasets import tars

    last = list(tars.index(path).values())[-1]
    size = {"end": last.offset + 100, "middle of a header": last.offset - 100}
    data = path.read_bytes()
    path.write_bytes(data[: size.get(where, last.offset - 512)])
    text = message(root)
    assert "again" in text
    assert "cut short after 19 files" in text or "19 of 20 images" in text


def test_what_is_no_archive(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "data", photos[:3])
    (root / "ILSVRC2012_img_val.tar").write_bytes(b"<html>log in first</html>" * 99)
    assert "is no uncompressed tar" in message(root)


def test_an_archive_without_devkit(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "data", photos[:3])
    (root / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    text = message(root)
    assert "put ILSVRC2012_devkit_t12.tar.gz (from image-net.org) beside" in text
    (root / TRUTH).write_bytes(layouts.ground_truth([1, 2, 3]))
    assert "data/meta.mat beside it" in message(root)


def test_a_cut_devkit(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "data", photos[:3])
    path = root / "ILSVRC2012_devkit_t12.tar.gz"
    path.write_bytes(path.read_bytes()[:5000])
    assert f"cannot read {path}" in message(root)


@pytest.mark.parametrize("word", ["0", "1001", "x"])
def test_a_ground_truth_of_something_else(tmp_path: Path, photos: list[Photo], word: str) -> None:
    root = layouts.flat_devkit(tmp_path / "data", photos[:3])
    data = root.parent / "ILSVRC2012_devkit_t12" / "data"
    (data / TRUTH).write_bytes(layouts.ground_truth([1, 2]) + word.encode())
    text = message(root)
    assert f"line 3 of {TRUTH}" in text
    assert f"'{word}'" in text


def test_a_meta_mat_of_other_classes(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.flat_devkit(tmp_path / "data", photos[:3])
    data = root.parent / "ILSVRC2012_devkit_t12" / "data"
    (data / "meta.mat").write_bytes(layouts.meta_mat(("n99999999", *WNIDS[1:])))
    assert "'n99999999'" in message(root)
    assert "none of ImageNet's 1,000 classes" in message(root)
    (data / "meta.mat").write_bytes(b"no mat file")
    assert "cannot read the synsets" in message(root)
