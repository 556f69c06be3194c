"""What is refused before torch is loaded, in the words of the run itself."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli

from xaibench.config import early
from xaibench.config.run import RunConfig
from xaibench.errors import UsageError, XaibenchError


@pytest.mark.parametrize("command", ["run", "plan", "explain", "score"])
def test_a_missing_device_by_every_command_alike(command: str) -> None:
    with mock.patch.object(early, "cuda_devices", return_value=1):
        code, _, err = cli(command, "--device", "cuda:1")
    assert (code, err) == (1, "xaibench: device 'cuda:1': 1 CUDA devices here; use --device cpu.\n")


def test_where_only_torch_can_say_nothing_is_refused() -> None:
    with mock.patch.object(early, "cuda_devices", return_value=None):
        early.check_early(RunConfig(device="cuda"))
    with mock.patch.object(early, "cuda_devices", return_value=2):
        early.check_early(RunConfig(device="cuda:1"))


def test_boxes_are_looked_for_where_a_metric_needs_them(tmp_path: Path) -> None:
    early.check_early(RunConfig(boxes=tmp_path))
    with pytest.raises(XaibenchError, match=r"no \.xml files below .*; check --boxes"):
        early.check_early(RunConfig(metric="pointing_game", boxes=tmp_path))
    with pytest.raises(UsageError, match="give --boxes DIR"):
        early.check_early(RunConfig(metric="insertion,pointing_game"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.xml").write_text("<annotation/>")
    early.check_early(RunConfig(metric="pointing_game", boxes=tmp_path))


def test_what_all_configurations_fail_on_is_said_once() -> None:
    code, said, err = cli("run", "--config", "paper", "--data", "nowhere")
    assert (code, said) == (1, "")
    assert err == "xaibench: data folder nowhere does not exist; check --data.\n"


METHOD = "import torch\ndef m(ctx, batch, state):\n    from {0} import MAP\n    return MAP\n"


def own(folder: Path, name: str, imported: str, beside: str = "") -> str:
    """A user's method or network that imports a module beside it, where it is called."""
    folder.mkdir(exist_ok=True)
    (folder / f"{imported}.py").write_text(beside)
    (folder / name).write_text(METHOD.format(imported))
    return f"file:{folder / name}:m"


@pytest.mark.parametrize("key", ["method", "metric", "model"])
def test_one_name_for_the_modules_beside_two_files(key: str, tmp_path: Path) -> None:
    first = own(tmp_path / "a", "one.py", "maps_beside", "MAP = 1")
    second = own(tmp_path / "b", "two.py", "maps_beside", "MAP = 2")
    asked = {"method": first} | {key: f"{first},{second}" if key == "method" else second}
    a, b = (tmp_path / name / "maps_beside.py" for name in "ab")
    with pytest.raises(UsageError) as error:
        early.check_early(RunConfig(**asked))
    assert str(error.value) == f"two modules are called maps_beside, {a} and {b}: rename one."
    b.unlink()
    b.symlink_to(a)
    early.check_early(RunConfig(**asked))  # one file by two names


def test_a_module_beside_that_another_run_of_the_process_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "a")
    own(tmp_path / "a", "one.py", "loaded_beside", "MAP = 1")
    monkeypatch.setitem(sys.modules, "loaded_beside", __import__("loaded_beside"))
    early.check_early(RunConfig(method=f"file:{tmp_path / 'a' / 'one.py'}:m"))
    with pytest.raises(UsageError, match=r"two modules are called loaded_beside, .*: rename one"):
        early.check_early(RunConfig(method=own(tmp_path / "b", "one.py", "loaded_beside")))


def test_a_module_beside_with_a_name_of_pythons(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"statistics\.py has the name of a module of Python"):
        early.check_early(RunConfig(method=own(tmp_path, "one.py", "statistics")))
    (tmp_path / "one.py").write_text("def m(ctx, batch, state):\n    pass\n")
    early.check_early(RunConfig(method=f"file:{tmp_path / 'one.py'}:m"))  # none imports it


def test_show_refuses_them_too(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"no picture is read before")
    first = own(tmp_path / "a", "one.py", "shown_beside", "MAP = 1")
    second = own(tmp_path / "b", "two.py", "shown_beside", "MAP = 2")
    code, _, err = cli("show", str(tmp_path / "p.png"), "--method", f"{first},{second}")
    assert (code, "two modules are called shown_beside" in err) == (2, True)
