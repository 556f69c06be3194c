"""What commands print: nothing wraps at 80 columns, --json, the last line, NO_COLOR."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from frames import study
from helpers import cli
from rich.console import Console

from xaibench.cli.screen import _lines, folded, next_is
from xaibench.execution.doctor import Check
from xaibench.report import write_report
from xaibench.report.pages.ablation import Ablation
from xaibench.report.render.terminal import shell_lines
from xaibench.studies.audit import Line

RUN = "a run"
LINES = [Line("insertion(kernel=5,rows_per_step=112,sigma=1)", "oracle", 2, 0.0, 1e-5, 1, "", True)]
COMMANDS = {
    "report": ["report", RUN],
    "choose": ["report", RUN, "--choose"],
    "time": ["report", RUN, "--page", "time"],
    "claims": ["report", RUN, "--claims"],
    "normalize": ["normalize", RUN, "--method", "fakecam"],
    "list": ["list"],
    "list of one kind": ["list", "metrics"],
    "plan": ["plan", "--rate", 100, "--limit", 2],
    "clean": ["clean", RUN],
    "doctor": ["doctor", RUN],
    "doctor of the machine": ["doctor"],
    "audit": ["audit", RUN],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one photograph."""
    made = tmp_path_factory.mktemp("terminal")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        words = ["--method", "fakecam,gradient", "--metric", "sparseness,complexity", "--limit", 1]
        code, said, err = cli("run", *words, "--out", RUN)
    assert code == 0, err
    assert said.endswith("; next: xaibench report 'a run'\n")
    return made


@pytest.fixture(autouse=True)
def _at_80_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    checks = [Check("torch", True, "2.0"), Check("devices", True, "cpu")]
    monkeypatch.setattr("xaibench.execution.doctor.checks", lambda: checks)
    monkeypatch.setattr("xaibench.studies.audit.audit", lambda *_, **__: LINES)


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_wraps(name: str) -> None:
    code, said, err = cli(*COMMANDS[name])
    assert code == 0, err
    assert [line for line in said.splitlines() if len(line) > 80] == []
    if "list" not in name and name != "clean":
        assert "next: " in " ".join(said.splitlines()[-3:])


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_one_document_and_all_there_is(name: str) -> None:
    code, said, err = cli(*COMMANDS[name], "--json")
    assert code == 0, err
    assert json.loads(said)


def test_json_of_a_run_is_what_it_computed() -> None:
    words = ["--method", "fakecam,gradient", "--metric", "sparseness", "--limit", 1, "--out", RUN]
    code, said, err = cli("run", *words, "--json")
    assert code == 0, err
    (done,) = json.loads(said)
    assert (done["directory"], done["images"], done["unreadable"]) == (RUN, 1, 0)
    assert set(done["computed"].values()) == {0}
    assert "nothing left to compute" in err
    code, said, _ = cli("score", *words, "--json", "--dry-run")
    assert any("0 scores" in line for line in json.loads(said)["lines"])


def test_a_long_command_to_run_next_is_one_that_a_shell_takes() -> None:
    words = ["report", "a run", *(f"--method=m{i}" for i in range(20))]
    lines = _lines(f"written: {'a ' * 50}{next_is(*words)}", 80)
    assert [line for line in lines if len(line) > 80] == []
    start = next(i for i, line in enumerate(lines) if line.startswith("next: "))
    joined = "\n".join(lines[start:]).removeprefix("next: ").replace("\\\n", "")
    assert shlex.split(joined) == ["xaibench", *words]


def test_json_of_a_report_is_its_pages() -> None:
    _, said, err = cli("report", RUN, "--json")
    pages = json.loads(said)
    assert list(pages) == ["tables", "time"]
    assert pages["tables"] == json.loads(Path(RUN, "report", "tables.json").read_text())
    assert "written: a run/report/{tables.md," in err
    assert err.endswith("next: xaibench report 'a run' --choose\n")


def test_a_report_of_one_method_and_one_metric_alone() -> None:
    words = ["report", RUN, "--method", "fakecam", "--metric", "sparseness", "--no-paper"]
    code, said, err = cli(*words)
    assert code == 0, err
    for path in Path(RUN, "report").glob("tables.*"):
        assert "Complexity" not in path.read_text().replace("Robustness and complexity", "")
        assert "Grad" not in path.read_text()
        assert "ACML" not in path.read_text()
    assert "missing" not in said, "what is left out is not missing"
    assert "Grad" not in said
    for more in (["--page", "time"], ["--choose"]):
        code, said, err = cli(*words, *more)
        assert code == 0, err
    code, _, err = cli(*words, "--agreement")
    assert code == 1
    assert "has maps of 1" in err
    code, _, err = cli(*words, "--claims")
    assert code == 2
    assert "leave --no-paper out" in err
    code, _, err = cli(*words[:-1], "--claims")
    assert code == 0, err
    code, _, err = cli("report", RUN, "--choose", "--figures")
    assert code == 2
    assert "print pages alone" in err
    code, _, err = cli("report", RUN, "--method", "gradcam")
    assert code == 2
    assert "unknown method of this run 'gradcam'" in err


def test_json_of_an_audit_that_fails_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [Line("insertion", "oracle", 2, 1.0, 1e-5, 0, "gradcam x.jpg", False)]
    monkeypatch.setattr("xaibench.studies.audit.audit", lambda *_, **__: bad)
    code, said, err = cli("audit", RUN, "--json")
    assert code == 1
    assert json.loads(said)["good"] is False
    assert "1 comparisons are out of tolerance" in err


def test_json_of_what_is_deleted(tmp_path: Path) -> None:
    words = ["--method", "fakecam", "--metric", "sparseness", "--limit", 1, "--out", tmp_path / "r"]
    assert cli("run", *words)[0] == 0
    code, said, _ = cli("clean", tmp_path / "r", "--maps", "--yes", "--json")
    held = json.loads(said)
    assert code == 0
    assert held["deleted"] == ["maps"]
    assert {"name", "files", "size", "advice"} <= set(held["held"][0])


@pytest.mark.parametrize("found", [None, Ablation("published", "reference", "m", "d", (), ())])
def test_json_of_an_ablation(found: Ablation | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def ablate(*_: object, say: Callable[[str], None]) -> Ablation | None:
        say("causal.kernel: 5 -> 11")
        return found

    monkeypatch.setattr("xaibench.studies.ablate.ablate", ablate)
    code, said, err = cli("ablate", "--out", "ablation", "--json")
    assert code == 0, err
    held = json.loads(said)
    assert err.startswith("causal.kernel: 5 -> 11\n")
    assert (
        held == {"lines": ["causal.kernel: 5 -> 11"]}
        if found is None
        else held["to"] == "reference"
    )
    assert found is None or err.endswith("; next: xaibench report ablation/published\n")


def test_an_error_stays_one_line() -> None:
    code, said, err = cli("report", "nowhere", "--json")
    assert (code, said) == (1, "")
    assert err == "xaibench: nowhere is not a run directory; give the --out of a run.\n"


def on_a_terminal(words: list[str], columns: int) -> str:
    """What a command writes to stderr where that alone is a terminal of so many columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    variables = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    command = [sys.executable, "-m", "xaibench", *words]
    with os.fdopen(ours, "rb", buffering=0) as reader:
        done = subprocess.run(
            command, env=variables, stdout=subprocess.DEVNULL, stderr=theirs, check=False
        )
        os.close(theirs)
        assert done.returncode in (1, 2)
        return reader.read(10_000).decode().replace("\r\n", "\n")


def test_an_error_is_folded_on_a_terminal_at_words() -> None:
    path = "/a/path/with,commas,and-hyphens/" + "long" * 20
    line = f"xaibench: {path} is not a run directory; give the --out of a run.\n"
    said = on_a_terminal(["report", path], 40)
    assert said.count("\n") == 4
    assert f"  {path}\n" in said
    assert [one for one in said.splitlines() if len(one) > 40 and path not in one] == []
    assert " ".join(said.split()) == line.strip()
    assert cli("report", path)[2] == line, "one line where it is no terminal"


def test_a_closed_pipe_is_said_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "xaibench", "report", RUN]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"xaibench: output closed\n")


@pytest.mark.parametrize("width", [30, 80, 100])
def test_a_folded_command_is_the_same_to_a_shell(width: int) -> None:
    words = ["xaibench", "run", "--method", ",".join(["gradcam"] * 9 + ["lime(a='b c')"]), "--x"]
    words += ["--out", "/" + "long" * 30 + "/it's a run", "--limit", "3"]
    lines = shell_lines(shlex.join(words), width)
    assert max(map(len, lines)) <= width
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == words  # as a shell joins them


def test_lines_are_folded_at_blanks_and_commas_and_paths_stay_whole() -> None:
    assert folded("one two three", None) == ["one two three"]
    assert folded("one two three", 8) == ["one two", "  three"]
    assert folded("written: {aa.md,bb.md,cc.md}", 12) == [
        "written:",
        "  {aa.md,",
        "  bb.md,",
        "  cc.md}",
    ]
    assert folded("see /a/path-that/is-long", 10) == ["see", "  /a/path-that/is-long"]
    assert folded("  indented text here", 12) == ["  indented", "    text", "    here"]


def test_no_color_prints_no_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    scores = study(3, ["fakecam"], model="other")  # a note in yellow
    write_report(scores, tmp_path, [1], Console(file=file, force_terminal=True, width=80))
    codes = {
        int(c)
        for found in re.findall(r"\x1b\[([\d;]*)m", file.getvalue())
        for c in found.split(";")
    }
    assert codes
    assert not [code for code in codes if code >= 30]


def test_colours_are_there_without_it(tmp_path: Path) -> None:
    file = io.StringIO()
    with mock.patch.dict("os.environ", {"TERM": "xterm-256color"}):
        console = Console(file=file, force_terminal=True, width=80)
    write_report(study(3, ["fakecam"], model="other"), tmp_path, [1], console)
    assert "\x1b[33m" in file.getvalue()
