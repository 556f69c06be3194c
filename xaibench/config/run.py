"""RunConfig: what `xaibench run` can be told, on the command line or in a YAML file."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_serializer, field_validator, model_validator
from pydantic_core import PydanticKnownError

from xaibench.config.files import Data, read_options, read_yaml, validated
from xaibench.config.options import OPTIONS, Options, typed
from xaibench.config.shard import Shard
from xaibench.config.shard import parse as parse_shard
from xaibench.config.shipped import config_files
from xaibench.config.specs import parse, split_all
from xaibench.config.urls import located, url_of
from xaibench.config.words import check_path, check_text
from xaibench.errors import UsageError, fold, unknown
from xaibench.registry import entries
from xaibench.registry.files import files_in

TARGETS = ("ground_truth", "predicted", "least_probable")
LISTS = ("method", "metric", "target", "transform")
KEPT = ("keep", "small", "none")
LARGEST_BATCH = 65_536
MOST_PROCESSES = 1024


class RunConfig(Options, Data):
    """Everything that `xaibench run` can be told; one YAML file of configs/ is one of these."""

    @field_validator("*", mode="before")
    @classmethod
    def _texts(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name).replace("_", "-")
        if name == "compile" and value is False:  # YAML's word off
            return "off"
        if isinstance(value, (str, Path)):
            check = check_text if info.field_name in LISTS else check_path
            check(name, str(value))
            if info.field_name == "out":
                url_of(value)
            elif typed(str(info.field_name)) is Path:
                _check_kind(name, Path(value))
        if isinstance(value, bool) and typed(str(info.field_name)) is not bool:
            raise UsageError(f"{name} cannot be {str(value).lower()}: give a value.")
        return value

    @field_validator(*LISTS, mode="before")
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

    @field_validator("maps")
    @classmethod
    def _maps(cls, value: Path | None) -> Path | None:
        if str(value) in KEPT and value and not value.exists():
            raise UsageError(
                f"maps '{value}' would be a file of maps made elsewhere; which maps are kept is "
                "keep_maps in a file, and --maps of `xaibench run`."
            )
        return value

    @field_validator("keep_maps", mode="before")
    @classmethod
    def _kept(cls, value: Any) -> Any:
        if value not in KEPT:
            raise UsageError(f"maps '{value}': give {', '.join(KEPT[:-1])} or {KEPT[-1]}.")
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
        if number > LARGEST_BATCH:
            raise UsageError(f"batch-size {value}: give at most {LARGEST_BATCH:,}.")
        return number

    @field_validator("processes", "devices")
    @classmethod
    def _counts(cls, value: str | int | None, info: ValidationInfo) -> str | int | None:
        word = "auto" if info.field_name == "processes" else "all"
        if value is None or value == word:
            return value
        if not str(value).isdecimal() or not 1 <= int(value) <= MOST_PROCESSES:
            raise UsageError(
                f"{info.field_name} '{value}': give a number from 1 to {MOST_PROCESSES:,}, "
                f"or {word}."
            )
        return int(value)

    @field_validator("until")
    @classmethod
    def _until(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"until {value:g}: give a number of points above 0, such as 1.")
        return value

    @field_validator("shard")
    @classmethod
    def _shard(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_shard(value))

    @field_validator("*")
    @classmethod
    def _bounds(cls, value: Any, info: ValidationInfo) -> Any:
        option = OPTIONS[str(info.field_name)]
        if option.low is not None and value is not None and value < option.low:
            raise PydanticKnownError("greater_than_equal", {"ge": option.low})
        if option.high is not None and value > option.high:
            raise PydanticKnownError("less_than_equal", {"le": option.high})
        return value

    @model_validator(mode="after")
    def _together(self) -> RunConfig:
        if self.name is not None and self.maps is None:
            raise UsageError(f"name '{self.name}' is that of --maps: give both, or neither.")
        if self.devices is not None and self.processes != 1:
            raise UsageError("devices are a process each: drop --processes, or --devices.")
        if self.until is not None and self.order != "drawn":
            raise UsageError("until takes images in a drawn order: drop --order dataset.")
        cluster = self.executor == "ray" and (self.ray_address or os.environ.get("RAY_ADDRESS"))
        if cluster and self.out is not None and url_of(self.out):
            raise UsageError(
                "ray's actors write to a path that all nodes see, not to a URL: give a directory "
                "as --out, or run shards with a URL each (`xaibench merge`)."
            )
        if self.shard is not None and self.until is not None:
            raise UsageError(
                "until decides by the blocks before, which are other shards': drop --until or "
                "--shard."
            )
        if self.shard is not None and self.overwrite:
            raise UsageError(
                "overwrite would delete what other shards have made: drop it, or choose another "
                "--out."
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _drawn(cls, values: Any) -> Any:
        asked = isinstance(values, dict) and values.get("until") is not None
        return {"order": "drawn", **values} if asked else values

    @field_serializer("out", when_used="json")
    def _spelt(self, value: Path | None) -> str | None:
        return None if value is None else url_of(value) or str(value)

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
    def part(self) -> Shard | None:
        """The share of the blocks that is asked for; None for all."""
        return None if self.shard is None else parse_shard(self.shard)

    @property
    def files(self) -> dict[str, str]:
        """The user's own files that methods and metrics come from: paths by file name."""
        return files_in((*self.method, *self.metric))

    @property
    def directory(self) -> Path:
        """Where the run lives: --out, or results/runs/<data>-<model>-<protocol>[-drawn].

        Of a URL it is the copy of this machine.
        """
        if self.out:
            return located(self.out)
        data = Path(self.data_name).resolve().name if self.data_name != "samples" else "samples"
        name = self.model_name if ":" in self.model_name else fold(self.model_name)
        model = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        protocol = self.protocol if "." in self.protocol else fold(self.protocol)
        drawn = "-drawn" * (self.order == "drawn")
        return Path("results/runs") / f"{data}-{model}-{Path(protocol).stem}{drawn}"

    @property
    def place(self) -> str:
        """The same as a person names it: a URL where --out is one."""
        return (self.out and url_of(self.out)) or str(self.directory)


def _check_kind(name: str, path: Path) -> None:
    """UsageError for a pipe, socket or device: reading it can wait for ever, or has no end."""
    with contextlib.suppress(OSError):  # what it is used for says why it cannot be read
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{name} {path} is no regular file and no folder: give one.")


def load_config(values: dict[str, Any], file: Path | None = None) -> RunConfig:
    """A RunConfig from a YAML file, overlaid with the values that are not None.

    Raises UsageError for an unknown key or a bad value.
    """
    base = read_options(file) if file else {}
    given = {fold(str(k)): v for k, v in values.items() if v is not None and v != []}
    if "subset" in given:  # a list of images replaces a draw
        base.pop("per_class", None)
    return validated(RunConfig, base | given, str(file) if file else "the command line")


def load_configs(values: dict[str, Any], file: Path | None = None) -> list[RunConfig]:
    """The configurations of a file: those that it includes, in order, or the one that it is.

    `include: [table1, table2]` names shipped configurations, or files beside it; its other keys
    override each of them, and `values` override all. Raises UsageError as `load_config` does.
    """
    held = read_options(file) if file else {}
    if file is None or "include" not in held:
        return [load_config(values, file)]
    names = held.pop("include")
    if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
        raise UsageError(f"include in {file}: give a list of configurations.")
    given = held | {fold(str(k)): v for k, v in values.items() if v is not None and v != []}
    configs = []
    for name in names:
        beside = file.parent / name
        one = beside if beside.is_file() else find_config(name)
        if "include" in read_yaml(one):
            raise UsageError(f"{one}, which {file} includes, has an include of its own.")
        configs.append(load_config(given, one))
    return configs


def find_config(name: str) -> Path:
    """A configuration by path, or a shipped one by its name; UsageError names the nearest."""
    check_path("config", name)
    shipped = config_files()
    if Path(name).is_file() or name.endswith((".yaml", ".yml")):
        path = Path(name)
        inside = shipped.get(path.stem) if path.parent.name == "configs" else None
        return path if path.exists() or inside is None else inside
    if fold(name) not in shipped:
        raise unknown("config", name, shipped)
    return shipped[fold(name)]
