"""Validated YAML data with a canonical hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from xaibench.errors import UsageError, XaibenchError, unknown


class Data(BaseModel):
    """What a YAML file may hold: the declared keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file holding one mapping; raises XaibenchError with the reason where it cannot."""
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file: give a YAML file.") from None
    except yaml.YAMLError as error:
        where = str(error).replace("\n", " ")
        raise UsageError(f"{path} is not valid YAML: {where}.") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold `key: value` lines.")
    return values


M = TypeVar("M", bound=BaseModel)


def validated(kind: type[M], values: dict[str, Any], where: str) -> M:
    """Values as the kind of data that they should be; UsageError for the first that is not."""
    for name in values:
        if name not in kind.model_fields:
            raise unknown(f"key in {where}", name, kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"{field} in {where}: {first['msg']}.") from None
