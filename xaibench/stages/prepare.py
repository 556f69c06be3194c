"""What a method computes once per run, before the blocks that need it: masks, statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import Variation
from xaibench.core.explain import prepare
from xaibench.stages.run import Run
from xaibench.store import layout
from xaibench.store.origin import origin
from xaibench.store.state import save


def state_path(run: Run, method: MethodRequest, variation: Variation) -> Path | None:
    """Where a method's state for a variation lies; None for a method that prepares nothing."""
    if method.entry.metadata.get("prepare") is None:
        return None
    return layout.state(run.root, method.spec, _source(run, method, variation)[1])


def _source(run: Run, method: MethodRequest, variation: Variation) -> tuple[Sequence[int], str]:
    """The images that a state comes from, and the hash of the subset that they are, if any."""
    if variation.request and method.prepared_of_subset and not run.subset.whole:
        return run.subset.places, run.subset.sha256
    return range(len(run.dataset)), ""


def prepare_state(run: Run, method: MethodRequest, variation: Variation, code: str) -> None:
    """Compute a method's state and store it. Raises Failed where the method cannot."""
    path = state_path(run, method, variation)
    places, subset = _source(run, method, variation)

    def images(most: int) -> Iterator[Tensor]:
        """The first `most` untouched images (0: all), on the device, in batches."""
        some = places[: most or len(places)]
        for start in range(0, len(some), run.batch_size):
            _, read, _ = run.decode(some[start : start + run.batch_size])
            if len(read):
                yield read.to(run.device)

    tensors = prepare(run.context, method, images)
    assert path is not None
    assert tensors is not None
    save(path, tensors, origin(code, subset))
