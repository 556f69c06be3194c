"""Actors of a Ray cluster make the rows of one process, also where they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import psutil
import pytest
from helpers import alive, cli, noise
from networks import THOUSAND

import xaibench
from xaibench.config.run import load_config
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution import cluster, crews
from xaibench.execution import ray as on
from xaibench.execution.ray import machine_lost

try:
    import ray
except ImportError:
    ray = None
with_ray = pytest.mark.skipif(ray is None, reason="needs pip install 'xaibench[ray]'")
COUNT = 90
"""Images: two blocks, of 80 and of 10."""
SLOW = """
import os, time
from pathlib import Path
from xaibench.types import Explanation

HERE = Path(__file__).parent

def slow(ctx, batch, state):
    (HERE / f"at-{os.getpid()}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return Explanation(batch.images.mean(1)[:, None].expand(-1, batch.targets.shape[1], -1, -1))

def deadly(ctx, batch, state):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """A cluster that all tests here share."""
    with cluster.connected(None, 2) as own:
        assert own
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noise(tmp_path_factory.mktemp("pictures"), COUNT)


def run(data: Path, out: Path, **more: Any) -> list[str]:
    """The lines of a run."""
    lines: list[str] = []
    config = {
        "data": str(data),
        "model": THOUSAND,
        "target": "predicted",
        "method": "gradcam,rise(n_masks=16)",
        "metric": "sparseness,average_drop",
        "workers": 0,
        "out": out,
        **more,
    }
    xaibench.run(config, say=lines.append)
    return lines


ON_RAY = {"executor": "ray", "processes": 2}


def same(out: Path, base: Path) -> None:
    """Every row and file name of two runs, to the bit."""
    pd.testing.assert_frame_equal(
        xaibench.load_scores(out), xaibench.load_scores(base), check_exact=True
    )
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(out), xaibench.load_predictions(base), check_exact=True
    )
    kinds = ("maps", "scores", "predictions", "state")
    names = [
        sorted(p.relative_to(of) for kind in kinds for p in (of / kind).rglob("[!.]*.*"))
        for of in (out, base)
    ]
    assert names[0] == names[1]


def killed_once(folder: Path, sent: list[int]) -> None:
    """Kill the first process that says it is there."""
    until = time.monotonic() + 60
    while not (found := sorted(folder.glob("at-*"))) and time.monotonic() < until:
        time.sleep(0.01)
    sent.append(int(found[0].name.removeprefix("at-")))
    os.kill(sent[0], signal.SIGKILL)
    (folder / "go").touch()


@with_ray
def test_two_actors_make_the_rows_of_one_process_though_one_is_killed(
    two_cores: None, data: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "slow.py").write_text(SLOW)
    method = f"gradcam,rise(n_masks=16),file:{mine / 'slow.py'}:slow"
    sent = list[int]()
    killer = threading.Thread(target=killed_once, args=(mine, sent))
    killer.start()
    with mock.patch("xaibench.execution.local.run_all", side_effect=AssertionError):
        lines = run(data, tmp_path / "ray", method=method, **ON_RAY)
    killer.join()
    told = [line for line in lines if f"process {sent[0]}" in line]
    assert len(told) == 1
    assert "died" in told[0]
    run(data, tmp_path / "one", method=method)
    same(tmp_path / "ray", tmp_path / "one")


@with_ray
@pytest.mark.slow
def test_a_run_goes_on_with_and_without_ray(two_cores: None, data: Path, tmp_path: Path) -> None:
    """By two actors, one process, one actor; at last nothing is left, and none is begun."""
    here = tmp_path / "ray"
    run(data, here, **ON_RAY, limit=60)
    run(data, here, limit=85)
    run(data, here, executor="ray", processes=1)
    with mock.patch("xaibench.execution.ray.connected", side_effect=AssertionError):
        run(data, here, **ON_RAY)
    run(data, tmp_path / "one")
    same(here, tmp_path / "one")


@with_ray
@pytest.mark.slow
def test_what_is_lost_three_times_is_recorded_as_failed_and_the_rest_goes_on(
    two_cores: None, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text(SLOW)
    name = f"file:{tmp_path / 'deadly.py'}:deadly"
    with pytest.raises(XaibenchError, match="lost 3 times"):
        run(data, tmp_path / "ray", method=f"gradcam,{name}", limit=10, **ON_RAY)
    rows = xaibench.load_scores(tmp_path / "ray")
    assert set(rows[rows.method == "gradcam"].status) == {"ok"}
    assert set(rows[rows.method != "gradcam"].status) == {"failed"}


@with_ray
@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_stopped_run_leaves_no_process(
    sent: signal.Signals, code: int, data: Path, tmp_path: Path
) -> None:
    """The command starts a cluster of its own."""
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["--data", data, "--model", THOUSAND, "--target", "predicted", "--workers", "0"]
    words += ["--method", f"gradcam,file:{tmp_path / 'slow.py'}:slow", "--out", tmp_path / "run"]
    words += ["--executor", "ray", "--processes", "2", "--metric", "sparseness"]
    command = [sys.executable, "-m", "xaibench", "run", *map(str, words)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("at-*")) and time.monotonic() < until:
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    (tmp_path / "go").touch()
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    _, said = process.communicate(timeout=90)
    assert process.returncode == code
    before = said.splitlines()
    if sent == signal.SIGINT:
        assert before.pop().startswith("xaibench: interrupted")
    assert all(line.startswith("xaibench: 0% ") for line in before), said
    assert not alive(process.pid)
    assert not [one for one in below if one.is_running() and one.status() != "zombie"]


@with_ray
@pytest.mark.parametrize(
    ("error", "alive", "lost"),
    [
        ("ActorDiedError", True, False),  # killed, or for want of memory
        ("WorkerCrashedError", True, False),
        ("OutOfMemoryError", True, False),
        ("ActorDiedError", False, True),
        ("preempted", True, True),
        ("NodeDiedError", True, True),
        ("ActorUnavailableError", True, True),
    ],
)
def test_a_lost_machine_is_no_fault_of_the_blocks(error: str, alive: bool, lost: bool) -> None:
    made = {
        "ActorUnavailableError": lambda: ray.exceptions.ActorUnavailableError("no answer", None),
        "NodeDiedError": lambda: ray.exceptions.NodeDiedError("gone"),
        "OutOfMemoryError": lambda: ray.exceptions.OutOfMemoryError("full"),
        "preempted": lambda: ray.exceptions.RayActorError(preempted=True),
    }
    met = made.get(error, getattr(ray.exceptions, error, None))()
    nodes = [{"NodeID": "mine", "Alive": alive}, {"NodeID": "other", "Alive": True}]
    cluster_of = SimpleNamespace(exceptions=ray.exceptions, nodes=lambda: nodes)
    assert machine_lost(cluster_of, met, "mine") == lost


def test_without_ray_one_line_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ("--data", data, "--model", THOUSAND, "--target", "predicted", "--limit", 2)
    code, _, said = cli("run", *words, "--executor", "ray", "--out", tmp_path / "run")
    assert code == 1
    assert said.count("\n") == 1
    assert "pip install 'xaibench[ray]'" in said


def test_the_address_of_rays_client_is_refused() -> None:
    with (
        mock.patch.object(cluster, "imported"),
        pytest.raises(UsageError, match="--ray-address auto"),
        cluster.connected("ray://head:10001", 1),
    ):
        pass


def test_a_cluster_of_our_own_is_ended_before_sigterm_ends_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = list[str]()

    @contextmanager
    def connected(*_: object) -> Iterator[bool]:
        try:
            yield True
        finally:
            order.append("cluster")

    def carry_out(*_: object) -> None:
        with crews.stopping():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    for name in ("Actors", "room", "imported"):
        monkeypatch.setattr(on, name, mock.MagicMock())
    monkeypatch.setattr(on, "opened", lambda _: SimpleNamespace(config=load_config({})))
    monkeypatch.setattr(on, "connected", connected)
    monkeypatch.setattr(on, "carry_out", carry_out)
    on.imported().cluster_resources.return_value = {}
    before = signal.signal(signal.SIGTERM, lambda *_: order.append("command"))
    try:
        with pytest.raises(KeyboardInterrupt):
            on.on_ray(mock.MagicMock(), mock.MagicMock(), lambda _: None, lambda _: None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert order == ["cluster", "command"]


def test_an_address_where_nothing_answers_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray itself would try for half an hour, and say so in lines of its own."""
    held = SimpleNamespace(is_initialized=lambda: False)
    monkeypatch.setattr(cluster, "imported", lambda: held)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    for address in ("127.0.0.1:1", "auto", None, "127.0.0.1:99999"):
        with (
            pytest.raises(XaibenchError, match=r"no Ray cluster answers at 127.0.0.1:.*start one"),
            cluster.connected(address, 1),
        ):
            pass
