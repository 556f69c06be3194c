"""What methods and metrics declare: from the source, under a protocol's values, and in a run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from frames import make_frame  # noqa: F401 - a fixture

from xaibench.analysis.bare import from_values
from xaibench.config.catalog import (
    FAMILIES,
    MEANS,
    OWN,
    PASSES,
    RESIDUAL,
    STAND_IN,
    Catalog,
    MethodDeclaration,
    from_json,
)
from xaibench.config.declared import of_protocol, of_run, shipped
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_methods, resolve_metrics
from xaibench.errors import XaibenchError
from xaibench.registry import Registered, register
from xaibench.store.catalog import catalog_in, record


def dump(name: str, **metrics: dict[str, Any]) -> dict[str, Any]:
    values = load_protocol(name).model_dump(mode="json")
    values["metrics"] |= metrics
    return values


def told(catalog: Catalog) -> tuple[str, str | None, bool | None]:
    """What completeness is, whom a sensitivity explains, and whether all is as published."""
    sensitivity = catalog.metric("max_sensitivity").explains
    return catalog.metric("completeness").mean, sensitivity, catalog.as_published


def test_the_shipped_protocols() -> None:
    assert told(of_protocol(dump("published"))) == (PASSES, STAND_IN, True)
    assert told(of_protocol(dump("reference"))) == (RESIDUAL, OWN, False)
    assert told(shipped()) == ("", "", None)


@pytest.mark.parametrize("name", ["published", "published+x", "mine"])
def test_values_decide_and_names_do_not(name: str) -> None:
    exact = of_protocol(dump("reference", completeness={"test": "exact"}) | {"name": name})
    assert told(exact) == (PASSES, OWN, False)
    residual = of_protocol(dump("published", completeness={"test": "residual"}) | {"name": name})
    assert told(residual) == (RESIDUAL, STAND_IN, False)
    assert of_protocol(dump("published") | {"name": name}).as_published


def test_what_a_protocol_leaves_out_has_the_functions_default() -> None:
    bare = of_protocol({"name": "mine", "description": "", "metrics": {}})
    assert told(bare)[:2] == (RESIDUAL, OWN)
    assert bare.metric("insertion").ties in bare.metric("insertion").orders


def test_a_spec_is_its_functions_declaration_under_its_own_values() -> None:
    known = of_protocol(dump("published"))
    assert known.metric("completeness(test='residual')").mean == RESIDUAL
    assert not known.metric("completeness(test='residual')").binary
    assert known.metric("deletion(ties='random')").direction == "lower"
    assert known.method("rise(n_masks=2000)").family == "perturbation"
    assert known.label("rise(n_masks=2000)") == "rise(n_masks=2000)"
    assert known.method("mine(x=1)") == MethodDeclaration("mine", "mine", "other")
    assert known.metric("mine(x=1)").direction == "none"


def test_transposed_methods() -> None:
    steps = {"gradient": {"transpose": True}, "ig": {"transpose": False}, "gradcam": {}}
    assert of_protocol(dump("reference") | {"normalization": steps}).transposed == ("gradient",)
    assert shipped().transposed is None


def test_binary_metrics_are_those_whose_mean_is_a_share(make_frame) -> None:  # noqa: F811
    def binary(catalog: Catalog) -> set[str]:
        return {key for key, metric in catalog.metrics.items() if metric.binary}

    always = {"average_increase", "pointing_game"}
    assert binary(of_protocol(dump("published"))) == always | {"completeness"}
    assert binary(of_protocol(dump("reference"))) == always
    rows = [
        {"metric": m, "value": v} for m, v in (("hit", 1.0), ("miss(k=1)", 0.0), ("share", 0.5))
    ]
    assert binary(from_values(make_frame(rows))) == {"hit", "miss"}


@pytest.mark.parametrize("protocol", ["published", "reference"])
def test_a_frame_alone_gives_away_what_its_values_can_only_be(
    make_frame,  # noqa: F811
    protocol: str,
) -> None:
    def of(*values: float) -> str:
        rows = [
            {"metric": "completeness", "image": str(i), "value": v} for i, v in enumerate(values)
        ]
        return from_values(make_frame(rows, protocol=protocol)).metric("completeness").mean

    assert of(0.0, 0.0, 1.0) == PASSES
    assert of(0.0, 0.004) == RESIDUAL
    assert told(from_values(make_frame([{}]))) == ("", "", None)
    for value, expected in ((0.0, OWN), (0.96, STAND_IN)):
        rows = [{"method": "fakecam", "metric": "max_sensitivity", "value": value}]
        assert told(from_values(make_frame(rows)))[1] == expected


@pytest.mark.parametrize("name", ["published", "reference"])
def test_imported_declarations_are_the_scanned_ones(name: str) -> None:
    """What a run writes is what the source says, with costs; and it survives JSON."""
    protocol = load_protocol(name)
    methods, metrics = resolve_methods(["all"], protocol), resolve_metrics(["all"], protocol)
    found = of_run(methods, metrics, protocol.model_dump(mode="json"))
    assert from_json(json.loads(json.dumps(found.to_json()))) == found
    scanned = of_protocol(protocol.model_dump(mode="json"))
    for key, method in found.methods.items():
        assert replace(method, cost=None) == scanned.methods[key]
        assert method.cost is not None or key == "scorecam"  # whose cost depends on the network
    for key, metric in found.metrics.items():
        assert replace(metric, cost=None) == scanned.metrics[key]
        assert metric.cost is not None
    assert found.methods["rise"].cost == {"shared": dict(methods[-2].options)["n_masks"]} | {
        name: 0 for name in ("forwards", "backwards", "call", "at_once")
    }


def test_every_shipped_method_and_metric_says_what_it_is() -> None:
    for key, method in shipped().methods.items():
        assert method.title != key, key
        assert method.family in FAMILIES, key
    for key, metric in shipped().metrics.items():
        if not key.startswith("quantus_"):
            assert "" not in (metric.title, metric.short, metric.group), key
            assert metric.unit or metric.by, key
            assert metric.mean in MEANS or metric.by, key


def test_reading_declarations_needs_no_torch() -> None:
    code = (
        "import sys; from xaibench.config.declared import of_protocol, shipped; shipped(); "
        "of_protocol({}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def mycam(ctx: None, *, layer: str = "cam") -> None:
    """A method."""


def mine(scoring: None) -> None:
    """A metric."""


def request(entry: Registered) -> Any:
    from xaibench.config.requests import MethodRequest, MetricRequest
    from xaibench.normalize import Normalization

    if entry.kind == "metrics":
        return MetricRequest(entry.keys[0], entry.keys[0], entry, {})
    return MethodRequest(entry.key, entry, {}, Normalization(), Normalization())


def test_what_is_left_out_comes_from_the_name() -> None:
    found = of_run([request(register("methods")(mycam))], [request(register("metrics")(mine))], {})
    assert found.methods["mycam"] == MethodDeclaration("mycam", "mycam", "other", transposed=False)
    metric = found.metrics["mine"]
    assert (metric.title, metric.short, metric.direction, metric.cost) == (
        "mine",
        "mine",
        "none",
        None,
    )


def test_a_family_that_does_not_exist_is_one_clear_error() -> None:
    wrong = request(register("methods", family="cams")(mycam))
    with pytest.raises(XaibenchError, match=r"'mycam' declares the family 'cams'.*control.*other"):
        of_run([wrong], [], {})
    wrong = request(register("metrics", keys={"mine": {"direction": "up"}})(mine))
    with pytest.raises(XaibenchError, match=r"'mine' declares the direction 'up'.*higher, lower"):
        of_run([], [wrong], {})
    by = {"test": {"exact": {"mean": "verdicts"}}}
    wrong = request(register("metrics", keys={"mine": {"by": by}})(mine))
    with pytest.raises(XaibenchError, match=r"'mine' declares the mean 'verdicts'"):
        of_run([], [wrong], {})


def test_a_run_directory_grows(tmp_path: Path) -> None:
    assert catalog_in(tmp_path) is None
    (tmp_path / "manifest.json").write_text(json.dumps({"protocol": dump("reference")}))
    assert catalog_in(tmp_path) == of_protocol(dump("reference"))
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "protocol.json").write_text(json.dumps(dump("published")))
    assert catalog_in(tmp_path) == of_protocol(dump("published")), "an older directory"
    entry = register("methods", title="My CAM", family="cam")(mycam)
    record(tmp_path, of_run([request(entry)], [], dump("published")))
    record(tmp_path, of_run([], [request(register("metrics")(mine))], dump("published")))
    written = json.loads((tmp_path / "manifests" / "catalog.json").read_text())
    assert (list(written["methods"]), list(written["metrics"])) == (["mycam"], ["mine"])
    found = catalog_in(tmp_path)
    assert found is not None
    assert (found.label("mycam"), found.method("mycam").family) == ("My CAM", "cam")
    assert told(found) == told(of_protocol(dump("published")))


def test_committed_results_carry_their_declarations(tmp_path: Path) -> None:
    declared = Catalog({"mycam": MethodDeclaration("mycam", "My CAM", "cam")}, {}).to_json()
    manifest = {"protocol": dump("reference"), "catalog": declared}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert catalog_in(tmp_path).label("mycam") == "My CAM"


def test_two_methods_of_one_title_are_told_apart() -> None:
    copied = "file:mine.py:gradcam"
    own = Catalog({copied: MethodDeclaration(copied, "Grad-CAM")}, {})
    both = own.over(shipped())
    assert both.label("gradcam") == "Grad-CAM"
    assert both.label(copied) == f"Grad-CAM ({copied})"
    assert own.label(copied) == "Grad-CAM"
    assert both.label("gradcam(layer='x')") == "gradcam(layer='x')"


def test_protocols_name_their_counterpart_and_compute_the_same() -> None:
    """What is tried beside a protocol changes nothing that it computes."""
    published, reference = map(load_protocol, ("published", "reference"))
    assert (published.counterpart, reference.counterpart) == ("reference", "published")
    other = published.model_copy(update={"counterpart": "mine.yaml", "description": "x"})
    assert other.sha256 == published.sha256
    values = other.model_dump(mode="json")
    assert of_protocol(values).as_published
