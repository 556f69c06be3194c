"""Datasets: order, ids, labels, fingerprints, blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from xaibench.datasets.base import Dataset, files_below
from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError
from xaibench.published import imagenet_wnids


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_the_embedded_photographs() -> None:
    dataset = load_dataset("samples")
    assert len(dataset) == 20
    assert dataset.name == "samples"
    assert dataset.labelled
    assert dataset.ids[:2] == ("imagenet_00_243.jpg", "imagenet_01_559.jpg")
    assert dataset.labels[:2] == (243, 559)
    assert list(dataset.ids) == sorted(dataset.ids)
    assert all(dataset.open(i).read(3) == b"\xff\xd8\xff" for i in range(20))


def test_files_are_sorted_relative_and_only_images(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPEG", "b/10.png", "a.tiff", "b/c/3.jpg", "a.txt", ".x.jpg", "b.jpg.md")
    assert files_below(tmp_path) == ["a.tiff", "b/10.png", "b/2.JPEG", "b/c/3.jpg"]


def test_a_folder_named_like_an_image_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path, "odd.jpg/a.png")
    assert files_below(tmp_path) == ["odd.jpg/a.png"]


def test_a_folder_is_walked_once_on_every_way_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "root/a/1.png", "other/2.png")
    for path, target in [("a/up", ".."), ("a/me", "."), ("b", "a"), ("c", "../other")]:
        (tmp_path / "root" / path).symlink_to(target)
    assert files_below(tmp_path / "root") == ["a/1.png", "b/1.png", "c/2.png"]


def test_links_to_each_other_are_refused(tmp_path: Path) -> None:
    names = "abcdefghijkl"
    touch(tmp_path, *(f"{name}/1.png" for name in names))
    for name in names:
        for other in names.replace(name, ""):
            (tmp_path / name / other).symlink_to(f"../{other}")
    with pytest.raises(XaibenchError, match=r"in more than 100 ways .*: take them out"):
        files_below(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    real = os.scandir

    def scandir(folder: str) -> Iterator[os.DirEntry[str]]:
        if str(folder).endswith("b"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(XaibenchError, match=r"cannot read the folder .*b: Permission denied"):
        files_below(tmp_path)


@pytest.mark.parametrize("name", ["nothere", "empty"])
def test_missing_and_empty_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(XaibenchError, match=name):
        files_below(tmp_path / name)


def test_labels_by_wordnet_id(tmp_path: Path) -> None:
    wnids = imagenet_wnids()
    chosen = [wnids[i] for i in (999, 0, 207)]
    dataset = load_dataset(str(touch(tmp_path, *(f"{w}/x.jpg" for w in chosen))))
    assert {
        name.split("/")[0]: label for name, label in zip(dataset.ids, dataset.labels, strict=True)
    } == {
        wnids[999]: 999,
        wnids[0]: 0,
        wnids[207]: 207,
    }
    assert dataset.labelled


def test_the_wordnet_ids_are_imagenets() -> None:
    wnids = imagenet_wnids()
    assert len(wnids) == len(set(wnids)) == 1000
    assert list(wnids) == sorted(wnids)
    assert (wnids[0], wnids[207], wnids[999]) == ("n01440764", "n02099601", "n15075141")


def test_labels_by_index(tmp_path: Path) -> None:
    dataset = load_dataset(str(touch(tmp_path, "0/a.jpg", "999/a.jpg", "21/deep/a.jpg")))
    assert dict(zip(dataset.ids, dataset.labels, strict=True)) == {
        "0/a.jpg": 0,
        "21/deep/a.jpg": 21,
        "999/a.jpg": 999,
    }


@pytest.mark.parametrize("names", [["a.jpg", "b.jpg"], ["cats/a.jpg"], ["1000/a.jpg", "-1/a.jpg"]])
def test_no_classes(tmp_path: Path, names: list[str]) -> None:
    dataset = load_dataset(str(touch(tmp_path, *names)))
    assert set(dataset.labels) == {-1}
    assert not dataset.labelled


@pytest.mark.parametrize("loose", ["a.jpg", "cats/a.jpg", "1000/a.jpg"])
def test_partly_classed_is_an_error(tmp_path: Path, loose: str) -> None:
    touch(tmp_path, "n01440764/x.jpg", "3/y.jpg", loose)
    with pytest.raises(XaibenchError, match=rf"1 of 3 images .*{loose}"):
        load_dataset(str(tmp_path))


def test_fingerprint_sees_names_labels_and_sizes_but_not_the_place(tmp_path: Path) -> None:
    def fingerprint(place: str, *names: str) -> str:
        return load_dataset(str(touch(tmp_path / place, *names))).fingerprint

    one = fingerprint("one", "0/a.jpg", "1/b.jpg")
    assert fingerprint("two", "0/a.jpg", "1/b.jpg") == one
    assert fingerprint("three", "0/a.jpg", "1/c.jpg") != one
    assert fingerprint("four", "0/a.jpg", "2/b.jpg") != one
    assert fingerprint("five", "0/a.jpg") != one
    (tmp_path / "one/0/a.jpg").write_bytes(b"longer than it was")
    assert load_dataset(str(tmp_path / "one")).fingerprint != one


@pytest.mark.parametrize(
    ("images", "size"),
    [(1, 80), (20, 80), (8000, 80), (8001, 320), (50000, 320), (1300000, 320)],
)
def test_blocks_hold_whole_groups_and_batches(images: int, size: int) -> None:
    assert Dataset("d", Path(), ("x",) * images, (0,) * images).block_size == size
