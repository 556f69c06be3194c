"""Average drop, increase and gain of the probability on the masked image."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from xaibench.registry import metric
from xaibench.types import Answer, Forwards, Scoring, Values


@metric(
    keys={
        "average_drop": {
            "title": "Average drop",
            "short": "AD",
            "doc": "Share of the probability lost on the masked image.",
            "direction": "lower",
            "range": (0, 1),
            "unit": "share of p",
            "group": "fidelity",
        },
        "average_increase": {
            "title": "Average increase",
            "short": "AI",
            "doc": "1 where the masked image's probability is higher.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "share of images",
            "mean": "share of passes",
            "group": "fidelity",
        },
        "average_gain": {
            "title": "Average gain",
            "short": "AG",
            "doc": "Share of the missing probability gained on the masked image.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "share of 1 - p",
            "group": "fidelity",
        },
    },
    needs=("forwards",),
    cost=lambda **_: 1,
    citation="zhang2023opticam",
)
def confidence(scoring: Scoring) -> Generator[Forwards, Answer, Values]:
    """Probability of the class on the image whose [0, 1] pixels are multiplied by the map.

    With p before and q after: AD = [p - q]+ / p and AI = 1 where q > p (Chattopadhay et al. 2018),
    AG = [q - p]+ / (1 - p) (Zhang et al. 2023). With nothing to lose (p = 0) or to gain (p = 1): 0.
    """
    images, size = scoring.batch.images, scoring.ctx.batch_size
    rows = torch.arange(len(images), device=images.device)

    def masked() -> Iterator[tuple[Tensor, Tensor]]:
        for part in rows.split(size):
            pixels = scoring.ctx.classifier.to_pixels(images[part])
            yield scoring.ctx.classifier.from_pixels(pixels * scoring.maps[part, None]), part

    answer = yield Forwards(masked())
    p, q = scoring.probability.double(), answer.probability.double()
    return {
        "average_drop": _share((p - q).clamp(min=0), p),
        "average_increase": torch.where(q.isnan(), q, (q > p).double()),
        "average_gain": _share((q - p).clamp(min=0), 1 - p),
    }


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where((whole == 0) & (part == 0), 0.0, part / whole)
