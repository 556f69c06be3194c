"""Each layout: the same photographs, labels and pixels, found without being told which it is."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import LAYOUTS, Photo, official
from networks import tiny
from PIL import Image

from xaibench.datasets import ilsvrc
from xaibench.datasets.load import load_dataset, read_images


def build(layout: str, root: Path, photos: list[Photo]) -> str:
    return str(LAYOUTS[layout](root, photos))


def place_of(name: str) -> int:
    """The photograph's place, from its official number."""
    known = ilsvrc.number(name)
    assert known is not None
    return known - 1


def expected_ids(layout: str, photos: list[Photo]) -> list[str]:
    names = [official(i) for i in range(len(photos))]
    by_class = [f"{photo.wnid}/{name}" for photo, name in zip(photos, names, strict=True)]
    half = len(names) // 2
    found = {
        "extracted": [f"val/{name}" for name in by_class],
        "wnid_folders": by_class,
        "hub": [f"{Path(n).stem}_{p.wnid}.JPEG" for n, p in zip(names, photos, strict=True)],
        "web": [
            f"imagenet-val-00000{int(i < half)}/{Path(name).stem}" for i, name in enumerate(names)
        ],
    }
    return found.get(layout, names)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ids_labels_and_bytes(layout: str, tmp_path: Path, photos: list[Photo]) -> None:
    dataset = load_dataset(build(layout, tmp_path / "data", photos))
    assert list(dataset.ids) == expected_ids(layout, photos)
    assert dataset.labelled
    for i, name in enumerate(dataset.ids):
        photo = photos[place_of(name)]
        assert dataset.labels[i] == photo.label
        assert dataset.open(i).read() == photo.data


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pixels_are_those_of_the_plain_decode(
    layout: str, tmp_path: Path, photos: list[Photo]
) -> None:
    dataset = load_dataset(build(layout, tmp_path / "data", photos[:5]))
    places, images, failed, _ = read_images(dataset, range(5), tiny(), "squash", 0)
    assert (list(places), failed) == ([0, 1, 2, 3, 4], [])
    steps = tiny().input.preprocess("squash")
    for image, name in zip(images, dataset.ids, strict=True):
        (tmp_path / "plain.jpg").write_bytes(photos[place_of(name)].data)
        plain = steps(Image.open(tmp_path / "plain.jpg").convert("RGB"))
        assert np.array_equal(image.numpy(), plain.numpy())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_number_one_comes_first(layout: str, tmp_path: Path, photos: list[Photo]) -> None:
    dataset = load_dataset(build(layout, tmp_path / "data", photos))
    assert [place_of(name) for name in dataset.ids] == list(range(20))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_travels_to_another_process_whole(layout: str, tmp_path: Path, photos: list[Photo]) -> None:
    dataset = load_dataset(build(layout, tmp_path / "data", photos[:4]))
    again = pickle.loads(pickle.dumps(dataset))
    assert again == dataset
    assert again.open(3).read() == dataset.open(3).read()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fingerprint_is_of_the_content_and_not_the_place(
    layout: str, tmp_path: Path, photos: list[Photo]
) -> None:
    one = load_dataset(build(layout, tmp_path / "one", photos[:4])).fingerprint
    assert load_dataset(build(layout, tmp_path / "two", photos[:4])).fingerprint == one
    swapped = [photos[1], photos[0], *photos[2:4]]
    assert load_dataset(build(layout, tmp_path / "three", swapped)).fingerprint != one
    longer = [Photo(photos[0].data + b"\0", photos[0].label), *photos[1:4]]
    assert load_dataset(build(layout, tmp_path / "four", longer)).fingerprint != one


def test_a_few_images_are_called_what_the_folder_is(tmp_path: Path, photos: list[Photo]) -> None:
    for layout in LAYOUTS:
        source = build(layout, tmp_path / layout, photos[:3])
        assert load_dataset(source).name == Path(source).name


def test_one_file_may_be_named_itself(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "a", photos[:3])
    assert load_dataset(str(root / "ILSVRC2012_img_val.tar")) == load_dataset(str(root))
    root = layouts.web(tmp_path / "w", photos[:4])
    assert load_dataset(str(root / "imagenet-val-000001.tar")).labels == (243, 559)
    root = layouts.hub(tmp_path / "h", photos[:4])
    single = load_dataset(str(root / "data" / "train-00000-of-00001.parquet"))
    assert (single.root, len(single)) == (root / "data", 1)


def test_unpacked_images_are_used_where_the_archive_has_no_labels(
    tmp_path: Path, photos: list[Photo]
) -> None:
    root = layouts.archive(tmp_path / "data", photos[:3])
    layouts.extracted(root, photos[:3])
    assert load_dataset(str(root)).ids[0] == official(0)
    (root / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    assert load_dataset(str(root)).ids[0].startswith("val/n")


def test_the_cache_that_torchvision_makes_of_the_devkit(
    tmp_path: Path, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision itself reads our devkit; its meta.bin then serves instead of it."""
    from torchvision.datasets import imagenet

    root = layouts.archive(tmp_path / "data", photos)
    before = load_dataset(str(root))
    monkeypatch.setattr(imagenet, "check_integrity", lambda path, md5=None: Path(path).is_file())
    imagenet.parse_devkit_archive(root)
    _, theirs = imagenet.load_meta_file(root)
    assert theirs == [photo.wnid for photo in photos]
    (root / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    assert load_dataset(str(root)) == before


def test_unpacked_by_torchvision_itself(
    tmp_path: Path, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images and labels are those of torchvision.datasets.ImageNet; the order is by number."""
    from torchvision.datasets import imagenet

    root = layouts.archive(tmp_path / "data", photos)
    monkeypatch.setattr(imagenet, "check_integrity", lambda path, md5=None: Path(path).is_file())
    imagenet.parse_devkit_archive(root)
    imagenet.parse_val_archive(root)
    packed = load_dataset(str(root))
    for path in (root / "ILSVRC2012_img_val.tar", root / "ILSVRC2012_devkit_t12.tar.gz"):
        path.unlink()
    unpacked = load_dataset(str(root))
    assert sorted(root / name for name in unpacked.ids) == sorted(root.glob("val/*/*.JPEG"))
    names = {
        Path(name).name: label for name, label in zip(unpacked.ids, unpacked.labels, strict=True)
    }
    assert names == dict(zip(packed.ids, packed.labels, strict=True))


def test_class_appended_to_the_name_needs_no_list(tmp_path: Path, photos: list[Photo]) -> None:
    tmp_path.joinpath("flat").mkdir()
    for i, photo in enumerate(photos):
        name = f"{Path(official(i)).stem}_{photo.wnid}.JPEG"
        (tmp_path / "flat" / name).write_bytes(photo.data)
    dataset = load_dataset(str(tmp_path / "flat"))
    assert dataset.labels == tuple(photo.label for photo in photos)


def test_a_list_of_wordnet_ids_with_folders(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.bare(tmp_path / "flat", photos[:3])
    rows = [f"{p.wnid}/{official(i)},{p.wnid}\n" for i, p in enumerate(photos[:3])]
    (tmp_path / "list.txt").write_text("".join(rows))
    assert load_dataset(str(root)).labels == (243, 559, 438)


def test_rows_without_names_are_numbered(tmp_path: Path, photos: list[Photo]) -> None:
    rows = [(photo.data, None, photo.label) for photo in photos[:4]]
    layouts.hub_shard(tmp_path / "d" / "b.parquet", rows[:2])
    layouts.hub_shard(tmp_path / "d" / "a.parquet", rows[2:])
    dataset = load_dataset(str(tmp_path / "d"))
    assert dataset.ids == ("a/000000", "a/000001", "b/000000", "b/000001")
    assert dataset.labels == (*[p.label for p in photos[2:4]], *[p.label for p in photos[:2]])
    assert [dataset.open(i).read() for i in range(4)] == [photos[i].data for i in (2, 3, 0, 1)]


def test_rows_may_have_class_names_that_begin_with_wordnet_ids(
    tmp_path: Path, photos: list[Photo]
) -> None:
    """A hundred of ImageNet's classes, numbered from 0 in the shard."""
    wnids = sorted({photo.wnid for photo in photos})
    rows = [(photo.data, None, wnids.index(photo.wnid)) for photo in photos]
    layouts.hub_shard(tmp_path / "d" / "a.parquet", rows, [f"{wnid} some thing" for wnid in wnids])
    assert load_dataset(str(tmp_path / "d")).labels == tuple(photo.label for photo in photos)


def test_rows_without_labels_are_a_dataset_without_classes(
    tmp_path: Path, photos: list[Photo]
) -> None:
    rows = [(photo.data, None, -1) for photo in photos[:3]]
    layouts.hub_shard(tmp_path / "d" / "test-00000-of-00001.parquet", rows)
    assert not load_dataset(str(tmp_path / "d")).labelled


def test_keys_without_official_names_stay_as_stored(tmp_path: Path, photos: list[Photo]) -> None:
    members = []
    for key, photo in zip(("b/9", "b/10", "a/1"), photos, strict=False):
        members += [(f"{key}.png.txt", b"?"), (f"{key}.jpg", photo.data)]
        members += [(f"{key}.cls", photo.wnid.encode())]
    layouts.pack(tmp_path / "d" / "0.tar", members)
    dataset = load_dataset(str(tmp_path / "d"))
    assert dataset.ids == ("0/b/9", "0/b/10", "0/a/1")
    assert dataset.labels == tuple(photo.label for photo in photos[:3])


def test_a_folder_of_pictures_keeps_being_one(tmp_path: Path, photos: list[Photo]) -> None:
    """Whatever lies beside the pictures."""
    root = layouts.bare(tmp_path / "holiday", [])
    for name in ("a.jpg", "ILSVRC2012_val_00000001.JPEG", "sea/b.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(photos[0].data)
    layouts.pack(root / "backup.tar", [("x.jpg", b""), ("x.cls", b"1")])
    (root / "table.parquet").write_bytes(b"not one")
    (root / "labels.csv").write_text("a.jpg,3\nsea/b.jpg,4\n")
    dataset = load_dataset(str(root))
    assert dataset.ids == ("ILSVRC2012_val_00000001.JPEG", "a.jpg", "sea/b.jpg")
    assert set(dataset.labels) == {-1}
    assert load_dataset(f"imagefolder:{root}") == dataset


def test_a_hundred_real_files(tmp_path: Path, hundred: list[Photo]) -> None:
    """Grey and CMYK images among them: every layout gives the same pixels."""
    expected = None
    for layout in ("archive", "flat_csv", "hub", "web"):
        dataset = load_dataset(build(layout, tmp_path / layout, hundred))
        places, images, failed, _ = read_images(dataset, range(100), tiny(), "short_side", 0)
        assert len(places) == 100
        assert not failed
        assert dataset.labels == tuple(photo.label for photo in hundred)
        expected = images if expected is None else expected
        assert np.array_equal(images.numpy(), expected.numpy())
        shutil.rmtree(tmp_path / layout)
