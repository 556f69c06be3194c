"""What is refused before torch is loaded, in the words of the run itself."""

from __future__ import annotations

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
