"""A block is a pure function of a task and what a plan says it lacks."""

from __future__ import annotations

import gc
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from networks import tiny

import xaibench
from xaibench.config.run import load_config
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution import start
from xaibench.execution.plan import Plan, plan
from xaibench.stages.block import Task, opened, run_block
from xaibench.stages.prepare import prepare_state
from xaibench.stages.steps import Step, works_of

OPTIONS = {
    "method": "gradient,rise(n_masks=4),iba(steps=2)",
    "metric": "insertion,sparseness",
    "transform": "none,mixup",
    "limit": 3,
}
STAGES = frozenset({"explain", "score"})


def begun(out: Path) -> Task:
    task = Task(load_config({**OPTIONS, "out": out}), str(out), tiny(classes=1000))
    start.open_directory(opened(task), STAGES, lambda _line: None)
    return task


def test_blocks_travel_and_give_the_commands_rows(tmp_path: Path) -> None:
    """As another process would: task and block unpickled, states prepared before."""
    task = begun(tmp_path / "a")
    todo = plan(opened(task), STAGES)
    for one in todo.preparations:
        prepare_state(opened(task), one.method, one.variation, one.code)
    made = 0
    for block in todo.blocks:
        again = pickle.loads(pickle.dumps(block))
        assert again == block
        told: list[Step] = []
        done = run_block(pickle.loads(pickle.dumps(task)), again, told.append)
        made += done.made.total()
        assert sum((Counter(step.done) for step in told), Counter()) == works_of(block)
        assert not any(step.given_up for step in told)
    assert made == todo.works.total() == todo.count("total")
    network = tiny(classes=1000)
    xaibench.run({**OPTIONS, "out": tmp_path / "b"}, network=network)
    pd.testing.assert_frame_equal(
        xaibench.load_scores(tmp_path / "a"), xaibench.load_scores(tmp_path / "b"), check_exact=True
    )


def test_garbage_is_looked_for_once_the_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def planned(*_: object) -> Plan:
        seen.append(gc.isenabled())
        return plan(*_)

    def worked(*_: object) -> None:
        seen.append(gc.isenabled())
        raise XaibenchError("enough")

    monkeypatch.setattr("xaibench.execution.plan.plan", planned)
    monkeypatch.setattr("xaibench.execution.crews.run_all", worked)
    with pytest.raises(XaibenchError, match="enough"):
        xaibench.run({**OPTIONS, "out": tmp_path}, network=tiny(classes=1000))
    with pytest.raises(UsageError):
        xaibench.run({**OPTIONS, "method": ["none"], "out": tmp_path})
    assert [*seen, gc.isenabled()] == [False, True, True]


def test_what_methods_prepare_is_done_before_any_block(tmp_path: Path) -> None:
    task = begun(tmp_path)
    todo = plan(opened(task), STAGES)
    prepared = {(p.method.entry.key, p.variation.transform) for p in todo.preparations}
    assert {key for key, _ in prepared} == {"rise", "iba"}
    for one in todo.preparations:
        prepare_state(opened(task), one.method, one.variation, one.code)
    assert plan(opened(task), STAGES).preparations == ()


def test_a_state_that_cannot_be_had_fails_its_method_alone(tmp_path: Path) -> None:
    task = begun(tmp_path)
    todo = plan(opened(task), STAGES)
    names = {p.path.name: "no room" for p in todo.preparations}
    told: list[Step] = []
    done = run_block(task, replace(todo.blocks[0], broken=names), told.append)
    assert sum((Counter(step.done) for step in told), Counter()) == works_of(todo.blocks[0])
    assert {w[1] for s in told if s.given_up for w in s.done} == {"rise(n_masks=4)", "iba(steps=2)"}
    assert set(done.reasons.values()) == {"no room"}
    assert done.made["maps"] == 3
    scores = xaibench.load_scores(tmp_path)
    assert set(scores[scores.status == "failed"].method) == {"rise(n_masks=4)", "iba(steps=2)"}


@pytest.mark.parametrize("stages", [{"explain"}, {"explain", "score"}])
def test_a_plan_is_empty_when_all_is_there(tmp_path: Path, stages: set[str]) -> None:
    network = tiny(classes=1000)
    xaibench.run({**OPTIONS, "out": tmp_path}, network=network)
    task = Task(load_config({**OPTIONS, "out": tmp_path}), "again", network)
    assert plan(opened(task), frozenset(stages)).count("total") == 0
