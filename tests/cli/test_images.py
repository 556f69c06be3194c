"""Folders as people have them: classes, no classes, unreadable files, every kind of image."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import util
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from helpers import cli
from networks import SMALLER
from PIL import Image

import xaibench
from xaibench.datasets.pixels import read_pixels

FAST = ["--metric", "insertion(rows_per_step=112)", "--model", SMALLER]
WNID = "n01440764"


def run(data: object, out: Path, *words: object) -> list[str]:
    """The lines of a run that must succeed."""
    code, said, err = cli("run", "--data", data, *FAST, "--out", out, *words)
    assert code == 0, err
    return said.splitlines()


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    """The embedded photographs."""
    spec = util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("imagenet_*_*.jpg"))


def fill(folder: Path, **files: Path) -> Path:
    """A folder with copies of photographs under other names."""
    folder.mkdir(parents=True)
    for name, source in files.items():
        shutil.copy(source, folder / f"{name}.jpg")
    return folder


@pytest.fixture
def damaged(tmp_path: Path, photos: list[Path]) -> Path:
    """Two good photographs and four that cannot be decoded."""
    folder = fill(tmp_path / "damaged" / WNID, a=photos[0], z=photos[1])
    (folder / "cut.jpg").write_bytes(photos[2].read_bytes()[:3000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no photograph")
    png = tmp_path / "whole.png"
    Image.open(photos[2]).save(png)
    (folder / "cut.png").write_bytes(png.read_bytes()[:3000])
    return tmp_path / "damaged"


BAD = [f"{WNID}/{name}" for name in ("cut.jpg", "cut.png", "empty.png", "text.jpg")]


def failures(out: Path) -> dict[str, str]:
    rows = [
        r
        for p in (out / "failures").glob("*.json")
        for r in json.loads(p.read_text())["unreadable"]
    ]
    return {row["image"]: row["reason"] for row in rows}


def test_unreadable_images_are_skipped_listed_and_counted(damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = run(damaged, out)[-1]
    assert "4 unreadable images skipped (failures/)" in line
    assert "computed 2 predictions, 2 maps, 2 scores" in line, "what was done, not what was planned"
    found = failures(out)
    assert sorted(found) == BAD
    assert all(found.values())
    assert str(tmp_path) not in json.dumps(found), "reasons name no place of this machine"
    assert list(xaibench.load_scores(out).image) == [f"{WNID}/a.jpg", f"{WNID}/z.jpg"]


def test_unreadable_images_alone_are_tried_again(damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(damaged, out)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.*") if "manifests" not in p.parts}
    with (
        mock.patch("xaibench.datasets.load.read_pixels") as decoded,
        mock.patch("xaibench.stages.changed.read_pixels", side_effect=read_pixels) as tried,
    ):
        line = run(damaged, out)[-1]
    assert decoded.call_count == 0
    ((blobs, *_), _) = tried.call_args
    assert [f"{WNID}/{blob.path.name}" for blob in blobs] == BAD
    assert "nothing left to compute" in line
    assert "4 unreadable images skipped" in line
    after = {p: p.stat().st_mtime_ns for p in out.rglob("*.*") if "manifests" not in p.parts}
    assert after == before


def test_strict_makes_unreadable_images_an_error(damaged: Path, tmp_path: Path) -> None:
    for _ in range(2):
        out = tmp_path / "out"
        code, _, err = cli("run", "--data", damaged, *FAST, "--out", out, "--strict")
        assert code == 1
        assert err.count("\n") == 1
        assert "4 images cannot be read" in err
        assert BAD[0] in err
    assert len(xaibench.load_scores(out)) == 2, "the others are scored all the same"


def test_the_manifest_counts_what_was_done(damaged: Path, tmp_path: Path) -> None:
    run(damaged, tmp_path / "out")
    (path,) = (tmp_path / "out/manifests").glob("run-*.json")
    counts = json.loads(path.read_text())["counts"]
    assert counts == {"images": 6, "unreadable": 4, "predictions": 2, "maps": 2, "scores": 2}


def test_nothing_but_unreadable_images_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "bad/0").mkdir(parents=True)
    (tmp_path / "bad/0/text.jpg").write_text("no photograph")
    code, said, err = cli("run", "--data", tmp_path / "bad", *FAST, "--out", tmp_path / "out")
    assert code == 1
    assert "computed" not in said
    assert "text.jpg" in err


def test_folder_by_wordnet_id_and_by_index_agree(tmp_path: Path, photos: list[Path]) -> None:
    fill(tmp_path / "w" / WNID, a=photos[0])
    fill(tmp_path / "w" / "n02099601" / "deeper", b=photos[1])
    fill(tmp_path / "i" / "0", a=photos[0])
    fill(tmp_path / "i" / "207" / "deeper", b=photos[1])
    run(tmp_path / "w", tmp_path / "wout")
    run(tmp_path / "i", tmp_path / "iout")
    by_id, by_index = (
        xaibench.load_scores(tmp_path / "wout"),
        xaibench.load_scores(tmp_path / "iout"),
    )
    assert list(by_id.image) == [f"{WNID}/a.jpg", "n02099601/deeper/b.jpg"]
    assert list(by_index.image) == ["0/a.jpg", "207/deeper/b.jpg"]
    for frame in (by_id, by_index):
        assert set(frame.target) == {"ground_truth"}
        assert list(frame.label) == [0, 207]
        assert list(frame.class_index) == [0, 207]
    assert list(by_id.value) == list(by_index.value)
    assert set(by_id.dataset) == {"w"}


def test_plain_folder_explains_the_predicted_class(tmp_path: Path, photos: list[Path]) -> None:
    data = fill(tmp_path / "holiday", a=photos[0], b=photos[1])
    whole = ("--model", "efficientnet_lite0")
    lines = run(data, tmp_path / "out", *whole)
    assert [line for line in lines if "no classes" in line] == [lines[0]]
    assert "holiday" in lines[0]
    assert "predicted" in lines[0]
    scores = xaibench.load_scores(tmp_path / "out")
    assert set(scores.target) == {"predicted"}
    assert set(scores.label) == {-1}
    assert list(scores.class_index) == [243, 559], "two that the network has right"
    assert scores.value.between(0, 1).all()
    quiet = run(data, tmp_path / "out", *whole, "--target", "predicted")
    assert len(quiet) == 1
    assert "nothing left" in quiet[0]


def test_subfolders_that_are_no_classes_are_plain_too(tmp_path: Path, photos: list[Path]) -> None:
    fill(tmp_path / "trip/beach", a=photos[0])
    fill(tmp_path / "trip/n99999999", b=photos[1])
    assert "no classes" in run(tmp_path / "trip", tmp_path / "out", "--dry-run")[0]


def test_partly_classed_folder_is_refused(tmp_path: Path, photos: list[Path]) -> None:
    fill(tmp_path / "some" / WNID, a=photos[0])
    shutil.copy(photos[1], tmp_path / "some/loose.jpg")
    code, _, err = cli("run", "--data", tmp_path / "some", *FAST, "--out", tmp_path / "out")
    assert code == 1
    assert err.count("\n") == 1
    assert "1 of 2 images" in err
    assert "loose.jpg" in err
    assert not (tmp_path / "out").exists()


def test_every_kind_of_image(tmp_path: Path, photos: list[Path]) -> None:
    folder = tmp_path / "kinds" / "243"
    folder.mkdir(parents=True)
    rgb = Image.open(photos[0]).convert("RGB")
    grey = rgb.convert("L")
    deep = np.asarray(grey).astype(np.uint16) * 257
    opaque = rgb.copy()
    opaque.putalpha(255)
    rgb.save(folder / "rgb.png")
    rgb.save(folder / "UPPER.PNG")
    grey.save(folder / "grey.png")
    grey.save(folder / "grey.jpg")
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.quantize(256).save(folder / "palette.png")
    rgb.quantize(256).save(folder / "palette_alpha.png", transparency=3)
    opaque.save(folder / "rgba.png")
    opaque.convert("LA").save(folder / "la.png")
    grey.convert("1").save(folder / "one_bit.png")
    Image.fromarray(deep).save(folder / "grey16.png")
    Image.fromarray(deep).save(folder / "grey16.tiff")
    count = len(list(folder.iterdir()))
    line = run(tmp_path / "kinds", tmp_path / "out")[-1]
    assert f"computed {count} predictions" in line
    assert "unreadable" not in line
    table = xaibench.load_scores(tmp_path / "out").set_index("image").value
    assert table["243/UPPER.PNG"] == pytest.approx(table["243/rgb.png"], abs=1e-6)
    assert table["243/rgba.png"] == pytest.approx(table["243/rgb.png"], abs=1e-6)
    for name in ("grey16.png", "grey16.tiff", "la.png"):
        assert table[f"243/{name}"] == pytest.approx(table["243/grey.png"], abs=1e-6), name
    assert table["243/cmyk.jpg"] != table["243/grey.png"]
    assert table["243/palette_alpha.png"] == pytest.approx(table["243/palette.png"], abs=1e-6)


def test_class_folders_may_be_symbolic_links(tmp_path: Path, photos: list[Path]) -> None:
    fill(tmp_path / "elsewhere" / WNID, a=photos[0])
    (tmp_path / "subset").mkdir()
    (tmp_path / "subset" / WNID).symlink_to(tmp_path / "elsewhere" / WNID)
    run(tmp_path / "subset", tmp_path / "out")
    assert list(xaibench.load_scores(tmp_path / "out").image) == [f"{WNID}/a.jpg"]


def test_awkward_names_survive(tmp_path: Path, photos: list[Path]) -> None:
    name = "é ü, 100%=(1).jpg"
    data = fill(tmp_path / "data" / "0", x=photos[0])
    (data / "x.jpg").rename(data / name)
    run(tmp_path / "data", tmp_path / "out")
    assert list(xaibench.load_scores(tmp_path / "out").image) == [f"0/{name}"]
    assert xaibench.load_maps(tmp_path / "out", "gradcam")[0] == [f"0/{name}"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_not_text_is_one_clear_line(tmp_path: Path, photos: list[Path]) -> None:
    data = fill(tmp_path / "data" / "0", x=photos[0])
    (data / "x.jpg").rename(data / os.fsdecode(b"\xff.jpg"))
    code, said, err = cli("run", "--data", tmp_path / "data", *FAST, "--out", tmp_path / "out")
    assert "xaibench: unexpected " not in err
    assert code == 1 or "1 unreadable" in said


def test_the_data_may_move_and_its_changes_are_noticed(tmp_path: Path, photos: list[Path]) -> None:
    data = fill(tmp_path / "here/pictures/0", a=photos[0]).parent
    run(data, tmp_path / "out")
    moved = Path(shutil.move(data, tmp_path / "pictures"))
    (moved / "0/notes.txt").write_text("not an image")
    (moved / "0/.hidden.jpg").write_text("not an image")
    assert "nothing left" in run(moved, tmp_path / "out")[-1]
    shutil.copy(photos[1], moved / "0/b.jpg")
    code, _, err = cli("run", "--data", moved, *FAST, "--out", tmp_path / "out")
    assert code == 1
    assert "data_fingerprint" in err


@pytest.mark.parametrize("links", [False, True])
def test_real_photographs_by_wordnet_id(tmp_path: Path, sample_folder: Path, links: bool) -> None:
    from xaibench.published import imagenet_wnids

    wnids = imagenet_wnids()
    chosen = sorted(sample_folder.rglob("*.JPEG"))[:3]
    for path in chosen:
        place = tmp_path / "data" / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path) if links else shutil.copy(path, place)
    run(tmp_path / "data", tmp_path / "out")
    scores = xaibench.load_scores(tmp_path / "out")
    assert list(scores.image) == [f"{p.parent.name}/{p.name}" for p in chosen]
    assert list(scores.label) == [wnids.index(p.parent.name) for p in chosen]
    assert (scores.status == "ok").all()
