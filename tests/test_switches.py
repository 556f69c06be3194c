"""Differences between protocols: complete, each once, and what they can move."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from xaibench.config import Protocol, load_protocol, read_yaml
from xaibench.registry import entries, get
from xaibench.shipped import protocol_files
from xaibench.switches import (
    ONLY_METRICS,
    ONLY_TARGETS,
    REDEFINES,
    TOGETHER,
    Asked,
    Cell,
    Switch,
    applied,
    asked,
    differences,
    moves,
)

SECTIONS = ("preprocessing", "methods", "metrics", "normalization")
PUBLISHED, REFERENCE = load_protocol("published"), load_protocol("reference")
BOTH_WAYS = pytest.mark.parametrize(
    ("before", "after"), [(PUBLISHED, REFERENCE), (REFERENCE, PUBLISHED)], ids=["to", "back"]
)


def every(kind: str) -> list[Asked]:
    """Everything registered, what `all` leaves out included."""
    return asked(kind, entries(kind))


def all_switches(before: Protocol, after: Protocol) -> list[Switch]:
    return differences(before, after, every("methods"), every("metrics"))


def leaves(value: Any, *path: str) -> dict[tuple[str, ...], Any]:
    """The values of a nested mapping by path."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for name, part in value.items() for k, v in leaves(part, *path, name).items()}


def named(switches: list[Switch]) -> dict[str, Switch]:
    return {switch.name: switch for switch in switches}


@BOTH_WAYS
def test_every_differing_line_of_the_files_is_a_switch_exactly_once(
    before: Protocol, after: Protocol
) -> None:
    files = [read_yaml(protocol_files()[p.name]) for p in (before, after)]
    old, new = ({k: v for s in SECTIONS for k, v in leaves(f[s], s).items()} for f in files)
    wanted = {path: (old[path], new[path]) for path in old if old[path] != new[path]}
    assert old.keys() == new.keys()
    assert len(wanted) > 20
    found = [
        ((s.section, *([s.owner] if s.owner else []), leaf.option), (leaf.before, leaf.after))
        for s in all_switches(before, after)
        for leaf in s.leaves
    ]
    assert max(Counter(path for path, _ in found).values()) == 1
    assert dict(found) == wanted
    names = [switch.name for switch in all_switches(before, after)]
    assert len(set(names)) == len(names)


@BOTH_WAYS
def test_all_switches_make_the_other_protocol(before: Protocol, after: Protocol) -> None:
    made = applied(before, all_switches(before, after), after.name)
    # what concerns transformed inputs alone is no switch: an ablation explains untouched images
    of_transforms = {"transforms": made.transforms, "batchnorm_group": made.batchnorm_group}
    assert made.sha256 == after.model_copy(update=of_transforms).sha256
    for kind in ("methods", "metrics"):
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


def cell(method: str, metric: str, target: str = "ground_truth") -> Cell:
    return Cell(asked("methods", [method])[0], asked("metrics", [metric])[0], target)


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
        ("causal.kernel", "gradcam", "insertion", "predicted", True),
        ("causal.kernel", "gradcam", "deletion", "predicted", False),
        ("causal.kernel", "gradcam", "insertion(kernel=7)", "predicted", False),
        ("causal.rows_per_step", "gradcam", "deletion", "predicted", True),
        ("causal.rows_per_step", "gradcam", "monotonicity", "predicted", False),
        ("gradient.explained_class", "gradient", "insertion", "ground_truth", False),
        ("gradient.explained_class", "gradient", "insertion", "least_probable", True),
        ("gradient.batchnorm", "gradient", "insertion", "ground_truth", True),
        ("iba.statistics_images", "iba", "insertion", "ground_truth", False),
        ("sensitivity.explanation", "fakecam", "avg_sensitivity", "ground_truth", True),
    ],
)
def test_moves(name: str, method: str, metric: str, target: str, expected: bool) -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))[name]
    assert moves(switch, cell(method, metric, target), images=20) is expected


def test_statistics_over_all_images_are_those_over_more_than_there_are() -> None:
    switch = named(all_switches(PUBLISHED, REFERENCE))["iba.statistics_images"]
    asked_for = cell("iba", "insertion")
    assert [moves(switch, asked_for, n) for n in (20, 10_000, 10_001)] == [False, False, True]


def test_the_tables_speak_of_options_that_exist() -> None:
    functions = {get("metrics", key).key: get("metrics", key) for key in entries("metrics")}
    for (owner, option), keys in ONLY_METRICS.items():
        assert option in functions[owner].options
        assert set(keys) < set(functions[owner].keys)
    for owner, option in REDEFINES:
        assert option in functions[owner].options
    for owner, groups in TOGETHER.items():
        assert all(option in get("methods", owner).options for g in groups for option in g)
    options = {option for key in entries("methods") for option in get("methods", key).options}
    assert ONLY_TARGETS.keys() | {"statistics_images"} <= options
