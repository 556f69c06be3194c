"""Differences between protocols: complete, each once, and what they can move."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from switching import PUBLISHED, REFERENCE, all_switches, named

from xaibench.config.files import read_yaml
from xaibench.config.protocol import Protocol
from xaibench.config.shipped import protocol_files
from xaibench.config.switches import (
    UNTOUCHED,
    Groups,
    Switch,
    applied,
    asked,
    asked_transforms,
    differences,
)
from xaibench.errors import UsageError
from xaibench.registry import entries, get

SECTIONS = (
    "preprocessing probability methods metrics normalization batchnorm_groups transforms".split()
)
BOTH_WAYS = pytest.mark.parametrize(
    ("before", "after"), [(PUBLISHED, REFERENCE), (REFERENCE, PUBLISHED)], ids=["to", "back"]
)


def leaves(value: Any, *path: str) -> dict[tuple[str, ...], Any]:
    """The values of a nested mapping by path."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for name, part in value.items() for k, v in leaves(part, *path, name).items()}


def sorted_(value: Any) -> Any:
    """Groups in one order; anything else as it is."""
    return tuple(sorted(value)) if isinstance(value, tuple) else value


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


def test_two_definitions_of_one_quantity_can_be_compared_and_two_quantities_cannot() -> None:
    switches = all_switches(PUBLISHED, REFERENCE)
    assert [s.name for s in switches if s.redefines] == ["completeness.test"]


def test_unknown_transforms_are_refused() -> None:
    with pytest.raises(UsageError, match="'crop'"):
        asked_transforms(["crp"])
