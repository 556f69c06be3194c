"""What a method or a metric costs in network passes, as it declares it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Network passes of one image.

    forwards, backwards: for each target. shared: forwards that serve all targets of the image at
    once. call: forwards of a call, however many images it has. at_once: inputs of an image that
    belong together: those of a target's `forwards` make a pass, those of `shared` a BatchNorm batch
    in train mode; 0 where all inputs of a call are one stream.
    """

    forwards: float = 0
    backwards: float = 0
    shared: float = 0
    call: float = 0
    at_once: int = 0

    def total(self, targets: int) -> tuple[float, float]:
        """(forwards, backwards) for an image with that many targets."""
        return self.shared + targets * self.forwards, targets * self.backwards


@dataclass(frozen=True)
class MetricCost(Cost):
    """The same of a metric, for each method and target; shared and call serve all of these.

    explains: other inputs of the image that the method explains. any_method: whether forwards and
    backwards serve all methods. subset_over: a method of more forwards an image is measured on the
    run's subset alone.
    """

    explains: int = 0
    any_method: bool = False
    subset_over: float = math.inf
