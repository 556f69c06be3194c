"""Commands in processes of their own, at a fraction of a second each.

All are forked from one process that has done such a command before; Arrow's threads, the only ones
there, know of forks.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import importlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaibench.pool import THREADS

CHANGES = ("fsync", "replace", "rename", "unlink")
"""The calls of `os` by which a run changes what others see of its files."""
ROOM = ("fsync", "replace", "rename", "mkdir")
"""Those that fail on a full disk."""
PATIENCE = 60
"""Seconds after which an attempt hangs."""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. code: negative for a signal. changes: how many calls were counted."""

    code: int
    out: str
    err: str
    changes: int

    @property
    def line(self) -> str:
        """What it said of its failure, which must be one line."""
        assert self.err.count("\n") == 1, self.err
        assert "unexpected" not in self.err, self.err
        assert "Traceback" not in self.err + self.out, self.err
        return self.err.strip()


def soon(true: Callable[[], object]) -> bool:
    """Whether something becomes true before the time is up."""
    until = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    return bool(true())


@dataclass(frozen=True)
class Attempt:
    """A command at work in a session of its own, whose id is its own."""

    server: Forks
    pid: int
    log: Path

    def send(self, number: int) -> None:
        """A signal; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def says(self, text: str) -> bool:
        """Whether it has said something before the time is up."""
        return soon(lambda: text in self.text("out"))

    def wait(self) -> Ended:
        """Its end; fails where it hangs."""
        code = self.server.ask(wait=self.pid)
        assert code is not None, f"hangs: {self.text('out')}{self.text('err')}"
        return Ended(code, self.text("out"), self.text("err"), int(self.text("changes") or 0))

    def text(self, kind: str) -> str:
        """What it has said so far."""
        path = self.log.with_suffix(f".{kind}")
        return path.read_text() if path.exists() else ""


class Forks:
    """Starts commands. log: a folder for what they say. warm: a command that is run first."""

    def __init__(self, log: Path, *warm: object) -> None:
        self.log, self.count = log, 0
        here = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import forks; forks.serve()"],
            env=os.environ | {"PYTHONPATH": here, **dict.fromkeys(THREADS, "1")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.ask(warm=[str(word) for word in warm]) == 0

    def ask(self, **request: Any) -> Any:
        """The answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, *words: object, **how: Any) -> Attempt:
        """Begin a command; how: what `_child` reads."""
        self.count += 1
        log = self.log / f"attempt-{self.count}"
        pid = self.ask(words=[os.fsdecode(str(word)) for word in words], log=str(log), how=how)
        return Attempt(self, pid, log)

    def run(self, *words: object, **how: Any) -> Ended:
        """A command from its begin to its end."""
        return self.start(*words, **how).wait()

    def close(self) -> None:
        """End the process; attempts that still run are killed by who began them."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def forks(log: Path, *warm: object) -> Iterator[Forks]:
    """A `Forks` that ends with the block."""
    log.mkdir(exist_ok=True)
    held = Forks(log, *warm)
    try:
        yield held
    finally:
        held.close()


def serve() -> None:
    """In the process that is forked: answer requests until the other end is closed."""
    import torch

    from xaibench.datasets import pixels
    from xaibench.store import health

    torch.set_num_threads(1)
    pixels.START = 0.0  # workers read the first images, too
    health.SHARED_MEMORY = Path("/none")  # what other tests leave there when they are killed
    for text in sys.stdin:
        request = json.loads(text)
        if "wait" in request:
            answer = _end(request["wait"])
        elif "warm" in request:
            with contextlib.redirect_stdout(sys.stderr):
                answer = _command(request["warm"])
        else:
            answer = os.fork()
            if not answer:
                _child(request["words"], Path(request["log"]), request["how"])
        print(json.dumps(answer), flush=True)


def _end(pid: int) -> int | None:
    """The exit code of a child; None where it hangs, and is killed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _child(words: list[str], log: Path, how: dict[str, Any]) -> None:
    """Be the command, and end with its code."""
    os.setsid()
    for number, kind in ((0, None), (1, "out"), (2, "err")):
        path = os.devnull if kind is None else log.with_suffix(f".{kind}")
        opened = os.open(path, os.O_RDONLY if kind is None else os.O_CREAT | os.O_WRONLY)
        os.dup2(opened, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(how.get("environment", {}))
    for name, value in how.get("values", {}).items():
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(module), attribute, value)
    counted = _counted(how)
    with _limited(how.get("limits", {})):
        code = _command(words)
    sys.stdout.flush()
    sys.stderr.flush()
    log.with_suffix(".changes").write_text(str(counted()))
    threading._shutdown()  # as the interpreter's end does
    atexit._run_exitfuncs()
    os._exit(code)


@contextlib.contextmanager
def _limited(limits: dict[str, int]) -> Iterator[None]:
    """Limits of the system, under which what is said is kept in memory."""
    if not limits:
        yield
        return
    said = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    with (
        contextlib.redirect_stdout(said["stdout"]),
        contextlib.redirect_stderr(said["stderr"]),
    ):
        for name, most in limits.items():
            kind = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
        yield
        for name in limits:
            kind = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(kind, (resource.getrlimit(kind)[1],) * 2)
    for name, text in said.items():
        getattr(sys, name).write(text.getvalue())


def _command(words: list[str]) -> int:
    """The exit code of the command, run here."""
    from xaibench.cli import main

    sys.argv = ["xaibench", *words]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    raise AssertionError("it ends by SystemExit")


def _hold(folder: Path) -> None:
    """Say that this process waits, and wait for leave."""
    (folder / "waits").touch()
    until = time.monotonic() + PATIENCE
    while not (folder / "go").exists() and time.monotonic() < until:
        time.sleep(0.005)


def _counted(how: dict[str, Any]) -> Callable[[], int]:
    """Count the calls that change a directory, and at one of them do what is asked for.

    how: `at`, the number of the call, from 1; before it a `signal` comes, or the process waits in
    the folder `hold`, or from then on all raise the error named `errno`. A call that finds nothing
    to do counts for nothing.
    """
    count = 0
    at, number, error = how.get("at"), how.get("signal"), how.get("errno")

    def wrap(name: str) -> None:
        call = getattr(os, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if name == "unlink" and not os.path.lexists(args[0]):
                return call(*args, **kwargs)
            if name == "mkdir" and Path(args[0]).is_dir():
                return call(*args, **kwargs)
            count += 1
            if number and count == at:
                os.kill(os.getpid(), number)
            elif "hold" in how and count == at:
                _hold(Path(how["hold"]))
            elif error and count >= at:
                raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)))
            return call(*args, **kwargs)

        setattr(os, name, counting)

    for name in ROOM if error else CHANGES:
        wrap(name)
    return lambda: count
