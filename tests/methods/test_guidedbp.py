import copy
import dataclasses

import numpy as np
import pytest
import torch
from helpers import apart, doubled, explain
from networks import pictures
from oracles.gradients import train_mode_batchnorm
from oracles.guided import guided_backprop, guided_backprop_captum

from xaibench.models.load import load_model
from xaibench.types import Context

REFERENCE = "reference"


@pytest.mark.parametrize("count", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_equals_the_rule_on_photographs(context, photographs, differences, count):
    """ReLU6: a signal passes where 0 < a < 6; captum would give the plain gradient here."""
    some = photographs.rows(0, count)
    assert max(differences(context, some, "guidedbp", guided_backprop, REFERENCE)) < 1e-5


def test_train_mode_batchnorm(context, photographs, differences):
    def oracle(network, x, target):
        return guided_backprop(train_mode_batchnorm(network), x, target)

    spec = "guidedbp(explained_class=given)"
    found = differences(context, photographs.rows(0, 3), spec, oracle, "published")
    assert max(found) < 1e-5


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_equals_captum_on_torchvision(name):
    """Random weights, in-place ReLU modules that are used twice and three times a block."""
    classifier = load_model(f"torchvision:{name}@random")
    module = copy.deepcopy(classifier.module).double()
    classifier = dataclasses.replace(classifier, module=module)
    batch = doubled(pictures(classifier, 2, (64, 64), ("ground_truth",)))
    ctx = Context(classifier, torch.device("cpu"), 0, 8)
    found = explain(ctx, batch, "guidedbp", REFERENCE).maps[:, 0]
    for i in range(2):
        x, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        library = np.abs(guided_backprop_captum(module, x, target)).max(0)
        assert apart(found[i], library) < 1e-5
        assert apart(found[i], guided_backprop(module, x, target)) < 1e-5
