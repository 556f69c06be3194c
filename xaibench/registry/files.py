"""Functions from the user's own Python files: `file:PATH.py:NAME`.

A method's or metric's function may be decorated as in a package, or plain: `(ctx, batch, state,
*, options) -> Explanation` or `(scoring, *, options) -> values`. What is plain declares nothing;
its keyword parameters are the options, and a metric's values go under the function's name.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from xaibench.errors import UsageError, XaibenchError, reason, unknown
from xaibench.registry import Registered
from xaibench.registry.foreign import foreign

FILE = re.compile(r"\s*file:(?P<path>.+?\.py):(?P<name>[A-Za-z_]\w*)(?=\s*(?:[(,]|$))")
"""The beginning of a spec that names a file's function; a path may hold blanks and brackets."""
TAKES = {"methods": ("ctx", "batch", "state"), "metrics": ("scoring",)}


def parts(spec: str) -> tuple[str, str]:
    """The path as it was written and the name; UsageError where a spec is not of the form."""
    found = FILE.match(spec)
    if not found:
        raise UsageError(f"'{spec}': write it as file:PATH.py:NAME.")
    return found["path"], found["name"]


def title(spec: str) -> str:
    """The spec under which results are stored: a file's name without its folder."""
    found = FILE.match(spec)
    return f"file:{Path(found['path']).name}:{spec[found.start('name') :]}" if found else spec


def located(spec: str, files: Mapping[str, str]) -> str:
    """A stored spec as one that can be called; files: paths by file name."""
    found = FILE.match(spec)
    if not found or found["path"] not in files:
        return spec
    return f"file:{files[found['path']]}:{spec[found.start('name') :]}"


def files_in(specs: Iterable[str]) -> dict[str, str]:
    """The resolved paths of the files that specs name, by file name.

    Raises UsageError where two files have one name, since results are stored under it.
    """
    held: dict[str, str] = {}
    for spec in specs:
        if spec.strip().startswith("file:"):
            path = _resolved(parts(spec)[0], "write file:PATH.py:NAME")
            if held.setdefault(path.name, str(path)) != str(path):
                raise UsageError(
                    f"two files are called {path.name}, {held[path.name]} and {path}: rename one."
                )
    return held


def from_file(kind: str, spec: str) -> Registered:
    """The method or metric of a spec (its option values are left aside).

    A metric's name is one of its keys, or else its function. One line of error where there is no
    such file or function, where the file cannot be imported or holds something else.
    """
    written, name = parts(spec)
    path = existing(written, "write file:PATH.py:NAME")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _registered(kind, path.resolve(), digest, name)


def existing(written: str, form: str) -> Path:
    """A file's path as it was written, `~` for the home folder; XaibenchError if it is none."""
    if not _resolved(written, form).is_file():
        raise XaibenchError(f"{written} does not exist or is not a file: {form}.")
    return Path(written).expanduser()


def _resolved(written: str, form: str) -> Path:
    """The path that is meant; XaibenchError where there can be none."""
    try:
        path = Path(written).expanduser().resolve()
        path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a home of nobody
        why = getattr(error, "strerror", None) or error
        raise XaibenchError(f"'{written[:60]}' cannot be a file ({why}): {form}.") from None
    return path


def imported(path: Path, name: str) -> ModuleType:
    """A Python file as a module of that name; its folder becomes importable.

    Raises XaibenchError with the reason where it cannot be imported.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # the modules beside it, as if it were run as a script
        sys.path.insert(0, folder)
    sys.modules[name] = module
    try:
        with foreign(f"{path} cannot be imported", "mend it"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def no_function(path: Path, name: str, module: ModuleType) -> UsageError:
    """The error for a name that is no function of a file, with the nearest that is."""
    held = {n: v for n, v in vars(module).items() if callable(v) and not n.startswith("_")}
    functions = {n: v.function if isinstance(v, Registered) else v for n, v in held.items()}
    own = [n for n, f in functions.items() if getattr(f, "__module__", "") == module.__name__]
    keys = [key for n in own if isinstance(held[n], Registered) for key in held[n].keys]
    return unknown(f"function in {path}", name, [*own, *keys])


@functools.cache
def _module(path: Path, digest: str) -> ModuleType:
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return imported(path, f"xaibench_file_{path.stem}_{place}")


@functools.cache
def _registered(kind: str, path: Path, digest: str, name: str) -> Registered:
    """One object for each content of a file, so that what is pickled comes back as itself."""
    module = _module(path, digest)
    found = _with_key(module, name) if kind == "metrics" else None
    found = found or getattr(module, name, None)
    if found is None:
        raise no_function(path, name, module)
    if not isinstance(found, Registered):
        found = plain(kind, found, f"file:{path.name}:{name}", str(path))
    if found.kind != kind:
        raise UsageError(f"{name} in {path} is declared as one of {found.kind}, not of {kind}.")
    attribute = next((n for n, v in vars(module).items() if v is found), name)
    return replace(found, key=f"file:{path.name}:{attribute}", source=str(path))


def _with_key(module: ModuleType, key: str) -> Registered | None:
    """The file's own metric that has a key; one that is named so before others."""
    own = [v for v in vars(module).values() if isinstance(v, Registered) and v.kind == "metrics"]
    having = [v for v in own if key in v.keys and v.function.__module__ == module.__name__]
    return min(having, key=lambda v: v.key != key, default=None)


def plain(kind: str, function: Any, called: str, where: str) -> Registered:
    """A function without a decorator as one that declares nothing; where: named in errors."""
    name = called.rpartition(":")[2]
    if not callable(function):
        raise UsageError(f"{name} in {where} is {type(function).__name__}, not a function.")
    takes = TAKES[kind]
    try:
        signature = inspect.signature(function)
        signature.bind_partial(*takes)
        target = function if inspect.isroutine(function) else type(function).__call__
        hints = typing.get_type_hints(target, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise UsageError(
            f"{name} in {where} cannot be called ({reason(error)}): write it as "
            f"{name}({', '.join(takes)}, *, options)."
        ) from None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    all_ = list(signature.parameters.values())
    options = [p for p in all_ if p.kind is p.KEYWORD_ONLY]
    options = [p for p in all_ if p.kind in positional][len(takes) :] + options
    return Registered(
        kind,
        called,
        _keyed(function, name) if kind == "metrics" else function,
        (name,),
        # nobody said that it needs no network and no images
        {"needs": ("forwards",)} if kind == "metrics" else {},
        {p.name: (hints.get(p.name, Any), p.default) for p in options},
        free=any(p.kind is p.VAR_KEYWORD for p in all_),
    )


def _keyed(function: Callable[..., Any], key: str) -> Callable[..., Any]:
    """A metric's function whose values go under a key where it names none."""

    def named(result: Any) -> Any:
        if isinstance(result, Generator):
            return ending(result)
        return result if isinstance(result, Mapping) else {key: result}

    def ending(pending: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        return named((yield from pending))

    return functools.wraps(function)(lambda *a, **k: named(function(*a, **k)))
