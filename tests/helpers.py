"""Small things that several tests need."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from xaibench.config import Protocol, load_protocol
from xaibench.normalize import normalize
from xaibench.requests import MethodRequest, resolve_methods, resolve_metrics
from xaibench.stages.drive import drive
from xaibench.types import Batch, Context, Explanation, Rows, Scoring


def on(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device."""
    return replace(
        batch,
        images=batch.images.to(device),
        labels=batch.labels.to(device),
        targets=batch.targets.to(device),
    )


def request(spec: str, protocol: str | Protocol = "published") -> MethodRequest:
    """A method as a run would resolve it."""
    held = load_protocol(protocol) if isinstance(protocol, str) else protocol
    return resolve_methods([spec], held)[0]


def explain(
    ctx: Context, batch: Batch, spec: str, protocol: str = "published", step: int | None = None
) -> Explanation:
    """Native maps of a method, `step` images at a time; state prepared as the stage does."""
    method = request(spec, protocol)
    step = step or len(batch)
    parts = [
        method.entry(ctx, batch.rows(i, i + step), None, **method.options)
        for i in range(0, len(batch), step)
    ]
    return Explanation(
        torch.cat([p.maps for p in parts]),
        {k: torch.cat([p.scalars[k] for p in parts]) for k in parts[0].scalars},
        torch.cat([batch.targets if p.explained is None else p.explained for p in parts])
        if parts[0].explained is not None
        else None,
    )


def maps_of(ctx: Context, batch: Batch, spec: str, protocol: str = "published") -> Tensor:
    """Normalised maps (B, H, W) of the batch's first target."""
    native = explain(ctx, batch, spec, protocol).maps[:, 0]
    return normalize(native, batch.size, request(spec, protocol).normalization)


def scoring(ctx: Context, batch: Batch, maps: Tensor, **more: object) -> Scoring:
    """A scoring of the batch's first target with its true base logit and probability."""
    target = batch.targets[:, 0]
    logits = torch.cat(list(ctx.stream([batch.images])))
    pick = target[:, None]
    base = Scoring(
        batch=batch,
        maps=maps,
        target=target,
        logit=logits.gather(1, pick)[:, 0],
        probability=logits.softmax(-1).gather(1, pick)[:, 0],
        ctx=ctx,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def score(base: Scoring, spec: str, protocol: str = "published") -> Tensor:
    """One metric's values (B,) float64 on the CPU, NaN where a status says so."""
    metric = resolve_metrics([spec], load_protocol(protocol))[0]
    mine = replace(base, wanted=frozenset({metric.key}))
    found = drive({"only": (metric.entry(mine, **metric.options), mine)})["only"][metric.key]
    return (found.values if isinstance(found, Rows) else found).double().cpu()
