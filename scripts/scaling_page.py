"""Write the numbers of docs/scaling.md: the paper's tables on 1, 8 and 64 devices.

    python scripts/scaling_page.py

A block's seconds are those of `xaibench plan --rate`; who does which block when is decided by the
code that a run uses (`xaibench.execution.jobs`, `driver`), with hands that take these seconds in
the place of processes. Nothing is run but one blank image through ResNet-50 of drawn weights.
"""

from __future__ import annotations

import heapq
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

from cost_page import IMAGES, TABLES, run_of

from xaibench.datasets import base, subset
from xaibench.execution.amounts import Amount, Forecast
from xaibench.execution.driver import Event, Finished, Job, Recovery, drive
from xaibench.execution.estimate import by_rate, estimate, size
from xaibench.execution.forecast import Forecaster
from xaibench.execution.jobs import rounds
from xaibench.execution.outlook import Made, table_bytes
from xaibench.execution.plan import Plan, plan
from xaibench.stages.run import Run

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- numbers: scripts/scaling_page.py -->", "<!-- end of numbers -->"
PROTOCOL = "published"
RATES = (1_000.0, 4_000.0)
"""Forwards a second of a device: that of docs/cost.md, and a fast one."""
DEVICES = (8, 64)
DOLLARS, SPOT = 2.0, 0.8
"""Of an hour of a device: on demand, and where it may be taken away."""
START = 30.0
"""Seconds until a process has loaded its libraries and its network."""
FILE = 0.05
"""Seconds for a file of results on a disk that machines share: its parts, and to join them."""
JOB = 0.01
"""Seconds to hand out a job and take in what came of it."""
DECODE = 100.0
"""Photographs that a core reads and decodes in a second."""
COPY = 10e9
"""Bytes that are sent to a device in a second."""
SIZES = (20, 40, 80, 160, 320, 640, 1_280)
"""Images in a block."""
LEAST = 0.02
"""The share of a block's time that may go into what is no pass."""
OF_SIZES = "table1"


@dataclass
class Work:
    """A table's plan, and what its jobs take. amounts: of all of them by line."""

    run: Run
    todo: Plan
    fits: Forecaster

    def jobs(self, hands: int) -> list[Job]:
        """All jobs for so many hands."""
        made = rounds(self.run, self.todo, hands, lambda _step: None)
        return [job for one in made for job in one]

    def forecast(self, jobs: Iterable[Job]) -> Forecast:
        """The work of jobs: what methods prepare before, and one block a job."""
        blocks = tuple(job.block for job in jobs if job.block)
        return self.fits.of(replace(self.todo, blocks=blocks))

    def seconds(self, jobs: Sequence[Job], rate: float) -> dict[int, float]:
        """What each job takes by its passes, by its number."""
        side = self.run.classifier.input.crop
        found = self.forecast(jobs)
        taken = estimate(found, by_rate(rate), True, side, 0.0)
        of_blocks = iter(taken.blocks)
        prepared = [job for job in jobs if job.prepare]
        each = taken.before / max(1, len(prepared))
        return {job.number: next(of_blocks) if job.block else each for job in jobs}

    def files(self, job: Job) -> int:
        """How many files of results a job writes."""
        if job.block is None:
            return 1
        units = [unit for part in job.block.parts for unit in part.units]
        maps = sum(bool(places) for unit in units for places in unit.maps.values())
        scores = sum(bool(p) for unit in units for of in unit.scores.values() for p in of.values())
        return maps + scores + sum(bool(part.predictions) for part in job.block.parts)


def works(folder: Path, tables: Sequence[str] = TABLES) -> dict[str, Work]:
    """The tables in the order of `--config paper`, each without what one before it makes."""
    found, made = {}, Made()
    for table in tables:
        run = run_of(table, PROTOCOL, folder)
        fits = Forecaster(run, table_bytes)
        todo = made.left(run, plan(run, frozenset({"explain", "score"})), fits)
        found[table] = Work(run, todo, fits)
    return found


@dataclass
class Simulated:
    """A crew whose jobs take the seconds that they are said to, on a clock of its own."""

    hands: int
    seconds: Mapping[int, float]
    now: float = 0.0
    busy: float = 0.0
    at: list[tuple[float, int, int]] = field(default_factory=list)

    def give(self, hand: int, job: Job, following: Job | None) -> None:
        """Begin."""
        took = self.seconds[job.number]
        self.busy += took
        heapq.heappush(self.at, (self.now + took, hand, job.number))

    def events(self, timeout: float) -> Iterable[Event]:
        """The next to be done."""
        self.now, hand, job = heapq.heappop(self.at)
        return [Finished(hand, job)]

    def close(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True)
class Shared:
    """A table on so many devices: seconds till its end, those at work, and what it consists of.

    maps, sent: bytes, on disk and to the devices.
    """

    hands: int
    seconds: float
    busy: float
    jobs: int
    files: int
    decoded: int
    maps: int
    sent: int
    prepared: float

    @property
    def idle(self) -> float:
        """The share of the devices' time after the start in which they wait for others."""
        return 1 - self.busy / (self.hands * (self.seconds - START))


def shared(work: Work, hands: int, rate: float) -> Shared:
    """A table's jobs, handed out to so many devices as a run hands them out."""
    jobs = work.jobs(hands)
    seconds, files = work.seconds(jobs, rate), {job.number: work.files(job) for job in jobs}
    taken = {n: s + files[n] * FILE + JOB for n, s in seconds.items()}
    crew = Simulated(hands, taken)
    never = Recovery(lambda job: job, _never)
    drive([jobs], crew, lambda _step: None, never, print)
    total = Amount()
    for amount in work.forecast(jobs).lines().values():
        total.add(amount)
    prepared = sum(taken[job.number] for job in jobs if job.prepare)
    return Shared(
        hands,
        START + crew.now,
        crew.busy,
        len(jobs),
        sum(files.values()),
        total.decoded,
        total.maps,
        total.decoded * 3 * work.run.classifier.input.crop**2 * 4,
        prepared,
    )


def _never(*_: object) -> object:
    raise AssertionError("nothing is lost here")


def hours(seconds: float) -> str:
    """Seconds as hours."""
    return f"{seconds / 3600:,.2f}" if seconds < 36_000 else f"{seconds / 3600:,.1f}"


def percent(part: float) -> str:
    """A share."""
    return f"{part:.1%}"


Found = Mapping[tuple[str, int, float], Shared]


def measured(held: Mapping[str, Work]) -> Found:
    """Each table on one device and on many, at each rate."""
    return {
        (table, hands, rate): shared(work, hands, rate)
        for table, work in held.items()
        for hands in (1, *DEVICES)
        for rate in RATES
    }


def over_tables(found: Found, hands: int, rate: float) -> list[Shared]:
    """The tables one after the other."""
    return [one for (_, n, r), one in found.items() if (n, r) == (hands, rate)]


def first_table(found: Found) -> Iterator[str]:
    """Hours, what of the devices' time is used, dollars."""
    yield "| forwards a second | devices | | hours | of the devices' time | dollars | on spot |"
    yield "|--:|--:|---|--:|--:|--:|--:|"
    for rate in RATES:
        for hands in (1, *DEVICES):
            rows = {t: [found[t, hands, rate]] for t in sorted(TABLES)}
            rows["all four"] = over_tables(found, hands, rate)
            for name, parts in rows.items():
                yield row(name, parts, rate)


def row(name: str, parts: Sequence[Shared], rate: float) -> str:
    """A line of the first table: some tables one after the other."""
    seconds, hands = sum(one.seconds for one in parts), parts[0].hands
    used = sum(one.busy for one in parts) / (hands * seconds)
    paid = hands * seconds / 3600
    return (
        f"| {rate:,.0f} | {hands} | {name} | {hours(seconds)} | {percent(used)} "
        f"| {paid * DOLLARS:,.0f} | {paid * SPOT:,.0f} |"
    )


def second_table(found: Found) -> Iterator[str]:
    """What the machines around the devices have to give, and what is lost."""
    yield (
        "| forwards a second | devices | photographs a second | cores to decode | maps | files a "
        "second | waiting for the last | preparing | starting |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for rate in RATES:
        for hands in DEVICES:
            parts = over_tables(found, hands, rate)
            seconds = sum(one.seconds for one in parts)
            decoded = sum(one.decoded for one in parts) / seconds
            maps, files = (sum(getattr(p, k) for p in parts) for k in ("maps", "files"))
            idle = sum(one.idle * (one.seconds - START) for one in parts) / seconds
            prepared = sum(one.prepared for one in parts) / seconds
            yield (
                f"| {rate:,.0f} | {hands} | {decoded:.1f} | {decoded / DECODE:.2f} "
                f"| {size(maps / seconds)}/s | {files / seconds:.1f} | {percent(idle)} "
                f"| {percent(prepared)} | {percent(START * len(parts) / seconds)} |"
            )


def sent(found: Found) -> str:
    """What sending takes of a device's time at most."""
    most = max(
        sum(one.sent / COPY for one in parts) / sum(one.busy for one in parts)
        for rate in RATES
        for hands in DEVICES
        if (parts := over_tables(found, hands, rate))
    )
    return (
        f"Sending inputs to a device, at {COPY / 1e9:g} GB a second, takes {most:.4%} of its time "
        "at most."
    )


@dataclass(frozen=True)
class Sized:
    """A table in blocks of some size. beside: the share of time that goes into no passes."""

    images: int
    jobs: int
    beside: float
    longest: float
    idle: Mapping[int, float]


def of_size(images: int, rate: float, folder: Path) -> Sized:
    """OF_SIZES in blocks of so many images."""

    def fixed(_count: int) -> int:
        return images

    with (
        mock.patch.object(base, "block_size", fixed),
        mock.patch.object(subset, "block_size", fixed),
    ):
        work = works(folder / str(images), (OF_SIZES,))[OF_SIZES]
        alone = shared(work, 1, rate)
        many = {hands: shared(work, hands, rate).idle for hands in DEVICES}
        seconds = work.seconds(work.jobs(1), rate)
    beside = 1 - sum(seconds.values()) / alone.busy
    return Sized(images, alone.jobs, beside, max(seconds.values()), many)


def third_table(folder: Path) -> Iterator[str]:
    """What a block's size costs."""
    many = " | ".join(f"waiting, {hands} devices" for hands in DEVICES)
    yield f"| forwards a second | images | blocks | a block's minutes | no passes | {many} |"
    yield "|--:|--:|--:|--:|--:|" + "--:|" * len(DEVICES)
    enough = {}
    for rate in RATES:
        for images in SIZES:
            one = of_size(images, rate, folder / str(rate))
            if one.beside < LEAST:
                enough.setdefault(rate, images)
            idle = " | ".join(percent(one.idle[hands]) for hands in DEVICES)
            yield (
                f"| {rate:,.0f} | {images} | {one.jobs:,} | {one.longest / 60:,.1f} "
                f"| {percent(one.beside)} | {idle} |"
            )
    yield ""
    least = ", ".join(f"{n} at {rate:,.0f} forwards a second" for rate, n in enough.items())
    yield (
        f"What is no pass stays under {LEAST:.0%} from these sizes on, in images: {least}. A run "
        f"of {IMAGES:,} has blocks of {base.block_size(IMAGES)}."
    )


def numbers(folder: Path) -> Iterator[str]:
    """All that stands between BEGIN and END."""
    found = measured(works(folder / "tables"))
    hour = " and ".join(f"${n * DOLLARS:,.0f} on {n}" for n in DEVICES)
    spot = " and ".join(f"${n * SPOT:,.0f}" for n in DEVICES)
    yield from f"""
**Assumed**: protocol `{PROTOCOL}`, {IMAGES:,} images, ResNet-50; {RATES[0]:,.0f} or {RATES[1]:,.0f}
forwards a second and device; {START:g} s to start a process, {FILE:g} s a file of results on a
shared disk, {JOB:g} s a job, {DECODE:g} photographs a second decoded by a core; ${DOLLARS:g} an
hour and device, ${SPOT:g} where it may be taken away. An hour costs {hour} devices
({spot} on spot).
""".splitlines()
    yield ""
    yield from first_table(found)
    yield ""
    yield from _second_words()
    yield ""
    yield from second_table(found)
    yield ""
    yield sent(found)
    yield ""
    yield from _third_words()
    yield ""
    yield from third_table(folder / "sizes")
    yield ""


def _second_words() -> Iterator[str]:
    yield from """`of the devices' time`: that in which they compute or write. What it takes around
them, all four tables one after the other, and where the rest goes:""".splitlines()


def _third_words() -> Iterator[str]:
    yield from f"""By the size of a block, for {OF_SIZES} alone: `no passes` is the share of a
block's time that goes into files and handing out, `waiting` the devices' time in which others are
not done yet; the last blocks are cut by method.""".splitlines()


def text(folder: Path) -> str:
    """The page with its numbers made anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(numbers(folder)) + END + after


def main(arguments: Sequence[str] = ()) -> None:
    into = Path(arguments[0]) if arguments else PAGE
    with tempfile.TemporaryDirectory() as folder:
        made = text(Path(folder))
    into.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
