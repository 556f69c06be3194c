"""No name reaches the terminal as a command to it, on any encoding, from any command."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli
from networks import THOUSAND
from PIL import Image

from xaibench.cli import main
from xaibench.errors import UsageError, XaibenchError, shown

ESC = "\x1b]0;owned\x07\x1b[31mred"
NAMES = (ESC, "two\nlines", "a\tb", "\u202egpj.exe", "\x9b2J")
FAST = ["--model", THOUSAND, "--metric", "sparseness", "--method", "fakecam"]


def printed(*words: object) -> str:
    """What a command prints on both streams; every character of it visible."""
    _, out, err = cli(*words)
    text = out + err
    assert shown(text.replace("\n", "")) == text.replace("\n", ""), text
    return text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ("run", "--method", "{}"),
        ("run", "--metric", "{}"),
        ("run", "--model", "{}"),
        ("run", "--data", "{}"),
        ("run", "--protocol", "{}"),
        ("run", "--config", "{}"),
        ("run", "--transform", "{}"),
        ("run", "--method", "file:{}.py:x"),
        ("run", "--method", "rise(n_masks={})"),
        ("run", "--{}"),
        ("run", "--limit", "{}"),
        ("list", "{}"),
        ("report", "{}"),
        ("report", "--page", "{}"),
        ("clean", "{}"),
        ("ablate", "--to", "{}"),
        ("{}",),
    ],
    ids=" ".join,
)
def test_errors_are_one_visible_line(words: tuple[str, ...], name: str) -> None:
    text = printed(*(word.replace("{}", name) for word in words))
    assert text.startswith("xaibench: ")
    assert text.count("\n") == 1, text


@pytest.fixture(scope="module")
def run_of_hostile_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a folder, a file's method and the run directory with terminal sequences."""
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / f"data{ESC.replace('/', '')}"
    data.mkdir()
    for index, name in enumerate(NAMES):
        Image.new("RGB", (64, 64), (40 * index, 90, 9)).save(data / f"{name}{index}.png")
    (data / f"broken{ESC}.png").write_bytes(b"none")
    (folder / f"my{ESC}.py").write_text(
        "import torch\nfrom xaibench.types import Explanation\n"
        "def good(ctx, batch, state, *, a: str = 'x'):\n"
        "    return Explanation(torch.rand(len(batch), 1, 4, 4))\n"
        "def bad(ctx, batch, state):\n"
        f"    raise ValueError({ESC!r})\n"
    )
    return folder


def test_run_report_audit_and_clean(run_of_hostile_names: Path) -> None:
    folder = run_of_hostile_names
    file, out = f"file:{folder}/my{ESC}.py", folder / f"out{ESC}"
    words = ["--model", THOUSAND, "--data", folder / f"data{ESC}", "--out", out]
    text = printed(
        "run", "--method", f"{file}:good,{file}:bad,gradcam", "--metric", "sparseness", *words
    )
    seen = shown(ESC)
    assert f"file:my{seen}.py:bad failed: ValueError: {seen} (my{seen}.py:6)" in text
    text = printed("report", out)
    assert f"dataset data{seen}" in text
    assert f"file:my{seen}.py:good" in (out / "report" / "tables.csv").read_text()
    assert f"out{seen}" in text
    for path in (out / "report").iterdir():
        content = path.read_text(encoding="utf-8").replace("\n", "")
        assert shown(content) == content
    assert f"out{seen}" in printed("clean", out)
    assert "OUT OF TOLERANCE" not in printed("audit", out)
    assert f"out{seen} holds another run" in printed("run", "--seed", 1, *words)


def test_failing_images_and_reasons(run_of_hostile_names: Path, tmp_path: Path) -> None:
    words = [*FAST, "--data", run_of_hostile_names / f"data{ESC}", "--strict"]
    text = printed("run", *words, "--out", tmp_path / "out")
    assert f"broken{shown(ESC)}.png" in text


ENCODINGS = [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}]
ENCODINGS += [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (XaibenchError("猫 \udcff"), {"ascii": r"\u732b \udcff", "latin-1": r"\u732b \udcff"}),
        (XaibenchError("é"), {"ascii": r"\xe9", "latin-1": "é", "utf-8": "é"}),
        (OSError(errno.EACCES, "Permission denied", "ß猫"), {"ascii": r"\xdf\u732b: Perm"}),
        (UsageError("\x1b"), {}),
    ],
)  # fmt: skip
def test_an_encoding_that_lacks_a_character(
    error: Exception, seen: dict[str, str], encoding: str, errors: str
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=errors)
    with (
        mock.patch.object(sys, "argv", ["xaibench", "list", "protocols"]),
        mock.patch.object(sys, "stdout", stream),
        mock.patch.object(sys, "stderr", stream),
        mock.patch("xaibench.cli.inspect_._protocols", side_effect=error),
        pytest.raises(SystemExit),
    ):
        main()
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert seen.get(encoding, "xaibench: ") in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("environment", ENCODINGS, ids=str)
def test_commands_under_a_poor_encoding(environment: dict[str, str], tmp_path: Path) -> None:
    """The report's arrows and points, and names, in a process of its own."""
    script = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from frames import frame; from xaibench.report import write_report\n"
        "from xaibench.cli.screen import echo, take_any_character\n"
        "take_any_character()\n"
        "rows = [{'image': f'{i}.jpg', 'method': m} for i in range(4) for m in ("
        "'\\u732b', 'rise')]\n"
        "write_report(frame(rows), Path(sys.argv[2]), None, Console())\n"
        "echo('written: \\u732b')\n"
    )
    tests = Path(__file__).parents[1]
    words = [sys.executable, "-c", script, str(tests), str(tmp_path)]
    held = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))}
    done = subprocess.run(words, env=held | environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"written: \u732b" in done.stdout
    assert done.stderr == b""


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FULL, "No space left on device: free space."),
        (OSError(errno.EMFILE, "Too many open files", "a\nb"), r"a\nb: Too many open files: raise"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "x: Read-only file system: choose"),
        (OSError("odd"), "unexpected OSError: odd (--debug shows where)"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: OSError, line: str) -> None:
    with mock.patch("xaibench.cli.inspect_._protocols", side_effect=error):
        code, _, err = cli("list", "protocols")
    assert code == 1
    assert err.startswith(f"xaibench: {line}")
    assert err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["list", "--help"])
def test_a_full_disk_behind_the_output_is_one_line(command: str) -> None:
    words = [sys.executable, "-m", "xaibench", command]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == b"xaibench: No space left on device: free space.\n"
