"""What images go through before the network sees them: nothing, or one variation of a transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xaibench.config.requests import TransformRequest
from xaibench.registry import Registered


@dataclass(frozen=True)
class Variation:
    """One variation of a transform; the untouched images without a request."""

    transform: str = "none"
    name: str = "none"
    request: TransformRequest | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """For a person to read: empty for the untouched images."""
        return f"{self.transform} {self.name}" if self.request else ""

    @property
    def entry(self) -> Registered | None:
        """The transform's function; None for the untouched images."""
        return self.request.entry if self.request else None


UNTOUCHED = Variation()


def variations(requests: dict[str, TransformRequest | None]) -> list[Variation]:
    """Every variation of the transforms asked for, in order."""
    return [
        Variation(spec, name, request) if request else UNTOUCHED
        for spec, request in requests.items()
        for name in (request.variations if request else ("none",))
    ]


def cut(groups: Sequence[Sequence[int]], whole: int, size: int) -> list[list[int]]:
    """Batches of at most `size` places (one group at least), made of groups in order.

    A group of fewer than `whole` places ends its batch, so that every `whole` consecutive places
    of a batch are one group.
    """
    batches: list[list[int]] = []
    open_ = False
    for group in groups:
        if not (open_ and len(batches[-1]) + len(group) <= size):
            batches.append([])
        batches[-1] += group
        open_ = len(group) == whole
    return batches
