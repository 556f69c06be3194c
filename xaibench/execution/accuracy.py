"""Says how often the network is right, as soon as a run has predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from xaibench.analysis.accuracy import Accuracy
from xaibench.errors import XaibenchError
from xaibench.stages.run import Run
from xaibench.stages.share import share
from xaibench.stages.steps import Step
from xaibench.store.accuracy import accuracy_in

Say = Callable[[str], None]
FOLDED: Any = {"width": 80, "subsequent_indent": "  ", "break_long_words": False}


class Verdict:
    """Takes a run's steps; says the accuracy before the first map or score, and what became of it.

    A run of many blocks has predictions of the first block then, and of all at its end.
    """

    def __init__(self, run: Run, say: Say) -> None:
        self._run, self._say, self._said = run, say, 0

    def step(self, step: Step) -> None:
        """Take a step."""
        if not self._said and any(kind in ("maps", "scores") for kind, _, _ in step.ahead):
            self._tell()
            self._said = self._said or -1

    def end(self) -> None:
        """Say it of all images, unless that was said."""
        self._tell()

    def _tell(self) -> None:
        found = self._found()
        if found is None or found.images == self._said:
            return
        self._said = found.images
        whole = found.images == len(self._run.selection)
        self._say(f"accuracy{'' if whole else f' on {found.images:,} images'}: {found.line}")
        if found.doubt:
            for line in textwrap.wrap(f"warning: {found.doubt}", **FOLDED):
                self._say(line)

    def _found(self) -> Accuracy | None:
        if self._run.dataset.labelled:
            with suppress(XaibenchError):  # a damaged file is the plan's to find
                return accuracy_in(self._run.root, self._run.ids(share(self._run)))
        return None
