"""The hash of the code that makes a number: what moves it and what does not."""

from __future__ import annotations

import ast
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xaibench
from xaibench.config import code
from xaibench.config.code import code_of
from xaibench.registry import get

PACKAGE = Path(xaibench.__file__).parent


def digest(tmp_path: Path, source: str) -> str:
    path = tmp_path / f"m{len(list(tmp_path.iterdir()))}.py"
    path.write_text(source)
    return code._digest(path, 0)


BEFORE = 'def f(x):\n    """Says something."""\n    return x + 1\n'


@pytest.mark.parametrize(
    "after",
    [
        "# a comment\ndef f(x):\n    return x + 1\n",
        'def f(x):\n    """Says something else."""\n\n    return (x +\n            1)\n',
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path, after: str) -> None:
    assert digest(tmp_path, after) == digest(tmp_path, BEFORE)


@pytest.mark.parametrize(
    "after",
    [
        "def f(x):\n    return x + 2\n",
        "def f(x):\n    return x - 1\n",
        "def f(x, y=0):\n    return x + 1\n",
        "def f(x):\n    return x + 1\ng = f\n",
        "def f(x):\n    return 'a' 'b'\n",
    ],
)
def test_every_change_of_code_counts(tmp_path: Path, after: str) -> None:
    assert digest(tmp_path, after) != digest(tmp_path, BEFORE)


def test_a_method_counts_with_what_it_imports_and_no_other_method() -> None:
    files = {code._title(p) for p in code._closure(code._sources("xaibench.methods.gradcam"))}
    assert {"methods/gradcam.py", "ops/pairs.py", "probes/hooks.py", "types.py"} <= files
    assert not {f for f in files if f.startswith("methods/")} - {"methods/gradcam.py"}


@pytest.mark.parametrize("stage", ["predict", "prepare", "explain", "score"])
def test_what_changes_no_number_does_not_count(stage: str) -> None:
    files = code._closure(code._sources(f"xaibench.stages.{stage}"))
    parts = {code._title(path).split("/")[0] for path in files}
    assert not parts & {"cli", "report", "analysis", "store", "published", "execution", "studies"}
    assert {"models", "stages"} <= parts


def test_methods_differ_and_the_same_one_does_not() -> None:
    gradcam, rise = (code_of(get("methods", name)) for name in ("gradcam", "rise"))
    assert gradcam != rise
    assert gradcam == code_of(get("methods", "gradcam"))


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Forgets what was read of files, as a process that has just begun; and modules at the end."""
    before = set(sys.modules)

    def forget() -> None:
        for cached in vars(code).values():
            if hasattr(cached, "cache_clear"):
                cached.cache_clear()

    yield forget
    forget()
    for name in set(sys.modules) - before:
        if name.startswith(("my_", "xaibench_file_my")):
            del sys.modules[name]


PLUGIN = """from xaibench.registry import method


@method()
def mine(ctx, batch, state):
    ...
"""


def test_a_plugin_counts_with_its_whole_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another_process: Callable[[], None]
) -> None:
    package = tmp_path / "my_plugin_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("A = 1\n")
    (package / "mine.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    import my_plugin_package.mine as module

    before = code_of(module.mine)
    (package / "helper.py").write_text("A = 2 + 2\n")
    assert code_of(module.mine) == before  # what this process has imported
    another_process()
    assert code_of(module.mine) != before
    (package / "template.py").write_text("{{ no python }}\n")  # counts by its bytes
    another_process()
    with_template = code_of(module.mine)
    (package / "template.py").write_text("{{ still none }}\n")
    another_process()
    assert code_of(module.mine) != with_template


def test_a_plugin_in_an_archive_counts_with_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another_process: Callable[[], None]
) -> None:
    archive = tmp_path / "my.zip"

    def write(extra: str) -> None:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("my_zipped/__init__.py", "")
            file.writestr("my_zipped/mine.py", PLUGIN + extra)
            file.writestr("my_single.py", PLUGIN)

    write("")
    monkeypatch.syspath_prepend(str(archive))
    from my_single import mine as single
    from my_zipped.mine import mine

    before = code_of(mine), code_of(single)
    write("A = 1\n")
    another_process()
    after = code_of(mine), code_of(single)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_file_counts_with_what_lies_beside_it(
    tmp_path: Path, another_process: Callable[[], None]
) -> None:
    (tmp_path / "my_pack").mkdir()
    (tmp_path / "my_pack" / "__init__.py").write_text("from .inner import A\n")
    (tmp_path / "my_pack" / "inner.py").write_text("import my_side\nA = my_side.B\n")
    (tmp_path / "my_side.py").write_text("B = 1\n")
    (tmp_path / "my_other.py").write_text("C = 1\n")
    own = tmp_path / "my_file.py"
    own.write_text("from my_pack import A\n\ndef mine(ctx, batch, state):\n    return A\n")

    def digest() -> str:
        another_process()
        return code_of(get("methods", f"file:{own}:mine"))

    before = digest()
    (tmp_path / "my_other.py").write_text("C = 2\n")
    assert digest() == before
    (tmp_path / "my_side.py").write_text("B = 2\n")
    assert digest() != before


def test_a_file_that_takes_its_function_from_elsewhere_counts_itself(
    tmp_path: Path, another_process: Callable[[], None]
) -> None:
    own = tmp_path / "my_partial.py"
    text = "import functools\ndef f(s, ctx, batch, state):\n    return s\nmine = functools.partial"
    own.write_text(f"{text}(f, 1)\n")
    before = code_of(get("methods", f"file:{own}:mine"))
    own.write_text(f"{text}(f, 2)\n")
    assert code_of(get("methods", f"file:{own}:mine")) != before


def test_statements_are_all_that_a_whole_walk_finds() -> None:
    """Also in functions, branches, handlers and cases: of this package and of Python's own."""
    standard = Path(sysconfig.get_path("stdlib"))
    paths = [*PACKAGE.rglob("*.py"), *standard.glob("*.py"), *standard.glob("asyncio/*.py")]
    for path in paths:
        tree = ast.parse(path.read_bytes())
        expected = {id(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)}
        found = {id(n) for n in code._statements(tree) if isinstance(n, ast.stmt)}
        assert found == expected, path
    nested = "match x:\n case 1:\n  try:\n   pass\n  except* E:\n   import a\n"
    assert any(isinstance(n, ast.Import) for n in code._statements(ast.parse(nested)))
