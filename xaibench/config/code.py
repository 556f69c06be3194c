"""What code made a number: a hash over the syntax trees of the modules that took part.

Comments, docstrings and layout do not count. A module counts with all that it imports from this
package, but for the parts that change no number: the command line, the report and the store.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from xaibench.registry import Registered

PACKAGE = Path(__file__).parents[1]
NO_NUMBER = {"cli", "report", "analysis", "store", "published"}
"""Parts of the package that change no stored number."""


def code_of(*parts: Registered | str | None) -> str:
    """Hash of the code of registered functions and of modules by dotted name; None adds nothing.

    A method or metric of another package counts with that package's whole source.
    """
    files: set[Path] = set()
    data: list[str] = []
    for part in parts:
        if part is not None:
            name = part if isinstance(part, str) else part.function.__module__
            files |= _closure(tuple(_sources(name)))
        if isinstance(part, Registered):  # one that stands for data declares its hash
            data.append(str(part.metadata.get("content", "")))
    lines = sorted(f"{_title(path)} {_digest(path, path.stat().st_mtime_ns)}" for path in files)
    return hashlib.sha256("\n".join([*data, *lines]).encode()).hexdigest()[:16]


def _title(path: Path) -> str:
    """A file's name without the machine it lies on."""
    inside = path.is_relative_to(PACKAGE)
    return path.relative_to(PACKAGE).as_posix() if inside else path.name


def _sources(module: str) -> Iterator[Path]:
    """The files of a module of this package, of another's whole package, or of a single file."""
    top = module.partition(".")[0]
    if top == PACKAGE.name:
        yield from _files(module)
        return
    loaded = sys.modules.get(module)
    own = getattr(loaded, "__file__", None)
    spec = _spec(top)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if folders:
        yield from sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    elif own:
        yield Path(own)


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _files(module: str) -> list[Path]:
    """The file of a module of this package; none where the name is not a module's."""
    base = PACKAGE.parent.joinpath(*module.split("."))
    return [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()]


@functools.cache
def _closure(start: tuple[Path, ...]) -> frozenset[Path]:
    """The files, and all of this package that they import, directly or through others."""
    found, waiting = set(start), list(start)
    while waiting:
        path = waiting.pop()
        for other in _imports(path, path.stat().st_mtime_ns):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)


@functools.cache
def _tree(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path, changed: int) -> frozenset[Path]:
    """Modules of this package that a file names in its imports, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(_tree(path, changed)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = (name.split(".") for name in names)
    counted = [n for n in own if n[0] == PACKAGE.name and len(n) > 1 and n[1] not in NO_NUMBER]
    return frozenset(path for name in counted for path in _files(".".join(name)))


@functools.cache
def _digest(path: Path, changed: int) -> str:
    """Hash of a file's syntax tree without docstrings."""
    words: list[str] = []
    _write(_tree(path, changed), words)
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
