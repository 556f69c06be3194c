"""Which names a request means; imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from xaibench.config.code import beside
from xaibench.config.specs import parse
from xaibench.errors import UsageError, fold, unknown
from xaibench.registry import entries, get
from xaibench.registry.files import files_in, parts


def expand(kind: str, specs: Iterable[str]) -> list[str]:
    """The specs with `all` replaced by every registered key that is not opt-in.

    A metric's function in a file of the user's is replaced by all of its keys. UsageError where
    two files of one name are asked for.
    """
    specs = list(specs)
    files_in(specs)
    found: list[str] = []
    for spec in specs:
        plain = [e.key for e in entries(kind).values() if not e.metadata.get("opt_in")]
        if spec.startswith("file:") and kind == "metrics":
            found += _keys(spec)
        else:
            found += plain if fold(spec) == "all" else [spec]
    return list(dict.fromkeys(found))


def scheme_of(model: str) -> str:
    """How a model's name begins: all of it, before a colon or an @."""
    return fold(model.partition(":")[0].partition("@")[0])


def schemes_of_models() -> dict[str, str]:
    """The beginnings of model names, each with the key of what loads these."""
    return {
        scheme: key
        for key, entry in entries("models").items()
        for scheme in entry.metadata.get("schemes", (key,))
    }


def _keys(spec: str) -> list[str]:
    """A metric of a file: the key that a spec names, or those of the function that it names."""
    path, name = parts(spec)
    keys = get("metrics", spec).keys
    rest = spec.removeprefix(f"file:{path}:{name}")
    return [f"file:{path}:{key}{rest}" for key in ([name] if name in keys else keys)]


def check_names(kind: str, specs: Iterable[str]) -> None:
    """UsageError for the first unknown name."""
    known = entries(kind)
    for spec in expand(kind, specs):
        name = parse(spec)[0]
        if name.startswith("file:"):
            get(kind, name)
        elif name not in known:
            raise unknown(kind[:-1], name, known)


def check_beside(files: Iterable[Path]) -> None:
    """UsageError where one module name means two files: a process imports only one of them.

    files: the user's own, each imported with what lies beside it.
    """
    held: dict[str, Path] = {}
    for path in (file.resolve() for file in files if file.is_file()):
        for top in sorted({p.relative_to(path.parent).parts[0] for p in beside(path) - {path}}):
            name, own = top.removesuffix(".py"), (path.parent / top).resolve()
            if name in sys.stdlib_module_names:
                raise UsageError(f"{own} has the name of a module of Python: rename it.")
            loaded = getattr(sys.modules.get(name), "__file__", None)
            for other in (held.setdefault(name, own), Path(loaded or own).resolve()):
                if own not in (other, other.parent):
                    raise UsageError(
                        f"two modules are called {name}, {other} and {own}: rename one."
                    )
