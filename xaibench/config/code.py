"""What code made a number: a hash over the syntax trees of the modules that took part.

Comments, docstrings and layout do not count. A module counts with all that it imports from this
package, but for the parts that change no number: the command line, the report and the store.

A process runs what it has imported, so a file counts as it was when it was first looked at. Only
the user's own file is loaded anew when it changes.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from xaibench.registry import Registered

PACKAGE = Path(__file__).parents[1]
NO_NUMBER = {
    *("cli", "report", "analysis", "store", "published", "meter"),
    *("config.code", "config.names", "config.options", "config.shard", "config.shipped"),
    *("config.urls", "stages.share"),
}
"""Parts of the package that change no stored number."""


NETWORK = "xaibench.stages.predict"
STATE = "xaibench.stages.prepare"
MAPS = "xaibench.stages.explain"
SCORES = "xaibench.stages.score"


@dataclass(frozen=True)
class Source:
    """Where a function is written, for who does not import it: a module, or the user's file."""

    module: str = ""
    path: str = ""


def below(prepares: bool) -> list[str]:
    """The stages that a method's maps rest on; prepares: whether it computes something once."""
    return [NETWORK, STATE] if prepares else [NETWORK]


def code_of(*parts: Registered | Source | str | None) -> str:
    """Hash of the code of registered functions and of modules by dotted name; None adds nothing.

    A method or metric of another package counts with that package's whole source, one of the
    user's own file with the modules beside it that it imports.
    """
    lines: set[str] = set()
    data: list[str] = []
    for part in parts:
        if part is None:
            continue
        start, own, changed = _sources(_module(part)), None, 0
        if isinstance(part, Registered):
            data.append(str(part.metadata.get("content", "")))  # of one that stands for data
        if isinstance(part, Source):
            data.append("")
        path = "" if isinstance(part, str) else _file(part)
        if path.endswith(".py"):
            own = Path(path)
            start, changed = (own, *start), own.stat().st_mtime_ns
        lines |= _lines(start, own, changed)
    return hashlib.sha256("\n".join([*data, *sorted(lines)]).encode()).hexdigest()[:16]


def beside(path: Path) -> set[Path]:
    """The files in its folder that a user's file imports, directly or through others."""
    changed = path.stat().st_mtime_ns
    return {file for file in _closure((path,), path, changed) if file.is_relative_to(path.parent)}


def _module(part: Registered | Source | str) -> str:
    if isinstance(part, Source):
        return part.module
    return part if isinstance(part, str) else str(part.function.__module__)


def _file(part: Registered | Source) -> str:
    return part.path if isinstance(part, Source) else part.source


@functools.cache
def _lines(start: tuple[Path, ...], own: Path | None, changed: int) -> frozenset[str]:
    """Names and digests of files with all that they import."""
    files = _closure(start, own, changed)
    return frozenset(f"{_title(p)} {_digest(p, changed if p == own else 0)}" for p in files)


def _title(path: Path) -> str:
    """A file's name without the machine it lies on."""
    inside = path.is_relative_to(PACKAGE)
    return path.relative_to(PACKAGE).as_posix() if inside else path.name


@functools.cache
def _sources(module: str) -> tuple[Path, ...]:
    """The files of a module of this package, of another's whole package, or of a single file.

    What lies in an archive counts as the whole archive.
    """
    top = module.partition(".")[0]
    if top == PACKAGE.name:
        return tuple(_files(module, PACKAGE.parent))
    own = getattr(sys.modules.get(module), "__file__", None)
    spec = _spec(top)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    if own and not found:
        found = [p for p in (Path(own), *Path(own).parents) if p.is_file()][:1]
    return tuple(found)


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _files(module: str, root: Path) -> list[Path]:
    """The file of a module under a folder; none where the name is not a module's there."""
    base = root.joinpath(*module.split("."))
    return [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()]


@functools.cache
def _closure(start: tuple[Path, ...], own: Path | None = None, changed: int = 0) -> frozenset[Path]:
    """The files, and all of this package that they import, directly or through others.

    own: the user's file, last changed at that time: also what it imports from its folder.
    """
    found, waiting = set(start), list(start)
    while waiting:
        path = waiting.pop()
        for other in _imports(path, changed if path == own else 0, own.parent if own else None):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)


@functools.cache
def _tree(path: Path, _changed: int) -> ast.Module | None:
    """A file's syntax tree; None where it is no Python that this version reads."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: too deep
        return None


@functools.cache
def _imports(path: Path, changed: int, beside: Path | None) -> frozenset[Path]:
    """Modules of this package and of a folder that a file imports, wherever that stands."""
    found: set[Path] = set()
    for node in _statements(_tree(path, changed) or ast.Module([], [])):
        if isinstance(node, ast.Import):
            names, root = [alias.name for alias in node.names], beside
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}".strip(".") for alias in node.names]
            names += [node.module] if node.module else []
            root = path.parents[node.level - 1] if beside and node.level else beside
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] == PACKAGE.name:
                counts = NO_NUMBER.isdisjoint({".".join(parts[1:2]), ".".join(parts[1:3])})
                found |= set(_files(".".join(parts), PACKAGE.parent)) if counts else set()
            elif root:
                heads = (".".join(parts[: n + 1]) for n in range(len(parts)))
                found |= {file for head in heads for file in _files(head, root)}
    return frozenset(found - {PACKAGE / "__init__.py"})


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, wherever they stand; expressions hold none."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        parts = getattr(node, name, ())
        for part in parts if isinstance(parts, list) else ():
            yield part
            yield from _statements(part)


@functools.cache
def _digest(path: Path, changed: int) -> str:
    """Hash of a file's syntax tree without docstrings, or of its bytes where it has none."""
    words: list[str] = []
    tree = _tree(path, changed)
    if tree is None:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    _write(tree, words)
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _write(node: ast.AST, words: list[str]) -> None:
    """Append a syntax tree; what is empty is left out, since versions of Python differ in it."""
    words.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            parts = _without_docstring(value) if name == "body" else value
            if parts:
                words.append(f"{name} {len(parts)}")
                for part in parts:
                    _write(part, words) if isinstance(part, ast.AST) else words.append(repr(part))
        elif isinstance(value, ast.AST):
            words.append(name)
            _write(value, words)
        elif value is not None:
            words.append(f"{name}={value!r}")


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:] if isinstance(first.value.value, str) else body
    return body
