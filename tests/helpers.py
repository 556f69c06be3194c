"""Small things that several tests need."""

from __future__ import annotations

import contextlib
import copy
import io
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from xaibench.cli import main
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.requests import MethodRequest, resolve_methods, resolve_metrics
from xaibench.core.explain import prepare
from xaibench.core.score import score as score_all
from xaibench.normalize import normalize
from xaibench.types import Batch, Context, Explanation, Scoring


def on(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device."""
    return replace(
        batch,
        images=batch.images.to(device),
        labels=batch.labels.to(device),
        targets=batch.targets.to(device),
    )


def in_double(ctx: Context) -> Context:
    """The context with its network in float64, an image a pass; the original is untouched."""
    # on a CPU, float64 convolutions of contiguous tensors are twice as fast
    layout = torch.contiguous_format
    module = copy.deepcopy(ctx.classifier.module).double().to(memory_format=layout)
    double = replace(ctx.classifier, module=module, rows=1)  # type: ignore[type-var]
    return replace(ctx, classifier=double)


def doubled(batch: Batch) -> Batch:
    """The batch with its images in float64."""
    return replace(batch, images=batch.images.double())


def with_targets(batch: Batch, targets: Tensor, names: tuple[str, ...]) -> Batch:
    """The batch with other classes (B, T) to explain."""
    return replace(batch, targets=targets, target_names=names)


def apart(ours: Tensor, other: object) -> float:
    """Largest difference of two arrays as a part of the range of the second."""
    mine, theirs = ours.detach().cpu().double(), torch.as_tensor(other).detach().cpu().double()
    assert mine.shape == theirs.shape
    span = (theirs.max() - theirs.min()).item()
    return (mine - theirs).abs().max().item() / (span or 1.0)


def request(spec: str, protocol: str | Protocol = "published") -> MethodRequest:
    """A method as a run would resolve it."""
    held = load_protocol(protocol) if isinstance(protocol, str) else protocol
    return resolve_methods([spec], held)[0]


def prepared(ctx: Context, batch: Batch, method: MethodRequest) -> dict[str, Tensor] | None:
    """What the method prepares once per run, from the batch's images in parts; None if nothing."""
    return prepare(ctx, method, lambda *_: iter(batch.images.split(ctx.batch_size)))


def explain(
    ctx: Context, batch: Batch, spec: str, protocol: str = "published", step: int | None = None
) -> Explanation:
    """Native maps of a method, `step` images at a time; state prepared as the stage does."""
    method = request(spec, protocol)
    step = step or len(batch)
    state = prepared(ctx, batch, method)
    parts = [
        method.entry(ctx, batch.rows(i, i + step), state, **method.options)
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
    probabilities = ctx.probabilities(logits)
    pick = target[:, None]
    base = Scoring(
        batch=batch,
        maps=maps,
        target=target,
        logit=logits.gather(1, pick)[:, 0],
        probability=probabilities.gather(1, pick)[:, 0],
        ctx=ctx,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def score(base: Scoring, spec: str, protocol: str = "published") -> Tensor:
    """One metric's values (B,) float64 on the CPU, NaN where a status says so."""
    (metric,) = resolve_metrics([spec], load_protocol(protocol))
    found = score_all(base, [metric])
    assert not found.failed
    return torch.tensor(found.results[metric.spec].values, dtype=torch.float64)


def noise(folder: Path, count: int) -> Path:
    """A folder with small pictures of noise."""
    drawn = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    for place, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / f"{place:02d}.png")
    return folder


def same_tensors(ours: Path, other: Path) -> bool:
    """Whether two safetensors files hold the same tensors, to the bit."""
    mine, theirs = load_file(ours), load_file(other)
    same = mine.keys() == theirs.keys()
    return same and all(torch.equal(mine[key], theirs[key]) for key in mine)


def alive(session: int) -> list[str]:
    """The command lines of the processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(rest[2]) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return found


def cli(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["xaibench", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    return int(stop.value.code or 0), out.getvalue(), err.getvalue()
