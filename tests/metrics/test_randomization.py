from dataclasses import replace

import torch
from helpers import maps_of, on, request, score, scoring
from torch import nn

from xaibench.metrics.randomization import randomized
from xaibench.normalize import normalize


def explainer(ctx, batch, spec):
    method = request(spec)

    def explain(inputs, rows, classifier=None):
        other = replace(ctx, classifier=classifier) if classifier else ctx
        native = method.entry(other, replace(batch, images=inputs), None, **method.options).maps
        return normalize(native[:, 0], batch.size, method.normalization)

    return explain


def test_a_map_of_the_image_alone_does_not_change(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    base = scoring(context, batch, maps_of(context, batch, "fakecam"))
    base = replace(base, explain=explainer(context, batch, "fakecam"))
    assert torch.allclose(
        score(base, "parameter_randomization"), torch.ones(2, dtype=torch.float64)
    )


def test_grad_cam_depends_on_what_was_learnt(context, whole, device):
    batch = on(whole.rows(0, 2), device)
    before = {k: v.clone() for k, v in context.classifier.module.state_dict().items()}
    base = scoring(context, batch, maps_of(context, batch, "gradcam"))
    base = replace(base, explain=explainer(context, batch, "gradcam"))
    assert (score(base, "parameter_randomization(stages=2)") < 0.9).all()
    after = context.classifier.module.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_layers_change_from_the_logits_downwards(classifier):
    some = randomized(classifier.module, 0.5, seed=0)
    changed = [
        not torch.equal(a, b)
        for a, b in zip(
            classifier.module.state_dict().values(), some.state_dict().values(), strict=True
        )
    ]
    again = randomized(classifier.module, 0.5, seed=0)
    assert any(changed)
    assert not all(changed)
    assert all(
        torch.equal(a, b)
        for a, b in zip(some.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_attention_is_drawn_and_the_memory_format_stays() -> None:
    """A transformer's queries, keys and values are one tensor of no Linear."""
    convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    module = nn.Sequential(nn.MultiheadAttention(8, 2), nn.LayerNorm(8), convolution)
    drawn = randomized(module, 1.0, seed=0)
    before, after = module.state_dict(), drawn.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert "0.in_proj_weight" not in same
    assert {"1.weight", "1.bias"} <= same
    assert drawn[2].weight.is_contiguous(memory_format=torch.channels_last)
