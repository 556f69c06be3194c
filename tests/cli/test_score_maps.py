"""`xaibench score --maps`: maps made elsewhere, scored like any method's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import cli

import xaibench

MODEL = "from networks import tiny\n\n\ndef build():\n    return tiny(classes=1000)\n"


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A run whose Grad-CAM maps stand in for another tool's."""
    (tmp_path / "net.py").write_text(MODEL)
    xaibench.run({**options(tmp_path), "method": "gradcam", "out": tmp_path / "run"})
    ids, maps = xaibench.load_maps(tmp_path / "run", "gradcam")
    np.savez(tmp_path / "maps.npz", ids=np.array(ids), maps=maps)
    return tmp_path


def options(folder: Path) -> dict[str, object]:
    model = f"file:{folder}/net.py:build"
    return {"model": model, "metric": "insertion,sparseness", "data": "samples", "limit": 3}


def score(folder: Path, *words: object, maps: str = "maps.npz") -> tuple[int, str, str]:
    model = ("--model", f"file:{folder}/net.py:build", "--data", "samples")
    more = ("--metric", "insertion,sparseness", "--out", folder / "out")
    return cli("score", "--maps", folder / maps, *model, *more, *words)


def test_the_scores_are_those_of_the_method_that_made_them(ran: Path) -> None:
    code, out, _ = score(ran, "--name", "mine")
    assert code == 0
    assert "maps of 3 of the 20 images" in out
    assert "computed 3 predictions, 3 maps, 6 scores" in out
    theirs = xaibench.load_scores(ran / "run")
    mine = xaibench.load_scores(ran / "out")
    assert set(mine.method) == {"mine"}
    assert mine.value.tolist() == theirs.value.tolist()
    _, maps = xaibench.load_maps(ran / "out", "mine")
    assert np.array_equal(maps, np.load(ran / "maps.npz")["maps"])
    assert score(ran, "--name", "mine")[1].count("nothing left to compute") == 1


def test_other_maps_under_the_name_are_scored_anew(ran: Path) -> None:
    score(ran)
    before = xaibench.load_scores(ran / "out")
    held = np.load(ran / "maps.npz")
    np.savez(ran / "maps.npz", ids=held["ids"], maps=held["maps"][:, ::-1])
    code, out, _ = score(ran)
    assert code == 0
    assert "stale, since what made them has changed: 9 of maps" in out
    assert "computed 3 maps, 6 scores" in out
    after = xaibench.load_scores(ran / "out")
    assert len(after) == len(before)
    assert (after.value != before.value).any()


def test_a_map_that_is_written_over_in_a_folder_is_read_again(ran: Path) -> None:
    held = np.load(ran / "maps.npz")
    (ran / "folder").mkdir()
    for image, one in zip(held["ids"], held["maps"], strict=True):
        np.save(ran / "folder" / f"{image}.npy", one)
    config = {**options(ran), "maps": ran / "folder", "out": ran / "out", "metric": "sparseness"}
    xaibench.run(config)
    np.save(ran / "folder" / f"{held['ids'][0]}.npy", held["maps"][0] ** 2)
    assert xaibench.run(config).computed == {"predictions": 0, "maps": 3, "scores": 3}


def test_report_and_audit_know_them(ran: Path) -> None:
    score(ran, "--name", "mine")
    code, out, err = cli("report", ran / "out")
    assert code == 0, err
    assert "mine" in out
    fill = [line for line in (ran / "out" / "report" / "tables.md").read_text().split("\n")]
    commands = [line for line in fill if line.startswith("xaibench run")]
    assert commands
    assert not any("mine" in command for command in commands), "no command can make these maps"
    code, out, err = cli("audit", ran / "out", "--fraction", "1")
    assert code == 0, err
    assert "insertion" in out
    assert "stale" not in out


@pytest.mark.parametrize(
    ("words", "message", "expected"),
    [
        (("--name", "gradcam"), "is a method's", 2),
        (("--name", "GradCAM"), "is a method's", 2),
        (("--name", "a(b)"), "give letters", 2),
        (("--transform", "crop"), "untouched images", 2),
        (("--metric", "max_sensitivity(explanation=method)"), "which maps alone cannot", 2),
    ],
)
def test_wrong_use(ran: Path, words: tuple[str, ...], message: str, expected: int) -> None:
    code, _, err = score(ran, *words)
    assert (code, message in err) == (expected, True)
    assert err.count("\n") == 1


def test_ids_that_are_no_images(ran: Path) -> None:
    np.savez(ran / "maps.npz", ids=np.array(["nowhere.jpg"]), maps=np.zeros((1, 4, 4)))
    code, _, err = score(ran)
    assert code == 1
    assert "1 of the 1 ids" in err
    assert "first nowhere.jpg" in err


def test_a_folder_of_maps_and_a_file_that_is_missing(ran: Path) -> None:
    held = np.load(ran / "maps.npz")
    (ran / "folder").mkdir()
    for image, map_ in zip(held["ids"], held["maps"], strict=True):
        np.save(ran / "folder" / f"{image}.npy", map_)
    code, _, err = score(ran, maps="folder")
    assert code == 0, err
    assert set(xaibench.load_scores(ran / "out").method) == {"folder"}
    code, _, err = score(ran, maps="none.npz")
    assert code == 1
    assert "does not exist" in err
