"""The gallery of a run: photographs as the network saw them, maps as Figure 1 shows them."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import cli
from networks import THOUSAND
from numpy.typing import NDArray
from PIL import Image

import xaibench
from xaibench.cli.sources import source_of
from xaibench.published.classes import imagenet
from xaibench.report.figures.picture import overlay
from xaibench.report.html.gallery import Gallery, Shown
from xaibench.studies.figures import maps_of, photographs
from xaibench.studies.gallery import galleries, gallery

IMAGES, METHODS = 7, ["fakecam", "gradient", "gradcam"]
NEAR = 12.0
"""Largest mean difference of pixels (of 255) that JPEG leaves on these pictures."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seven smooth pictures in two classes with curves; its data lie beside it."""
    folder = tmp_path_factory.mktemp("gallery")
    drawn = np.random.default_rng(0)
    for place in range(IMAGES):
        coarse = drawn.integers(0, 256, (4, 4, 3), np.uint8)
        path = folder / "data" / str(place % 2) / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((80, 80), Image.Resampling.BICUBIC).save(path)
    config = {
        "data": str(folder / "data"),
        "model": THOUSAND,
        "method": ",".join(METHODS),
        "metric": "insertion,sparseness",
        "workers": 0,
        "keep_curves": True,
        "out": folder / "run",
    }
    xaibench.run(config)
    return folder / "run"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The run and its data where a test may change them."""
    shutil.copytree(made.parent, tmp_path / "own")
    for path in (tmp_path / "own" / "run" / "manifests").glob("run-*.json"):
        text = path.read_text().replace(str(made.parent / "data"), str(tmp_path / "own" / "data"))
        path.write_text(text)
    return tmp_path / "own" / "run"


def shown(run: Path, limit: int = 100) -> tuple[Gallery, list[Shown]]:
    found = gallery(run, source_of(run, predictions=True), limit)
    assert found is not None
    return found, list(found.pictures)


def tiles(one: Shown, of: Gallery) -> list[NDArray[np.float64]]:
    """The pictures of a strip, each (H, W, 3) of 255."""
    assert one.strip is not None
    strip = np.asarray(Image.open(io.BytesIO(one.strip)).convert("RGB"), dtype=float)
    assert strip.shape == (of.size[0], of.size[1] * (1 + len(of.methods)), 3)
    return list(np.split(strip, 1 + len(of.methods), axis=1))


def test_pictures_are_those_of_figure_1(made: Path) -> None:
    """Photograph and overlay of every method, at the size of the input where that is small."""
    of, pictures = shown(made)
    assert not of.notes
    assert list(of.methods) == METHODS
    assert of.size == (64, 64)
    ids = [one.image for one in pictures]
    assert ids == list(of.images) == sorted(ids)
    seen, maps = photographs(made, ids, METHODS), maps_of(made, ids, METHODS, of.target)
    expected = [
        255 * (overlay(seen[image], maps[image, method]) if method else seen[image])
        for image in ids
        for method in ("", *METHODS)
    ]
    found = [tile for one in pictures for tile in tiles(one, of)]
    apart_by = np.array([[np.abs(a - b).mean() for b in expected] for a in found])
    assert apart_by.diagonal().max() < NEAR
    assert np.array_equal(apart_by.argmin(1), np.arange(len(found))), "none is nearer to another"
    assert all(one.mapped == set(METHODS) for one in pictures)
    apart = [one.apart for one in pictures]
    assert all(a is not None and 0 < a < 2 for a in apart)


def test_curves_and_how_far_maps_are_apart(made: Path) -> None:
    of, pictures = shown(made)
    assert list(of.curves) == ["insertion"]
    ids, curves = xaibench.load_curves(made, "gradcam", "insertion")
    assert np.array_equal(of.curves["insertion"]["gradcam"][ids[3]], curves[3])
    maps = maps_of(made, ids, METHODS, of.target)
    small = [np.asarray(maps[ids[0], m]) for m in METHODS]
    # 64 pixels in 56 squares: means over one or two pixels a side, as the formula has them
    edges = [(i * 64 // 56, -(-(i + 1) * 64 // 56)) for i in range(56)]
    means = [[m[a:b, c:d].mean() for a, b in edges for c, d in edges] for m in small]
    ranks = [np.unique(np.round(m, 7), return_inverse=True)[1] for m in means]
    mid = [
        (np.searchsorted(np.sort(r), r) + np.searchsorted(np.sort(r), r, "right")) for r in ranks
    ]
    rho = np.corrcoef(mid)[np.triu_indices(3, 1)]
    first = next(one for one in pictures if one.image == ids[0])
    assert first.apart == pytest.approx(1 - rho.mean(), abs=2e-3)


def test_a_limit_spreads_over_the_order(made: Path) -> None:
    of, pictures = shown(made, 3)
    every = shown(made)[0].images
    assert list(of.images) == [every[0], every[2], every[4]] == [one.image for one in pictures]
    assert of.total == IMAGES
    assert galleries([made], [source_of(made)], 0) == []


def test_without_the_photographs_maps_are_shown(copy: Path) -> None:
    shutil.rmtree(copy.parent / "data")
    of, pictures = shown(copy)
    (note,) = of.notes
    assert note.startswith("No photographs: ")
    assert "\n" not in note
    assert all(one.strip and not one.pictured and one.mapped == set(METHODS) for one in pictures)
    grey = tiles(pictures[0], of)[0]
    assert np.abs(grey - 128).max() < 3


def test_without_maps_photographs_are_shown(copy: Path) -> None:
    shutil.rmtree(copy / "maps")
    of, pictures = shown(copy)
    assert of.notes == [
        f"No maps of {', '.join(METHODS)} are stored: `xaibench explain` makes them."
    ]
    assert all(one.strip and one.pictured and not one.mapped for one in pictures)
    assert {one.apart for one in pictures} == {None}


def test_what_cannot_be_read_any_more_is_said_and_left_out(copy: Path) -> None:
    """A photograph that is damaged now, and a file of maps."""
    path = copy.parent / "data" / "0" / "0.png"
    path.write_bytes(path.read_bytes()[:60])
    shard = next((copy / "maps" / "gradcam").rglob("*.safetensors"))
    held = bytearray(shard.read_bytes())
    held[-4] ^= 1
    shard.write_bytes(bytes(held))
    of, pictures = shown(copy)
    assert len(pictures) == IMAGES
    assert any("is damaged" in note for note in of.notes), of.notes
    assert not any("gradcam" in one.mapped for one in pictures)


def test_the_page_has_the_gallery(copy: Path) -> None:
    """By default, of so many images, and not at all."""
    code, _, err = cli("report", copy, "--html", "--gallery", 2)
    assert code == 0, err
    page = copy / "report" / "html"
    assert len(list((page / "assets" / "gallery").glob("*.jpg"))) == 2
    text = (page / "index.html").read_text()
    data = json.loads(text.partition('id="data-gallery">')[2].partition("</script>")[0])[0]
    assert set(data["classes"].values()) <= {imagenet().label(i) for i in range(1000)}
    assert data["classes"]["0"] == "tench"
    assert data["methods"] == ["Fake-CAM", "Gradient", "Grad-CAM"]
    assert len(data["images"]) == 2
    assert f"<code>xaibench report {copy} --html --gallery 7</code>" in text
    code, _, err = cli("report", copy, "--html", "--gallery", 0)
    assert code == 0, err
    assert 'id="gallery"' not in (page / "index.html").read_text()
    assert not list((page / "assets").rglob("*.jpg"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gallery", "3"], "--gallery is a part of the page: add --html."),
        (
            ["--html", "--gallery", "-1"],
            "gallery -1: give a number of images, or 0 for no gallery.",
        ),
    ],
)
def test_wrong_usage_is_one_line(made: Path, words: list[str], said: str) -> None:
    code, _, err = cli("report", made, *words)
    assert code == 2
    assert err.strip().endswith(said)
