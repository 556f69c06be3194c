"""`xaibench show`: any image files, with the values of a run, on one sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from helpers import cli
from networks import tiny
from PIL import Image

import xaibench
from xaibench.core.bench import bench_of
from xaibench.core.explain import cost
from xaibench.models.load import load_model
from xaibench.registry import entries
from xaibench.studies.show import CHEAP, MOST, _cheap

MODEL = "from networks import tiny\n\n\ndef build():\n    return tiny(classes=1000)\n"
FAST = ("--model", "file:net.py:build", "--method", "gradcam,gradient")
SPARSE = ("--metric", "sparseness,average_drop")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A folder with a network, and a portrait, a grey and a transparent image."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)
    spec = util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    source = sorted((Path(spec.origin).parent / "data").glob("imagenet_*_*.jpg"))[0]
    photo = Image.open(source).convert("RGB")
    photo.resize((200, 320)).save("portrait.jpg")
    photo.resize((300, 260)).convert("L").save("grey.png")
    photo.resize((240, 240)).convert("RGBA").save("clear.png")
    return [Path(name) for name in ("portrait.jpg", "grey.png", "clear.png")]


@pytest.fixture
def drawn() -> Iterator[mock.Mock]:
    """What would be drawn."""
    with mock.patch("xaibench.report.figures.sheet.draw") as draw:
        yield draw


def test_the_maps_and_scores_are_those_of_a_run(photos: list[Path], drawn: mock.Mock) -> None:
    code, said, err = cli("show", *photos, *FAST, *SPARSE, "--device", "cpu")
    assert code == 0, err
    network = load_model("file:net.py:build")
    asked = {"methods": "gradcam,gradient", "targets": "predicted", "device": "cpu"}
    maps = xaibench.explain(network, photos, **asked)
    scores = xaibench.evaluate(network, photos, metrics="sparseness,average_drop", **asked)
    images, caption, path = drawn.call_args.args
    assert [image.name for image in images] == ["portrait.jpg", "grey.png", "clear.png"]
    for place, image in enumerate(images):
        for spec, title in (("gradcam", "Grad-CAM"), ("gradient", "Gradient")):
            assert np.array_equal(image.maps[title], maps[spec][place, 0].numpy())
            rows = scores[(scores["method"] == spec) & (scores["image"] == image.name)]
            values = dict(zip(rows["metric"], rows["value"], strict=True))
            assert image.scores[title] == [
                f"Sparseness \u2191 {100 * values['sparseness']:.1f}",
                f"100 - AD% \u2191 {100 - 100 * values['average_drop']:.1f}",
            ]
        assert image.photograph.shape == (64, 64, 3)
    assert "resized to a square and cropped to 64 x 64" in caption
    assert path == Path("show-3-images.png")
    assert said.splitlines()[-1] == (
        "written: show-3-images.png (3 images, 2 methods); next: "
        "xaibench run --data . --model file:net.py:build --metric sparseness,average_drop "
        "--method gradcam,gradient"
    )


def test_json_has_the_classes_and_the_scores(photos: list[Path], drawn: mock.Mock) -> None:
    code, said, _ = cli("show", *photos, *FAST, *SPARSE, "--target", "7", "--json")
    assert code == 0
    held = json.loads(said)
    assert held["sheet"] == "show-3-images.png"
    image = held["images"][1]
    assert image["image"] == "grey.png"
    assert image["explained"]["index"] == 7
    assert image["explained"]["class"] == "cock"
    likely = [one["probability"] for one in image["likeliest"]]
    assert likely == sorted(likely, reverse=True)
    assert set(image["scores"]["gradcam"]) == {"sparseness", "average_drop"}


def test_a_sheet_is_written_with_the_class_by_name() -> None:
    words = ("show", "portrait.jpg", *FAST, *SPARSE, "--target", "tabby cat", "--out", "a.png")
    code, said, err = cli(*words)
    assert code == 0, err
    assert "; explained: tabby 0.00" in said
    with Image.open("a.png") as sheet:
        assert sheet.format == "PNG"
        assert "Grad" not in sheet.text["Title"]
        assert "file:net.py:build" in sheet.text["Title"]


@pytest.mark.parametrize("target", ["281", "tabby_cat", "n02123045", "least-probable"])
def test_targets_by_index_and_name(target: str, drawn: mock.Mock) -> None:
    assert cli("show", "grey.png", *FAST, *SPARSE, "--target", target)[0] == 0
    (image,) = drawn.call_args.args[0]
    assert (image.words[0] == "tabby") is (target != "least-probable")
    assert float(image.words[1].removeprefix("p ")) > 0
    assert image.words[2].startswith("predicted: ")


def test_the_names_are_those_of_a_file(drawn: mock.Mock) -> None:
    Path("classes.txt").write_text("\n".join(f"thing {place}" for place in range(1000)))
    words = ("--classes", "classes.txt", "--target", "thing 7")
    assert cli("show", "grey.png", *FAST, *SPARSE, *words)[0] == 0
    assert drawn.call_args.args[0][0].words[0] == "thing 7"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grey.png", "--target", "taby cat"], "did you mean 'tabby cat'"),
        (["grey.png", "--target", "crane"], "names 2 classes of file:net.py:build"),
        (["grey.png", "--target", "ground_truth"], "image files have no labels"),
        (["grey.png", "--target", "1000"], "0 to 999"),
        (["."], "is a folder: give image files, ./*.jpg"),
        (["gone.png"], "gone.png does not exist"),
        (["grey.png", "grey.png"], "given twice"),
        (["grey.png", "--out", "a.jpg"], "a sheet is a PNG"),
        (["grey.png", "--out", "grey.png"], "grey.png is one of the images"),
        (["grey.png", "--method", "gradcamm"], "did you mean 'gradcam'"),
        (["grey.png", "--metric", "pointing_game"], "needs bounding boxes"),
        ([f"{place}.png" for place in range(MOST + 1)], "a sheet takes 40"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: list[str], said: str) -> None:
    for word in words:
        if word[0].isdigit() and word.endswith(".png"):
            Path(word).touch()
    code, _, err = cli("show", *FAST, *words)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_is_no_image_is_an_error() -> None:
    Path("text.jpg").write_text("no photograph")
    code, _, err = cli("show", "text.jpg", *FAST)
    assert code == 1
    assert "text.jpg cannot be read" in err


BAD = "def bad(ctx, batch, state):\n    raise ValueError('no maps today')\n"


def test_a_method_that_fails_takes_no_other_with_it(drawn: mock.Mock) -> None:
    Path("bad.py").write_text(BAD)
    words = ("show", "grey.png", *FAST[:2], *SPARSE, "--method")
    code, said, err = cli(*words, "file:bad.py:bad,gradcam")
    assert code == 1
    assert "left out: file:bad.py:bad failed: ValueError: no maps today" in said
    assert "written: show-grey.png (1 image, 1 method)" in said
    assert "show-grey.png lacks" in err
    assert list(drawn.call_args.args[0][0].maps) == ["Grad-CAM"]
    code, _, err = cli(*words, "file:bad.py:bad")
    assert code == 1
    assert "and no other method works" in err


def test_without_methods_the_cheap_ones_are_shown() -> None:
    images = torch.zeros(1, 3, 64, 64)
    bench = bench_of(tiny(), images, None, "predicted", {"device": "cpu"})
    found = _cheap(bench)
    assert len(found) > 2
    for method in found:
        assert sum(cost(method, lambda: 7).total(1)) <= CHEAP
        assert entries("methods")[method.entry.key].metadata["family"] != "control"
