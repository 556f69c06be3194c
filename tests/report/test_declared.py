"""What a run's metrics mean comes from the values of its protocol, whatever it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xaibench.analysis.declared import Declared, from_values
from xaibench.config.protocol import load_protocol
from xaibench.studies.meaning import declared_in, from_protocol


def dump(name: str, **metrics: dict[str, Any]) -> dict[str, Any]:
    values = load_protocol(name).model_dump(mode="json")
    values["metrics"] |= metrics
    return values


def test_the_shipped_protocols() -> None:
    published, reference = (from_protocol(dump(name)) for name in ("published", "reference"))
    assert (published.completeness, published.sensitivity) == ("exact", "gradient_stand_in")
    assert (reference.completeness, reference.sensitivity) == ("residual", "method")
    assert published.as_published
    assert not reference.as_published


@pytest.mark.parametrize("name", ["published", "published+x", "mine"])
def test_values_decide_and_names_do_not(name: str) -> None:
    exact = from_protocol(dump("reference", completeness={"test": "exact"}) | {"name": name})
    assert (exact.completeness, exact.sensitivity, exact.as_published) == ("exact", "method", False)
    residual = from_protocol(dump("published", completeness={"test": "residual"}) | {"name": name})
    assert (residual.completeness, residual.as_published) == ("residual", False)
    assert from_protocol(dump("published") | {"name": name}).as_published


def test_what_a_protocol_leaves_out_has_the_functions_default() -> None:
    bare = {"name": "mine", "description": "", "metrics": {}}
    assert from_protocol(bare).completeness == "residual"
    assert from_protocol(bare).sensitivity == "method"
    assert from_protocol(bare).ties in ("reverse", "row_major", "random")


def test_transposed_methods() -> None:
    steps = {"gradient": {"transpose": True}, "ig": {"transpose": False}, "gradcam": {}}
    assert from_protocol(dump("reference") | {"normalization": steps}).transposed == ("gradient",)


def test_where_it_stands(tmp_path: Path) -> None:
    assert declared_in(tmp_path) is None
    (tmp_path / "manifest.json").write_text(json.dumps({"protocol": dump("reference")}))
    assert declared_in(tmp_path) == from_protocol(dump("reference"))
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "protocol.json").write_text(json.dumps(dump("published")))
    assert declared_in(tmp_path) == from_protocol(dump("published"))


@pytest.mark.parametrize("protocol", ["published", "reference"])
def test_a_frame_alone_gives_away_what_its_values_can_only_be(make_frame, protocol: str) -> None:
    def of(*values: float) -> Declared:
        rows = [
            {"metric": "completeness", "image": str(i), "value": v} for i, v in enumerate(values)
        ]
        return from_values(make_frame(rows, protocol=protocol))

    assert of(0.0, 0.0, 1.0).completeness == "exact"
    assert of(0.0, 0.004).completeness == "residual"
    assert from_values(make_frame([{}])) == Declared(binary=frozenset())
    for value, expected in ((0.0, "method"), (0.96, "gradient_stand_in")):
        rows = [{"method": "fakecam", "metric": "max_sensitivity", "value": value}]
        assert from_values(make_frame(rows)).sensitivity == expected


def test_binary_metrics_are_declared(make_frame) -> None:
    always = {"average_increase", "pointing_game"}
    assert from_protocol(dump("published")).binary == always | {"completeness"}
    assert from_protocol(dump("reference")).binary == always
    rows = [
        {"metric": m, "value": v} for m, v in (("hit", 1.0), ("miss(k=1)", 0.0), ("share", 0.5))
    ]
    assert from_values(make_frame(rows)).binary == {"hit", "miss"}
