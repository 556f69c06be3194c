"""A plan cut into jobs that hands do in any order: the files are those of one process."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from helpers import same_tensors
from networks import THOUSAND

import xaibench
from xaibench.config.run import load_config
from xaibench.execution import crews
from xaibench.execution.driver import Event, Finished, Job, Lost
from xaibench.execution.hand import hand
from xaibench.execution.jobs import rounds
from xaibench.execution.plan import plan
from xaibench.execution.portable import dump, load
from xaibench.stages.ahead import Ahead
from xaibench.stages.block import Done, Task, opened
from xaibench.stages.run import resolve
from xaibench.store import layout, tables

COMMON: dict[str, Any] = {
    "model": THOUSAND,
    "method": "gradient,fakecam,rise(n_masks=16)",
    "metric": "sparseness,average_drop",
    "target": "ground_truth,predicted",
    "workers": 0,
}


@pytest.fixture(autouse=True)
def _small_blocks() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


@dataclass
class Crew:
    """Hands in this process, one at a time, in a drawn order.

    lose: which jobs' hands die before they begin; lose_late: before they tell that they are done.
    """

    task: Task
    hands: int = 3
    lose: Callable[[Job], bool] = lambda _job: False
    lose_late: Callable[[Job], bool] = lambda _job: False
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    jobs: list[Job] = field(default_factory=list)
    _given: dict[int, bytes] = field(default_factory=dict)

    def give(self, number: int, job: Job, following: Job | None) -> None:
        assert number not in self._given
        self.jobs.append(job)
        self._given[number] = dump((job, following))

    def events(self, timeout: float) -> Iterable[Event]:
        number = self.draw.choice(sorted(self._given))
        told: list[Event] = []
        given = load(opened(self.task), self._given.pop(number))
        if self.lose(given[0]):
            return [Lost(number, "a hand died")]
        with hand(self.task, number, told.append) as do:
            do(*given)
        assert isinstance(told[-1], Finished)
        return [*told[:-1], Lost(number, "a hand died")] if self.lose_late(given[0]) else told

    def close(self) -> None:
        assert not self._given


def by(made: list[Crew], **more: Any) -> Any:
    """In the place of the choice of who works: hands that play at being processes."""

    def run_all(task: Task, todo: Any, tick: Any, say: Any) -> Done:
        made.append(Crew(task, **more))
        return crews.carry_out(task, todo, made[-1], tick, say)

    return mock.patch("xaibench.execution.crews.run_all", run_all)


def same(out: Path, base: Path) -> None:
    """Every file of results has the same name and content."""
    names = [[p.relative_to(of) for p in layout.stored(of)] for of in (out, base)]
    assert names[0] == names[1]
    assert names[0]
    for name in names[0]:
        if name.suffix == layout.MAPS:
            assert same_tensors(out / name, base / name), name
        else:
            ours, theirs = (_rows(of / name) for of in (out, base))
            assert ours.equals(theirs), name


def _rows(path: Path) -> pa.Table:
    table = tables.load(path)[0].replace_schema_metadata()
    return table.sort_by("image").combine_chunks()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """What one process makes of a configuration, made once."""
    held: dict[str, Path] = {}

    def make(**more: Any) -> Path:
        key = repr(more)
        if key not in held:
            held[key] = tmp_path_factory.mktemp("alone") / "run"
            xaibench.run({**COMMON, "out": held[key], **more})
        return held[key]

    return make


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 15},
        {"limit": 4},
        {"limit": 7, "transform": "none,mixup", "method": "gradient,rise(n_masks=16)"},
        {"until": 43.0, "method": "gradient,fakecam"},
    ],
    ids=["blocks", "one block", "transforms", "until"],
)
def test_jobs_in_any_order_make_the_files_of_one_process(
    tmp_path: Path, alone: Callable[..., Path], more: dict[str, Any]
) -> None:
    base = alone(**more)
    made: list[Crew] = []
    lines: list[str] = []
    with by(made):
        result = xaibench.run({**COMMON, "out": tmp_path, **more}, say=lines.append)
    same(tmp_path, base)
    assert len(made[0].jobs) > 2
    assert sum(result.computed.values()) == sum(
        plan(resolve(load_config({**COMMON, "out": tmp_path / "no", **more})), ALL).works.values()
    ) or more.get("until")


ALL = frozenset({"explain", "score"})


def cut(tmp_path: Path, hands: int, **more: Any) -> list[Job]:
    run = resolve(load_config({**COMMON, "out": tmp_path, **more}))
    return [job for jobs in rounds(run, plan(run, ALL), hands, lambda _: None) for job in jobs]


def test_the_last_blocks_are_cut_by_method_after_their_predictions(tmp_path: Path) -> None:
    jobs = cut(tmp_path, 2, method="gradient,fakecam")
    blocks = [job.block for job in jobs if job.block]
    assert [block.number for block in blocks] == [0, 1, 2, 2, 2, 3, 3, 3]
    assert [block.cut for block in blocks] == [False] * 3 + [True, True] + [False, True, True]
    assert [job.after for job in jobs[2:5]] == [(), (2,), (2,)]
    assert all(block.predictions == 0 for block in blocks if block.cut)


def test_what_a_method_prepares_is_waited_for_by_its_own_jobs_alone(tmp_path: Path) -> None:
    first, *others = cut(tmp_path, 3, limit=5)
    assert first.prepare is not None
    assert first.prepare.method.spec == "rise(n_masks=16)"
    assert [first.number in job.after for job in others] == [
        "rise" in named for named in map(_methods, others)
    ]


def _methods(job: Job) -> str:
    assert job.block
    return " ".join(unit.method.spec for part in job.block.parts for unit in part.units)


def test_transformed_blocks_wait_for_the_predictions_of_their_images(tmp_path: Path) -> None:
    jobs = cut(tmp_path, 1, transform="mixup", method="gradient", limit=10)
    assert [(job.number, job.after) for job in jobs] == [(0, ()), (1, ()), (2, (0,)), (3, (1,))]
    assert not _methods(jobs[0])
    assert _methods(jobs[2])


def test_a_lost_job_is_done_again_without_what_it_stored(
    tmp_path: Path, alone: Callable[..., Path]
) -> None:
    lost: list[int] = []

    def lose(job: Job) -> bool:
        dies = job.block is not None and job.number == 2 and len(lost) < 2
        lost.extend([job.number] * dies)
        return dies

    lines: list[str] = []
    made: list[Crew] = []
    with by(made, lose_late=lose):
        result = xaibench.run({**COMMON, "out": tmp_path, "limit": 15}, say=lines.append)
    same(tmp_path, alone(limit=15))
    assert [line for line in lines if "hand died" in line] == [
        "a hand died; block 0 of rise(n_masks=16) is done again"
    ] * 2
    assert result.computed["maps"] == 15 * 2 * 3


def test_what_is_lost_three_times_is_recorded_as_failed(
    tmp_path: Path, alone: Callable[..., Path]
) -> None:
    """The next run makes it, and then the files are the same."""

    def lose(job: Job) -> bool:
        return job.block is not None and _methods(job) == "fakecam" and job.block.number == 0

    lines: list[str] = []
    with (
        by([], lose=lose),
        pytest.raises(xaibench.errors.XaibenchError, match="fakecam failed: lost 3 times: a hand"),
    ):
        xaibench.run({**COMMON, "out": tmp_path, "limit": 4}, say=lines.append)
    assert "a hand died; block 0 of fakecam was lost 3 times and is given up" in lines
    scores = xaibench.load_scores(tmp_path)
    assert set(scores[scores.status == "failed"].method) == {"fakecam"}
    xaibench.run({**COMMON, "out": tmp_path, "limit": 4})
    same(tmp_path, alone(limit=4))


def test_a_hand_of_other_code_refuses(tmp_path: Path) -> None:
    task = Task(load_config({**COMMON, "out": tmp_path, "limit": 2}), "this")
    run = opened(task)
    (*_, job) = (job for jobs in rounds(run, plan(run, ALL), 1, lambda _: None) for job in jobs)
    data = dump((job, None))
    load(run, data)
    with (
        mock.patch("xaibench.execution.portable.code_of_maps", return_value="other"),
        pytest.raises(xaibench.errors.XaibenchError, match="code has changed"),
    ):
        load(run, data)


def test_hands_are_closed_with_their_recorders(tmp_path: Path) -> None:
    """A profile of hands adds up their phases."""
    lines: list[str] = []
    with by([]), ExitStack():
        xaibench.run(
            {**COMMON, "out": tmp_path, "limit": 1, "profile": True, "method": "gradient"},
            say=lines.append,
        )
    share = {line[:28].strip(): line[28:].split() for line in lines if line.endswith("%")}
    assert float(share["forward"][0]) > 0
    assert 0 <= float(share["other"][0])


def test_the_images_of_every_next_block_are_read_ahead(tmp_path: Path) -> None:
    """By one process, which begins with the first."""
    begun: list[tuple[int, ...]] = []
    begin = Ahead.begin

    def noted(self: Ahead, run: Any, places: Any) -> None:
        free = self._begun is None
        begin(self, run, places)
        begun.extend([tuple(places)] * free)

    with mock.patch.object(Ahead, "begin", noted):
        xaibench.run({**COMMON, "out": tmp_path, "limit": 20, "method": "fakecam", "workers": 1})
    blocks = [tuple(range(start, start + 5)) for start in (5, 10, 15)]
    assert [places for places in dict.fromkeys(begun) if places] == blocks
