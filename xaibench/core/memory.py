"""Out of memory: the same work in smaller batches, for the rest of the process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch

from xaibench.errors import Failed, XaibenchError, reason
from xaibench.models.classifier import TorchClassifier
from xaibench.types import Context

T = TypeVar("T")
R = TypeVar("R")
Work = tuple[str, int, int]
"""What is done, and the input size (H, W)."""
SIGNS = ("DefaultCPUAllocator", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
"""What errors without a class of their own say."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, or an error was raised because of that."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS):
            return True
        error = error.__cause__
    return False


def check_device(error: Exception) -> None:
    """XaibenchError for an error after which a GPU does nothing more in this process.

    An assertion on the device, an illegal address: all that follows fails too, whoever asks.
    """
    kind = getattr(torch, "AcceleratorError", ())
    if (isinstance(error, kind) or "CUDA error" in str(error)) and not out_of_memory(error):
        raise XaibenchError(
            "the device failed and computes nothing more in this process: "
            f"{reason(error)}; run the same command again, with CUDA_LAUNCH_BLOCKING=1 to see "
            "which method does it."
        ) from error


def release() -> None:
    """Give back what is held for later. Call it outside of `except`: an error holds its tensors."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_batches(ctx: Context, rows: int, size: tuple[int, int]) -> Context:
    """The context for batches of so many images of a size (H, W)."""
    network = ctx.classifier
    if isinstance(network, TorchClassifier):  # nothing where no network is needed
        network = network.in_batches(rows, size)
    return replace(ctx, classifier=network, batch_size=rows)


class Room:
    """The batch sizes to which memory has confined pieces of work. say: gets a line on each."""

    def __init__(self, say: Callable[[str], None] = lambda _line: None) -> None:
        self.say = say
        self._held: dict[Work, int] = {}
        self._said: set[str] = set()

    def limit(self, work: Work) -> int:
        """The most that has fitted since memory ran out; 0 where it never did."""
        return self._held.get(work, 0)

    def halve(self, work: Work, size: int, why: str, least: int = 1) -> None:
        """Do this work in half the batch from now on. Raises Failed where it is `least` already."""
        release()
        if size <= least:
            raise Failed(f"out of memory at batch size {size}, the smallest: {why}")
        self._held[work] = max(size // 2, least)
        line = f"out of memory at batch size {size}: going on with {self._held[work]}"
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def each(
        self,
        ctx: Context,
        work: Work,
        items: list[T],
        cut: Callable[[list[T], int], list[list[T]]],
        do: Callable[[Context, list[T]], R],
    ) -> Iterator[tuple[list[T], R, int]]:
        """do(context, batch) for items cut into batches of a size: batch, result and `limit`.

        Where memory runs out, what is left is cut anew for half the batch. Raises Failed where a
        batch cannot be smaller, and whatever else `do` raises.
        """
        limit = self.limit(work)
        fit = in_batches(ctx, limit, work[1:]) if limit else ctx
        waiting = cut(items, fit.batch_size)
        while waiting:
            short = ""
            try:
                found = do(fit, waiting[0])
            except Exception as error:
                if not out_of_memory(error):
                    raise
                short = str(error) if isinstance(error, Failed) else reason(error)
            if short:
                self.halve(work, fit.batch_size, short, ctx.group_size)
                fit = in_batches(ctx, self.limit(work), work[1:])
                waiting = cut([one for batch in waiting for one in batch], fit.batch_size)
            else:
                yield waiting.pop(0), found, self.limit(work)
                del found
