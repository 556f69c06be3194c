"""What an actor sees to before it takes a job, and how it tells, stops and fails."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from helpers import noise
from networks import tiny

import xaibench
from xaibench.config.run import load_config
from xaibench.errors import XaibenchError
from xaibench.execution.actor import Actor, Place, compared, environment, place
from xaibench.execution.driver import Finished, Job, Raised, Ticked
from xaibench.execution.plan import plan
from xaibench.execution.portable import dump
from xaibench.stages.block import Task, opened


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A run whose directory is begun, and which lacks its second method."""
    (tmp_path / "data").mkdir()
    asked = {"data": noise(tmp_path / "data", 4), "out": tmp_path / "run", "target": "predicted"}
    asked |= {"metric": "sparseness", "method": "gradient", "workers": 0}
    asked["data"] = str(asked["data"])
    network = tiny(classes=1000)
    xaibench.run(asked, network=network)
    return Task(load_config({**asked, "method": "gradient,fakecam"}), "", network)


def given(task: Task) -> bytes:
    """The job of all that a run lacks."""
    (block,) = plan(opened(task), frozenset({"explain", "score"})).blocks
    return dump((Job(7, block), None))


def test_a_job_is_told_in_steps_and_then_its_end(task: Task) -> None:
    actor = Actor(task, place(opened(task)))
    assert isinstance(actor.open("here"), Place)
    *steps, end = actor.do(3, given(task))
    assert steps
    assert all(isinstance(one, Ticked) and one.hand == 3 for one in steps)
    assert isinstance(end, Finished)
    assert (end.hand, end.job, end.done.made["scores"]) == (3, 7, 4)
    assert actor.told(0.0, 0.0) == []


def test_what_happens_is_told_while_a_job_goes_on(task: Task) -> None:
    """The job waits until its first steps have been told."""
    actor, told = Actor(task, place(opened(task))), threading.Event()

    def waits(*_: object) -> object:
        assert told.wait(30)
        raise RuntimeError("the end of it")

    ended: list[object] = []
    with mock.patch("xaibench.stages.block.explain_unit", waits):
        thread = threading.Thread(target=lambda: ended.extend(actor.do(0, given(task))))
        thread.start()
        while not (events := actor.told(0.0, 30.0)):  # it has not begun
            assert thread.is_alive()
        told.set()
        thread.join()
    assert isinstance(events[0], Ticked)
    assert isinstance(ended[-1], Raised)
    assert "the end of it" in str(ended[-1].error)


def test_a_stopped_actor_says_no_end(task: Task) -> None:
    actor = Actor(task, place(opened(task)))
    actor.stop()
    assert actor.do(0, given(task)) == []
    assert set(xaibench.load_scores(task.config.directory).method) == {"gradient"}


def test_an_actor_that_does_not_see_the_run_is_refused(task: Task) -> None:
    run = opened(task)
    home = place(run)
    elsewhere = replace(home, host="node7", identity="")
    with pytest.raises(XaibenchError, match=r"^node7 does not see the run .* give an --out"):
        compared(run, elsewhere, home)
    found = Actor(task, replace(home, identity="another", host="head")).open("")
    assert isinstance(found, Raised)
    assert "does not see" in str(pickle.loads(pickle.dumps(found)).error)


def test_other_versions_are_a_warning_or_refused(task: Task) -> None:
    run = opened(task)
    home = place(run)
    here = replace(home, versions={**home.versions, "torch": "1.0", "platform": "another"})
    warning = compared(run, here, home).warning
    assert "torch 1.0" in warning
    assert "platform" not in warning
    assert compared(run, home, home).warning == ""
    strict = replace(run, config=run.config.model_copy(update={"strict": True}))
    with pytest.raises(XaibenchError, match="drop --strict"):
        compared(strict, here, home)


def test_an_error_that_cannot_be_sent_is_said(task: Task) -> None:
    class Local(Exception):
        pass

    actor = Actor(task, replace(place(opened(task)), host="head"))
    with mock.patch("xaibench.execution.actor.load", side_effect=Local("odd")):
        (raised,) = actor.do(0, b"")
    assert isinstance(raised, Raised)
    assert "Local: odd" in str(raised.error)
    with mock.patch("xaibench.execution.actor.load", side_effect=XaibenchError("no room")):
        (raised,) = actor.do(0, b"")
    assert isinstance(raised, Raised)
    assert str(raised.error).endswith(": no room")
    assert str(raised.error).startswith("on ")


def test_an_actor_has_the_threads_of_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")
    assert environment(3)["OMP_NUM_THREADS"] == "3"
    assert environment(3)["THP_MEM_ALLOC_ENABLE"] == "1"
