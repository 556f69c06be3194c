"""Files that are there whole or not at all."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.store import layout


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a temporary file beside `path`, then rename it over `path`.

    Raises XaibenchError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=layout.TEMPORARY, suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        try:
            save(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise XaibenchError(
            f"cannot write {path}: {error.strerror or error}; choose another --out or free space."
        ) from None


@functools.cache  # to ask is to set it: two threads that did so at once could leave it at 0
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    text = json.dumps(value, indent=2, sort_keys=False, default=str) + "\n"
    write(path, lambda file: file.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """Read JSON; XaibenchError where it is not valid."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise damaged(path) from None


def read_object(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON object, {} where there is no such file; XaibenchError where it lacks a key."""
    held = read_json(path) if path.exists() else dict.fromkeys(keys)
    if not isinstance(held, dict) or any(key not in held for key in keys):
        raise damaged(path)
    return held if path.exists() else {}


def damaged(path: Path) -> XaibenchError:
    """The error for a record of a run that cannot be read, which the next run restores."""
    return XaibenchError(f"{path} is damaged: delete it and run the same command again.")
