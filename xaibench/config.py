"""RunConfig and Protocol: validated YAML data with a canonical hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xaibench.errors import UsageError, XaibenchError, fold, unknown
from xaibench.registry import entries
from xaibench.shipped import config_files, protocol_files
from xaibench.specs import parse, split_all

TARGETS = ("ground_truth", "predicted", "least_probable")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Model):
    """How a photograph becomes network input. resize: 'squash' to a square, or 'short_side'."""

    resize: str = Field(pattern="^(squash|short_side)$")


class Protocol(_Model):
    """A named set of hyper-parameters and switches; what is absent has the code's default.

    methods, metrics and transforms: option values by registered function name. normalization: per
    method, the steps from native map to [0, 1] that differ from what the method declares.
    probability: the precision of the metrics' softmax. batchnorm_groups: per method, how many
    images share a train-mode BatchNorm batch on inputs of a transform (`resize`) or of one of its
    variations (`resize/64`); 1 where nothing is said.
    """

    name: str
    description: str
    preprocessing: Preprocessing
    methods: dict[str, dict[str, Any]] = {}
    metrics: dict[str, dict[str, Any]] = {}
    normalization: dict[str, dict[str, Any]] = {}
    transforms: dict[str, dict[str, Any]] = {}
    probability: Literal["float32", "float64"] = "float64"
    batchnorm_groups: dict[str, dict[str, Literal[1, 5]]] = {}

    def batchnorm_group(self, method: str, transform: str, variation: str) -> int:
        """Images that share a BatchNorm batch for a method on a variation of a transform."""
        return group_size(self.batchnorm_groups.get(method, {}), transform, variation)

    @property
    def sha256(self) -> str:
        """Hash of what is computed: everything but the description."""
        return digest(self.model_dump(mode="json", exclude={"description"}))


class RunConfig(_Model):
    """Everything that `xaibench run` can be told; one YAML file of configs/ is one of these."""

    method: tuple[str, ...] = ("gradcam",)
    metric: tuple[str, ...] = ("insertion", "deletion")
    target: tuple[str, ...] = ()
    transform: tuple[str, ...] = ("none",)
    protocol: str = "published"
    model: str | None = None
    weights: Path | None = None
    cam_layer: str | None = None
    data: str | None = None
    boxes: Path | None = None
    metric_backend: Literal["native", "quantus"] = "native"
    limit: int | None = Field(default=None, ge=1)
    subset: Path | None = None
    per_class: int | None = Field(default=None, ge=0)
    device: str = "auto"
    batch_size: str | int = "auto"
    workers: int = Field(default=2, ge=0)
    seed: int = Field(default=0, ge=0)
    out: Path | None = None
    strict: bool = False
    overwrite: bool = False
    dry_run: bool = False

    @field_validator("method", "metric", "target", "transform", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
            raise ValueError("give a name, or a list of names")
        parts = tuple(split_all(texts))
        if texts and not parts:
            raise ValueError("name at least one")
        return parts

    @field_validator("target")
    @classmethod
    def _targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(fold(v) for v in value))
        for name in names:
            if name not in TARGETS:
                raise unknown("target", name, TARGETS)
        return names

    @field_validator("transform")
    @classmethod
    def _transforms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = {"none", "all", *entries("transforms")}
        for spec in value:
            if parse(spec)[0] not in known:
                raise unknown("transform", spec, known)
        return value

    @field_validator("batch_size")
    @classmethod
    def _batch_size(cls, value: str | int) -> str | int:
        if value == "auto":
            return value
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            raise UsageError(f"batch-size '{value}': give a number of at least 1, or auto.")
        return number

    @property
    def embedded(self) -> bool:
        """Whether neither data nor model was named: the embedded default."""
        return self.data is None and self.model is None

    @property
    def data_name(self) -> str:
        """The dataset as asked for; `samples` where nothing was."""
        return self.data or "samples"

    @property
    def model_name(self) -> str:
        """The model as asked for; the embedded one goes with the embedded photographs."""
        if self.model:
            return self.model
        return "efficientnet_lite0" if self.data_name == "samples" else "resnet50"

    @property
    def directory(self) -> Path:
        """Where the run lives: --out, or results/runs/<data>-<model>-<protocol>."""
        if self.out:
            return self.out
        data = Path(self.data_name).resolve().name if self.data_name != "samples" else "samples"
        name = self.model_name if ":" in self.model_name else fold(self.model_name)
        model = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        protocol = self.protocol if "." in self.protocol else fold(self.protocol)
        return Path("results/runs") / f"{data}-{model}-{Path(protocol).stem}"


def group_size(sizes: Mapping[str, int], transform: str, variation: str) -> int:
    """A BatchNorm group's images: as said of the variation, or else of its transform, or 1."""
    return sizes.get(f"{transform}/{variation}", sizes.get(transform, 1))


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def load_protocol(name: str) -> Protocol:
    """A shipped protocol by name, or one from a YAML file.

    Raises UsageError for an unknown name or key.
    """
    known = protocol_files()
    path = known.get(fold(name))
    if path is None and name.endswith((".yaml", ".yml")):
        path = Path(name)
    if path is None:
        raise unknown("protocol", name, known)
    return _validated(Protocol, read_yaml(path), str(path))


def load_config(values: dict[str, Any], file: Path | None = None) -> RunConfig:
    """A RunConfig from a YAML file, overlaid with the values that are not None.

    Raises UsageError for an unknown key or a bad value.
    """
    base = {fold(str(k)): v for k, v in read_yaml(file).items()} if file else {}
    given = {fold(str(k)): v for k, v in values.items() if v is not None and v != []}
    if "subset" in given:  # a list of images stands in the place of a draw
        base.pop("per_class", None)
    return _validated(RunConfig, base | given, str(file) if file else "the command line")


def load_configs(values: dict[str, Any], file: Path | None = None) -> list[RunConfig]:
    """The configurations of a file: those that it includes, in order, or the one that it is.

    `include: [table1, table2]` names shipped configurations, or files beside it; its other keys
    and then `values` lie over each of them. Raises UsageError as `load_config` does.
    """
    held = {fold(str(k)): v for k, v in read_yaml(file).items()} if file else {}
    if file is None or "include" not in held:
        return [load_config(values, file)]
    names = held.pop("include")
    if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
        raise UsageError(f"include in {file}: give a list of configurations.")
    given = held | {fold(str(k)): v for k, v in values.items() if v is not None and v != []}
    found = []
    for name in names:
        beside = file.parent / name
        one = beside if beside.is_file() else find_config(name)
        if "include" in read_yaml(one):
            raise UsageError(f"{one}, which {file} includes, has an include of its own.")
        found.append(load_config(given, one))
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file holding one mapping; raises XaibenchError with the reason where it cannot."""
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file: give a YAML file.") from None
    except yaml.YAMLError as error:
        where = str(error).replace("\n", " ")
        raise UsageError(f"{path} is not valid YAML: {where}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} must hold `key: value` lines.")
    return found


M = TypeVar("M", bound=BaseModel)


def _validated(kind: type[M], values: dict[str, Any], where: str) -> M:
    for name in values:
        if name not in kind.model_fields:
            raise unknown(f"key in {where}", name, kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"{field} in {where}: {first['msg']}.") from None


def find_config(name: str) -> Path:
    """A configuration by path, or a shipped one by its name; UsageError names the nearest."""
    shipped = config_files()
    if Path(name).is_file() or name.endswith((".yaml", ".yml")):
        path = Path(name)
        inside = shipped.get(path.stem) if path.parent.name == "configs" else None
        return path if path.exists() or inside is None else inside
    if fold(name) not in shipped:
        raise unknown("config", name, shipped)
    return shipped[fold(name)]
