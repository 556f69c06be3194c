"""Photographs -> network input, on no, one or several processes."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO
from unittest import mock

import layouts
import numpy as np
import pytest
import torch
from layouts import LAYOUTS, Photo
from networks import tiny
from PIL import Image

from xaibench.datasets import pixels
from xaibench.datasets.base import Dataset
from xaibench.datasets.blobs import File, content
from xaibench.datasets.load import load_dataset, read_images
from xaibench.errors import XaibenchError
from xaibench.models.classifier import InputSpec


def damaged(root: Path, photos: list[Photo], layout: str) -> Dataset:
    """The photographs with three broken ones among them."""
    broken = list(photos[:12])
    for place, data in ((0, b"no photograph"), (5, photos[5].data[:3000]), (11, b"")):
        broken[place] = Photo(data, broken[place].label)
    return load_dataset(str(LAYOUTS[layout](root, broken)))


@pytest.mark.parametrize("layout", ["archive", "wnid_folders", "hub", "web"])
@pytest.mark.parametrize("resize", ["squash", "short_side"])
def test_the_same_bits_whatever_the_number_of_workers(
    layout: str, resize: str, tmp_path: Path, photos: list[Photo]
) -> None:
    dataset = load_dataset(str(LAYOUTS[layout](tmp_path / "data", photos)))
    order = [*range(19, -1, -1), 3]
    places, images, failed, _ = read_images(dataset, order, tiny(), resize, 0)
    assert (places, failed, images.shape) == (order, [], (21, 3, 64, 64))
    assert images.is_contiguous()
    for workers in (1, 3):
        again, others, none, _ = read_images(dataset, order, tiny(), resize, workers)
        assert (again, none) == (order, [])
        assert others.dtype == torch.float32
        assert torch.equal(images.view(torch.int32), others.view(torch.int32)), "to the last bit"


@pytest.mark.parametrize("read_here", [0, 1, 5, 12])
def test_the_first_are_read_here_until_workers_would_have_started(
    read_here: int, tmp_path: Path, photos: list[Photo]
) -> None:
    """What is left after START seconds goes to workers; broken ones are named either way."""
    dataset = damaged(tmp_path / "data", photos, "web")
    expected = read_images(dataset, range(12), tiny(), "squash", 0)
    times = iter([0.0, *[0.1] * read_here, *[1.0] * 12])
    gather = mock.Mock(wraps=pixels.pool.gather)
    with (
        mock.patch.object(pixels, "START", 0.5),
        mock.patch.object(pixels, "time", SimpleNamespace(monotonic=times.__next__)),
        mock.patch.object(pixels.pool, "started", return_value=False),
        mock.patch.object(pixels.pool, "gather", gather),
    ):
        found = read_images(dataset, range(12), tiny(), "squash", 1)
    assert sum(len(blobs) for _, blobs in gather.call_args.args[2]) == 12 - read_here
    assert torch.equal(found.images, expected.images)
    assert (found.places, found.failures) == (expected.places, expected.failures)
    assert found.contents == expected.contents


@pytest.mark.parametrize("layout", ["archive", "wnid_folders", "hub", "web"])
@pytest.mark.parametrize("workers", [0, 1])
def test_what_was_decoded_is_hashed(
    layout: str, workers: int, tmp_path: Path, photos: list[Photo]
) -> None:
    """Of the bytes as they lie there, also of those that cannot be decoded."""
    dataset = damaged(tmp_path / "data", photos, layout)
    contents = read_images(dataset, range(12), tiny(), "squash", workers).contents
    assert list(contents) == list(dataset.ids)
    for place, (sha256, time) in enumerate(contents.values()):
        assert sha256 == hashlib.sha256(dataset.open(place).read()).hexdigest()
        assert time == dataset.blob(place).path.stat().st_mtime_ns == dataset.modified(place)


@pytest.mark.parametrize("layout", ["archive", "wnid_folders", "hub"])
def test_unreadable_images_have_the_same_reasons(
    layout: str, tmp_path: Path, photos: list[Photo]
) -> None:
    dataset = damaged(tmp_path / "data", photos, layout)
    good, images, failed, _ = read_images(dataset, range(12), tiny(), "squash", 0)
    assert (len(good), len(images), len(failed)) == (9, 9, 3)
    assert sorted([*good, *(dataset.ids.index(f.image) for f in failed)]) == list(range(12))
    assert not any("0x" in f.reason or str(tmp_path) in f.reason for f in failed)
    assert {f.reason.split(":")[0] for f in failed} == {"OSError", "UnidentifiedImageError"}
    assert read_images(dataset, range(12), tiny(), "squash", 0)[2] == failed
    again, others, same, _ = read_images(dataset, range(12), tiny(), "squash", 1)
    assert (again, same) == (good, failed)
    assert torch.equal(images, others)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", ["squash", "short_side"])
@pytest.mark.parametrize(("side", "crop"), [(256, 224), (257, 224), (97, 64), (224, 224)])
def test_the_bits_are_torchvisions(
    interpolation: str, resize: str, side: int, crop: int, photos: list[Photo]
) -> None:
    """Of landscapes, portraits and squares, enlarged too, at odd sizes."""
    from torchvision.transforms import v2

    spec = InputSpec(side, crop, (0.4, 0.5, 0.6), (0.2, 0.3, 0.21), interpolation)
    geometry = pixels.Geometry(side, crop, resize == "squash", interpolation)
    steps = v2.Compose(
        [
            v2.Resize(
                [side, side] if resize == "squash" else [side], v2.InterpolationMode(interpolation)
            ),
            v2.CenterCrop(crop),
            v2.PILToTensor(),
        ]
    )
    for photo, size in zip(photos, [None, (97, 301), (301, 96), (side, side)] * 2, strict=False):
        image = Image.open(io.BytesIO(photo.data)).convert("RGB")
        image = image if size is None else image.resize(size)
        assert np.array_equal(geometry.apply(image), steps(image).numpy())
    dataset, network = load_dataset("samples"), replace(tiny(), input=spec)
    _, images, _, _ = read_images(dataset, [3], network, resize, 0)
    plain = spec.preprocess(resize)(Image.open(dataset.open(3)).convert("RGB"))
    assert torch.equal(images[0].view(torch.int32), plain.view(torch.int32)), "to the last bit"


def test_what_disappears_is_unreadable(tmp_path: Path, photos: list[Photo]) -> None:
    dataset = load_dataset(str(layouts.wnid_folders(tmp_path / "data", photos[:1])))
    (tmp_path / "data" / dataset.ids[0]).unlink()
    good, images, failed, contents = read_images(dataset, [0], tiny(), "squash", 0)
    assert (good, images.shape) == ([], (0, 3, 0, 0))
    assert contents == {dataset.ids[0]: ("", -1)}
    assert content(dataset.blob(0)) == ("", dataset.modified(0)) == ("", -1)
    name = Path(dataset.ids[0]).name
    assert failed[0].reason == f"FileNotFoundError: [Errno 2] No such file or directory: '{name}'"


def test_rows_without_bytes_are_unreadable(tmp_path: Path, photos: list[Photo]) -> None:
    rows = [(None, "far/away.jpg", 3), (photos[0].data, "here.jpg", 4)]
    layouts.hub_shard(tmp_path / "d" / "a.parquet", rows)  # type: ignore[arg-type]
    dataset = load_dataset(str(tmp_path / "d"))
    good, _, failed, _ = read_images(dataset, [0, 1], tiny(), "squash", 0)
    assert good == [1]
    assert (failed[0].image, failed[0].reason) == (
        "away.jpg",
        "OSError: the row has no image bytes",
    )


def test_nothing_to_read() -> None:
    assert read_images(load_dataset("samples"), [], tiny(), "squash", 2)[0] == []


def test_a_few_images_start_no_process() -> None:
    opened: list[int] = []

    class Told(File):
        """Says here that it was opened; its copy in a worker says it there."""

        def open(self) -> BinaryIO:
            opened.append(os.getpid())
            return super().open()

    dataset = load_dataset("samples")
    blobs = [Told(dataset.blob(i).path) for i in range(pixels.FEW)]
    pixels.read_pixels(blobs[:-1], pixels.Geometry(64, 56, True), 2)
    assert opened == [os.getpid()] * (pixels.FEW - 1)
    pixels.read_pixels(blobs, pixels.Geometry(64, 56, True), 2)
    assert len(opened) == pixels.FEW - 1


def test_each_row_group_is_read_once(tmp_path: Path, photos: list[Photo]) -> None:
    from pyarrow.parquet import ParquetFile

    dataset = load_dataset(str(layouts.hub(tmp_path / "data", photos)))
    with mock.patch.object(ParquetFile, "read_row_group", autospec=True) as read:
        read.side_effect = lambda file, group, columns: file.read_row_groups([group], columns)
        read_images(dataset, range(20), tiny(), "squash", 0)
    assert read.call_count == 8, "two shards of ten rows, three a group"


def test_no_file_is_left_where_pixels_were_shared(tmp_path: Path) -> None:
    dataset = load_dataset("samples")
    with mock.patch.object(pixels, "_SHARED", tmp_path):
        _, images, _, _ = read_images(dataset, range(20), tiny(), "squash", 1)
    assert not list(tmp_path.iterdir())
    assert torch.equal(images, read_images(dataset, range(20), tiny(), "squash", 0)[1])


def test_without_shared_memory_another_folder_does() -> None:
    dataset = load_dataset("samples")
    with mock.patch.object(pixels, "_SHARED", Path("/nothere")):
        _, images, _, _ = read_images(dataset, range(20), tiny(), "squash", 1)
    assert torch.equal(images, read_images(dataset, range(20), tiny(), "squash", 0)[1])


def test_without_room_there_is_one_line() -> None:
    full = OSError(28, "No space left on device")
    with (
        mock.patch.object(pixels.os, "posix_fallocate", side_effect=full),
        pytest.raises(XaibenchError, match=r"no room for .*No space left.* --workers 0"),
    ):
        read_images(load_dataset("samples"), range(20), tiny(), "squash", 1)


def test_want_of_memory_is_no_fault_of_an_image(
    tmp_path: Path, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = damaged(tmp_path / "data", photos, "wnid_folders")

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pixels, "decode", full)
    with pytest.raises((OSError, XaibenchError), match="memory"):
        read_images(dataset, range(12), tiny(), "squash", 0)
