"""The one registration mechanism: a decorated function in a package's file, or an entry point.

Keys, docstrings and literal decorator arguments are read from the source without importing it,
so that listing needs no torch; the module is imported when the object itself is asked for.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.machinery
import importlib.util
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from xaibench.errors import UsageError, XaibenchError, fold, unknown
from xaibench.registry.foreign import ended, foreign

LARGEST = 1e18  # of an option: within 64 bits
KINDS = ("methods", "metrics", "models", "datasets", "transforms")


@dataclass(frozen=True)
class Entry:
    """What is known of a registered object before it is imported; defaults: of its options."""

    kind: str
    key: str
    target: str
    doc: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = "xaibench"
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Registered:
    """A registered function with its declaration.

    options: its keyword-only parameters with their annotated types and default values, which
    the protocol's and then the user's values replace; free: whether it takes any others too.
    source: the resolved path of the user's file that it comes from, "" of a package's. Pickled as
    where it is found, since its decorator has put it in the function's place.
    """

    kind: str
    key: str
    function: Callable[..., Any]
    keys: tuple[str, ...]
    metadata: Mapping[str, Any]
    options: Mapping[str, tuple[Any, Any]]
    free: bool = False
    source: str = ""

    def __reduce__(self) -> tuple[Callable[..., Registered], tuple[str, str]]:
        if self.source:
            name = self.keys[0] if self.kind == "metrics" else self.key.rpartition(":")[2]
            return get, (self.kind, f"file:{self.source}:{name}")
        return load, (self.kind, f"{self.function.__module__}:{self.function.__qualname__}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself; XaibenchError where it tries to end the program."""
        try:
            return self.function(*args, **kwargs)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise XaibenchError(f"{self.key}: {ended(error)}; let it return, or raise.") from error

    def resolve(self, *layers: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """Option values: defaults, then each layer over it, checked against the annotations.

        key: the name to use in errors. Raises UsageError for an unknown option, a value of the
        wrong type or out of range, or one that is missing.
        """
        values = self.usual(*layers, key=key)
        missing = self.options.keys() - values.keys()
        if missing:
            raise UsageError(f"{key or self.key} needs a value for {', '.join(sorted(missing))}.")
        return values

    def usual(self, *layers: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """The same without the options that have no value yet."""
        key = key or self.key
        values = {k: v for k, (_, v) in self.options.items() if v is not inspect.Parameter.empty}
        for layer in layers:
            for name, value in layer.items():
                if name not in self.options and not self.free:
                    raise unknown(f"option of {key}", name, self.options)
                values[name] = _checked(key, name, value, self.options.get(name, (Any,))[0])
        return dict(sorted(values.items()))


@dataclass(frozen=True)
class Range:
    """Bounds of an option, for `Annotated[int, Range(1)]`: low <= value <= high, odd if asked."""

    low: float
    high: float = math.inf
    odd: bool = False

    def check(self, what: str, value: float) -> None:
        """UsageError where the value is out of bounds."""
        if not self.low <= value <= self.high:
            top = f" and at most {self.high}" if self.high < math.inf else ""
            raise UsageError(f"{what}: must be at least {self.low}{top}.")
        if self.odd and value % 2 == 0:
            raise UsageError(f"{what}: must be odd.")


def _checked(key: str, name: str, value: Any, annotation: Any) -> Any:
    """The value as the annotation has it (an int is a float), or a UsageError."""
    if annotation is Any:
        return value
    if typing.get_origin(annotation) is typing.Annotated:
        plain, *rules = typing.get_args(annotation)
        value = _checked(key, name, value, plain)
        for rule in rules:
            if isinstance(rule, Range):
                rule.check(f"{key}({name}={value!r})", value)
        return value
    choices = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        if value in choices:
            return value
        raise unknown(f"value for {key}({name}=...)", str(value), [str(c) for c in choices])
    if type(value) in (int, float) and not abs(value) < LARGEST:  # NaN too
        raise UsageError(f"{key}({name}={value!r}): give a number within {LARGEST:.0e}.")
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    allowed = choices or (annotation,)
    if any(type(value) is kind for kind in allowed if isinstance(kind, type)):
        return value
    wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in allowed)
    raise UsageError(f"{key}({name}={value!r}): {name} must be {wanted}.")


def register(kind: str, **declared: Any) -> Callable[[Callable[..., Any]], Registered]:
    """Decorator: declare a function as one of `kind`. Literal arguments are listed unimported."""

    def wrap(function: Callable[..., Any]) -> Registered:
        hints = typing.get_type_hints(function, include_extras=True)
        options = {
            name: (hints.get(name, Any), parameter.default)
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        key = function.__name__
        keys = tuple(declared.get("keys", (key,)))
        return Registered(kind, key, function, keys, declared, options)

    return wrap


method = functools.partial(register, "methods")
metric = functools.partial(register, "metrics")
model = functools.partial(register, "models")
dataset = functools.partial(register, "datasets")
transform = functools.partial(register, "transforms")
_DECORATORS = {kind[:-1]: kind for kind in KINDS}


def _scan_file(path: Path, package: str, kind: str) -> list[Entry]:
    """The entries that a source file declares, from its syntax tree alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            name = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not (isinstance(name, ast.Name) and _DECORATORS.get(name.id) == kind):
                continue
            given = decorator.keywords if isinstance(decorator, ast.Call) else []
            declared = _literals((str(word.arg), word.value) for word in given)
            options = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            defaults = _literals((option.arg, value) for option, value in options if value)
            target = f"{package}.{path.stem}:{node.name}"
            doc = (ast.get_docstring(node) or "").strip().split("\n")[0]
            keys = declared.get("keys", {node.name: {}})
            found += [
                Entry(
                    kind, key, target, about.get("doc", doc), declared | about, "xaibench", defaults
                )
                for key, about in keys.items()
            ]
    return found


def _literals(expressions: Iterable[tuple[str, ast.expr]]) -> dict[str, Any]:
    values = {}
    for name, expression in expressions:
        try:
            values[name] = ast.literal_eval(expression)
        except ValueError:
            continue
    return values


def _plug_in(kind: str, key: str, target: str, owner: str) -> Entry:
    """An entry point, with its docstring; of a method or metric with what its source declares, too.

    Others answer to the entry point's name alone, whatever they declare. Nothing is imported.
    """
    module, _, attribute = target.partition(":")
    found = Entry(kind, key, target, f"plug-in from {owner}", source=owner)
    try:
        path = _source(module)
        scanned = _scan_file(path, module.rpartition(".")[0], kind) if path else []
    except Exception:  # importing it says what is wrong, once it is asked for
        return found
    same = [entry for entry in scanned if entry.target.partition(":")[2] == attribute]
    for entry in sorted(same, key=lambda entry: entry.key != key)[:1]:
        found = replace(found, doc=f"{entry.doc} ({found.doc})" if entry.doc else found.doc)
        if kind in ("methods", "metrics"):
            found = replace(found, metadata=entry.metadata, defaults=entry.defaults)
    return found


def _source(module: str) -> Path | None:
    """The file of a module, found without importing its packages."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first)
    for part in rest:
        if spec is None:
            return None
        name = f"{spec.name}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _entry_points(group: str) -> Iterable[metadata.EntryPoint]:
    """The entry points of a group; a package whose own list cannot be read has none."""
    try:
        yield from list(metadata.entry_points(group=group))
    except Exception:
        for package in metadata.distributions():
            with contextlib.suppress(Exception):
                yield from list(package.entry_points.select(group=group))


@functools.cache
def entries(kind: str) -> dict[str, Entry]:
    """All registered entries of a kind by key; the package's own come first, then plug-ins."""
    folder = Path(__file__).parents[1] / kind
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.py")):
        for entry in _scan_file(path, f"xaibench.{kind}", kind):
            if entry.key in found:
                raise XaibenchError(
                    f"{path.name} registers {kind[:-1]} '{entry.key}', which "
                    f"{found[entry.key].target} has already: rename one."
                )
            found[entry.key] = entry
    for point in _entry_points(f"xaibench.{kind}"):
        owner = point.dist.name if point.dist else "?"
        key = fold(point.name)
        if key in found:
            raise XaibenchError(
                f"package '{owner}' registers {kind[:-1]} '{key}', which {found[key].source} "
                "has already: rename its entry point or uninstall it."
            )
        found[key] = _plug_in(kind, key, point.value, owner)
    return found


def get(kind: str, name: str) -> Registered:
    """Import and return the object registered under a name, or a function of the user's file.

    Raises UsageError with the nearest name where there is none.
    """
    if name.startswith("file:") and kind in ("methods", "metrics"):
        from xaibench.registry.files import from_file

        return from_file(kind, name)
    known = entries(kind)
    entry = known.get(fold(name))
    if entry is None:
        raise unknown(kind[:-1], name, known)
    what = f"{kind[:-1]} '{entry.key}' from {entry.source} cannot be imported"
    with foreign(what, "install what it needs, or uninstall it"):
        return load(kind, entry.target)


def load(kind: str, target: str) -> Registered:
    """The registered object at `module:attribute`; ImportError or AttributeError without one."""
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, Registered):
        raise XaibenchError(f"{target} is not decorated with xaibench.registry.{kind[:-1]}.")
    return found
