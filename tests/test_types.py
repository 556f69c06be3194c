"""Rows in full batches: what a chunk leaves over waits for the next, nothing changes its order."""

from __future__ import annotations

import pytest
import torch

from xaibench.types import filled, rebatch


@pytest.mark.parametrize(
    "counts", [(), (0,), (5,), (12,), (1, 1, 1), (4, 4), (3, 0, 6, 1), (0, 25, 0), (2, 7, 3)]
)
@pytest.mark.parametrize("size", [1, 4, 5])
def test_batches_are_full_but_the_last(counts: tuple[int, ...], size: int) -> None:
    total = sum(counts)
    values, places = torch.rand(total, 2), torch.arange(total)
    chunks = list(zip(values.split(counts), places.split(counts), strict=True)) if counts else []
    found = list(rebatch(iter(chunks), size))
    whole, rest = divmod(total, size)
    assert [len(rows) for rows, _ in found] == [size] * whole + [rest] * (rest > 0)
    assert [len(rows) for _, rows in found] == [len(rows) for rows, _ in found]
    if found:
        joined = [torch.cat(rows) for rows in zip(*found, strict=True)]
        assert torch.equal(joined[0], values)
        assert torch.equal(joined[1], places)


def test_a_batch_is_given_before_the_next_chunk_is_asked_for() -> None:
    asked = []

    def chunks():
        for n in range(3):
            asked.append(n)
            yield (torch.full((2,), n),)

    batches = rebatch(chunks(), 2)
    for n in range(3):
        assert next(batches)[0].tolist() == [n, n]
        assert asked == list(range(n + 1))


@pytest.mark.parametrize(
    ("rows", "unit", "expected"),
    [
        (2, 1, [0, 1, 2]),
        (3, 1, [0, 1, 2]),
        (5, 1, [0, 1, 2, 0, 0]),
        (8, 2, [0, 1, 2, 0, 1, 0, 1, 0]),
    ],
)
def test_filled_up_with_copies_of_the_first_rows(rows, unit, expected) -> None:
    part = torch.arange(3.0, requires_grad=True)
    found = filled(part, rows, unit)
    assert found.tolist() == expected
    (gradient,) = torch.autograd.grad(found.sum(), part)
    assert gradient.tolist() == [1, 1, 1], "none through the copies"


def test_nothing_is_filled_with_nothing() -> None:
    assert filled(torch.empty(0, 3), 4).shape == (0, 3)
