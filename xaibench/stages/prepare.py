"""What a method computes once per run, before the blocks that need it: masks, statistics."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import Variation
from xaibench.core.explain import prepare
from xaibench.stages.run import Run
from xaibench.store.origin import origin
from xaibench.store.state import save
from xaibench.types import Context


def prepare_state(run: Run, method: MethodRequest, variation: Variation, code: str) -> None:
    """Compute a method's state and store it. Raises Failed where the method cannot."""
    path = run.state_path(method, variation)
    places, subset = run.state_source(method, variation)

    def make(fit: Context, _: list[MethodRequest]) -> dict[str, Tensor] | None:
        def images(most: int) -> Iterator[Tensor]:
            """The first `most` untouched images (0: all), on the device, in batches."""
            some = places[: most or len(places)]
            for start in range(0, len(some), fit.batch_size):
                _, read, _ = run.decode(some[start : start + fit.batch_size])
                if len(read):
                    yield read.to(run.device)

        return prepare(fit, method, images)

    side = run.classifier.input.crop
    work = f"prepare {method.spec}", side, side
    assert path is not None
    for _, tensors, limit in run.room.each(run.context, work, [method], lambda m, _: [m], make):
        assert tensors is not None
        save(path, tensors, origin(code, subset, batch=limit))
