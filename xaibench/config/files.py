"""Validated YAML data with a canonical hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from xaibench.config import yamls
from xaibench.config.words import check_path
from xaibench.errors import UsageError, XaibenchError, fold, unknown

LARGEST = 1_000_000


class Data(BaseModel):
    """What a YAML file may hold: the declared keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_text(path: Path, wanted: str, wrong: type[XaibenchError] = XaibenchError) -> str:
    """The text of a file that a user names; wanted: what it should be, for the error.

    Raises XaibenchError where it cannot be read or is no regular file (a pipe can wait for ever,
    and gives its text only once), and `wrong` where it is not UTF-8.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise XaibenchError(f"{path} is no regular file: save {wanted} in one.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check the path.") from None
    except UnicodeDecodeError:
        raise wrong(f"{path} is not text: give {wanted}.") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file holding one mapping; raises XaibenchError with the reason where it cannot."""
    check_path("the file", str(path))
    text = read_text(path, "a YAML file", UsageError)
    if len(text) > LARGEST:
        raise UsageError(f"{path} has {len(text):,} characters: give at most {LARGEST:,}.")
    try:
        values = yamls.load(text)
    except ValueError as error:
        raise UsageError(f"{path} is not valid YAML: {error}.") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold `key: value` lines.")
    return values


def read_options(path: Path) -> dict[str, Any]:
    """The values of a YAML file by folded name; UsageError where two names are the same."""
    values: dict[str, Any] = {}
    for name, value in read_yaml(path).items():
        if fold(str(name)) in values:
            raise UsageError(f"{path} has {fold(str(name))} twice, in two spellings: keep one.")
        values[fold(str(name))] = value
    return values


M = TypeVar("M", bound=BaseModel)


def validated(kind: type[M], values: dict[str, Any], where: str) -> M:
    """Values as the kind of data that they should be; UsageError for the first that is not."""
    for name in values:
        if name not in kind.model_fields:
            raise unknown(f"key in {where}", str(name), kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"{field} in {where}: {first['msg']}.") from None
