"""What is held while one block is worked on: its images, prepared states, shared results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.core.score import memo
from xaibench.errors import Failed
from xaibench.meter import phase
from xaibench.stages.images import Images, Sent
from xaibench.stages.run import Run
from xaibench.stages.steps import Steps
from xaibench.store.predictions import Predictions
from xaibench.store.state import State, load
from xaibench.types import Batch, Memo


@dataclass
class Desk:
    """One block's work. lost: places whose images cannot be read, as far as is known.

    broken: why what a method prepares could not be had, by its file's name. steps: of the work at
    hand, to be told.
    """

    run: Run
    lost: set[int]
    broken: Mapping[str, str] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: Steps(lambda _step: None))
    _states: dict[str, State] = field(default_factory=dict)
    _memo: dict[tuple[str, ...], dict[str, Tensor]] = field(default_factory=dict)
    _memo_of: Variation | None = None

    @cached_property
    def images(self) -> Images:
        """The block's images."""
        run = self.run
        return Images(run.subset, run.config.seed, run.decode, self.lost)

    @cached_property
    def sent(self) -> Sent:
        """The block's inputs on the device."""
        return Sent(self.run.device, self.images.inputs)

    def batch(
        self,
        places: Sequence[int],
        predictions: Predictions,
        targets: tuple[str, ...],
        variation: Variation = UNTOUCHED,
    ) -> Batch:
        """The inputs at some places with their target classes, on the device."""
        ids = self.run.ids(places)
        classes = torch.stack([predictions.classes(ids, t) for t in targets], 1)
        device = self.run.device
        with phase("transfer"):
            return Batch(
                ids,
                self._copy(places, variation),
                predictions.labels(ids).to(device),
                classes.to(device),
                targets,
                tuple(places),
            )

    def inputs(self, places: Sequence[int], variation: Variation) -> Tensor:
        """The inputs at some places on the device, to be read; main memory holds them already."""
        if self.run.device.type == "cpu":
            return self.images.inputs(places, variation)
        return self.sent.inputs(places, variation)

    def _copy(self, places: Sequence[int], variation: Variation) -> Tensor:
        """Inputs that a method or metric may write to."""
        inputs = self.inputs(places, variation)
        return inputs.clone() if self.run.device.type == "cpu" else inputs

    def state(self, method: MethodRequest, variation: Variation) -> State | None:
        """What the method prepared; None if nothing. Raises Failed where it could not."""
        path = self.run.state_path(method, variation)
        if path is None:
            return None
        if path.name not in self._states:
            if path.name in self.broken:
                raise Failed(self.broken[path.name])
            if not path.exists():
                raise Failed(f"{path} is gone: run the same command again")
            self._states[path.name] = load(path)
        return self._states[path.name]

    def memo(self, images: tuple[str, ...], variation: Variation) -> Memo:
        """Results that the methods and targets share for some images, computed once.

        Those of one variation at a time.
        """
        if self._memo_of != variation:
            self._memo_of = variation
            self._memo.clear()
        return memo(self._memo.setdefault(images, {}))
