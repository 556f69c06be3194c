"""`xaibench plan`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import cli
from networks import THOUSAND

PLAN = ["plan", "--model", THOUSAND, "--workers", 0, "--limit", 2, "--method", "gradient"]


def test_json_is_json(tmp_path: Path) -> None:
    words = ["--out", tmp_path / "o", "--rate", 10, "--devices", 2, "--price-per-hour", 3]
    code, said, err = cli(*PLAN, *words, "--json")
    assert code == 0, err
    held = json.loads(said)
    assert held["seconds"] == pytest.approx(sum(line["seconds"] for line in held["lines"]))
    assert held["dollars"] > 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--rate", value) for value in ("0", "-1", "nan", "inf", "1e-320")),
        *(("--price-per-hour", value) for value in ("-1", "nan", "inf", "1e308")),
    ],
)
def test_numbers_that_give_no_time_or_price(tmp_path: Path, option: str, value: str) -> None:
    code, said, err = cli(*PLAN, "--out", tmp_path / "o", option, value)
    assert (code, said) == (2, "")
    assert err.startswith(f"xaibench: {option.removeprefix('--')} ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("value", ["NaN", '"a"', "-1", "null", "1e999", "true"])
def test_kept_rates_that_are_none_are_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = [*PLAN, "--metric", "sparseness", "--out", tmp_path / "o", "--json"]
    assert cli(*words)[0] == 0
    (path,) = tmp_path.glob("xaibench/rates/*.json")
    names = json.loads(path.read_text())["rates"]
    held = ", ".join(f'"{name}": {{"image": 0, "row": {value}}}' for name in names)
    path.write_text(f'{{"rates": {{{held}}}}}')
    code, said, err = cli(*words)
    assert code == 0, err
    assert 0 < json.loads(said)["seconds"] < 1000
    assert value not in json.dumps(json.loads(path.read_text())["rates"])
