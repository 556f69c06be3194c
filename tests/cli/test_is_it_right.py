"""Is my set-up right? The network's accuracy at the start of a run and in every report."""

from __future__ import annotations

import json
import re
import shutil
from importlib import util
from pathlib import Path

import pytest
from helpers import cli

import xaibench
from xaibench.store import tables

MODEL = ("--model", "efficientnet_lite0")
FAST = ("--method", "fakecam", "--metric", "sparseness,complexity")
ASKED = "0 of 3 right: are the labels those of this network?"


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    spec = util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("imagenet_*_*.jpg"))[:3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> Path:
    """Folders 0, 1 and 2 with other classes in them, as one's own data has; and a run of them."""
    folder = tmp_path_factory.mktemp("home")
    for number, photo in enumerate(photos):
        (folder / "data" / str(number)).mkdir(parents=True)
        shutil.copy(photo, folder / "data" / str(number))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code, said, err = cli("run", "--data", "data", *MODEL, *FAST, "--out", "wrong")
    assert code == 0, err
    (folder / "said.txt").write_text(said)
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def test_labels_of_other_classes_are_asked_about_before_the_first_score(home: Path) -> None:
    first, *warning, last = (home / "said.txt").read_text().splitlines()
    assert first == "accuracy: top-1 0.0% (0 of 3), top-5 0.0% (0)"
    assert re.sub(r"\s+", " ", " ".join(warning)) == (
        f"warning: {ASKED} 0/imagenet_00_243.jpg is labelled tench and predicted bull mastiff. "
        "--classes FILE says which class a folder is."
    )
    assert max(map(len, warning)) <= 80
    assert last.startswith("wrong: 3 images")


def test_a_resumed_run_and_score_say_it_again() -> None:
    for command in ("run", "score"):
        code, said, _ = cli(command, "--data", "data", *MODEL, *FAST, "--out", "wrong")
        assert code == 0
        assert said.count("accuracy: top-1 0.0% (0 of 3)") == said.count(ASKED) == 1
        assert "nothing left to compute" in said


def test_every_report_says_it_and_which_run_it_is() -> None:
    code, said, _ = cli("report")  # the latest, which lies elsewhere than below results/runs
    assert code == 0
    assert said.splitlines()[0] == "run wrong"
    assert ASKED in re.sub(r"\s+", " ", said)
    held = json.loads(Path("wrong/report/tables.json").read_text())["accuracy"]
    assert {k: held[k] for k in ("run", "images", "top1", "top5", "classes")} == {
        "run": "wrong",
        "images": 3,
        "top1": 0,
        "top5": 0,
        "classes": 1000,
    }
    assert held["doubt"].startswith(ASKED)
    for kind in ("md", "html", "tex"):
        text = Path(f"wrong/report/tables.{kind}").read_text().replace("\\", "")
        assert ASKED in re.sub(r"\s+", " ", text)
        assert "run wrong" in text


@pytest.mark.parametrize("words", [["--claims"], ["--page", "time"], ["--html"]])
def test_the_first_line_says_which_run_it_is(words: list[str]) -> None:
    code, said, err = cli("report", *words)
    assert code == 0, err
    assert said.splitlines()[0] == "run wrong"


def test_a_file_of_classes_makes_it_right_and_another_run(home: Path) -> None:
    Path("classes.txt").write_text("0\tbull mastiff\n1\tfolding chair\n2\tbeaker\n")
    words = ("--data", "data", *MODEL, *FAST, "--classes", "classes.txt")
    code, _, said = cli("run", *words, "--out", "wrong")
    assert code == 1
    assert "holds another run (data_fingerprint" in said
    code, said, err = cli("run", *words, "--out", "right")
    assert code == 0, err
    assert "accuracy: top-1 100.0% (3 of 3), top-5 100.0% (3)" in said
    assert "are the labels" not in said
    held = json.loads(Path("right/manifests/classes.json").read_text())
    assert held[559] == []  # folders that are numbers are no names
    code, said, _ = cli("report", "right", "--table", 1)
    assert "--classes classes.txt" in said  # the command that fills the table
    assert code == 0


def test_names_of_a_file_must_be_the_networks() -> None:
    Path("ten.txt").write_text("\n".join("abcdefghij"))
    code, _, said = cli("run", "--data", "samples", *FAST, "--classes", "ten.txt", "--out", "ten")
    assert code == 2
    assert "names 10 classes and efficientnet_lite0 has 1000" in said


def test_predictions_of_earlier_versions_are_read(home: Path) -> None:
    shutil.copytree(home / "wrong", home / "older")
    (path,) = (home / "older/predictions/none/none").glob("*.parquet")
    table, origin = tables.load(path)
    tables._write(path, table.drop_columns(list(tables.RANK)), origin)
    frame = xaibench.load_predictions("older")
    assert frame["rank"].tolist() == [-1] * 3
    assert frame["classes"].tolist() == [0] * 3
    assert xaibench.load_predictions("wrong")["classes"].tolist() == [1000] * 3
    code, said, err = cli("report", "older")
    assert code == 0, err
    said = re.sub(r"\s+", " ", said)
    assert "top-1 0.0% (0 of 3), top-5 is not known (predicted by an earlier version)" in said
    assert ASKED in said


def test_images_without_classes_have_no_accuracy(photos: list[Path]) -> None:
    for name in ("goose", "hare", "holiday"):
        Path("plain", name).mkdir(parents=True, exist_ok=True)
        shutil.copy(photos[0], Path("plain", name))
    code, said, err = cli("run", "--data", "plain", *MODEL, *FAST, "--out", "without")
    assert code == 0, err
    assert "accuracy" not in said
    assert "no classes (folder 'holiday' is no class of ImageNet's; 2 are): explaining" in said
    assert cli("report", "without")[0] == 0
    held = json.loads(Path("without/report/tables.json").read_text())["accuracy"]
    assert held["images"] is None
