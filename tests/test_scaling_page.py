"""docs/scaling.md has the numbers that its script writes, by the hand-out of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xaibench.execution.driver import Job, Recovery, drive
from xaibench.stages.block import Done

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import scaling_page  # noqa: E402


def test_simulated_hands_work_side_by_side() -> None:
    """Of 3, 1, 1 and 2 s, the last of which waits for the first: two hands are done after 5."""
    jobs = [Job(0, None), Job(1, None), Job(2, None), Job(3, None, after=(0,))]
    crew = scaling_page.Simulated(2, {0: 3.0, 1: 1.0, 2: 1.0, 3: 2.0})
    drive([jobs], crew, lambda _: None, Recovery(lambda job: job, lambda *_: Done()), print)
    assert (crew.now, crew.busy) == (5.0, 7.0)


@pytest.mark.slow
def test_the_page_has_the_numbers_of_the_script(tmp_path: Path) -> None:
    assert scaling_page.text(tmp_path) == scaling_page.PAGE.read_text()
