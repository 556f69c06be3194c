"""Which names a request means; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from xaibench.config.specs import parse
from xaibench.errors import fold, unknown
from xaibench.registry import entries


def expand(kind: str, specs: Iterable[str]) -> list[str]:
    """The specs with `all` replaced by every registered key that is not opt-in."""
    names: list[str] = []
    for spec in specs:
        plain = [e.key for e in entries(kind).values() if not e.metadata.get("opt_in")]
        names += plain if fold(spec) == "all" else [spec]
    return list(dict.fromkeys(names))


def check_names(kind: str, specs: Iterable[str]) -> None:
    """UsageError for the first unknown name."""
    known = entries(kind)
    for spec in expand(kind, specs):
        if parse(spec)[0] not in known:
            raise unknown(kind[:-1], parse(spec)[0], known)
