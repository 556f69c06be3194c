"""Quantus as a backend: its own code, without its traps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import score

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_metrics

SAME = ("sparseness", "complexity", "effective_complexity", "completeness")


@pytest.mark.parametrize("key", SAME)
def test_deterministic_metrics_equal_ours(few, key):
    ours, theirs = float(score(few, key)[0]), float(score(few, f"quantus_{key}")[0])
    assert abs(ours - theirs) < 1e-6 * max(1.0, abs(ours))


def test_random_metrics_are_near_ours(few):
    """Other draws of the same distribution: a mean over ten moves by a few hundredths."""
    ours, theirs = score(few, "avg_sensitivity"), score(few, "quantus_avg_sensitivity")
    assert abs(float(ours[0]) - float(theirs[0])) < 0.05 * float(ours[0])


def test_nothing_is_written_into_and_the_global_generator_is_restored(few):
    maps, images = few.maps.clone(), few.batch.images.clone()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the generator that Quantus uses
    first = [score(few, f"quantus_{key}") for key in ("complexity", "max_sensitivity(draws=2)")]
    again = [score(few, f"quantus_{key}") for key in ("complexity", "max_sensitivity(draws=2)")]
    assert torch.equal(few.maps, maps)
    assert torch.equal(few.batch.images, images)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_monotonicity_of_an_improbable_class_is_defined(few):
    logits = few.ctx.classifier(few.batch.images)
    low = replace(few, target=logits.argmin(1))
    rows = few.batch.size[0] // 7  # Quantus wants whole steps
    assert score(low, f"quantus_monotonicity(draws=1,rows_per_step={rows})").isfinite().all()


def test_a_map_that_quantus_refuses_is_nan(few):
    flat = replace(few, maps=torch.zeros_like(few.maps))
    assert score(flat, "quantus_sparseness").isnan().all()


def test_the_switch_renames_what_quantus_has_and_keeps_the_rest():
    found = resolve_metrics(["sparseness", "insertion"], load_protocol("published"), "quantus")
    assert [m.spec for m in found] == ["quantus_sparseness", "insertion"]
