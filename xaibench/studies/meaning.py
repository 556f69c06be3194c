"""What a run's metrics mean, read from the protocol that it wrote down, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaibench.analysis.declared import Declared
from xaibench.config.protocol import load_protocol
from xaibench.registry import entries, get
from xaibench.store.atomic import read_json


def declared_in(folder: Path) -> Declared | None:
    """What a run directory, or a folder of committed results, declares; None where it does not."""
    run, committed = folder / "manifests" / "protocol.json", folder / "manifest.json"
    if run.exists():
        return from_protocol(read_json(run))
    if committed.exists():
        return from_protocol(read_json(committed)["protocol"])
    return None


def from_protocol(protocol: Mapping[str, Any]) -> Declared:
    """What the dump of a Protocol declares; absent options have the function's own default."""
    normalization = protocol.get("normalization") or {}
    completeness = _option(protocol, "completeness", "completeness", "test")
    binary = {key for key, entry in entries("metrics").items() if entry.metadata.get("binary")}
    if completeness not in entries("metrics")["completeness"].metadata["binary"]:
        binary.discard("completeness")
    return Declared(
        completeness=completeness,
        sensitivity=_option(protocol, "sensitivity", "max_sensitivity", "explanation"),
        ties=_option(protocol, "causal", "insertion", "ties"),
        transposed=tuple(m for m, steps in normalization.items() if steps.get("transpose")),
        as_published=_values(protocol)
        == _values(load_protocol("published").model_dump(mode="json")),
        binary=frozenset(binary),
    )


def _option(protocol: Mapping[str, Any], function: str, key: str, option: str) -> str:
    values = (protocol.get("metrics") or {}).get(function) or {}
    if option not in values:  # only then, because this imports torch
        values = get("metrics", key).resolve(values)
    return str(values[option])


def _values(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in protocol.items() if k not in ("name", "description")}
