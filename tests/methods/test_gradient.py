import copy
import dataclasses

import numpy as np
import pytest
import torch
from helpers import apart, doubled, explain, in_double, on, with_targets
from oracles.gradients import (
    gradient,
    gradient_group,
    saliency_captum,
    train_mode_batchnorm,
)
from torch import nn

from xaibench.methods.gradient import gradient as ours_entry
from xaibench.normalize import statuses
from xaibench.probes.gradients import reduce_channels


@pytest.mark.slow  # the next one, on four
def test_equals_autograd_on_every_photograph(context, photographs, differences):
    assert max(differences(context, photographs, "gradient", gradient)) < 1e-5


def test_equals_captum_saliency(context, photographs, differences):
    assert max(differences(context, photographs.rows(0, 4), "gradient", saliency_captum)) < 1e-5


def test_three_targets(context, three_targets, differences):
    batch = three_targets.rows(0, 2)
    for t in range(3):
        one = with_targets(batch, batch.targets[:, t : t + 1], ("ground_truth",))
        assert max(differences(context, one, "gradient", gradient)) < 1e-5


def test_float32_without_kinks_is_near(context, photographs, device):
    """The embedded network with a smooth activation: rounding of some fifty layers, no flips."""
    smooth = copy.deepcopy(context.classifier.module)
    for module in list(smooth.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, nn.Softplus(beta=4))
    single = dataclasses.replace(
        context, classifier=dataclasses.replace(context.classifier, module=smooth)
    )
    batch = on(photographs.rows(0, 3), device)
    found = explain(single, batch, "gradient", "reference").maps
    exact = explain(in_double(single), doubled(batch), "gradient", "reference").maps
    for ours, theirs in zip(found, exact, strict=True):
        assert apart(ours, theirs) < 1e-4


def test_train_mode_batchnorm_of_single_images(context, photographs, differences):
    def oracle(network, x, target):
        return gradient(train_mode_batchnorm(network), x, target)

    spec = "gradient(explained_class=given)"
    found = differences(context, photographs.rows(0, 8), spec, oracle, "published")
    assert max(found) < 1e-5


def test_train_mode_batchnorm_of_groups_of_five(context, photographs, oracle_network_double):
    """In float64: a flip at a kink of one image moves its whole group."""
    exact = dataclasses.replace(in_double(context), group_size=5)
    batch = doubled(photographs.rows(0, 7))  # a whole group, and the rest of the last
    spec = "gradient(explained_class=given)"
    found = explain(exact, on(batch, context.device), spec, "published").maps[:, 0]
    network = train_mode_batchnorm(oracle_network_double)
    for start, stop in ((0, 5), (5, 7)):
        group = batch.images[start:stop]
        slow = gradient_group(network, group, batch.targets[start:stop, 0])
        assert apart(found[start:stop], slow) < 1e-5


def test_groups_are_not_single_images(context, photographs, device):
    batch = on(photographs.rows(0, 5), device)
    spec = "gradient(explained_class=given)"
    alone = explain(context, batch, spec).maps
    together = explain(dataclasses.replace(context, group_size=5), batch, spec).maps
    assert apart(together, alone) > 1e-2


def test_own_forward_derives_the_class_inside_the_train_mode_network(
    context, three_targets, oracle_network, device
):
    """Single images under their own statistics: another class than in eval mode is explained."""
    batch = on(three_targets.rows(0, 6), device)
    found = explain(context, batch, "gradient")
    network = train_mode_batchnorm(oracle_network)
    with torch.no_grad():
        logits = torch.cat([network(three_targets.images[i : i + 1]) for i in range(6)])
    explained = found.explained.cpu()
    assert torch.equal(explained[:, 0], three_targets.labels[:6])
    assert torch.equal(explained[:, 1], logits.argmax(1))
    assert torch.equal(explained[:, 2], logits.argmin(1))
    assert not torch.equal(explained, three_targets.targets[:6])  # the quirk shows
    given = explain(context, batch.rows(0, 2), "gradient", "reference").explained.cpu()
    assert torch.equal(given, three_targets.targets[:2])


def test_reduction_is_a_switch(device):
    signed = torch.tensor([[[[-4.0, 0.0]], [[1.0, 2.0]], [[3.0, -1.0]]]], device=device)
    assert reduce_channels(signed, "abs_max").tolist() == [[[4.0, 2.0]]]
    # min-max over all channels first: -4 -> 0 and 3 -> 1
    expected = np.array([[[1.0, 6 / 7]]])
    assert np.allclose(reduce_channels(signed, "minmax_max").cpu(), expected)


def test_reduction_by_the_text_changes_the_map(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    code = explain(context, batch, "gradient", "reference").maps
    text = explain(context, batch, "gradient(reduction=minmax_max)", "reference").maps
    assert text.min() >= 0
    assert text.max() <= 1
    assert apart(code / code.amax(), text) > 0.1


def test_declared(device):
    cost = ours_entry.metadata["cost"](**ours_entry.resolve())
    assert cost.total(3) == (1, 3)
    zero = torch.zeros(2, 4, 4, device=device)
    assert statuses(zero) == ["constant_map"] * 2
