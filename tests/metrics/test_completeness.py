from dataclasses import replace

import torch
from helpers import explain, on, request, score, scoring
from oracles import completeness as slow
from oracles.quantus_library import quantus_completeness

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_metrics
from xaibench.normalize import normalize


def test_exact_equals_the_formula_and_quantus(few, classifier):
    arguments = (
        classifier.module,
        few.batch.images[0],
        few.maps[0].cpu().numpy(),
        int(few.target[0]),
    )
    value = float(score(few, "completeness")[0])
    assert value == slow.completeness_published(*arguments)
    assert value == quantus_completeness(*arguments)


def test_exact_passes_a_map_made_complete(few, classifier):
    """A single pixel carrying the float32 difference of the logits is complete."""
    dark = slow.black_baseline(few.batch.images[0])[None]
    (logits,) = few.ctx.stream([dark])
    base = logits[0, few.target[0]]
    made = torch.zeros_like(few.maps)
    made[0, 3, 5] = few.logit[0] - base
    assert float(score(replace(few, maps=made), "completeness")[0]) == 1.0
    made[0, 3, 5] *= 1.001
    assert float(score(replace(few, maps=made), "completeness")[0]) == 0.0


def test_residual_of_integrated_gradients(context, photographs, device):
    batch = on(photographs.rows(0, 1), device)
    found = explain(context, batch, "ig(steps=10)", "reference")
    maps = normalize(found.maps[:, 0], batch.size, request("ig").normalization)
    scalars = {k: v[:, 0] for k, v in found.scalars.items()}
    base = replace(scoring(context, batch, maps), scalars=scalars, additive=True)
    expected = slow.completeness_residual(
        float(scalars["attribution_sum"]), float(base.logit), float(scalars["baseline_logit"])
    )
    assert abs(float(score(base, "completeness", "reference")) - expected) < 1e-9


def test_residual_applies_to_additive_methods_only(few):
    metric = resolve_metrics(["completeness"], load_protocol("reference"))[0]
    found = metric.entry(few, **metric.options)["completeness"]
    assert found.statuses == ("not_applicable",)
    assert found.values.isnan().all()
