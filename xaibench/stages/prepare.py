"""What a method computes once per run, before the blocks that need it: masks, statistics."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import Variation
from xaibench.core.explain import prepare
from xaibench.datasets.blobs import Content
from xaibench.stages.run import Run
from xaibench.stages.share import preparing
from xaibench.store.images import keep_beside
from xaibench.store.ledger import Ledger
from xaibench.store.origin import origin
from xaibench.store.state import save
from xaibench.types import Context


def prepare_state(run: Run, method: MethodRequest, variation: Variation, code: str) -> None:
    """Compute a method's state and store it, unless another shard has done so by now.

    code: of what makes it, '' where any will do. Raises Failed where the method cannot.
    """
    with preparing(run):
        if run.config.part is None or not _there(run, method, variation, code):
            _prepare(run, method, variation, code)


def _there(run: Run, method: MethodRequest, variation: Variation, code: str) -> bool:
    path, subset = run.state_path(method, variation), run.state_source(method, variation)[1]
    assert path is not None
    made = Ledger(run.root, run.mine).sound(path, subset)
    return made is not None and code in ("", made.code)


def _prepare(run: Run, method: MethodRequest, variation: Variation, code: str) -> None:
    path = run.state_path(method, variation)
    places, subset = run.state_source(method, variation)
    known: dict[str, Content] = {}

    def make(fit: Context, _: list[MethodRequest]) -> dict[str, Tensor] | None:
        def images(most: int) -> Iterator[Tensor]:
            """The first `most` untouched images (0: all), on the device, in batches."""
            some = places[: most or len(places)]
            for start in range(0, len(some), fit.batch_size):
                found = run.decode(some[start : start + fit.batch_size])
                known.update(found.contents)
                if len(found.images):
                    yield found.images.to(run.device)

        return prepare(fit, method, images)

    side = run.classifier.input.crop
    work = f"prepare {method.spec}", side, side
    assert path is not None
    for _, tensors, limit in run.room.each(run.context, work, [method], lambda m, _: [m], make):
        assert tensors is not None
        made = origin(code, subset, run.mine, limit)
        keep_beside(path, known, made)
        save(path, tensors, made)
