"""What metrics see of a unit: its maps, and the network and images only where one needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from xaibench.config.requests import MetricRequest
from xaibench.config.variations import UNTOUCHED
from xaibench.errors import XaibenchError
from xaibench.normalize import normalize
from xaibench.stages.explain import Unit, copied, make_batch
from xaibench.stages.predict import Predictions
from xaibench.stages.session import Session
from xaibench.store.maps import MapShard
from xaibench.types import Batch, Classifier, Explain, Scoring


def scoring(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    maps: Tensor,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> Scoring:
    """What the metrics see; the network and the images only where a metric needs them."""
    ids = shard.ids
    needs = {need for m in metrics for need in m.needs}
    heavy = bool(needs - {"boxes"})
    if heavy:
        batch = make_batch(session, unit.places, predictions, (target,), unit.variation)
        ctx = session.context_for(batch.size, unit.variation, unit.method)
    else:
        blank = torch.zeros(1).expand(len(ids), 3, *shard.size)
        classes = predictions.classes(ids, target)[:, None]
        batch = Batch(ids, blank, predictions.labels(ids), classes, (target,), unit.places)
        ctx = session.light_context
    device = batch.images.device
    return Scoring(
        batch=batch,
        maps=maps.to(device),
        target=batch.targets[:, 0],
        logit=predictions.logit(ids, target).to(device),
        probability=predictions.probability(ids, target).to(device),
        ctx=ctx,
        scalars={k: v.to(device) for k, v in shard.scalars.items()},
        native=shard.maps.to(device),
        family=str(unit.method.entry.metadata.get("family", "")),
        additive=bool(unit.method.entry.metadata.get("additive", False)),
        explain=explainer(session, unit, batch) if "explain" in needs else None,
        memo=session.memo(ids, unit.variation) if heavy else None,
        extras=_extras(session, unit, ids, needs),
    )


def _extras(session: Session, unit: Unit, ids: Sequence[str], needs: set[str]) -> dict[str, object]:
    """Boxes and the subset for expensive metrics, where a metric needs them."""
    extras: dict[str, object] = {}
    if "boxes" in needs:
        untouched = unit.variation == UNTOUCHED  # boxes do not follow a transform
        extras["boxes"] = session.boxes(ids) if untouched else [None] * len(ids)
    if "explain" in needs:
        extras["explain_forwards"] = session.cost(unit.method).total(1)[0]
        chosen = session.subset_of_groups if unit.variation.request else session.subset
        extras["in_subset"] = torch.tensor([i in chosen for i in ids])
    return extras


def explainer(session: Session, unit: Unit, batch: Batch) -> Explain:
    """The unit's method and normalisation on other inputs of the batch's images."""
    state = session.state(unit.method, unit.variation)
    usual = session.context_for(batch.size, unit.variation, unit.method)
    steps = unit.method.steps(unit.variation.transform)

    def explain_again(inputs: Tensor, rows: Tensor, classifier: Classifier | None = None) -> Tensor:
        ctx = replace(usual, classifier=classifier) if classifier is not None else usual
        if ctx.group_size > 1:
            raise XaibenchError(
                f"{unit.method.spec} shares BatchNorm statistics over groups of {ctx.group_size}, "
                "which perturbed inputs have not: use batchnorm=eval."
            )
        places = rows.tolist()
        perturbed = replace(
            batch,
            ids=tuple(batch.ids[i] for i in places),
            images=inputs,
            labels=batch.labels[rows],
            targets=batch.targets[rows],
            positions=tuple(batch.positions[i] for i in places),
            originals=batch.images[rows],
        )
        parts = []
        for start in range(0, len(inputs), ctx.batch_size):
            some = perturbed.rows(start, start + ctx.batch_size)
            own = copied(state.tensors if state else None)
            parts.append(unit.method.entry(ctx, some, own, **unit.method.options).maps[:, 0])
        return normalize(torch.cat(parts), batch.size, steps)

    return explain_again
