"""Processes of this machine that share a run: the same rows, whatever happens to one of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from helpers import alive, cli
from networks import THOUSAND, thousand

import xaibench
from xaibench.config.run import load_config
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution import fastest, places, processes
from xaibench.execution.parcel import packed, taken_up
from xaibench.execution.places import Place
from xaibench.execution.plan import plan
from xaibench.stages.block import Task, opened
from xaibench.store import layout

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")
DEADLY = '''
"""Saliency that kills the process which makes it, once, and notes which processes made it."""

import os
from pathlib import Path

from xaibench.types import Explanation

HERE = Path(__file__).parent


def deadly(ctx, batch, state):
    (HERE / f"process-{os.getpid()}").touch()
    try:
        (HERE / "alive").unlink()
    except FileNotFoundError:
        return Explanation(batch.images.mean(1)[:, None].expand(-1, batch.targets.shape[1], -1, -1))
    os.kill(os.getpid(), 9)


def other(ctx, batch, state):
    return deadly(ctx, batch, state)
'''
SLOW = """
import time
from pathlib import Path

from xaibench.types import Explanation

HERE = Path(__file__).parent


def slow(ctx, batch, state):
    (HERE / "begun").touch()
    while (HERE / "hold").exists():
        time.sleep(0.05)
    return Explanation(batch.images.mean(1)[:, None].expand(-1, batch.targets.shape[1], -1, -1))


def slower(ctx, batch, state):
    return slow(ctx, batch, state)
"""


@pytest.fixture
def deadly(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "deadly.py"
    path.parent.mkdir()
    path.write_text(DEADLY)
    return path


def rows(out: Path) -> pd.DataFrame:
    return xaibench.load_scores(out)


def assert_same(out: Path, base: Path) -> None:
    """Every file of results, by its name, bytes of tensors and rows."""
    from test_jobs import same

    same(out, base)


def test_a_killed_worker_changes_no_row(deadly: Path, tmp_path: Path) -> None:
    """Two processes, a method each; one is killed in the midst of its first."""
    methods = f"file:{deadly}:deadly,file:{deadly}:other"
    common = {
        "model": THOUSAND,
        "method": methods,
        "metric": "sparseness,average_drop",
        "target": "predicted",
        "limit": 5,
    }
    xaibench.run({**common, "out": tmp_path / "alone"})
    (before,) = deadly.parent.glob("process-*")
    assert before.name == f"process-{os.getpid()}"
    (deadly.parent / "alive").touch()
    lines: list[str] = []
    out = tmp_path / "two"
    result = xaibench.run({**common, "out": out, "processes": 2}, say=lines.append)
    killed = [line for line in lines if "killed" in line]
    assert len(killed) == 1, lines
    assert killed[0].startswith("process ")
    assert " of 2 was killed, perhaps for want of memory; block 0 of " in killed[0]
    assert killed[0].endswith(" is done again")
    assert len(list(deadly.parent.glob("process-*"))) == 4, "one alone, two, and one in its place"
    assert result.computed == {"predictions": 5, "maps": 10, "scores": 20}
    assert_same(out, tmp_path / "alone")
    assert not children()


def children() -> list[str]:
    """Command lines of this process's own processes, but for those that decode and track."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            of = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(of[1]) == os.getpid() and "xaibench-" in words:
            found.append(words)
    return found


def test_a_network_is_mapped_and_gives_the_same_bits(tmp_path: Path) -> None:
    run = opened(Task(load_config({"out": tmp_path, "limit": 1}), "here"))
    images = torch.randn(16, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    ours = run.classifier(images[:2]), run.classifier.inference(images)
    with packed(run) as path, torch.inference_mode():
        other = taken_up(Task(load_config({"out": tmp_path, "limit": 1}), "there"), path, False)
        theirs = other.classifier(images[:2]), other.classifier.inference(images)
        starts = _mapped("xaibench-network")
        weights = [*other.classifier.module.parameters()]
        weights += [*other.classifier.inference.parameters()]
        assert all(any(a <= w.data_ptr() < b for a, b in starts) for w in weights)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert other.loader == run.loader, "the code of results is that of one process"
    assert other.identity() == run.identity()


def _mapped(name: str) -> list[tuple[int, int]]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if name in line]
    return [(int(a, 16), int(b, 16)) for a, b in spans]


def test_a_network_in_memory_is_handed_over(tmp_path: Path) -> None:
    task = Task(load_config({"out": tmp_path, "limit": 1}), "here", thousand())
    run = opened(task)
    _ = run.classifier
    images = torch.randn(16, 3, 64, 64)
    with packed(run) as path:
        other = taken_up(Task(task.config, "there"), path, in_memory=True)
    assert other.loader is None
    assert torch.equal(other.classifier(images), run.classifier(images))
    with pytest.raises(XaibenchError, match="the network in memory cannot be read"):
        taken_up(Task(task.config, "gone"), path, in_memory=True)  # never the one of the default


@pytest.mark.parametrize(
    ("asked", "cores", "threads", "expected"),
    [
        (2, 2, 2, [Place("cpu", 1, 0)] * 2),
        (2, 8, 8, [Place("cpu", 4, 2)] * 2),
        (4, 8, 1, [Place("cpu", 1, 0)] * 4),
        (8, 4, 4, [Place("cpu", 1, 0)] * 6),
        (1, 8, 8, [Place("cpu", 8, 4)]),
    ],
)
def test_the_machine_is_full_and_not_over(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: int,
    cores: int,
    threads: int,
    expected: list[Place],
) -> None:
    """No more processes than can be at work: here two methods on three blocks."""
    monkeypatch.setattr("xaibench.datasets.base.BLOCK", 5)
    monkeypatch.setattr(places, "cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    asking = {"out": tmp_path, "model": THOUSAND, "method": "gradient,fakecam", "limit": 15}
    run = opened(Task(load_config({**asking, "workers": 4, "processes": asked}), str(asked)))
    todo = plan(run, frozenset({"explain", "score"}))
    assert list(places.places(run, todo, print)) == expected


def test_auto_takes_what_was_faster_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    measured: list[int] = []

    def rates(_run: object, most: int) -> dict[str, float]:
        measured.append(most)
        return {"one": 240.0, "many": 249.0}

    monkeypatch.setattr(fastest, "_measured", rates)
    monkeypatch.setattr(fastest, "pace", lambda _run: 240.0)
    run = opened(Task(load_config({"out": tmp_path, "model": THOUSAND, "limit": 4}), "auto"))
    todo = plan(run, frozenset({"explain", "score"}))
    lines: list[str] = []
    assert fastest.fastest(run, todo, 2, lines.append) == 1, "of little work"
    assert lines == [f"processes auto: one, since what is to do takes it about {_whole(lines)} s"]
    monkeypatch.setattr(fastest, "WORTH", 0.0)
    assert [fastest.fastest(run, todo, most, lines.append) for most in (2, 2, 1)] == [2, 2, 1]
    assert measured == [2], "it is kept"
    assert lines[1] == lines[2]
    assert lines[1].startswith("processes auto: 2: 2 of one thread forward 249 inputs/s here, one")


def _whole(lines: list[str]) -> str:
    return lines[0].split()[-2]


@pytest.mark.parametrize(
    "values",
    [{"processes": 0}, {"processes": "many"}, {"devices": "two"}, {"devices": 2, "processes": 2}],
)
def test_wrong_numbers_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        load_config(values)


def test_fewer_gpus_than_asked_for_are_an_error(tmp_path: Path) -> None:
    count = torch.cuda.device_count()
    with pytest.raises(XaibenchError, match="devices"):
        xaibench.run({"model": THOUSAND, "out": tmp_path, "limit": 1, "devices": count + 1})


def test_the_number_of_processes_is_no_part_of_a_run(tmp_path: Path) -> None:
    one, two = (
        opened(Task(load_config({"out": tmp_path, "model": THOUSAND, "processes": n}), str(n)))
        for n in (1, 2)
    )
    assert one.identity() == two.identity()
    assert "processes" not in str(two.identity())


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    """A command on two processes that waits as long as there is a file `hold`."""
    path = tmp_path / "code" / "slow.py"
    path.parent.mkdir()
    path.write_text(SLOW)
    (path.parent / "hold").touch()
    words = [sys.executable, "-m", "xaibench", "run", "--model", THOUSAND, "--processes", "2"]
    words += ["--method", f"file:{path}:slow,file:{path}:slower", "--metric", "sparseness"]
    return [*words, "--limit", "20", "--batch-size", "16", "--target", "predicted", "--out"]


def soon(true: Callable[[], object], seconds: float = 240.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def _of_session(session: int) -> list[int]:
    found = []
    for number in (int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(ProcessLookupError):
            found.extend([number] * (os.getsid(number) == session))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_and_no_memory(
    slow: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C goes to all processes, as a terminal sends it; the others to the first alone."""
    out = tmp_path / "run"
    process = subprocess.Popen([*slow, str(out)], start_new_session=True, stderr=subprocess.PIPE)
    assert soon((tmp_path / "code" / "begun").exists)
    time.sleep(0.3)
    numbers = _of_session(process.pid)
    assert len(numbers) > 3, "two processes beside it, and who tracks what they share"
    send = os.killpg if number == signal.SIGINT else os.kill
    send(process.pid, number)
    _, said = process.communicate(timeout=240)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert b"Traceback" not in said
    assert soon(lambda: not alive(process.pid)), alive(process.pid)
    left = [p for p in Path("/dev/shm").iterdir() if any(f"-{n}-" in p.name for n in numbers)]
    assert not left
    assert layout.results(layout.predictions(out)), "what was finished is kept"
    (tmp_path / "code" / "hold").unlink()
    assert subprocess.run([*slow, str(out)], check=False).returncode == 0
    assert len(rows(out)) == 2 * 20
    assert cli("doctor", out, *["--fix"] * (number == signal.SIGKILL))[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"method": "gradcam,gradient,iba(steps=2,samples=2,statistics_images=20)", "limit": 8},
        {"until": 43.0, "method": "gradcam,fakecam"},
        {"method": "gradcam,fakecam", "keep_maps": "none", "limit": 5},
    ],
    ids=["statistics", "until", "no maps"],
)
def test_the_embedded_network_on_two_processes(tmp_path: Path, more: dict[str, Any]) -> None:
    common = {"metric": "sparseness,average_drop", **more}
    for out, count in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        xaibench.run({**common, "out": out, "processes": count})
    assert_same(tmp_path / "two", tmp_path / "one")


def test_a_process_whose_first_is_killed_leaves_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise SystemExit(code)

    ours, theirs = multiprocessing.Pipe()
    held = Path("/dev/shm") / f"xaibench-{os.getpid()}-images"
    held.touch()
    theirs.close()
    monkeypatch.setattr(processes.os, "_exit", end)
    with ours, pytest.raises(SystemExit):
        processes._receive(ours, queue.SimpleQueue())
    assert not held.exists()


@pytest.mark.slow
def test_auto_measures_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fastest, "WORTH", 0.0)
    run = opened(Task(load_config({"out": tmp_path, "limit": 4}), "auto"))
    lines: list[str] = []
    found = fastest.fastest(run, plan(run, frozenset({"explain", "score"})), 2, lines.append)
    assert found in (1, 2)
    assert len(lines) == 1
    assert not children()
    before = lines.copy()
    fastest.fastest(run, plan(run, frozenset({"explain", "score"})), 2, lines.append)
    assert lines == before * 2
