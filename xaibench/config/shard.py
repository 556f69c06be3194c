"""`--shard i/n`: which blocks of a run are one process's, whatever the others do and when."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xaibench.errors import UsageError

WRITTEN = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Shard:
    """The number-th (from 1) of so many shares of the blocks of an order.

    Its blocks follow from their own numbers, so that runs of other limits, methods or subsets
    share them out in the same way.
    """

    number: int
    of: int

    def has(self, block: int) -> bool:
        """Whether a block is of this share: each is of exactly one."""
        return block % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse(text: str) -> Shard:
    """The shard that `i/n` names. Raises UsageError where it is none."""
    found = WRITTEN.fullmatch(text.strip())
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of:
        raise UsageError(f"shard '{text}': give i/n with i from 1 to n, as 1/4.")
    return Shard(number, of)
