"""What every stored result carries: what it is, what made it, of which images and run."""

from __future__ import annotations

import functools
import hashlib
import json
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.manifest import versions


class Unsound(XaibenchError):
    """A stored file from which no number is made. kind: `damaged` or `foreign`."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        super().__init__(
            f"{path} is {kind}: delete it and run the same command again, or let "
            "`xaibench doctor RUN --fix` delete all such files."
        )

    def __reduce__(self) -> tuple[type[Unsound], tuple[Path, str]]:
        """Pickled as it is made: worker processes raise it too."""
        return Unsound, (self.path, self.kind)


DAMAGED, FOREIGN = "damaged", "foreign"


@functools.cache
def versions_id() -> str:
    """Hash of the versions that manifests list in full."""
    return hashlib.sha256(json.dumps(versions(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Origin:
    """code: hash of the code that made a result (`config.code`); versions: of the libraries.

    subset: for transformed inputs, the hash of the ordered subset that their groups are of. run:
    hash of the identity of the run. maps: of scores, hash of the code that made their maps. batch:
    inputs a forward pass where memory forced fewer than the run's, else 0. what: the file's place
    below the run directory, which the store adds.
    """

    code: str = ""
    subset: str = ""
    versions: str = ""
    run: str = ""
    maps: str = ""
    batch: int = 0
    what: str = ""


NOWHERE = Origin()
"""Of what says nothing about itself."""


def origin(code: str, subset: str = "", run: str = "", batch: int = 0) -> Origin:
    """The origin of what is made here and now."""
    return Origin(code, subset, versions_id(), run, batch=batch)


def check_regular(path: Path) -> None:
    """Unsound for what is no regular file: a pipe would be waited for."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Unsound(path, DAMAGED)


def sealed(path: Path, made: Origin, content: str, **more: Any) -> str:
    """What a file says of itself, as text: its origin, more, and hashes of its content and of this.

    content: the hash of what the file holds.
    """
    held = {"origin": asdict(made) | {"what": layout.what(path)}, **more, "content": content}
    return json.dumps({**held, "sha256": _hash(held)})


def unsealed(path: Path, text: str | bytes | None) -> dict[str, Any]:
    """What a file says of itself, verified; `made` is its Origin. Raises Unsound.

    It is damaged where it says nothing, or other than it did; foreign where it says something else
    than files of this version do, or is not what its place says.
    """
    try:
        held = json.loads(text or "")
    except (ValueError, RecursionError):
        raise Unsound(path, DAMAGED) from None
    try:
        sha256 = held.pop("sha256")
        made = Origin(**held["origin"])
    except (KeyError, TypeError, AttributeError):
        raise Unsound(path, FOREIGN) from None
    if sha256 != _hash(held):
        raise Unsound(path, DAMAGED)
    if made.what != layout.what(path):
        raise Unsound(path, FOREIGN)
    return {**held, "made": made}


def check_content(path: Path, held: dict[str, Any], content: str) -> None:
    """Unsound unless the content of a file has the hash that it says."""
    if held["content"] != content:
        raise Unsound(path, DAMAGED)


def _hash(held: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
