from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import on, score, scoring
from oracles.complexity import effective_complexity_loss, effective_complexity_losses

from xaibench.probes.draws import fills

STEPS, DRAWS = 7, 3


def spec(base, more=""):
    rows = base.batch.size[0] // STEPS
    return f"effective_complexity(rows_per_step={rows},draws={DRAWS}{more})"


def drawn(base, i):
    """The replacement values that the metric draws for an image."""
    ids = [base.batch.ids[i]]
    return fills(base.ctx, ids, STEPS, DRAWS, 3, "effective complexity")[0].numpy()


def test_by_loss_equals_the_slow_loop(few, classifier):
    image, map_ = few.batch.images[0].cpu(), few.maps[0].cpu().numpy()
    arguments = (classifier.module, image, map_, int(few.target[0]), drawn(few, 0), STEPS)
    losses = effective_complexity_losses(*arguments)
    ranked = np.sort(losses)  # between two losses: rounding of a forward decides nothing
    for tolerance in (ranked[1:4] + ranked[2:5]) / 2:
        found = score(few, spec(few, f",tolerance={float(tolerance)!r}"), "reference")
        slow = effective_complexity_loss(*arguments, float(tolerance), first=0)
        assert float(found[0]) == slow


def test_a_network_that_does_not_care_needs_no_pixel(real):
    """And one that nothing but the whole image satisfies needs all."""
    none = score(real, spec(real, ",tolerance=1.0"), "reference")
    assert none.tolist() == [0.0] * len(none)
    far = replace(real, probability=torch.full_like(real.probability, 9.0))
    assert score(far, spec(far), "reference").tolist() == [real.maps[0].numel()] * len(none)


def test_a_network_of_nan_gives_nan(real):
    lost = replace(real, probability=torch.full_like(real.probability, torch.nan))
    assert score(lost, spec(lost), "reference").isnan().all()


@pytest.mark.parametrize("kind", ["true", "random"])
def test_a_map_of_what_matters_needs_fewer_pixels(context, whole, device, kind):
    """Planted: the class is decided by one quarter of the image."""
    batch = on(whole.rows(0, 4), device)
    side = batch.size[0]
    where = torch.zeros(4, side, side, device=device)
    where[:, : side // 2, : side // 2] = 1
    noise = torch.rand(where.shape, generator=torch.Generator().manual_seed(0)).to(where)
    classifier = context.classifier
    planted = replace(classifier, module=Quarter(classifier.module, where[:1]))
    base = scoring(replace(context, classifier=planted), batch, where + 0.01 * noise)
    needed = score(base, spec(base), "reference")
    if kind == "true":
        assert needed.max() <= 2 * (side // STEPS) * side  # a quarter is 1.75 steps
    else:
        at_random = score(replace(base, maps=noise), spec(base), "reference")
        assert (at_random >= needed).all()
        assert at_random.mean() > needed.mean()


class Quarter(torch.nn.Module):
    """A network that sees a part of the image alone."""

    def __init__(self, module, where):
        super().__init__()
        self.module, self.where = module, where

    def forward(self, images):
        return self.module(images * self.where)
