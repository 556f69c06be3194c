"""Seconds by stage and method, by a clock that the tests hold; and where a run keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from networks import tiny

import xaibench
from xaibench.analysis.timings import Spent, spent
from xaibench.execution.timesheet import Timesheet
from xaibench.meter import Counts
from xaibench.stages import steps
from xaibench.stages.steps import Step
from xaibench.store.manifest import timings


def test_time_is_that_of_what_came_of_it_and_of_nothing_else() -> None:
    now, passed = [10.0], [Counts()]
    sheet = Timesheet(lambda: now[0], lambda: passed[0])

    def after(seconds: float, forwards: int, step: Step) -> None:
        now[0] += seconds
        passed[0] = Counts(passed[0].forwards + forwards, 0, passed[0].backwards + 1)
        sheet.step(step)

    after(7, 100, Step("explain rise", ahead={("maps", "rise", ""): 6}))
    after(2, 30, Step("explain rise", "maps", "rise", {("maps", "rise", ""): 6}, 2))
    after(1, 0, Step("explain rise", "maps", "rise"))
    after(5, 0, Step("score rise", ahead={("scores", "rise", "a"): 2}))
    both = {("scores", "rise", "b"): 2, ("scores", "rise", "a"): 2}
    after(4, 50, Step("score rise", "scores", "rise", both, 2))
    after(9, 0, Step("score rise", done={("scores", "rise", "a"): 2}, given_up=True))
    silent = SimpleNamespace(spec="rise", entry=SimpleNamespace(metadata={}))
    run: Any = SimpleNamespace(methods=[silent])
    assert sheet.rows(run) == [
        {
            **{"stage": "explain", "method": "rise", "metrics": []},
            **{"seconds": 3.0, "results": 6, "forwards": 30, "backwards": 2},
        },
        {
            **{"stage": "score", "method": "rise", "metrics": ["a", "b"]},
            **{"seconds": 4.0, "results": 2, "forwards": 50, "backwards": 1},
        },
    ]


def row(stage: str, seconds: float, results: float, device: str = "cpu", *metrics: str) -> dict:
    passes = {"forwards": 10.0, "backwards": 0.0}
    of = {"stage": stage, "method": "rise", "device": device, "metrics": list(metrics)}
    return {**of, "seconds": seconds, "results": results, **passes}


def test_processes_are_added_up_devices_are_not_and_later_metrics_are_added_to_a_map() -> None:
    rows = [
        {**row("explain", 6, 2), "declared": [8, 0]},
        row("explain", 2, 2),
        row("explain", 1, 5, "cuda"),
        row("score", 8, 4, "cpu", "a"),
        row("score", 1, 2, "cpu", "b"),
    ]
    assert spent(rows) == [
        Spent("cpu", "rise", 4, 2.0, 4, 2.5, (8.0, 0.0), 5.0, 0.0),
        Spent("cuda", "rise", 5, 0.2, 0, None, None, 2.0, 0.0),
    ]


def test_a_run_keeps_its_seconds_beside_the_results_and_adds_those_of_the_next(
    tmp_path: Path,
) -> None:
    options = {"method": "gradient", "metric": "sparseness", "out": tmp_path}
    network = tiny(classes=1000)
    for limit in (2, 5):
        xaibench.run({**options, "limit": limit}, network=network)
    rows = timings(tmp_path)
    assert [(r["stage"], r["method"], r["results"]) for r in rows] == [
        *(("explain", "gradient", 2), ("score", "gradient", 2)),
        *(("explain", "gradient", 3), ("score", "gradient", 3)),
    ]
    assert [(r["forwards"], r["backwards"]) for r in rows if r["stage"] == "explain"] == [
        *((2, 2), (3, 3))
    ]
    assert {tuple(r["declared"]) for r in rows if r["stage"] == "explain"} == {(1, 1)}
    xaibench.run({**options, "limit": 5}, network=network)
    assert timings(tmp_path) == rows


@pytest.mark.parametrize("bad", [3, [3], [{"stage": "explain"}], [{"seconds": "x"}], None])
def test_a_record_with_other_seconds_is_read_without_them(tmp_path: Path, bad: object) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    record = {"versions": {}, "config": {}, "timings": bad}
    (folder / "run-20260101T000000000000-1.json").write_text(json.dumps(record))
    assert timings(tmp_path) == []


def test_what_other_processes_spend_is_added_up_by_what_each_is_at() -> None:
    """Seconds are theirs, whatever this process's clock says; a write belongs to its hand's."""
    sheet, run = Timesheet(lambda: 0.0, Counts), SimpleNamespace(methods=[])

    def after(hand: int, seconds: float, metric: str, images: int) -> None:
        done = {("scores", "rise", metric): images} if images else {}
        spent = steps.Spent(seconds, Counts(forwards=10), hand)
        sheet.step(Step("score rise", "scores", "rise", done, images, spent=spent))

    after(0, 2.0, "a", 4)
    after(1, 3.0, "b", 4)
    after(0, 0.5, "", 0)
    after(1, 3.0, "b", 2)
    found: Any = sheet.rows(run)  # type: ignore[arg-type]
    assert [(row["metrics"], row["seconds"], row["results"], row["forwards"]) for row in found] == [
        (["a"], 2.5, 4, 20),
        (["b"], 6.0, 6, 20),
    ]
