"""What a run's metrics mean: read from the values of its protocol, never from the protocol's name.

The same key can hold another quantity: completeness is a verdict or a residual, MS and AS are of
the method or of a stand-in. Which it is stands in the protocol that the run wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaibench.registry import entries
from xaibench.specs import parse

if TYPE_CHECKING:
    import pandas as pd

EXACT, RESIDUAL = "exact", "residual"
STAND_IN, OWN = "gradient_stand_in", "method"


@dataclass(frozen=True)
class Declared:
    """What the values of a run are of; "" or None where nobody knows.

    Attributes:
        completeness: "exact" (1 where the sums are equal, else 0) or "residual" (relative).
        sensitivity: whose explanation of the perturbed input MS and AS take: "method" or
            "gradient_stand_in".
        ties: in which order insertion and deletion take equal pixels.
        transposed: methods whose maps are mirrored at the diagonal on transformed inputs.
        as_published: whether all values are those of the shipped protocol `published`.
    """

    completeness: str = ""
    sensitivity: str = ""
    ties: str = ""
    transposed: tuple[str, ...] | None = None
    as_published: bool | None = None

    def binary(self, metric: str) -> bool:
        """Whether a metric (key or spec) declares that a row of it can only be 0 or 1."""
        entry = entries("metrics").get(metric.partition("(")[0])
        said = entry.metadata.get("binary", False) if entry else False
        if isinstance(said, Mapping):  # binary under one value of an option
            own = {"test": self.completeness} | parse(metric)[1]
            return all(own.get(option) == value for option, value in said.items())
        return bool(said)


def from_protocol(protocol: Mapping[str, Any]) -> Declared:
    """What the dump of a Protocol declares; absent options have the function's own default."""
    normalization = protocol.get("normalization") or {}
    return Declared(
        completeness=_option(protocol, "completeness", "completeness", "test"),
        sensitivity=_option(protocol, "sensitivity", "max_sensitivity", "explanation"),
        ties=_option(protocol, "causal", "insertion", "ties"),
        transposed=tuple(m for m, steps in normalization.items() if steps.get("transpose")),
        as_published=_values(protocol) == _values(_published()),
    )


def _option(protocol: Mapping[str, Any], function: str, key: str, option: str) -> str:
    values = (protocol.get("metrics") or {}).get(function) or {}
    if option not in values:  # only then, because it imports what computes
        from xaibench.registry import get

        values = get("metrics", key).resolve(values)
    return str(values[option])


def _values(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in protocol.items() if k not in ("name", "description")}


def _published() -> dict[str, Any]:
    from xaibench.config import load_protocol

    return load_protocol("published").model_dump(mode="json")


def from_values(scores: pd.DataFrame) -> Declared:
    """What a frame without a run directory gives away by its values alone.

    A relative residual is a continuous number: completeness that is 0 or 1 in every row is the
    exact test, any other value a residual. Fake-CAM's map never changes, so its MS and AS are 0
    where the method itself is explained again. All else stays unknown.
    """
    used = scores[scores["status"].isin(("ok", "constant_map"))]
    metric, method = used["metric"].astype(str), used["method"].astype(str)
    value = used["value"].to_numpy(dtype=np.float64)
    sums = value[(metric == "completeness").to_numpy()]
    control = (method == "fakecam") & metric.isin(("max_sensitivity", "avg_sensitivity"))
    change = value[control.to_numpy()]
    return Declared(
        completeness="" if not len(sums) else EXACT if np.isin(sums, (0, 1)).all() else RESIDUAL,
        sensitivity="" if not len(change) else OWN if (change == 0).all() else STAND_IN,
    )


def declared_in(folder: Path) -> Declared | None:
    """What a run directory, or a folder of committed results, declares; None where it does not."""
    from xaibench.store.atomic import read_json

    run, committed = folder / "manifests" / "protocol.json", folder / "manifest.json"
    if run.exists():
        return from_protocol(read_json(run))
    if committed.exists():
        return from_protocol(read_json(committed)["protocol"])
    return None
