"""A run on ImageNet as people have it, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import pytest
from helpers import cli
from layouts import Photo, official

import xaibench
from xaibench.datasets.load import load_dataset

FAST = ["--model", "torchvision:resnet18@random", "--method", "fakecam", "--metric", "sparseness"]


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    dataset = load_dataset("samples")
    return [Photo(dataset.open(i).read(), dataset.labels[i]) for i in range(len(dataset))]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, photos: list[Photo]) -> Path:
    """The archive and the devkit; the last five photographs repeat the first five's classes."""
    again = [Photo(p.data, photos[i].label) for i, p in enumerate(photos[15:])]
    return layouts.archive(tmp_path_factory.mktemp("imagenet"), [*photos[:15], *again])


def run(tree: Path, out: Path, *words: object) -> str:
    code, said, err = cli("run", "--data", tree, *FAST, "--out", out, *words)
    assert code == 0, err
    return said


def refused(tree: Path, out: Path, *words: object) -> tuple[int, str]:
    code, _, err = cli("run", "--data", tree, *FAST, "--out", out, *words)
    assert err.count("\n") == 1
    assert not out.exists(), "nothing is begun"
    return code, err


def test_the_archive(tree: Path, photos: list[Photo], tmp_path: Path) -> None:
    assert "20 images" in run(tree, tmp_path / "out")
    scores = xaibench.load_scores(tmp_path / "out")
    assert list(scores.image) == [official(i) for i in range(20)]
    assert list(scores.label) == [p.label for p in [*photos[:15], *photos[:5]]]
    assert set(scores.target) == {"ground_truth"}
    assert scores.value.abs().max() < 1e-4, "Fake-CAM has sparseness 0"


def test_a_list_in_the_authors_form_then_more(
    tree: Path, photos: list[Photo], tmp_path: Path
) -> None:
    chosen = (12, 3)
    rows = [f"{official(i)},{photos[i].label}\n" for i in chosen]
    (tmp_path / "list.csv").write_text("".join(rows))
    words = ("--subset", tmp_path / "list.csv")
    out = tmp_path / "out"
    assert "2 images, computed 2 predictions" in run(tree, out, *words)
    assert "nothing left" in run(tree, out, *words)
    assert "computed 18 predictions" in run(tree, out), "the same run grows"
    assert "nothing left" in run(tree, out, *words, "--limit", 1)
    resolved = [
        json.loads(path.read_text())["resolved"]["images_sha256"]
        for path in (out / "manifests").glob("run-*.json")
    ]
    assert len(resolved) == 4
    assert len(set(resolved)) == 3, "two of them took the same images"


def test_one_of_each_class(tree: Path, photos: list[Photo], tmp_path: Path) -> None:
    classes = sorted({photo.label for photo in photos[:15]})
    dry = ("--dry-run", "--per-class", 1)
    assert f"{len(classes)} predictions" in run(tree, tmp_path / "out", *dry)
    run(tree, tmp_path / "out", "--per-class", 1)
    scores = xaibench.load_scores(tmp_path / "out")
    assert sorted(scores.label) == classes
    assert "nothing left" in run(tree, tmp_path / "out", "--per-class", 1)


def test_what_does_not_fit_is_one_line(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{official(0)}\n{official(49)}\n")
    code, err = refused(tree, tmp_path / "out", "--subset", tmp_path / "list.txt")
    assert (code, "1 images that" in err, official(49) in err) == (2, True, True)
    code, err = refused(tree, tmp_path / "out", "--per-class", 3)
    assert (code, "ask for at most 1" in err) == (2, True)
    code, err = refused(tree, tmp_path / "out", "--subset", tmp_path / "nothere.txt")
    assert (code, "check the path" in err) == (1, True)
    code, err = refused(tree, tmp_path / "out", "--per-class", -1)
    assert code == 2


def test_missing_devkit_is_one_line(tmp_path: Path, photos: list[Photo]) -> None:
    root = layouts.archive(tmp_path / "imagenet", photos[:2])
    (root / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    code, err = refused(root, tmp_path / "out")
    assert code == 1
    assert "put ILSVRC2012_devkit_t12.tar.gz" in err
