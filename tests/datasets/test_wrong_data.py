"""Wrong or incomplete data: what is wrong, how much of it, which first, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import WNIDS, Photo, official

from xaibench.datasets import ilsvrc
from xaibench.datasets.base import SUFFIXES
from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
FULL = [i % 1000 for i in range(50_000)]
NAMES = [official(i) for i in range(50_000)]


def message(root: Path) -> str:
    """The one line that loading a folder fails with."""
    with pytest.raises(XaibenchError) as found:
        load_dataset(str(root))
    text = str(found.value)
    assert "\n" not in text
    return text


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


def test_nothing_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    text = message(tmp_path)
    assert all(kind in text for kind in SUFFIXES)
    assert "WebDataset" in text


def named(names: list[str], labels: list[int]) -> str:
    return ilsvrc.dataset_name(Path("/somewhere/val"), names, labels)


def test_the_whole_set_is_imagenet_whatever_its_folder() -> None:
    assert named(NAMES, FULL) == "imagenet"
    assert named([f"{WNIDS[c]}/{n}" for n, c in zip(NAMES, FULL, strict=True)], FULL) == "imagenet"
    assert named([f"shard/{i:06d}" for i in range(50_000)], FULL) == "imagenet"
    train = [f"{WNIDS[c]}/{WNIDS[c]}_{i}.JPEG" for i, c in enumerate(FULL)]
    assert named(train, FULL) == "val", "as many images of the training set are another dataset"


def test_a_set_is_smaller_on_purpose_or_a_broken_copy() -> None:
    for count in (1, 1000, 10_000, 48_238):
        assert named(NAMES[:count], FULL[:count]) == "val"
    for names in (NAMES, [f"s/{i}" for i in range(50_000)]):
        keep = [i for i in range(50_000) if i not in (122, 40_007)]
        with pytest.raises(XaibenchError, match="49,998 of ImageNet's 50,000") as found:
            named([names[i] for i in keep], [FULL[i] for i in keep])
        first = {NAMES[0]: "first missing: ILSVRC2012_val_00000123"}.get(names[0])
        assert (first or f"class {WNIDS[7]} has 49 of 50") in str(found.value)


def test_all_images_with_wrong_labels() -> None:
    labels = list(np.roll(FULL, 0))
    labels[0] = 5
    with pytest.raises(XaibenchError, match=r"class 0 \(n01440764\) has 49 images, not 50"):
        named(NAMES, labels)
