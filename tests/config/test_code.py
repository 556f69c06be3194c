"""The hash of the code that makes a number: what moves it and what does not."""

from __future__ import annotations

import sys
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
    files = {
        code._title(p) for p in code._closure(tuple(code._sources("xaibench.methods.gradcam")))
    }
    assert {"methods/gradcam.py", "ops/pairs.py", "probes/hooks.py", "types.py"} <= files
    assert not {f for f in files if f.startswith("methods/")} - {"methods/gradcam.py"}


@pytest.mark.parametrize("stage", ["predict", "prepare", "explain", "score"])
def test_what_changes_no_number_does_not_count(stage: str) -> None:
    files = code._closure(tuple(code._sources(f"xaibench.stages.{stage}")))
    parts = {code._title(path).split("/")[0] for path in files}
    assert not parts & {"cli", "report", "analysis", "store", "published", "execution", "studies"}
    assert {"models", "stages"} <= parts


def test_methods_differ_and_the_same_one_does_not() -> None:
    gradcam, rise = (code_of(get("methods", name)) for name in ("gradcam", "rise"))
    assert gradcam != rise
    assert gradcam == code_of(get("methods", "gradcam"))


def test_a_plugin_counts_with_its_whole_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "my_plugin_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("A = 1\n")
    (package / "mine.py").write_text(
        "from xaibench.registry import method\n\n\n"
        "@method()\ndef mine(ctx, batch, state):\n    ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import my_plugin_package.mine as module

    before = code_of(module.mine)
    (package / "helper.py").write_text("A = 2 + 2\n")
    assert code_of(module.mine) != before
    del sys.modules["my_plugin_package.mine"], sys.modules["my_plugin_package"]
