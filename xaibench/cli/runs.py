"""`run`, `explain`, `score`: compute what a run directory lacks."""

from __future__ import annotations

from typing import Any

import typer

from xaibench.cli import options as o

EXAMPLES = {
    "run": "Examples:\n\n  xaibench run\n\n"
    "  xaibench run --method gradcam --metric insertion,deletion --limit 5\n\n"
    "  xaibench run --data /data/imagenet/val --model resnet50 --protocol reference",
    "explain": "Example:\n\n  xaibench explain --method gradcam --target predicted",
    "score": "Example:\n\n  xaibench score --method gradcam --metric 'insertion(ties=reverse)'",
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("run", epilog=EXAMPLES["run"])(run)
    app.command("explain", epilog=EXAMPLES["explain"])(explain)
    app.command("score", epilog=EXAMPLES["score"])(score)


def go(values: dict[str, Any], stages: set[str]) -> None:
    """Build the configurations, run the stages of each, print its last line."""
    from xaibench.config.run import find_config, load_configs

    file = values.pop("config", None)
    configs = load_configs(values, find_config(file) if file else None)
    from xaibench.api import run_configs

    run_configs(configs, stages=frozenset(stages), say=typer.echo)


def run(
    method: o.Method = None,
    metric: o.Metric = None,
    metric_backend: o.MetricBackend = None,
    boxes: o.Boxes = None,
    config: o.Config = None,
    model: o.Model = None,
    weights: o.Weights = None,
    cam_layer: o.CamLayer = None,
    data: o.Data = None,
    target: o.Target = None,
    transform: o.Transform = None,
    protocol: o.ProtocolName = None,
    limit: o.Limit = None,
    subset: o.Subset = None,
    per_class: o.PerClass = None,
    device: o.Device = None,
    batch_size: o.BatchSize = None,
    workers: o.Workers = None,
    seed: o.Seed = None,
    out: o.Out = None,
    strict: o.Strict = None,
    overwrite: o.Overwrite = None,
    dry_run: o.DryRun = None,
) -> None:
    """Explain, normalize and score: computes what the run directory lacks, nothing twice."""
    go(dict(locals()), {"explain", "score"})


def explain(
    method: o.Method = None,
    config: o.Config = None,
    model: o.Model = None,
    weights: o.Weights = None,
    cam_layer: o.CamLayer = None,
    data: o.Data = None,
    target: o.Target = None,
    transform: o.Transform = None,
    protocol: o.ProtocolName = None,
    limit: o.Limit = None,
    subset: o.Subset = None,
    per_class: o.PerClass = None,
    device: o.Device = None,
    batch_size: o.BatchSize = None,
    workers: o.Workers = None,
    seed: o.Seed = None,
    out: o.Out = None,
    strict: o.Strict = None,
    overwrite: o.Overwrite = None,
    dry_run: o.DryRun = None,
) -> None:
    """Compute and store saliency maps only (native size, safetensors shards)."""
    go(dict(locals()), {"explain"})


def score(
    method: o.Method = None,
    metric: o.Metric = None,
    metric_backend: o.MetricBackend = None,
    boxes: o.Boxes = None,
    config: o.Config = None,
    model: o.Model = None,
    weights: o.Weights = None,
    cam_layer: o.CamLayer = None,
    data: o.Data = None,
    target: o.Target = None,
    transform: o.Transform = None,
    protocol: o.ProtocolName = None,
    limit: o.Limit = None,
    subset: o.Subset = None,
    per_class: o.PerClass = None,
    device: o.Device = None,
    batch_size: o.BatchSize = None,
    workers: o.Workers = None,
    seed: o.Seed = None,
    out: o.Out = None,
    strict: o.Strict = None,
    overwrite: o.Overwrite = None,
    dry_run: o.DryRun = None,
) -> None:
    """Score stored maps only; says so where maps are missing."""
    go(dict(locals()), {"score"})
