"""`--help`, `--version` and `list`: right, complete, and without anything heavy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from helpers import cli

from xaibench import __version__
from xaibench.cli import app
from xaibench.registry import KINDS, entries

HEAVY = (
    "torch torchvision numpy scipy pandas pyarrow captum quantus PIL skimage yaml tqdm "
    "safetensors matplotlib foolbox"
).split()  # not pydantic: Typer itself imports it
COMMANDS = ["run", "plan", "explain", "normalize", "score", "report", "list", "doctor", "clean"]
IMPORTS = """
import json, runpy, sys
sys.argv = ["xaibench", *json.loads(sys.argv[1])]
try:
    runpy.run_module("xaibench", run_name="__main__")
except SystemExit as stop:
    print(json.dumps([stop.code or 0, sorted({m.split(".")[0] for m in sys.modules})]))
"""


def imported(words: list[str]) -> tuple[int, set[str]]:
    """A command's exit code, and the packages that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(words)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["plan", "-h"],
        ["list"],
        ["list", "methods"],
        ["report", "-h"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    code, modules = imported(words)
    assert code == 0
    assert "xaibench" in modules
    assert not set(HEAVY) & modules


def test_an_unknown_name_is_refused_without_torch() -> None:
    code, modules = imported(["run", "--method", "gradcm"])
    assert code == 2
    assert "torch" not in modules


def test_a_run_up_to_its_first_forward_imports_torch_alone(tmp_path: Path) -> None:
    """Torchvision imports torch's compiler, which takes half as long as torch itself."""
    words = ["run", "--dry-run", "--limit", "1", "--out", str(tmp_path / "run")]
    code, modules = imported(words)
    assert code == 0
    assert "torch" in modules
    later = {"torchvision", "scipy", "skimage", "matplotlib", "captum", "sympy"}
    assert not later & modules


def test_help_names_every_command_and_shows_examples() -> None:
    code, said, _ = cli("--help")
    assert code == 0
    for command in COMMANDS:
        assert f" {command} " in said
    assert "Examples" in said
    assert "xaibench run --method gradcam --metric insertion" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command: str) -> None:
    code, said, _ = cli(command, "--help")
    assert code == 0
    assert "Example" in said
    assert f"xaibench {command}" in said


def squeezed(text: str) -> str:
    """A text without blanks: lines break at them and after hyphens."""
    return "".join(text.split())


@pytest.mark.parametrize("columns", [60, 80])
def test_help_cuts_nothing(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option's names, type and text, and every command's sentence, whole at 80 columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    group = typer.main.get_command(app)
    pages = {(): group, **{(name,): command for name, command in group.commands.items()}}
    for words, command in pages.items():
        said = cli(*words, "--help")[1]
        assert max(map(len, said.splitlines())) <= columns, words
        text = squeezed(said)
        for option in command.params:
            assert set(option.opts + option.secondary_opts) <= set(re.split(r"[\s/,]+", said)) | {
                option.name
            }
            assert squeezed(option.help or "") in text
        if words:
            assert squeezed(str(command.help).split("\n\n")[0]) in squeezed(cli("--help")[1])


def test_no_arguments_is_help() -> None:
    _, said, err = cli()
    assert "Usage: " in said + err
    assert " doctor " in said + err
    assert "xaibench: " not in err, "help is no error"


def test_version() -> None:
    assert cli("--version")[1] == f"xaibench {__version__}\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fold", [str, str.upper, lambda kind: kind[:-1]])
def test_list_shows_each_key_with_its_sentence(kind: str, fold) -> None:
    code, said, _ = cli("list", fold(kind))
    assert code == 0
    assert entries(kind).keys() <= {line.split()[0] for line in said.splitlines()}
    text = " ".join(said.split())  # lines are folded
    for key, entry in entries(kind).items():
        assert entry.doc
        assert f"{key} {entry.doc}" in text


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("methods", {"gradcam"}),
        ("metrics", {"insertion", "deletion"}),
        ("models", {"efficientnet_lite0", "torchvision"}),
        ("datasets", {"samples", "imagefolder"}),
        ("transforms", {"none"}),
        ("protocols", {"published", "reference"}),
    ],
)
def test_list_has_the_well_known_keys(kind: str, keys: set[str]) -> None:
    code, said, _ = cli("list", kind)
    assert code == 0
    assert keys <= {line.split()[0] for line in said.splitlines()}


def test_list_without_a_name_shows_all_kinds() -> None:
    said = cli("list")[1]
    for kind in (*KINDS, "protocols"):
        assert f"{kind}:\n" in said
        assert cli("list", kind)[1] in said


@pytest.mark.parametrize("command", ["run", "report", "ablate"])
def test_help_says_the_defaults(command: str) -> None:
    """A bracket in a help text is text, not the terminal's markup."""
    said = cli(command, "--help")[1]
    assert "[default: " in said
    assert "\\[" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["--metric", "pointing-game", "--boxes", "nowhere"],
        ["--metric", "pointing-game"],
        ["--device", "cuda:99"],
        ["--data", "nowhere"],
        ["--config", "paper", "--data", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_refused_without_torch(words: list[str]) -> None:
    code, modules = imported(["run", *words])
    assert code != 0
    assert "torch" not in modules
