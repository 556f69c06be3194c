"""`xaibench.evaluate`, `explain` and `score_maps`: a network and images in memory, no directory.

The values are those of a run on the same images, bit for bit: the same functions make them, and
draws depend on the seed and an image's id alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from xaibench.config.requests import (
    MethodRequest,
    MetricRequest,
    check_maps_alone,
    made_elsewhere,
)
from xaibench.core.bench import Asked, Bench, Setting, bench_of, methods_of, metrics_of
from xaibench.core.explain import State, cam_channels, cost, explainer
from xaibench.core.inputs import Pictures
from xaibench.core.score import memo, score, seen
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.normalize import normalize
from xaibench.types import Answer, Batch, Explanation, Memo

if TYPE_CHECKING:
    import pandas as pd


@torch.inference_mode(False)
def evaluate(
    model: nn.Module | TorchClassifier,
    images: Pictures,
    labels: Any = None,
    *,
    methods: Asked = "gradcam",
    metrics: Asked = "insertion,deletion",
    targets: str | Sequence[str] | None = None,
    **setting: Unpack[Setting],
) -> pd.DataFrame:
    """Explain images and score the maps; one row an image, method, target and metric, in order.

    Args:
        model: any module from normalised images (B, 3, H, W) to logits (B, K), left as it is; or
            a `TorchClassifier`, which names its layers.
        images: the network's own normalised input (B, 3, H, W); or PIL images or paths, which
            `transform` or the preprocessing turns into that.
        labels: class indices (B,), -1 for none; without them there is no `ground_truth`.
        methods: names, specs such as 'rise(n_masks=2000)', registered objects or plain
            functions; one or several.
        metrics: the same of metrics.
        targets: ground_truth, predicted, least_probable; by default the first, or the second where
            there are no labels.
        setting: see `Setting`.

    Returns:
        Columns as in `xaibench.load_scores`. Raises UsageError for unknown names or unfit input,
        XaibenchError where a method or metric fails.
    """
    bench = bench_of(model, images, labels, targets, setting)
    asked, wanted = methods_of(methods, bench.protocol), metrics_of(metrics, bench.protocol)
    states = {method.spec: bench.prepare(method) for method in asked}
    rows: list[dict[str, Any]] = []
    for start, stop in bench.blocks():
        batch, shared = bench.batch(start, stop), memo({})
        for method in asked:
            found = bench.explain(method, batch, states[method.spec])
            for t in range(len(bench.names)):
                rows += scored(bench, batch, t, method, found, states[method.spec], wanted, shared)
    return _frame(rows)


@torch.inference_mode(False)
def explain(
    model: nn.Module | TorchClassifier,
    images: Pictures,
    labels: Any = None,
    *,
    methods: Asked = "gradcam",
    targets: str | Sequence[str] | None = None,
    **setting: Unpack[Setting],
) -> dict[str, Tensor]:
    """Saliency maps as they are scored: {method: (B, T, H, W) float32 in [0, 1]}, on the CPU.

    Arguments as for `evaluate`; T targets in the order given.
    """
    bench = bench_of(model, images, labels, targets, setting)
    maps: dict[str, list[Tensor]] = {}
    for method in methods_of(methods, bench.protocol):
        state = bench.prepare(method)
        for start, stop in bench.blocks():
            batch = bench.batch(start, stop)
            native = bench.explain(method, batch, state).maps
            flat = normalize(native.flatten(0, 1), batch.size, method.steps("none"))
            maps.setdefault(method.spec, []).append(flat.unflatten(0, native.shape[:2]).cpu())
    return {spec: torch.cat(parts) for spec, parts in maps.items()}


@torch.inference_mode(False)
def score_maps(
    model: nn.Module | TorchClassifier,
    images: Pictures,
    maps: Any,
    labels: Any = None,
    *,
    metrics: Asked = "insertion,deletion",
    target: str | None = None,
    name: str = "maps",
    **setting: Unpack[Setting],
) -> pd.DataFrame:
    """Score maps made elsewhere: one row an image and metric, columns as `evaluate`.

    maps: (B, H, W), or (B, h, w), upsampled bilinearly; min-max normalised an image, as all maps
    are. target: whose probability is scored. name: stands in the column `method`. Other arguments
    as for `evaluate`. A metric that explains other inputs cannot be had: UsageError.
    """
    bench = bench_of(model, images, labels, target, setting)
    if len(bench.names) > 1:
        raise UsageError(f"targets {', '.join(bench.names)}: maps are scored for one, give it.")
    native = checked_maps(maps, len(bench.inputs.ids))
    wanted = metrics_of(metrics, bench.protocol)
    check_maps_alone(wanted)
    rows: list[dict[str, Any]] = []
    method = made_elsewhere(name)
    for start, stop in bench.blocks():
        batch = bench.batch(start, stop)
        found = Explanation(native[start:stop, None].to(bench.ctx.device))
        rows += scored(bench, batch, 0, method, found, None, wanted, memo({}))
    return _frame(rows)


def checked_maps(maps: Any, count: int) -> Tensor:
    """Maps as a float32 tensor (B, h, w); UsageError for another shape or a value not finite."""
    native = torch.as_tensor(np.asarray(maps) if not isinstance(maps, Tensor) else maps)
    if native.dim() != 3 or len(native) != count or native.dtype.is_complex:
        raise UsageError(f"maps of shape {tuple(native.shape)}: give ({count}, height, width).")
    bad = (~native.float().isfinite()).flatten(1).any(1).nonzero()[:, 0].tolist()
    if bad:
        raise UsageError(f"{len(bad)} maps have values that are not finite, first map {bad[0]}.")
    return native.detach().float()


def scored(
    bench: Bench,
    whole: Batch,
    t: int,
    method: MethodRequest,
    found: Explanation,
    state: State | None,
    metrics: Sequence[MetricRequest],
    shared: Memo,
) -> list[dict[str, Any]]:
    """The rows of one target of a block: its maps by each metric, by columns of `load_scores`.

    Raises XaibenchError where a metric fails.
    """
    batch = replace(whole, targets=whole.targets[:, t : t + 1], target_names=(bench.names[t],))
    rows = slice(whole.positions[0], whole.positions[-1] + 1)
    pick = batch.targets.cpu()
    base = Answer(
        bench.logits[rows].gather(1, pick)[:, 0], bench.probabilities[rows].gather(1, pick)[:, 0]
    )
    again = any("explain" in m.needs for m in metrics)
    extras: dict[str, Any] = {}
    if again:
        extras["explain_forwards"] = cost(method, lambda: cam_channels(bench.classifier)).total(1)[
            0
        ]
        extras["in_subset"] = torch.ones(len(batch), dtype=torch.bool)
    scoring = seen(
        bench.ctx,
        method,
        batch,
        found.maps[:, t].cpu(),
        base,
        scalars={k: v[:, t] for k, v in found.scalars.items()},
        explain=explainer(bench.ctx, method, batch, state, "none") if again else None,
        shared=shared,
        extras=extras,
    )
    done = score(scoring, metrics)
    for spec, why in (done.failed | done.short).items():
        raise XaibenchError(f"{spec} of {method.spec} failed: {why}")
    explained = pick if found.explained is None else found.explained[:, t : t + 1].cpu()
    return [
        {
            "place": whole.positions[i],
            "image": image,
            "target": bench.names[t],
            "transform": "none",
            "variation": "none",
            "method": method.spec,
            "metric": metric.spec,
            "status": done.results[metric.spec].statuses[i],
            "model": bench.ctx.classifier.name,
            "dataset": "memory",
            "protocol": bench.protocol.name,
            "label": int(batch.labels[i]),
            "class_index": int(pick[i, 0]),
            "explained_index": int(explained[i, 0]),
            "value": done.results[metric.spec].values[i],
        }
        for i, image in enumerate(batch.ids)
        for metric in metrics
    ]


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows by image; methods, targets and metrics stay in the order in which they were asked."""
    import pandas as pd

    frame = pd.DataFrame(rows).sort_values("place", kind="stable", ignore_index=True)
    return frame.drop(columns="place")
