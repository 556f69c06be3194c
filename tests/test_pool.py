"""Worker processes: started once, and gone when they should be."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import loky
import pytest
from helpers import alive

from xaibench import pool
from xaibench.datasets.pixels import Geometry, read_pixels
from xaibench.datasets.samples import samples
from xaibench.errors import XaibenchError

BLOBS = """
from xaibench.datasets import pixels
from xaibench.datasets.pixels import Geometry, read_pixels
from xaibench.datasets.samples import samples
dataset = samples("")
blobs = [dataset.blob(i) for i in range(20)]
pixels.START = 0  # workers read the first images, too
"""
READING = f"""{BLOBS}
read_pixels(blobs, Geometry(256, 224, True), 2)
print("ready", flush=True)
read_pixels(blobs * {{times}}, Geometry(256, 224, True), 2)
print("done", flush=True)
"""
STARTING = f"""{BLOBS}
print("ready", flush=True)
read_pixels(blobs * 50, Geometry(256, 224, True), 2)
print("done", flush=True)
"""

AT_ONCE = f"""{BLOBS}
import threading
import time
from xaibench import pool

def slow(**how):
    time.sleep(0.3)
    return pipe(**how)

def read():
    both.wait()
    read_pixels(blobs, Geometry(256, 224, True), 2)
    print("done", flush=True)

pipe, pool.Pipe, both = pool.Pipe, slow, threading.Barrier(2)
threads = [threading.Thread(target=read) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@contextmanager
def started(*words: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process of its own, with the tests' modules, that listens to Ctrl-C."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    process = subprocess.Popen(
        [sys.executable, *words],
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job is deaf to SIGINT, and so would be its children
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def gone(session: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(session) and time.monotonic() < end:
        time.sleep(0.1)
    return not alive(session)


linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")


def test_results_come_in_the_order_of_the_jobs() -> None:
    jobs = [(2, 3), (5, 2), (10, 2), (1, 9)]
    for workers in (0, 1):
        assert pool.gather(workers, pow, jobs) == [8, 25, 100, 1]
    assert pool.gather(0, int, [("ff",)], base=16) == [255]


def test_the_same_processes_serve_again() -> None:
    first = pool.gather(1, os.getpid, [()])
    assert pool.gather(1, os.getpid, [(), ()]) == first * 2
    assert first != [os.getpid()]


def test_workers_use_one_thread_and_leave_ctrl_c_to_their_parent() -> None:
    own = signal.getsignal(signal.SIGINT)
    (threads,) = pool.gather(1, os.getenv, [("OMP_NUM_THREADS",)])
    assert threads == "1"
    (handler,) = pool.gather(1, signal.getsignal, [(signal.SIGINT,)])
    assert handler == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == own


def test_a_worker_that_reads_photographs_imports_no_torch() -> None:
    dataset = samples("")
    read_pixels([dataset.blob(i) for i in range(8)], Geometry(64, 56, True), 1)
    looks = "sorted({'numpy', 'torch'} & set(__import__('sys').modules))"
    assert pool.gather(1, eval, [(looks,)]) == [["numpy"]]


@pytest.mark.parametrize("as_module", [False, True])
def test_workers_do_not_run_the_callers_script(tmp_path: Path, as_module: bool) -> None:
    script = "import os; from xaibench import pool; print('run', flush=True)"
    (tmp_path / "unguarded.py").write_text(f"{script}; print(pool.gather(2, pow, [(2, 3)]))")
    words = ("-m", "unguarded") if as_module else (str(tmp_path / "unguarded.py"),)
    with started(*words, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("run\n[8]\n", "", 0)


def test_an_error_is_the_callers() -> None:
    for workers in (0, 1):
        with pytest.raises(ValueError, match="invalid literal"):
            pool.gather(workers, int, [("1",), ("x",), ("2",)])
    assert pool.gather(1, int, [("3",)]) == [3]


def test_a_dead_worker_is_one_line_and_the_next_call_works() -> None:
    with pytest.raises(XaibenchError, match="use fewer --workers, or 0"):
        pool.gather(1, os._exit, [(3,)])
    assert pool.gather(1, int, [("3",)]) == [3]


@linux
def test_the_interpreter_ends_with_its_workers() -> None:
    with started("-c", READING.format(times=1)) as process:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.split(), err) == (0, ["ready", "done"], "")
        assert gone(process.pid, 10)


@linux
def test_ctrl_c_stops_reading_at_once() -> None:
    with started("-c", READING.format(times=2000)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        out, err = process.communicate(timeout=120)
        assert "done" not in out, "what is read takes many times longer than to stop"
        assert err.count("KeyboardInterrupt") == 1, "the parent's alone"
        assert gone(process.pid, 10)


def test_two_threads_may_begin_workers_at_once() -> None:
    """As a run does that reads the next block ahead."""
    with started("-c", AT_ONCE) as process:
        out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("done\n" * 2, 0), err


def test_ctrl_c_waits_until_workers_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what starts them is left half made, and waits for ever when the interpreter ends."""
    began, ended = [], []
    executor = SimpleNamespace(submit=lambda *_: ended.append(1))
    held = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it

    def interrupted(*_: object, **__: object) -> object:
        began.append(1)
        signal.raise_signal(signal.SIGINT)
        return executor

    monkeypatch.setattr(loky, "get_reusable_executor", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pool.gather(1, int, [("3",), ("4",)])
    assert (began, ended) == ([1], [1]), "nothing more is begun"
    assert signal.getsignal(signal.SIGINT) == handler
    signal.signal(signal.SIGINT, held)


@linux
@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.4])
def test_ctrl_c_while_workers_start_is_their_parents_alone(seconds: float) -> None:
    with started("-c", STARTING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while len(alive(process.pid)) < 2:  # its tracker of semaphores
            time.sleep(0.01)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert "done" not in out
        assert err.count("KeyboardInterrupt") == 1
        assert gone(process.pid, 10)


@linux
def test_workers_do_not_outlive_a_killed_parent() -> None:
    with started("-c", READING.format(times=2000)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert sum("popen_loky" in words for words in alive(process.pid)) == 2
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert gone(process.pid, 20)
