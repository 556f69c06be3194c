"""--dtype and --compile: what a directory is, and what it goes on as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers import cli
from networks import TEN, THOUSAND

import xaibench
from xaibench.config.run import load_config
from xaibench.stages import network
from xaibench.stages.run import resolve
from xaibench.studies.words import run_words

FEW = ["--model", THOUSAND, "--data", "samples", "--metric", "average_drop", "--workers", 0]


def go(out: Path, *words: object) -> tuple[int, str, str]:
    return cli("run", *FEW, "--out", out, *words)


def identity(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "manifests" / "identity.json").read_text())
    return found


def test_bfloat16_is_another_run_and_the_report_says_so(tmp_path: Path) -> None:
    plain, half = tmp_path / "plain", tmp_path / "half"
    for out, words in ((plain, []), (half, ["--dtype", "bfloat16"])):
        code, _, err = go(out, "--limit", 2, *words)
        assert code == 0, err
    assert "dtype" not in identity(plain)
    assert identity(half)["dtype"] == "bfloat16"
    one, two = (xaibench.load_scores(out) for out in (plain, half))
    assert list(one.value) != list(two.value)
    assert abs(one.value - two.value).max() < 0.1
    code, _, err = go(half, "--limit", 3)
    assert (code, "dtype: bfloat16 there, float32 asked for" in err) == (1, True)
    code, _, err = cli("report", half)
    assert code == 0, err
    text = (half / "report" / "tables.md").read_text()
    assert "Forward passes without gradients were computed in bfloat16" in text


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A compiler that gives the network itself; what it was asked to compile."""
    asked: list[object] = []

    def compiled(module: object, **_: object) -> object:
        asked.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setitem(network.PAYS, "cpu", 3)
    monkeypatch.setattr(network, "GAIN", 0.0)
    return asked


def test_a_directory_goes_on_as_it_was_begun(tmp_path: Path, compiler: list[object]) -> None:
    code, _, err = go(tmp_path / "a", "--limit", 2, "--compile", "auto")
    assert code == 0, err
    assert identity(tmp_path / "a")["compiled"] is True
    assert len(compiler) == 1
    assert go(tmp_path / "a", "--limit", 3)[0] == 0  # off, the default
    assert len(compiler) == 2
    assert go(tmp_path / "b", "--limit", 2)[0] == 0
    assert go(tmp_path / "b", "--limit", 3, "--compile", "auto")[0] == 0
    assert "compiled" not in identity(tmp_path / "b")
    assert len(compiler) == 2


def test_passes_are_counted_by_what_is_declared() -> None:
    """Two photographs and targets; insertion and deletion are one function with two keys."""
    asked = {"model": THOUSAND, "data": "samples", "limit": 2, "target": "ground_truth,predicted"}
    metrics = "insertion(rows_per_step=112),average_drop,max_sensitivity(explanation=method)"
    run = resolve(load_config({**asked, "method": "gradcam,rise", "metric": metrics}))
    gradcam, rise = network._forwards(run, run.classifier)
    assert gradcam == 2 * (1 + 2 * (1 + 1 + 1 + 10 * 1))
    assert rise == 2 * (32 + 2 * (1 + 1 + 1 + 10 * 32))


def test_few_passes_are_not_compiled(tmp_path: Path, compiler: list[object]) -> None:
    code, said, err = go(tmp_path, "--limit", 1, "--compile", "auto")
    assert code == 0, err
    assert "not compiled: 2 forward passes; it pays from 3 on" in said + err
    assert not compiler


@pytest.mark.parametrize("why", ["no compiler", "slow"])
def test_what_does_not_work_or_pay_is_said_once(
    tmp_path: Path, compiler: list[object], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler")

    if why == "slow":
        monkeypatch.setattr(network, "GAIN", 1e9)
    else:
        monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    code, said, err = go(tmp_path, "--limit", 2, "--compile", "auto")
    assert code == 0, err
    assert (said + err).count("not compiled: ") == 1
    assert why in said + err or "times as fast" in said + err
    assert "compiled" not in identity(tmp_path)
    assert go(tmp_path, "--limit", 2, "--compile", "auto")[0] == 0


def test_a_light_score_predicts_with_the_directorys_own_network(tmp_path: Path) -> None:
    """`score` of what needs no network does not ask for it, unless images are to be predicted."""
    words = ["--method", "gradient", "--metric", "sparseness", "--target", "predicted"]
    words += ["--workers", 0, "--out", tmp_path]
    half = ["--model", THOUSAND, "--dtype", "bfloat16"]
    assert cli("run", *words, *half, "--limit", 2)[0] == 0
    assert cli("score", *words, "--model", THOUSAND, "--limit", 2)[0] == 0
    suggested = run_words(tmp_path)
    assert suggested is not None
    assert "--dtype bfloat16" in " ".join(suggested[False]), "as the directory is"
    code, _, err = cli("score", *words, "--model", THOUSAND, "--limit", 3)
    assert (code, "dtype: bfloat16 there, float32 asked for" in err) == (1, True)
    code, _, err = cli("score", *words, "--model", TEN, "--dtype", "bfloat16", "--limit", 3)
    assert (code, "holds another run" in err) == (1, True)
    assert len(xaibench.load_predictions(tmp_path)) == 2
