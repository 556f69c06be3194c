"""What is wrong in a user's own method or metric is said with its file and line."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from helpers import cli
from networks import THOUSAND, pictures, tiny_context

import xaibench
from xaibench.api import RunResult
from xaibench.cli import main
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_methods, resolve_metrics
from xaibench.core.explain import explain, prepare
from xaibench.core.score import score, seen
from xaibench.errors import Failed, XaibenchError, reason
from xaibench.types import Answer

PUBLISHED = load_protocol("published")
HEAD = """import numpy as np
import torch
from helper_beside import helps
from xaibench.registry import method, metric
from xaibench.types import Explanation, Forwards
shape = lambda batch: (*batch.targets.shape, 4, 4)
"""
METHODS = {  # the body of a method from line 8 on -> what is said
    "return 1 / 0": "ZeroDivisionError: division by zero (mine.py:8)",
    "return helps()": "KeyError: 'beside' (helper_beside.py:3)",
    "return torch.zeros(3) + torch.zeros(4)": r"RuntimeError: The .* \(mine.py:8\)",
    "return ctx.classifier(batch.images[:, :2])": r"RuntimeError: .* \(mine.py:8\)",
    "return ctx.classifier.layer('none')": "unknown layer of tiny 'none': .*",
    "raise ValueError": "ValueError (mine.py:8)",
    "return np.zeros(shape(batch))": "method S returned ndarray; expected an Explanation of maps "
    "(B, T, h, w) = (2, 1, h, w).",
    "return torch.zeros(shape(batch))": "method S returned Tensor; expected an Explanation of maps "
    "(B, T, h, w) = (2, 1, h, w).",
    "return None": "method S returned NoneType; expected an Explanation of maps "
    "(B, T, h, w) = (2, 1, h, w).",
} | {
    f"return Explanation({maps})": f"method S returned maps of {said}; expected a floating-point "
    "tensor (B, T, h, w) = (2, 1, h, w)."
    for maps, said in {
        "np.zeros(shape(batch))": "shape (2, 1, 4, 4) of float64 in a ndarray",
        "np.zeros((2, 1, 4, 4), object)": "shape (2, 1, 4, 4) of object in a ndarray",
        "torch.zeros(shape(batch)) + 1j": "shape (2, 1, 4, 4) of complex64",
        "torch.zeros(shape(batch)).long()": "shape (2, 1, 4, 4) of int64",
        "torch.zeros(shape(batch)) > 0": "shape (2, 1, 4, 4) of bool",
        "torch.zeros(2, 1, 0, 0)": "shape (2, 1, 0, 0)",
        "torch.zeros(2, 1, 4, 0)": "shape (2, 1, 4, 0)",
        "torch.zeros(2, 4, 4)": "shape (2, 4, 4)",
        "torch.zeros(3, 1, 4, 4)": "shape (3, 1, 4, 4)",
        "[[1.0]]": "type list",
        "None": "type NoneType",
    }.items()
} | {
    f"return Explanation(torch.zeros(shape(batch)), {more})": f"method S returned {said}; expected "
    "a tensor (B, T) = (2, 1)."
    for more, said in {
        "{'sum': 1.0}": "sum of type float",
        "{'sum': None}": "sum of type NoneType",
        "{'sum': np.zeros((2, 1))}": "sum of shape (2, 1) of float64 in a ndarray",
        "{'sum': torch.zeros(2, 1) + 1j}": "sum of shape (2, 1) of complex64",
        "{}, torch.zeros(2)": "explained of shape (2,)",
    }.items()
}  # fmt: skip
HINT = ": a metric declares in needs=(...) what it uses, this one not "
ALL = "'forwards' (the network and the images), 'explain' (the method on other inputs), 'boxes' "
ALL += "(bounding boxes)"
METRICS = {  # what a metric declares and its body from line 9 on -> what is said
    ("", "return {'m': 1 / 0}"): "ZeroDivisionError: division by zero (mine.py:9)",
    ("", "return scoring.ctx.classifier.name"): "AttributeError: 'NoneType' object has no "
    f"attribute 'name' (mine.py:9){HINT}{ALL}",
    ("", "return scoring.explain(1, 2)"): "TypeError: 'NoneType' object is not callable "
    f"(mine.py:9){HINT}{ALL}",
    ("'forwards', 'boxes'", "return scoring.explain(1, 2)"): "TypeError: 'NoneType' object is not "
    f"callable (mine.py:9){HINT}'explain' (the method on other inputs)",
    ("", "return scoring.extras['boxes']"): f"KeyError: 'boxes' (mine.py:9){HINT}'boxes' "
    "(bounding boxes)",
    ("", "return scoring.extras['other']"): "KeyError: 'other' (mine.py:9)",
    ("'forwards', 'explain', 'boxes'", "return None.x"): "AttributeError: 'NoneType' object has no "
    "attribute 'x' (mine.py:9)",
    ("'forwards',", "(yield Forwards(1 / 0))"): "ZeroDivisionError: division by zero (mine.py:9)",
    ("", "return {'m': np.zeros(2)}"): "metric S must return 2 values for 'm', a tensor; it "
    "returned shape (2,) of float64 in a ndarray.",
    ("", "return {'m': scoring.maps.mean() + 1j}"): "metric S must return 2 values for 'm', a "
    "tensor; it returned shape () of complex64.",
    ("", "return {'m': torch.zeros(2) + 1j}"): "metric S must return 2 values for 'm', a tensor; "
    "it returned shape (2,) of complex64.",
    ("", "return [1.0, 2.0]"): "metric S returned no 'm'.",
}


def written(folder: Path, text: str) -> str:
    """The user's file; a helper lies beside it."""
    sys.modules.pop("helper_beside", None)
    (folder / "helper_beside.py").write_text(
        "def helps():\n    'one line'\n    return {}['beside']\n"
    )
    (folder / "mine.py").write_text(HEAD + text)
    return f"file:{folder / 'mine.py'}:m"


def matches(said: str, text: str, spec: str) -> bool:
    said = said.replace(" S ", f" {spec} ")
    return text == said or (".*" in said and re.fullmatch(said, text) is not None)


@pytest.mark.parametrize(("body", "said"), METHODS.items())
def test_methods(body: str, said: str, tmp_path: Path) -> None:
    spec = written(tmp_path, f"def m(ctx, batch, state):\n    {body}\n")
    (method,) = resolve_methods([spec], PUBLISHED)
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2, targets=("predicted",))
    with pytest.raises(Failed) as failed:
        explain(ctx, method, batch, None)
    assert matches(said, str(failed.value), "file:mine.py:m"), str(failed.value)


@pytest.mark.parametrize(("case", "said"), METRICS.items())
def test_metrics(case: tuple[str, str], said: str, tmp_path: Path) -> None:
    needs, body = case
    spec = written(
        tmp_path, f"@metric(keys={{'m': {{}}}}, needs=({needs}))\ndef m(scoring):\n    {body}\n"
    )
    (metric,) = resolve_metrics([spec], PUBLISHED)
    (method,) = resolve_methods(["gradcam"], PUBLISHED)
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2, targets=("predicted",))
    if "forwards" not in needs:
        object.__setattr__(ctx, "classifier", None)
    maps = batch.images.mean(1)
    base = Answer(maps[:, 0, 0], maps[:, 0, 0])
    scored = score(seen(ctx, method, batch, maps, base, scalars={}, extras={}), [metric])
    (text,) = scored.failed.values()
    assert matches(said, text, "file:mine.py:m"), text


def test_what_a_method_prepares(tmp_path: Path) -> None:
    text = "def ready(ctx, images):\n    return {}['x']\n"
    text += "@method(prepare=ready)\ndef m(ctx, batch, state):\n    pass\n"
    (method,) = resolve_methods([written(tmp_path, text)], PUBLISHED)
    with pytest.raises(Failed, match=r"^KeyError: 'x' \(mine.py:8\)$"):
        prepare(tiny_context(), method, lambda _most: iter(()))


def in_notebook() -> Callable[[], float]:
    scope: dict[str, Callable[[], float]] = {}
    exec(compile("def f():\n    return 1 / 0", "<ipython-input-1-a>", "exec"), scope)
    return scope["f"]


class Called:
    """A callable object."""

    def __call__(self) -> float:
        return 1 / 0


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (in_notebook(), r" \(<ipython-input-1-a>:2\)"),
        (Called(), r" \(test_user_code.py:\d+\)"),
        (partial(Called()), r" \(test_user_code.py:\d+\)"),
        (partial(divmod, 1, 0), ""),
    ],
)
def test_callables_of_any_kind(function: Callable[[], float], said: str) -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        function()
    line = reason(failed.value, function)
    assert re.fullmatch(f"ZeroDivisionError: [a-z ]+ zero{said}", line), line


def test_the_package_s_own_methods_name_no_line() -> None:
    (method,) = resolve_methods(["gradient"], PUBLISHED)
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2)
    ctx.classifier.module.fuse.lit = True
    with pytest.raises(Failed, match=r"^RuntimeError: the network broke$"):
        explain(ctx, method, batch, None)


def test_line_in_the_record_and_traceback_under_debug(tmp_path: Path) -> None:
    """Kept in failures/, in the command's line, and whole where --debug asks for it."""
    spec = written(tmp_path, "def m(ctx, batch, state):\n    return 1 / 0\n")
    words = ["run", "--model", THOUSAND, "--method", spec, "--metric", "sparseness", "--limit", 1]
    words += ["--out", tmp_path / "out"]
    code, _, err = cli(*words)
    assert code == 1
    assert err.count("\n") == 1
    assert "failed: ZeroDivisionError: division by zero (mine.py:8)" in err
    (record,) = (tmp_path / "out" / "failures" / "units").rglob("*.json")
    said = json.loads(record.read_text())["reason"]
    assert said == "ZeroDivisionError: division by zero (mine.py:8)"
    assert not list((tmp_path / "out").glob("maps/*"))
    assert logging.getLogger("xaibench").handlers == []


def test_debug_shows_where_a_unit_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = written(tmp_path, "def m(ctx, batch, state):\n    return 1 / 0\n")
    words = ["run", "--model", THOUSAND, "--method", spec, "--metric", "sparseness", "--limit", "1"]
    words += ["--out", str(tmp_path / "out"), "--debug"]
    monkeypatch.setattr(sys, "argv", ["xaibench", *words])
    with pytest.raises(XaibenchError):
        main()
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert 'mine.py", line 8' in text


def test_evaluate_says_the_line_too(tmp_path: Path) -> None:
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2)
    spec = written(tmp_path, "def m(ctx, batch, state):\n    return 1 / 0\n")
    with pytest.raises(XaibenchError, match=r"m failed: .* by zero \(mine.py:8\)$"):
        xaibench.evaluate(ctx.classifier, batch.images, methods=spec, metrics="sparseness")


@pytest.mark.parametrize(
    ("computed", "said"),
    [
        ({"scores": 0}, "nothing left to compute in 1.0 s"),
        ({"scores": 0, "failed": 2}, "computed nothing in 1.0 s; 2 failed"),
        ({"scores": 3, "failed": 2}, "computed 3 scores in 1.0 s; 2 failed"),
    ],
)
def test_the_last_line_says_what_is_so(computed: dict[str, int], said: str) -> None:
    assert RunResult(Path("out"), 4, computed, 0, 1.0).line == f"out: 4 images, {said}"
