"""Differences between protocols: complete, each once, and what they can move."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest
from protocols import everything_else

from xaibench.config.files import read_yaml
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.reach import Cell, Counts, moves
from xaibench.config.requests import check_protocol
from xaibench.config.shipped import protocol_files
from xaibench.config.switches import (
    UNTOUCHED,
    Asked,
    Groups,
    Switch,
    applied,
    asked,
    asked_transforms,
    differences,
)
from xaibench.errors import UsageError
from xaibench.normalize import STEPS
from xaibench.registry import entries, get

SECTIONS = (
    "preprocessing probability methods metrics normalization batchnorm_groups transforms".split()
)
PUBLISHED, REFERENCE = load_protocol("published"), load_protocol("reference")
BOTH_WAYS = pytest.mark.parametrize(
    ("before", "after"), [(PUBLISHED, REFERENCE), (REFERENCE, PUBLISHED)], ids=["to", "back"]
)


def every(kind: str) -> list[Asked]:
    """Everything registered, what `all` leaves out included."""
    return asked(kind, entries(kind))


def all_switches(before: Protocol, after: Protocol) -> list[Switch]:
    kinds = ("methods", "metrics", "transforms")
    return differences(before, after, *map(every, kinds))


def leaves(value: Any, *path: str) -> dict[tuple[str, ...], Any]:
    """The values of a nested mapping by path."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for name, part in value.items() for k, v in leaves(part, *path, name).items()}


def sorted_(value: Any) -> Any:
    """Groups in one order; anything else as it is."""
    return tuple(sorted(value)) if isinstance(value, tuple) else value


def named(switches: list[Switch]) -> dict[str, Switch]:
    return {switch.name: switch for switch in switches}


@BOTH_WAYS
def test_every_differing_line_of_the_files_is_a_switch_exactly_once(
    before: Protocol, after: Protocol
) -> None:
    files = [read_yaml(protocol_files()[p.name]) for p in (before, after)]
    parts = [{s: f[s] for s in SECTIONS} for f in files]
    for part in parts:  # a method's groups are one value
        groups = part.pop("batchnorm_groups")
        part["batchnorm_groups"] = {m: tuple(v.items()) for m, v in groups.items()}
    old, new = (leaves(part) for part in parts)
    paths = old.keys() | new.keys()
    wanted = {k: (old.get(k), new.get(k)) for k in paths if old.get(k) != new.get(k)}
    missing = {path for path in paths if not (path in old and path in new)}
    assert {path[0] for path in missing} <= {"batchnorm_groups"}, "where absent is 1"
    assert len(wanted) > 30
    assert {path[0] for path in wanted} == set(SECTIONS)

    def plain(value: Any) -> Any:
        return (value.sizes or None) if isinstance(value, Groups) else value

    found = [
        (
            tuple(word for word in (s.section, s.owner, leaf.option) if word),
            (plain(leaf.before), plain(leaf.after)),
        )
        for s in all_switches(before, after)
        for leaf in s.leaves
    ]
    assert max(Counter(path for path, _ in found).values()) == 1
    assert {k: tuple(map(sorted_, v)) for k, v in found} == {
        k: tuple(map(sorted_, v)) for k, v in wanted.items()
    }
    names = [switch.name for switch in all_switches(before, after)]
    assert len(set(names)) == len(names)


@BOTH_WAYS
def test_all_switches_make_the_other_protocol(before: Protocol, after: Protocol) -> None:
    made = applied(before, all_switches(before, after), after.name)
    assert made.sha256 == after.sha256
    for kind in ("methods", "metrics", "transforms"):
        for name in entries(kind):
            entry = get(kind, name)
            there, here = (getattr(p, kind).get(entry.key, {}) for p in (after, made))
            assert entry.resolve(here) == entry.resolve(there)


def test_one_switch_changes_one_thing() -> None:
    for switch in all_switches(PUBLISHED, REFERENCE):
        rest = all_switches(applied(PUBLISHED, [switch], "one"), REFERENCE)
        others = [s for s in all_switches(PUBLISHED, REFERENCE) if s != switch]
        assert rest == others


def test_a_protocol_does_not_differ_from_itself() -> None:
    assert all_switches(PUBLISHED, PUBLISHED) == []


def test_a_value_left_out_counts_with_its_default() -> None:
    said = PUBLISHED.model_copy(update={"metrics": {"causal": {"kernel": 11}}})
    silent = PUBLISHED.model_copy(update={"metrics": {}})
    metrics = asked("metrics", ["insertion"])
    assert differences(said, silent, [], metrics) == []
    assert [s.name for s in differences(PUBLISHED, silent, [], metrics)] == [
        "causal.kernel",
        "causal.rows_per_step",
    ]


def test_only_what_concerns_the_methods_and_metrics_asked_for() -> None:
    found = differences(
        PUBLISHED,
        REFERENCE,
        asked("methods", ["rise"]),
        asked("metrics", ["insertion", "deletion"]),
    )
    assert [f"{s.name}: {s.before} -> {s.after}" for s in found] == [
        "preprocessing.resize: squash -> short_side",
        "probability: float32 -> float64",
        "rise.cells: 4 -> 7",
        "rise.n_masks: 32 -> 8000",
        "rise.p: 0.1 -> 0.5",
        "rise.weights: logit -> probability",
        "causal.kernel: 5 -> 11",
        "causal.rows_per_step: 8 -> 1",
    ]


def test_what_is_nothing_alone_is_one_switch() -> None:
    found = named(differences(PUBLISHED, REFERENCE, asked("methods", ["lime"]), []))
    joined = found["lime.surrogate_model+score"]
    assert (joined.before, joined.after) == ("lasso+logit", "ridge+probability")
    assert not {"lime.score", "lime.surrogate_model"} & found.keys()
    half = applied(PUBLISHED, [], "half").model_copy(
        update={"methods": {"lime": PUBLISHED.methods["lime"] | {"score": "probability"}}}
    )
    assert "lime.score" in named(differences(PUBLISHED, half, asked("methods", ["lime"]), []))


GRADIENT = ["preprocessing.resize", "probability", "gradient.batchnorm", "gradient.explained_class"]


def of_gradient(*transforms: str) -> list[str]:
    methods, metrics = asked("methods", ["gradient"]), asked("metrics", ["average_drop"])
    found = differences(PUBLISHED, REFERENCE, methods, metrics, asked_transforms(transforms))
    return [switch.name for switch in found]


def test_what_concerns_transformed_inputs_is_listed_only_with_a_transform() -> None:
    assert of_gradient() == of_gradient("none") == GRADIENT
    more = [*GRADIENT, "normalization.gradient.transpose", "batchnorm_groups.gradient"]
    assert of_gradient("none", "resize") == more
    assert of_gradient("crop") == of_gradient("all") == [*more, "crop.box"]
    for transforms, names in (([], []), (["resize"], ["iba.resized", "iba.statistics_of"])):
        found = differences(
            PUBLISHED, REFERENCE, asked("methods", ["iba"]), [], asked_transforms(transforms)
        )
        wanted = {"iba.resized", "iba.statistics_of"}
        assert [s.name for s in found if s.name in wanted] == names


def test_groups_are_listed_only_for_transforms_on_which_they_differ() -> None:
    def of_ig(*transforms: str) -> dict[str, Switch]:
        methods = asked("methods", ["ig"])
        return named(differences(PUBLISHED, REFERENCE, methods, [], asked_transforms(transforms)))

    switch = of_ig("resize")["batchnorm_groups.ig"]
    assert (switch.before, switch.after) == ("mixup 5, resize/64 5, resize/128 5", "1")
    assert "batchnorm_groups.ig" not in of_ig("crop", "rotation")


def test_groups_written_otherwise_are_the_same() -> None:
    names = ("32", "64", "128", "448")
    long = {**PUBLISHED.batchnorm_groups["gradient"], **{f"resize/{n}": 5 for n in names}}
    other = PUBLISHED.batchnorm_groups | {"gradient": long, "rise": {"crop": 1}}
    assert all_switches(PUBLISHED, PUBLISHED.model_copy(update={"batchnorm_groups": other})) == []


def test_transforms_as_a_run_takes_them() -> None:
    assert asked_transforms(["none"]) == [UNTOUCHED]
    assert [t.text for t in asked_transforms(["all"])] == "none crop mixup resize rotation".split()
    (crop,) = asked_transforms(["crop(box=image)"])
    assert (crop.text, crop.name, crop.owner) == ("crop(box='image')", "crop", "crop")


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


def test_two_definitions_of_one_quantity_can_be_compared_and_two_quantities_cannot() -> None:
    switches = all_switches(PUBLISHED, REFERENCE)
    assert [s.name for s in switches if s.redefines] == ["completeness.test"]


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


def test_unknown_transforms_are_refused() -> None:
    with pytest.raises(UsageError, match="'crop'"):
        asked_transforms(["crp"])
