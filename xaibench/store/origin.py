"""What every stored result carries: what made it, and of which images."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict, dataclass

from xaibench.store.manifest import versions


@functools.cache
def versions_id() -> str:
    """Hash of the versions that manifests list in full."""
    return hashlib.sha256(json.dumps(versions(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Origin:
    """code: hash of the code that made a result (`config.code`); versions: of the libraries.

    subset: for transformed inputs, the hash of the ordered subset that their groups are of.
    batch: inputs a forward pass where memory forced fewer than the run's, else 0.
    """

    code: str = ""
    subset: str = ""
    versions: str = ""
    batch: int = 0

    def to_json(self) -> str:
        """As it stands in a file's metadata."""
        return json.dumps(asdict(self))


NOWHERE = Origin()
"""Of what says nothing about itself."""


def origin(code: str, subset: str = "", *, batch: int = 0) -> Origin:
    """The origin of what is made here and now."""
    return Origin(code, subset, versions_id(), batch)


def from_json(text: str | bytes | None) -> Origin:
    """The origin out of a file's metadata; an empty one where the file has none."""
    held = json.loads(text) if text else {}
    batch = int(held.pop("batch", 0))
    names = Origin.__dataclass_fields__.keys() - {"batch"}
    return Origin(**{name: str(held.get(name, "")) for name in names}, batch=batch)
