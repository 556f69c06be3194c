"""How far a run is, by a clock that the tests hold."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pytest

from xaibench.execution import progress as subject
from xaibench.execution.progress import Progress
from xaibench.meter import Counts
from xaibench.stages.steps import IMAGES, PREDICTIONS, Spent, Step, Steps, Work

RISE: Work = ("maps", "rise", "")
FAKE: Work = ("maps", "fakecam", "")


@dataclass
class Clock:
    """Seconds and counts that a test moves on."""

    now: float = 100.0
    counts: Counts = field(default_factory=Counts)
    said: list[tuple[float, str]] = field(default_factory=list)

    def after(self, seconds: float, forwards: int = 0, backwards: int = 0) -> None:
        self.now += seconds
        held = self.counts
        self.counts = Counts(held.forwards + forwards, 0, held.backwards + backwards)

    def progress(self, total: dict[Work, int], weigh: object = None, every: float = 0) -> Progress:
        weight = weigh or (lambda work: 100.0 if work == RISE else 1.0)
        return Progress(
            total,
            weight,  # type: ignore[arg-type]
            lambda share, text: self.said.append((share, text)),
            every,
            lambda: self.now,
            lambda: self.counts,
        )


def test_a_map_counts_by_its_passes_and_not_as_one_of_many() -> None:
    clock = Clock()
    one = clock.progress({RISE: 4, FAKE: 100})
    one.step(Step("explain fakecam", "maps", "fakecam", {FAKE: 100}, 100))
    assert one.share == pytest.approx(0.2)
    assert one.count == "100/104 results"


def test_time_left_comes_from_the_work_that_is_left() -> None:
    clock = Clock()
    one = clock.progress({RISE: 4, FAKE: 100})
    clock.after(60)
    one.step(Step("explain fakecam", "maps", "fakecam", {FAKE: 100}, 100))
    assert one.text == "explain fakecam, 1.7 img/s, 0:04:00 left"


def test_between_two_steps_passes_count_but_no_more_than_is_ahead() -> None:
    clock = Clock()
    one = clock.progress({RISE: 4, FAKE: 600})
    one.step(Step("explain rise", ahead={RISE: 4}))
    clock.after(10, forwards=100, backwards=50)
    assert one.share == pytest.approx(0.2)
    assert one.text == "explain rise, 10 forwards/s, 0:00:40 left"
    clock.after(10, forwards=900)
    assert one.share == pytest.approx(0.4)
    one.step(Step("explain rise", "maps", "rise", {RISE: 2}, 2))
    clock.after(10, forwards=900)
    assert one.share == pytest.approx(0.4)


def test_images_a_second_are_those_of_the_work_at_hand() -> None:
    clock = Clock()
    one = clock.progress({RISE: 40, FAKE: 100})
    clock.after(1)
    one.step(Step("explain fakecam", "maps", "fakecam", {FAKE: 100}, 100))
    one.step(Step("explain rise", ahead={RISE: 40}))
    assert "img/s" not in one.text
    clock.after(20)
    one.step(Step("explain rise", "maps", "rise", {RISE: 15}, 5))
    assert "explain rise, 0.25 img/s, " in one.text


def test_scores_made_as_maps_come_are_no_more_images() -> None:
    clock = Clock()
    score: Work = ("scores", "rise", "insertion")
    one = clock.progress({RISE: 40, score: 40})
    clock.after(1)
    one.step(Step("explain rise", "maps", "rise", {RISE: 2}, 2))
    clock.after(1)
    one.step(Step("explain rise", "scores", "rise", {score: 2}, 2))
    assert "explain rise, 1.0 img/s, " in one.text


def test_scores_are_counted_by_the_maps_that_they_are_of() -> None:
    """Twenty images with three classes each are sixty maps, not sixty images."""
    clock = Clock()
    score: Work = ("scores", "rise", "insertion")
    one = clock.progress({score: 60})
    clock.after(6)
    for _ in range(3):
        one.step(Step("score rise", "scores", "rise", {score: 20}, 20))
    assert "score rise, 10 maps/s" in one.text
    assert one.count == "60/60 results"


def test_what_takes_images_alone_counts_images() -> None:
    one = Clock().progress({IMAGES: 20})
    one.step(Step("agreement", "images", "", {IMAGES: 8}, 8))
    assert one.count == "8/20 images"


def test_forwards_a_second_are_those_of_the_last_half_minute() -> None:
    clock = Clock()
    one = clock.progress({RISE: 40})
    for _ in range(60):
        clock.after(1, forwards=1000)
        one.look()
    for _ in range(40):
        clock.after(1, forwards=10)
        one.look()
    assert "10 forwards/s" in one.text


def test_nothing_is_said_in_the_first_half_minute_and_then_once_in_each() -> None:
    clock = Clock()
    one = clock.progress({FAKE: 200}, every=30)
    for _ in range(100):
        clock.after(0.99)
        one.step(Step("explain fakecam", "maps", "fakecam", {FAKE: 1}, 1))
    assert [share for share, _ in clock.said] == pytest.approx([31 / 200, 62 / 200, 93 / 200])


def test_more_work_than_was_planned_ends_at_all_of_it() -> None:
    one = Clock().progress({FAKE: 2})
    one.step(Step("explain fakecam", "maps", "fakecam", {FAKE: 5}, 5))
    assert one.share == 1.0


def test_nothing_to_do_is_done() -> None:
    assert Clock().progress({}).share == 1.0


def test_without_a_terminal_a_line_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "EVERY", 0.0)
    with subject.progress({PREDICTIONS: 8}) as tick:
        tick(Step("predict", "predictions", "", {PREDICTIONS: 2}, 2))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("xaibench: 25% predict, ")
    assert line.endswith(" left")


def test_a_short_run_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with subject.progress({PREDICTIONS: 1}) as tick:
        tick(Step("predict", "predictions", "", {PREDICTIONS: 1}, 1))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_on_a_terminal_the_bar_ends_with_a_whole_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(subject, "DELAY", 0.0)

    def break_off() -> None:
        with subject.progress({PREDICTIONS: 8}) as tick:
            tick(Step("predict", "predictions", "", {PREDICTIONS: 2}, 2))
            raise error

    with pytest.raises(error):
        break_off()
    drawn = capsys.readouterr().err
    assert " 25%|" in drawn
    assert "2/8 results, predict" in drawn
    assert drawn.endswith("\n")


def test_what_a_piece_of_work_leaves_undone_is_given_up_at_its_end() -> None:
    told: list[Step] = []
    with Steps(told.append, {RISE: 5}, "rise") as steps:
        steps.begin("explain rise", "maps")
        steps.did("maps", {"": 2}, 1)
    assert told[0] == Step("explain rise", ahead={RISE: 5})
    assert told[1] == Step("explain rise", "maps", "rise", {RISE: 2}, 1)
    assert told[2] == Step("explain rise", done={RISE: 3}, given_up=True)


def test_of_a_run_that_is_interrupted_nothing_is_given_up() -> None:
    told: list[Step] = []

    def break_off() -> None:
        with Steps(told.append, {RISE: 5}, "rise") as steps:
            steps.begin("explain rise", "maps")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert len(told) == 1


def test_one_line_says_what_all_processes_are_at_the_slowest_first() -> None:
    """Seconds are those of the process that took the step."""
    clock = Clock()
    one = clock.progress({RISE: 40, FAKE: 400})

    def step(hand: int, doing: str, work: Work, images: int, seconds: float) -> None:
        spent = Spent(seconds, Counts(), hand)
        one.step(Step(doing, "maps", work[1], {work: images}, images, spent=spent))

    clock.after(2, forwards=2000)
    step(0, "explain fakecam", FAKE, 100, 1.0)
    step(1, "explain rise", RISE, 4, 2.0)
    assert one.text.startswith("explain rise, 2.0 img/s + explain fakecam, 100 img/s, 1,000 forw")
    clock.after(1)
    step(0, "explain rise", RISE, 4, 2.0)
    assert one.text.startswith("explain rise, 4.0 img/s, "), "of both together"
