"""Max- and avg-sensitivity (Yeh et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread
from xaibench.probes.draws import noise
from xaibench.probes.gradients import input_gradients
from xaibench.registry import Range, metric
from xaibench.types import MetricCost, Rows, Scoring, Values

EXPENSIVE = 500


@dataclass(frozen=True)
class _Perturbed:
    """Noisy inputs of a few images, drawn when they are needed; rows (n,): the image of each."""

    scoring: Scoring
    ids: list[str]
    rows: Tensor
    draws: int
    radius: float

    @property
    def key(self) -> str:
        return f"{self.ids} {self.draws} {self.radius}"

    def make(self) -> Tensor:
        """Inputs (n, 3, H, W)."""
        images = self.scoring.batch.images
        drawn = noise(self.scoring.ctx, self.ids, self.draws, self.scoring.batch.size, self.radius)
        own = images[self.rows[:: self.draws], None]
        return drawn.to(images.device).add_(own).flatten(0, 1)


@metric(
    keys={
        "max_sensitivity": {
            "title": "Max-sensitivity",
            "short": "MS",
            "doc": "Largest relative change of the map under small noise.",
            "direction": "lower",
            "range": (0, None),
            "unit": "relative norm",
            "group": "robustness",
        },
        "avg_sensitivity": {
            "title": "Avg-sensitivity",
            "short": "AS",
            "doc": "Mean relative change of the map under small noise.",
            "direction": "lower",
            "range": (0, None),
            "unit": "relative norm",
            "group": "robustness",
        },
    },
    needs=lambda explanation, **_: (
        ("forwards", "explain") if explanation == "method" else ("forwards",)
    ),
    by={  # whose explanation of the noisy input it takes
        "explanation": {
            "method": {"explains": "method"},
            "gradient_stand_in": {"explains": "gradient_stand_in"},
        }
    },
    probability=False,
    cost=lambda draws, explanation, **_: (
        MetricCost(explains=draws, subset_over=EXPENSIVE)
        if explanation == "method"
        else MetricCost(forwards=draws, backwards=draws, any_method=True)
    ),
    citation="yeh2019infidelity",
)
def sensitivity(
    scoring: Scoring,
    *,
    draws: Annotated[int, Range(1)] = 10,
    radius: Annotated[float, Range(0)] = 0.2,
    explanation: Literal["method", "gradient_stand_in"] = "method",
) -> Values:
    """Maximum and mean over perturbations of |m - m'| / |m| (Yeh et al. 2019, equation 2).

    `draws` perturbations of the normalised input, uniform in [-radius, radius]. explanation:
    'method' explains them with the method itself, with the image's own masks, segments and noise;
    'gradient_stand_in' takes Quantus's gradient explanation in its place, not normalised, as the
    code of Zhang et al. does. Methods of over 500 forwards an image are measured on the run's
    subset only (`not_applicable` elsewhere). A constant map gives 0 where m' is the same, else NaN.
    """
    count, device = len(scoring.batch), scoring.batch.images.device
    applies = torch.ones(count, dtype=torch.bool)
    if explanation == "method" and scoring.extras.get("explain_forwards", 0) > EXPENSIVE:
        applies = scoring.extras["in_subset"]
    ratios = torch.full((count, draws), torch.nan, dtype=torch.float64, device=device)
    stand_in = explanation == "gradient_stand_in"
    at_once = scoring.ctx.batch_size // math.gcd(scoring.ctx.batch_size, draws)  # full batches
    for chosen in applies.nonzero()[:, 0].split(at_once):
        ids = [scoring.batch.ids[i] for i in chosen.tolist()]
        rows = chosen.to(device).repeat_interleave(draws)
        inputs = _Perturbed(scoring, ids, rows, draws, radius)
        others = _stand_in(scoring, inputs) if stand_in else _method(scoring, inputs)
        others = others.unflatten(0, (len(ids), draws))
        ratios[chosen.to(device)] = relative_change(scoring.maps[chosen.to(device)], others)
    statuses = tuple("ok" if a else "not_applicable" for a in applies.tolist())
    return {
        "max_sensitivity": Rows(ratios.amax(1), statuses),
        "avg_sensitivity": Rows(ratios.mean(1), statuses),
    }


def relative_change(maps: Tensor, others: Tensor) -> Tensor:
    """|m - m'| / |m| (B, n) of maps (B, H, W) and n others each (B, n, H, W).

    0 where both are all zero, NaN where only m is.
    """
    maps = maps.double()[:, None]
    with one_thread():
        gap = (others.double() - maps).flatten(2).norm(dim=2)
        norm = maps.flatten(2).norm(dim=2)
    change = torch.where(norm == 0, torch.nan, gap / norm)
    return torch.where((gap == 0) & (norm == 0), 0.0, change)


def _method(scoring: Scoring, inputs: _Perturbed) -> Tensor:
    if scoring.explain is None:
        raise ValueError("this scoring cannot explain")
    return scoring.explain(inputs.make(), inputs.rows)


def _stand_in(scoring: Scoring, inputs: _Perturbed) -> Tensor:
    """Quantus's explanation (n, H, W) of perturbed inputs, shared by all methods.

    'Gradient' (absolute sum over channels) for the gradient family, 'Saliency' (sum of absolute
    values) for the others; the gradients themselves serve both.
    """

    def gradients() -> Tensor:
        parts = []
        size = scoring.ctx.batch_size
        for part, classes in zip(
            inputs.make().split(size), scoring.target[inputs.rows].split(size), strict=True
        ):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_()
                g = input_gradients(scoring.ctx.classifier(leaf), leaf, classes[:, None])[:, 0]
            parts.append(torch.stack([g.abs().sum(1), g.sum(1).abs()], 1))
        return torch.cat(parts)

    both = scoring.once(f"stand-in {inputs.key} {scoring.batch.target_names[0]}", gradients)
    return both[:, 1 if scoring.family == "gradient" else 0]
