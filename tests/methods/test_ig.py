import dataclasses

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from helpers import apart, doubled, explain, in_double, on, with_targets
from networks import pictures, tiny_context
from oracles.gradients import (
    integrated_gradients_captum,
    integrated_gradients_group,
    train_mode_batchnorm,
)


def black(x):
    """The black image to the bit.

    One unit in the last place of the baseline moves float32 attributions by 2% of the range at
    six steps, through kinks of ReLU6.
    """
    mean, std = (torch.tensor(value / 255, dtype=x.dtype) for value in (127, 128))
    return (0 - mean) / std


def reduced(signed):
    return np.abs(signed).max(axis=0)


def test_equals_captum_on_photographs(context, photographs, differences):
    def oracle(network, x, target):
        return reduced(integrated_gradients_captum(network, x, target, black(x), 3, None))

    found = differences(context, photographs.rows(0, 4), "ig(steps=3)", oracle)
    assert max(found) < 1e-5


@pytest.mark.parametrize("steps", [3, 17])
def test_has_captums_bits_and_one_forward_serves_all_classes(steps):
    """Full passes over the interpolants of all images; captum takes an image and class alone."""
    ctx = tiny_context()
    batch, model = pictures(ctx.classifier, 5), ctx.classifier
    rows, _ = [], model.inference  # a copy, which would take the hook along
    handle = model.module.head.register_forward_hook(lambda _m, _i, out: rows.append(len(out)))
    found = explain(ctx, batch, f"ig(steps={steps}, baseline=mean)", "reference").maps
    handle.remove()
    assert rows == [16] * -(-5 * steps // 16)
    captum = IntegratedGradients(model)
    for i in range(5):
        image = batch.images[i : i + 1]
        for t in range(3):
            target = int(batch.targets[i, t])
            slow = captum.attribute(image, target=target, n_steps=steps, internal_batch_size=16)
            assert torch.equal(found[i, t], slow[0].abs().amax(0))


@pytest.mark.slow
def test_equals_captum_at_the_protocols_steps(context, photographs, oracle_network_double):
    exact, batch = in_double(context), doubled(photographs.rows(0, 2))
    found = explain(exact, on(batch, context.device), "ig", "reference").maps[:, 0]
    for i in range(2):
        x, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        slow = integrated_gradients_captum(oracle_network_double, x, target, black(x), 100)
        assert apart(found[i], reduced(slow)) < 1e-5


def test_published_takes_statistics_over_an_images_interpolants(
    context, photographs, oracle_network_double
):
    exact, batch = in_double(context), doubled(photographs.rows(0, 2))
    spec = "ig(steps=3, explained_class=given)"
    found = explain(exact, on(batch, context.device), spec).maps[:, 0]
    network = train_mode_batchnorm(oracle_network_double)
    for i in range(2):
        slow = integrated_gradients_group(
            network, batch.images[i : i + 1], batch.targets[i], 0.0, 3
        )
        assert apart(found[i], reduced(slow[0])) < 1e-5


@pytest.mark.parametrize("batch_size", [1, 7, 32, 64])
@pytest.mark.parametrize("count", [5, 7, 12])
def test_groups_of_five_whatever_the_batch_size(batch_size, count):
    """Also where several groups go together and the last is not whole."""
    ctx = dataclasses.replace(in_double(tiny_context()), group_size=5, batch_size=batch_size)
    batch = doubled(pictures(tiny_context().classifier, count, targets=("ground_truth",)))
    found = explain(ctx, batch, "ig(steps=3, explained_class=given)").maps[:, 0]
    network = train_mode_batchnorm(ctx.classifier.module)
    for start in range(0, count, 5):
        group = batch.images[start : start + 5]
        slow = integrated_gradients_group(network, group, batch.targets[start : start + 5, 0], 0, 3)
        for i, signed in enumerate(slow):
            assert apart(found[start + i], reduced(signed)) < 1e-5
    one_by_one = dataclasses.replace(ctx, group_size=1)
    assert apart(explain(one_by_one, batch, "ig(steps=3)").maps[:, 0], found) > 1e-3


@pytest.mark.parametrize("count", [5, 7])
def test_group_size_does_not_matter_in_eval_mode(count):
    ctx = dataclasses.replace(tiny_context(batch_size=64), group_size=5)
    batch = pictures(ctx.classifier, count)
    grouped = explain(ctx, batch, "ig(steps=3)", "reference").maps
    plain = explain(dataclasses.replace(ctx, group_size=1), batch, "ig(steps=3)", "reference").maps
    assert apart(grouped, plain) < 1e-5


def test_scalars_are_the_signed_sum_and_the_baselines_logit(
    context, photographs, oracle_network, device
):
    batch = photographs.rows(0, 2)
    found = explain(context, on(batch, device), "ig(steps=5)", "reference").scalars
    for i in range(2):
        x, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        signed = integrated_gradients_captum(oracle_network, x, target, black(x), 5, None)
        total = signed.sum(dtype=np.float64)
        assert abs(found["attribution_sum"][i, 0].item() - total) < 1e-3 * abs(total)
        with torch.no_grad():
            base = oracle_network(black(x).expand_as(x))[0, target]
        assert abs(found["baseline_logit"][i, 0].item() - base) < 1e-4


def test_own_forward_is_that_of_single_images(context, three_targets, device):
    batch = on(three_targets.rows(0, 2), device)
    by_gradient = explain(context, batch, "gradient").explained
    assert torch.equal(explain(context, batch, "ig(steps=1)").explained, by_gradient)


def test_the_published_baseline_is_the_mean_image(context, photographs, oracle_network, device):
    one = with_targets(photographs.rows(0, 1), photographs.targets[:1], ("ground_truth",))
    spec = "ig(steps=3, batchnorm=eval, explained_class=given)"
    found = explain(context, on(one, device), spec).scalars
    with torch.no_grad():
        base = oracle_network(torch.zeros_like(one.images))[0, int(one.targets[0, 0])]
    assert abs(found["baseline_logit"][0, 0].item() - base) < 1e-4


@pytest.mark.slow
def test_complete_within_one_percent_at_a_thousand_steps(context, photographs, device):
    batch = on(photographs.rows(0, 3), device)
    found = explain(context, batch, "ig(steps=1000)", "reference").scalars
    with torch.no_grad():
        logits = context.classifier(batch.images).gather(1, batch.targets)
    change = logits - found["baseline_logit"]
    assert ((found["attribution_sum"] - change).abs() < 0.01 * change.abs()).all()


def test_the_protocols_statistics_of_an_untouched_image_fit_into_memory(context, whole):
    """A hundred interpolants at 224 pixels are in memory together; one of them is measured."""
    from xaibench.methods.ig import _over_interpolants
    from xaibench.models.streamed import Streamed

    found = _over_interpolants(context, whole.rows(0, 1), 100)
    assert not isinstance(found.module, Streamed)
    assert found.groups == 100
