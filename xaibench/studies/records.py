"""Whether the records of a run directory are of the form in which they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from xaibench.config.catalog import MethodDeclaration, MetricDeclaration
from xaibench.config.protocol import Protocol
from xaibench.errors import XaibenchError

DEEPEST = 40


class Identity(BaseModel):
    """What a run is, and more."""

    model: str
    dataset: str
    protocol: str


class Subset(BaseModel):
    """The images whose groups transformed inputs are of."""

    sha256: str
    images: int
    source: str = Field(alias="from")
    ids: list[str] | None = None


class Declared(BaseModel):
    """What methods and metrics declared."""

    methods: dict[str, MethodDeclaration] = {}
    metrics: dict[str, MetricDeclaration] = {}
    as_published: bool | None = None


class Source(BaseModel):
    """Where a method, a metric or maps come from."""

    path: str
    sha256: str


class Asked(BaseModel):
    """What is read of a process's options."""

    transform: list[str] | None = None
    limit: int | None = None


class Counts(BaseModel):
    """And of what it did."""

    images: int | None = None


class Until(BaseModel):
    """What it was to stop when sure."""

    points: float = Field(gt=0)
    images: int
    group: int = Field(ge=1)
    method: list[str]
    target: list[str]
    transform: list[str]
    metric: dict[str, tuple[float, float]]


class Process(BaseModel):
    """What a process left."""

    until: Until | None = None

    config: Asked | None = None
    counts: Counts | None = None
    versions: dict[str, str] = {}


class Lost(BaseModel):
    """An image that could not be decoded."""

    image: str
    reason: str


class Failures(BaseModel):
    """Those of a block."""

    unreadable: list[Lost]


FORMS: dict[str, Any] = {
    "manifests/identity": Identity,
    "manifests/protocol": Protocol,
    "manifests/subset": Subset,
    "manifests/batch_size": Annotated[int, Field(ge=1, le=2**20, strict=True)],
    "manifests/catalog": Declared,
    "manifests/files": dict[str, Source],
    "manifests/maps": dict[str, Source],
    "manifests/run-*": Process,
    "failures/[0-9]*-*": Failures,
}
"""What each record of a run directory has to be."""


def check_records(root: Path) -> None:
    """XaibenchError for the first record of a run directory that is damaged; absent ones are not.

    What is more than a report or an audit reads is left aside.
    """
    for kind in FORMS:
        for path in sorted(root.glob(f"{kind}.json")):
            if wrong := _wrong(path, kind):
                raise XaibenchError(
                    f"{path} is damaged ({wrong}): delete it and run the same command again."
                )


def _wrong(path: Path, kind: str) -> str:
    """What is wrong with a record; empty where nothing is."""
    if not path.is_file():  # a pipe would be waited for
        return "it is not a file"
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if _depth(held) > DEEPEST:
            return "it is nested too deeply"
        _reader(kind).validate_python(held)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    except (OSError, ValueError, RecursionError) as error:
        return str(error)
    return ""


@cache
def _reader(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(FORMS[kind])


def _depth(value: Any) -> int:
    """How deeply lists and mappings stand in each other."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [v for one in level if isinstance(one, dict | list) for v in _inside(one)]
    return depth


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
