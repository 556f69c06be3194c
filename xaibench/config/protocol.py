"""Protocol: a named set of hyper-parameters and switches, as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from xaibench.config.files import Data, digest, read_yaml, validated
from xaibench.config.shipped import protocol_files
from xaibench.config.words import check_path
from xaibench.errors import fold, unknown


class Preprocessing(Data):
    """How a photograph becomes network input. resize: 'squash' to a square, or 'short_side'."""

    resize: str = Field(pattern="^(squash|short_side)$")


ABOUT = frozenset({"name", "description", "counterpart"})
"""Fields of a protocol that change nothing that is computed."""


class Protocol(Data):
    """A named set of hyper-parameters and switches; what is absent has the code's default.

    methods, metrics and transforms: option values by registered function name. normalization: per
    method, the steps from native map to [0, 1] that differ from what the method declares.
    probability: the precision of the metrics' softmax. batchnorm_groups: per method, how many
    images share a train-mode BatchNorm batch on inputs of a transform (`resize`) or of one of its
    variations (`resize/64`); 1 where nothing is said. counterpart: the protocol whose values are
    tried one at a time, where none is named.
    """

    name: str
    description: str
    counterpart: str = "reference"
    preprocessing: Preprocessing
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)
    normalization: dict[str, dict[str, Any]] = Field(default_factory=dict)
    transforms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    probability: Literal["float32", "float64"] = "float64"
    batchnorm_groups: dict[str, dict[str, Literal[1, 5]]] = Field(default_factory=dict)

    def batchnorm_group(self, method: str, transform: str, variation: str) -> int:
        """Images that share a BatchNorm batch for a method on a variation of a transform."""
        return group_size(self.batchnorm_groups.get(method, {}), transform, variation)

    @property
    def sha256(self) -> str:
        """Hash of the name and of what is computed."""
        return digest(self.model_dump(mode="json", exclude=set(ABOUT - {"name"})))


def group_size(sizes: Mapping[str, int], transform: str, variation: str) -> int:
    """A BatchNorm group's images: as said of the variation, or else of its transform, or 1."""
    return sizes.get(f"{transform}/{variation}", sizes.get(transform, 1))


def load_protocol(name: str) -> Protocol:
    """A shipped protocol by name, or one from a YAML file.

    Raises UsageError for an unknown name or key.
    """
    check_path("protocol", name)
    known = protocol_files()
    path = known.get(fold(name))
    if path is None and name.endswith((".yaml", ".yml")):
        path = Path(name)
    if path is None:
        raise unknown("protocol", name, known)
    return validated(Protocol, read_yaml(path), str(path))
