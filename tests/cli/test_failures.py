"""Failures a user can cure: exit 1, one line with the remedy."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch
from helpers import cli
from safetensors.torch import save_file

FAST = ["--metric", "insertion(rows_per_step=112)", "--limit", 1]
LITE = ["--model", "efficientnet_lite0"]


def failed(*words: object) -> str:
    """The line of a command that must end with exit code 1."""
    code, _, err = cli(*words)
    assert code == 1, err
    assert err.count("\n") == 1, err
    assert err.startswith("xaibench: ")
    assert "xaibench: unexpected " not in err
    return err


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one embedded photograph; tests leave it as it is."""
    out = tmp_path_factory.mktemp("failures") / "run"
    assert cli("run", *FAST, "--out", out)[0] == 0
    return out


def test_missing_data_folder() -> None:
    line = failed("run", "--data", "nothere", *LITE)
    assert "nothere does not exist" in line
    assert "--data" in line


def test_data_that_is_a_file_is_not_called_missing() -> None:
    Path("photo.jpg").write_bytes(b"")
    line = failed("run", "--data", "photo.jpg", *LITE)
    assert "does not exist" not in line
    assert "photo.jpg" in line


def test_empty_data_folder() -> None:
    Path("empty/n01440764").mkdir(parents=True)
    Path("empty/n01440764/notes.txt").write_text("no image")
    line = failed("run", "--data", "empty", *LITE)
    assert "no images below empty" in line
    assert ".jpg" in line


def test_ground_truth_of_images_without_classes() -> None:
    Path("plain").mkdir()
    Path("plain/a.jpg").write_bytes(b"")
    line = failed("run", "--data", "plain", *LITE, "--target", "predicted,ground_truth")
    assert "--target predicted" in line


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"these are no weights at all"])
def test_unreadable_weights(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    line = failed("run", *FAST, "--weights", name)
    assert f"cannot read weights from {name}" in line
    assert "state dict" in line
    assert "()" not in line
    assert "arbitrary code" not in line, "torch's advice to load unsafely is no remedy"


def test_missing_weights() -> None:
    assert "--weights" in failed("run", *FAST, "--weights", "none.pth")


def test_weights_file_without_a_state_dict() -> None:
    torch.save([1, 2], "list.pth")
    assert "state_dict()" in failed("run", *FAST, "--weights", "list.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_weights_of_another_network(name: str) -> None:
    state = torch.nn.Linear(2, 2).state_dict()
    if name.endswith(".pth"):
        torch.save(state, name)
    else:
        save_file(state, name)
    line = failed("run", *FAST, "--weights", name)
    assert "do not fit" in line
    assert "--model and --weights" in line


@pytest.mark.parametrize("out", ["file", "file/run"])
@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_output_that_cannot_be_written(out: str, more: list[str]) -> None:
    Path("file").write_text("a regular file")
    line = failed("run", *FAST, "--out", out, *more)
    assert out in line
    assert "--out" in line
    assert Path("file").read_text() == "a regular file"


@pytest.mark.parametrize("command", ["report", "normalize", "clean"])
@pytest.mark.parametrize("name", ["nothere", "folder", "file"])
def test_not_a_run_directory(command: str, name: str) -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    line = failed(command, name)
    assert f"{name} is not a run directory" in line
    assert "--out" in line


@pytest.mark.parametrize("command", ["report", "normalize", "clean"])
def test_no_run_yet(command: str) -> None:
    assert "`xaibench run`" in failed(command)


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (["--seed", 1], "seed: 0 there, 1 asked for"),
        (["--protocol", "reference"], "protocol: published there, reference asked for"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_another_identity(
    finished: Path, words: list[object], difference: str, more: list[str]
) -> None:
    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    line = failed("run", *FAST, "--out", finished, *words, *more)
    assert difference in line
    assert "another --out" in line
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


def test_overwrite_takes_another_identity(finished: Path) -> None:
    import shutil

    shutil.copytree(finished, "copy")
    assert cli("run", *FAST, "--out", "copy", "--seed", 1, "--overwrite")[0] == 0
    assert '"seed": 1' in Path("copy/manifests/identity.json").read_text()


def test_overwrite_leaves_what_is_not_a_runs_own() -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    assert "not a run directory" in failed("run", *FAST, "--out", "mine", "--overwrite")
    cli("run", *FAST, "--out", "mine")
    cli("run", *FAST, "--out", "mine", "--overwrite")
    assert Path("mine/thesis.txt").exists()


def test_scores_without_maps() -> None:
    line = failed("score", *FAST, "--out", "out")
    assert "`xaibench explain`" in line
    assert "gradcam" in line


def test_absent_device() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert "--device cpu" in failed("run", *FAST, "--device", "cuda")


def test_report_without_scores(finished: Path) -> None:
    import shutil

    shutil.copytree(finished, "copy", ignore=shutil.ignore_patterns("scores"))
    assert "`xaibench run --out copy`" in failed("report", "copy")


def test_an_interrupt_says_that_the_command_goes_on() -> None:
    with mock.patch("xaibench.stages.block.explain_unit", side_effect=KeyboardInterrupt):
        code, _, err = cli("run", *FAST, "--out", "out")
    assert code == 130
    assert "the same command goes on from here" in err
