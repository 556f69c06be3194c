"""Batches of one shape: the last is filled up, so that no value depends on its neighbours.

A convolution or a matrix product of another shape may round differently in the last bit. In one
shape, each row has the same bits whatever its position, its neighbours and the number of threads,
from 16 rows on (tests/test_same_bits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from xaibench.types import filled

ENOUGH = 16
"""Rows from which the number of threads moves no bit of a network's output."""


def in_rows(
    function: Callable[[Tensor], Tensor], inputs: Tensor, rows: int, unit: int = 1
) -> Tensor:
    """function(inputs) (n, ...), `rows` of them at a time and always that many.

    unit: rows that belong together, of which `rows` and `inputs` hold a whole number.
    """
    outputs = [
        function(filled(part, rows, unit).contiguous())[: len(part)] for part in inputs.split(rows)
    ]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def recut(chunks: Iterable[Tensor], sizes: Iterable[int]) -> Iterator[Tensor]:
    """The rows of all chunks in their order, cut into other sizes, whose sum is theirs."""
    source, held = iter(chunks), torch.empty(0)
    for size in sizes:
        parts = [held] if len(held) else []
        while sum(map(len, parts)) < size:
            parts.append(next(source))
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        yield whole[:size]
        held = whole[size:]


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes in one thread: the bits of full sums and solves depend on how many."""
    held = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(held)
