"""What a switch can move: which methods' and metrics' numbers, on which targets and transforms."""

from __future__ import annotations

from itertools import product

import pytest
from protocols import everything_else
from switching import PUBLISHED, REFERENCE, all_switches, every, named

from xaibench.config.protocol import Protocol
from xaibench.config.reach import Cell, Counts, moves
from xaibench.config.requests import check_protocol
from xaibench.config.switches import (
    asked,
    asked_transforms,
)
from xaibench.normalize import STEPS
from xaibench.registry import entries, get


def cell(method: str, metric: str, target: str = "ground_truth", transform: str = "none") -> Cell:
    at = asked_transforms([transform])[0]
    return Cell(asked("methods", [method])[0], asked("metrics", [metric])[0], target, at)


ALL_IMAGES = Counts(20)


@pytest.mark.parametrize(
    ("name", "method", "metric", "target", "expected"),
    [
        ("preprocessing.resize", "fakecam", "sparseness", "predicted", True),
        ("rise.n_masks", "rise", "sparseness", "predicted", True),
        ("rise.n_masks", "gradcam", "sparseness", "predicted", False),
        ("rise.n_masks", "rise(n_masks=5)", "sparseness", "predicted", False),
        ("rise.p", "rise(n_masks=5)", "sparseness", "predicted", True),
        ("normalization.gradcam.native_minmax", "gradcam", "insertion", "predicted", True),
        ("normalization.gradcam.native_minmax", "gradcampp", "insertion", "predicted", False),
        ("normalization.gradient.transpose", "gradient", "insertion", "predicted", False),
        ("batchnorm_groups.gradient", "gradient", "insertion", "predicted", False),
        ("causal.kernel", "gradcam", "insertion", "predicted", True),
        ("causal.kernel", "gradcam", "deletion", "predicted", False),
        ("causal.kernel", "gradcam", "insertion(kernel=7)", "predicted", False),
        ("causal.rows_per_step", "gradcam", "deletion", "predicted", True),
        ("causal.rows_per_step", "gradcam", "monotonicity", "predicted", False),
        ("gradient.explained_class", "gradient", "insertion", "ground_truth", False),
        ("gradient.explained_class", "gradient", "insertion", "least_probable", True),
        ("gradient.batchnorm", "gradient", "insertion", "ground_truth", True),
        ("gradcampp.epsilon", "gradcampp", "sparseness", "ground_truth", True),
        ("scorecam.align_corners", "scorecam", "sparseness", "ground_truth", True),
        ("iba.statistics_images", "iba", "insertion", "ground_truth", False),
        ("iba.statistics_of", "iba", "insertion", "ground_truth", False),
        ("iba.resized", "iba", "insertion", "ground_truth", False),
        ("sensitivity.explanation", "fakecam", "avg_sensitivity", "ground_truth", True),
        ("probability", "gradcam", "insertion", "ground_truth", True),
        ("probability", "gradcam", "monotonicity", "ground_truth", True),
        ("probability", "gradcam", "sparseness", "ground_truth", False),
        ("probability", "gradcam", "completeness", "ground_truth", False),
        ("probability", "gradcam", "avg_sensitivity", "ground_truth", False),
        ("probability", "gradcam", "effective_complexity", "ground_truth", False),
        ("probability", "gradcam", "effective_complexity(definition=loss)", "predicted", True),
        ("effective_complexity.definition", "gradcam", "effective_complexity", "predicted", True),
    ],
)
def test_moves(name: str, method: str, metric: str, target: str, expected: bool) -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))[name]
    assert moves(switch, cell(method, metric, target), PUBLISHED, ALL_IMAGES) is expected


@pytest.mark.parametrize(
    ("name", "method", "transform", "expected"),
    [
        ("normalization.gradient.transpose", "gradient", "resize", True),
        ("normalization.gradient.transpose", "ig", "resize", False),
        ("batchnorm_groups.gradient", "gradient", "crop", True),
        ("batchnorm_groups.gradient", "gradient(batchnorm=eval)", "crop", False),
        ("batchnorm_groups.gradient", "guidedbp", "crop", False),
        ("batchnorm_groups.ig", "ig", "mixup", True),
        ("batchnorm_groups.ig", "ig", "resize", True),
        ("batchnorm_groups.ig", "ig", "crop", False),
        ("batchnorm_groups.ig", "ig", "rotation", False),
        ("iba.statistics_of", "iba", "crop", True),
        ("iba.resized", "iba", "crop", False),
        ("iba.resized", "iba", "resize", True),
        ("iba.resized", "iba(resized=statistics)", "resize", False),
        ("crop.box", "gradcam", "crop", True),
        ("crop.box", "gradcam", "crop(box=image)", False),
        ("crop.box", "gradcam", "mixup", False),
        ("crop.box", "gradcam", "none", False),
        ("gradient.batchnorm", "gradient", "resize", True),
        ("preprocessing.resize", "fakecam", "crop", True),
    ],
)
def test_moves_on_transforms(name: str, method: str, transform: str, expected: bool) -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))[name]
    asked_for = cell(method, "sparseness", transform=transform)
    assert moves(switch, asked_for, PUBLISHED, Counts(20, 10)) is expected


def test_what_depends_on_other_values_is_judged_under_them() -> None:
    """BatchNorm groups mean nothing in eval mode, tolerances nothing to a threshold."""
    groups = named(all_switches(REFERENCE, PUBLISHED))["batchnorm_groups.gradient"]
    on_crop = cell("gradient", "sparseness", transform="crop")
    assert not moves(groups, on_crop, REFERENCE, ALL_IMAGES)
    assert moves(groups, on_crop, PUBLISHED, ALL_IMAGES)
    other = PUBLISHED.model_copy(deep=True)
    other.metrics["effective_complexity"] |= {"threshold": 0.1, "tolerance": 0.1}
    switches = named(all_switches(PUBLISHED, other))
    assert switches.keys() == {"effective_complexity.threshold", "effective_complexity.tolerance"}
    for protocol, name in ((PUBLISHED, "threshold"), (REFERENCE, "tolerance")):
        moved = {
            n
            for n, s in switches.items()
            if moves(s, cell("gradcam", "effective_complexity"), protocol, ALL_IMAGES)
        }
        assert moved == {f"effective_complexity.{name}"}


def test_statistics_over_all_images_are_those_over_more_than_there_are() -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))["iba.statistics_images"]
    untouched, changed = (cell("iba", "insertion", transform=t) for t in ("none", "crop"))
    for n, expected in ((20, False), (10_000, False), (10_001, True)):
        assert moves(switch, untouched, PUBLISHED, Counts(n)) is expected
        assert moves(switch, changed, PUBLISHED, Counts(n)) is expected
    few = Counts(50_000, 1_000)  # published takes them of the subset, reference of all images
    assert moves(switch, untouched, PUBLISHED, few)
    assert not moves(switch, changed, PUBLISHED, few)
    assert moves(switch, changed, REFERENCE, few)


def test_statistics_of_a_subset_that_is_all_images_are_those_of_all() -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))["iba.statistics_of"]
    assert not moves(switch, cell("iba", "insertion", transform="crop"), PUBLISHED, ALL_IMAGES)


def test_declarations_speak_of_what_exists() -> None:
    """A misspelt name in a declaration would make an option unreachable, or reach everything."""
    for kind in ("methods", "metrics", "transforms"):
        for name in entries(kind):
            entry = get(kind, name)
            tags = {"transformed", "subset", "resized", *entry.keys}
            tags |= {"ground_truth", "predicted", "least_probable"}
            options = {o for group in entry.metadata.get("together", ()) for o in group}
            options |= {*entry.metadata.get("redefines", ()), *entry.metadata.get("counts", ())}
            for option, where in entry.metadata.get("only", {}).items():
                options.add(option)
                assert isinstance(where, tuple), "a string would be its letters"
                for tag in where:
                    other, equals, value = tag.partition("=")
                    if equals:
                        choices = entry.options[other][0].__args__
                        assert value in map(str, choices)
                    else:
                        assert tag in tags
            assert options <= entry.options.keys()


@pytest.mark.parametrize("before", [PUBLISHED, REFERENCE], ids=["published", "reference"])
def test_a_protocol_of_ones_own_reaches_every_value(before: Protocol) -> None:
    mine = everything_else(before)
    check_protocol(mine)
    switches = all_switches(before, mine)
    found = {(s.section, s.owner, leaf.option) for s in switches for leaf in s.leaves}
    wanted = {("preprocessing", "", "resize"), ("probability", "", "")}
    for kind in ("methods", "metrics", "transforms"):
        for name in entries(kind):
            entry = get(kind, name)
            wanted |= {(kind, entry.key, option) for option in entry.options}
    for name in entries("methods"):
        wanted |= {("normalization", name, step) for step in STEPS}
        wanted.add(("batchnorm_groups", name, ""))
    assert found == wanted
    grouped = {s.owner for s in switches if s.section == "batchnorm_groups"}
    cells = [
        Cell(*parts)
        for parts in product(
            every("methods"), every("metrics"), ("predicted",), asked_transforms(["all"])
        )
    ]
    counts = Counts(50_000, 20_000)
    still = {
        s.name
        for s in switches
        if not any(moves(s, c, p, counts) for c in cells for p in (before, mine))
    }
    # these have no BatchNorm in train mode
    assert still == {f"batchnorm_groups.{m}" for m in grouped - {"gradient", "ig", "guidedbp"}}
