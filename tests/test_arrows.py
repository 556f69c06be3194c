"""The import arrows of ARCHITECTURE.md, over the syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import xaibench
from xaibench.registry import entries

ROOT = Path(xaibench.__file__).parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("seeds", "pool", "meter", "costs", "published"),
    ("types", "registry"),
    ("ops",),
    ("probes", "normalize"),
    ("config",),
    ("methods", "metrics", "transforms", "models", "datasets"),
    ("core", "store", "analysis"),
    ("report",),
    ("stages",),
    ("execution",),
    ("api",),
    ("studies",),
    ("cli",),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
HEADS = {name.split(".")[1] for name in FILES if "." in name}


def part(name: str) -> str:
    """The part of the package that a module belongs to: `xaibench.ops.blur` -> `ops`."""
    return name.split(".")[1] if "." in name else ""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def walk(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """All nodes that are executed: no TYPE_CHECKING blocks; functions' bodies where asked."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_type_checking(node) or (function and not inside_functions):
            continue
        yield node
        yield from walk(node, inside_functions)


def imports(source: str, module: str, package: bool, inside_functions: bool = True) -> set[str]:
    """Dotted names that a module imports; `from a import b` counts as both a and a.b."""
    found = set()
    for node in walk(ast.parse(source), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*up, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


@cache
def imported(module: str, inside_functions: bool = True) -> frozenset[str]:
    path = FILES[module]
    package = path.name == "__init__.py"
    return frozenset(imports(path.read_text(), module, package, inside_functions))


def own(names: frozenset[str]) -> set[str]:
    """The modules of this package among imported names."""
    return {name for name in names if name in FILES}


def reached(start: str, inside_functions: bool = True) -> dict[str, list[str]]:
    """Every module of this package that a module pulls in, with the way there."""
    ways = {start: [start]}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        for name in sorted(own(imported(module, inside_functions))):
            if name not in ways and name != "xaibench":
                ways[name] = [*ways[module], name]
                waiting.append(name)
    return ways


def modules_of(*parts: str) -> list[str]:
    return [name for name in FILES if part(name) in parts]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import xaibench.methods.rise", "xaibench.methods.rise"),
        ("from xaibench.methods import rise", "xaibench.methods.rise"),
        ("from xaibench import methods", "xaibench.methods"),
        ("def f():\n    if True:\n        from xaibench.cli import app", "xaibench.cli"),
        ("from .rise import masks", "xaibench.methods.rise"),
        ("from . import rise", "xaibench.methods.rise"),
        ("from ..metrics import causal", "xaibench.metrics.causal"),
        ("try:\n    import torch.nn as nn\nexcept ImportError:\n    pass", "torch.nn"),
    ],
)
def test_the_reader_of_imports_sees(source: str, expected: str) -> None:
    assert expected in imports(source, "xaibench.methods.lime", package=False)


def test_the_reader_of_imports_leaves_out_type_checking_and_functions_where_asked() -> None:
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"
    assert "torch" not in imports(guarded, "xaibench.x", package=False)
    lazy = "def f():\n    import torch"
    assert "torch" not in imports(lazy, "xaibench.x", False, inside_functions=False)


def test_every_module_has_a_rank() -> None:
    assert RANK.keys() == HEADS - {"__main__"}


def test_types_import_torch_and_what_is_below_only() -> None:
    for module in modules_of("types"):
        found = imported(module)
        assert own(found) <= {"xaibench.seeds", "xaibench.meter", "xaibench.costs"}
        others = {name.split(".")[0] for name in found} - {"torch", "xaibench"}
        assert others <= sys.stdlib_module_names


@pytest.mark.parametrize("module", modules_of("ops"))
def test_ops_are_pure(module: str) -> None:
    allowed = {"ops", "types", "seeds", "errors", "pool", "meter", "costs"}
    assert {part(name) for name in reached(module)} <= allowed


@pytest.mark.parametrize("module", modules_of(*RANK))
def test_arrows_point_downwards(module: str) -> None:
    """Directly and through helper modules; the registry imports by name, on demand."""
    upwards = {
        name: " -> ".join(way)
        for name, way in reached(module).items()
        if RANK.get(part(name), -1) > RANK[part(module)]
    }
    assert not upwards


@pytest.mark.parametrize("module", modules_of("methods", "metrics"))
def test_methods_and_metrics_stand_alone(module: str) -> None:
    neighbours = set(modules_of("methods", "metrics")) - {module}
    assert not own(imported(module)) & neighbours
    assert not {name for name in reached(module) if part(name) in ("models", "datasets")}


ALIGNED = ("ha", "va")
"""Parameters of drawing libraries that take words which are keys too, such as "center"."""


def named(source: str) -> set[str]:
    """The string literals of a source that are a registered method's or metric's key."""
    keys = {*entries("methods"), *entries("metrics")}
    nodes = list(ast.walk(ast.parse(source)))
    aligned = {id(n.value) for n in nodes if isinstance(n, ast.keyword) and n.arg in ALIGNED}
    words = {n.value for n in nodes if isinstance(n, ast.Constant) and id(n) not in aligned}
    return {word for word in words if isinstance(word, str) and word in keys}


@pytest.mark.parametrize("module", modules_of("store", "analysis", "report"))
def test_store_and_report_know_no_method(module: str) -> None:
    """Neither by import nor by name; the rules on the paper's sentences name what these name."""
    for name, way in reached(module).items():
        forbidden = {"methods", "metrics", "models", "datasets", "stages", "execution"}
        assert part(name) not in forbidden, " -> ".join(way)
    if not module.startswith("xaibench.analysis.claims."):
        assert not named(FILES[module].read_text())


def test_the_reader_of_names_sees_keys_wherever_they_stand() -> None:
    source = (
        "LIST = ('ig', 'x')\ndef f(a):\n    return a == 'completeness' or {'rise': f'{a} lime'}"
    )
    assert named(source) == {"ig", "completeness", "rise"}
    assert named("f('center', ha='center')") == {"center"}
    assert not named("f(ha='center')")


@pytest.mark.parametrize("module", modules_of("analysis"))
def test_analysis_reads_frames_and_no_directory(module: str) -> None:
    """No store, no page, no file: what it needs is handed to it."""
    allowed = {"analysis", "config", "published", "registry", "errors", "normalize"}
    assert {part(name) for name in own(imported(module))} - {""} <= allowed
    assert not {n.split(".")[0] for n in imported(module)} & {"pathlib", "os", "shutil"}


@pytest.mark.parametrize("module", modules_of("analysis", "report"))
def test_report_never_imports_torch(module: str) -> None:
    for name, way in reached(module).items():
        tops = {n.split(".")[0] for n in imported(name)}
        assert not tops & {"torch", "torchvision", "captum", "quantus"}, " -> ".join(way)


def test_nothing_imports_the_command_line() -> None:
    for module in FILES:
        if part(module) not in ("cli", "__main__"):
            assert not {
                n for n in imported(module) if part(n) == "cli" and n.startswith("xaibench")
            }


@pytest.mark.parametrize("module", modules_of("cli", "registry", "errors"))
def test_listing_needs_nothing_heavy(module: str) -> None:
    """What the command line imports at module level, and all that this pulls in."""
    light = sys.stdlib_module_names | {"typer", "xaibench"}
    for name, way in reached(module, inside_functions=False).items():
        tops = {n.split(".")[0] for n in imported(name, inside_functions=False)}
        assert tops <= light, " -> ".join(way)


def test_no_module_imports_in_a_circle() -> None:
    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way, module])
        if module not in done:
            for name in own(imported(module, inside_functions=False)):
                if not f"{module}.".startswith(f"{name}."):  # a package that it lies in
                    visit(name, (*way, module))
            done.add(module)

    done: set[str] = set()
    for module in FILES:
        visit(module, ())
