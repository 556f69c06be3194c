"""The audit passes an honest run and finds a changed value."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import cli

from xaibench.store import tables

CHEAP = (
    "average_drop,average_increase,average_gain,insertion(rows_per_step=56),"
    "deletion(rows_per_step=56),monotonicity(draws=1),completeness,max_sensitivity(draws=2),"
    "avg_sensitivity(draws=2),sparseness,complexity,effective_complexity"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit") / "run"
    code, _, err = cli(
        "run", "--method", "gradcam,gradient", "--metric", CHEAP, "--limit", 1, "--out", out
    )
    assert code == 0, err
    return out


def test_an_honest_run_passes(finished: Path) -> None:
    code, said, err = cli("audit", finished)
    assert code == 0, said + err
    lines = [line.split() for line in said.splitlines()[1:]]
    compared = {(words[0].partition("(")[0], words[1]): int(words[2]) for words in lines}
    for metric in CHEAP.split(","):
        name = metric.partition("(")[0]
        assert (name, "oracle") in compared
    for name in ("sparseness", "complexity", "max_sensitivity", "completeness", "deletion"):
        assert compared[name, "quantus"] == 2


def test_changed_values_are_found(finished: Path, tmp_path: Path) -> None:
    out, changed = tmp_path / "changed", {"sparseness", "average_drop", "insertion"}
    shutil.copytree(finished, out)
    for path in (out / "scores" / "method=gradcam").rglob("*.parquet"):
        if path.parent.name.removeprefix("metric=").partition("%28")[0] in changed:
            table, made = tables.load(path)
            rows = table.to_pydict()
            rows["value"] = [value + 1e-3 for value in rows["value"]]
            tables.save(path, rows, tables.SCORES, made)
    code, said, err = cli("audit", out)
    assert code == 1
    assert err.count("\n") == 1
    bad = [line for line in said.splitlines() if "OUT OF TOLERANCE: gradcam" in line]
    assert {line.split()[0].partition("(")[0] for line in bad} == changed
    assert said.count("OUT OF TOLERANCE") == len(bad)


def test_bad_fraction_and_missing_maps(finished: Path, tmp_path: Path) -> None:
    assert cli("audit", finished, "--fraction", "0")[0] == 1
    out = tmp_path / "nomaps"
    shutil.copytree(finished, out)
    shutil.rmtree(out / "maps")
    code, _, err = cli("audit", out)
    assert code == 1
    assert "is not stored" in err


def test_steps_that_do_not_divide_the_rows(tmp_path: Path) -> None:
    """As the 260 rows of Lite2, 8 a step: Quantus refuses them, the oracles compare."""
    metrics = (
        "deletion(rows_per_step=100)",
        "insertion(rows_per_step=100)",
        "monotonicity(rows_per_step=50)",
        "effective_complexity(definition=loss,rows_per_step=100,draws=1,tolerance=0.5)",
    )
    asked = ("--method", "gradcam", "--metric", ",".join(metrics), "--limit", 3)
    assert cli("run", *asked, "--out", tmp_path / "out")[0] == 0
    code, said, err = cli("audit", tmp_path / "out", "--fraction", 1)
    assert code == 0, said + err
    rows = [line.split()[:2] for line in said.splitlines() if "oracle" in line or "quantus" in line]
    assert [source for _, source in rows] == ["oracle"] * len(metrics)
