"""Kills while worker processes decode, and what is left in shared memory."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import WORDS, assert_among, assert_same
from forks import Forks, soon
from helpers import alive, cli

from xaibench.store import health

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")


def assert_gone(session: int) -> None:
    assert soon(lambda: not alive(session)), alive(session)


def shared(process: int) -> list[Path]:
    """What a process has in shared memory."""
    names = (f"xaibench-{process}-*", f"sem.*-{process}-*", f"psm_*{process}*")
    return [path for name in names for path in Path("/dev/shm").glob(name)]


ALL = ("run", *WORDS[:2], "--workers", 2, "--method", "gradcam", "--metric", "sparseness", "--out")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_while_workers_decode(server: Forks, tmp_path: Path, number: signal.Signals) -> None:
    """Twice in a row; neither workers nor shared memory stay."""
    out = tmp_path / "run"
    for _ in range(2):
        attempt = server.start(*ALL, out)
        assert soon(lambda pid=attempt.pid: shared(pid))  # type: ignore[misc]
        attempt.send(number)
        assert attempt.wait().code == (130 if number == signal.SIGINT else -number)
        assert_gone(attempt.pid)
        if number == signal.SIGINT:
            assert shared(attempt.pid) == []
        cli("doctor", out, "--fix")
        assert shared(attempt.pid) == []
    assert server.run(*ALL, out).code == 0
    assert server.run(*ALL[:3], "--workers", 0, *ALL[5:], tmp_path / "other").code == 0
    assert_same(out, tmp_path / "other", "gradcam")


def test_the_doctor_leaves_what_others_have_in_shared_memory(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the living, of other people, and of a dead process: the last alone is found."""
    monkeypatch.setattr(health, "SHARED_MEMORY", tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"xaibench-{dead.pid}-a", f"xaibench-{os.getpid()}-b", "xaibench-c", "other"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12345)
        assert cli("doctor", base, "--fix")[1].count(str(tmp_path)) == 0
    code, said, _ = cli("doctor", base)
    assert (code, f"left over: {paths[0]}\n" in said, said.count(str(tmp_path))) == (1, True, 1)
    assert cli("doctor", base, "--fix")[0] == 0
    assert [path for path in paths if path.exists()] == paths[1:]


@pytest.mark.slow
def test_twenty_random_moments_of_the_command_itself(base: Path, tmp_path: Path) -> None:
    """`python -m xaibench run` on workers: each directory is killed twice, then finished."""
    draw = random.Random(0)
    words = [sys.executable, "-m", "xaibench", *map(str, ALL)]
    started = time.monotonic()
    assert subprocess.run([*words, str(tmp_path / "whole")], check=False).returncode == 0
    length = time.monotonic() - started
    moments = []
    for trial in range(10):
        out = tmp_path / f"run-{trial}"
        for _ in range(2):
            number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            process = subprocess.Popen([*words, str(out)], start_new_session=True)
            moment = draw.uniform(0.2, 1.05) * length
            moments.append((number.name, round(moment, 2)))
            time.sleep(moment)
            process.send_signal(number)
            code = process.wait(60)
            assert code in (0, 130, -number), moments
            assert_gone(process.pid)
            cli("doctor", out, "--fix")
            assert shared(process.pid) == []
            if (out / "manifests").is_dir():
                assert_among(out, tmp_path / "whole")
        assert subprocess.run([*words, str(out)], check=False).returncode == 0
        assert_same(out, tmp_path / "whole", "gradcam")
