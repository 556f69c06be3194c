"""Ties: shares of tied pixels, what another order changes, and the command that scores others."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from frames import declared
from helpers import cli
from rich.console import Console

from xaibench.analysis.measure import Key, measure
from xaibench.analysis.ties import BEYOND, Tied, ties_tables
from xaibench.ops.ranking import Ties
from xaibench.report import write_report
from xaibench.studies.ties import measure_ties, tied_share

OWN = declared(causal={"ties": "reverse"})
IMAGES = 12


def frame(make_frame, shift: float, own: str = "insertion") -> pd.DataFrame:
    values = np.random.default_rng(0).normal(0.5, 0.1, IMAGES)
    rows = [{"image": f"{i:02d}", "metric": own, "value": v} for i, v in enumerate(values)]
    rows += [
        {"image": f"{i:02d}", "metric": f"{own}(ties=random)", "value": v + shift + 0.001 * (i % 3)}
        for i, v in enumerate(values[:-1])  # one image was not scored
    ]
    return make_frame(rows)


def test_all_orders_are_known() -> None:
    for metric in ("insertion", "deletion"):
        assert set(OWN.metric(metric).orders) == set(get_args(Ties))
    assert [key for key, metric in OWN.metrics.items() if metric.orders] == [
        "insertion",
        "deletion",
    ]


def test_share_of_tied_pixels() -> None:
    maps = torch.tensor([[[0.1, 0.2], [0.1, 0.3]], [[1.0, 1.0], [1.0, 1.0]], [[4, 1], [2, 3.0]]])
    assert tied_share(maps).tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize(("shift", "remark"), [(0.2, BEYOND), (-0.2, BEYOND), (0.001, "")])
def test_a_change_is_paired_and_held_against_the_cells_interval(
    make_frame, shift: float, remark: str
) -> None:
    scores = frame(make_frame, shift)
    (table,) = ties_tables(scores, OWN, None)
    ((cell,),) = table.cells
    assert cell.n == IMAGES - 1
    assert cell.mean == pytest.approx(100 * shift + 0.1 * np.mean(np.arange(IMAGES - 1) % 3))
    assert cell.low <= cell.mean <= cell.high
    assert cell.high - cell.low < 0.2  # of the differences, not of the values
    assert cell.remark == remark
    own = measure(scores)[Key("gradcam", "ground_truth", "none", "insertion")]
    assert (own.low <= own.mean + cell.mean / 100 <= own.high) is (remark == "")
    (other,) = ties_tables(frame(make_frame, shift, "deletion"), OWN, None)
    assert other.cells[0][0].mean == pytest.approx(-cell.mean)  # 100 - D% turns it round


def test_every_format_has_the_section(make_frame, tmp_path: Path) -> None:
    tied = Tied("ground_truth", {"gradcam": [0.25] * 3 + [0.75] * 7, "fakecam": [1.0] * 10})
    file = io.StringIO()
    console = Console(file=file, width=120)
    write_report(frame(make_frame, 0.2), tmp_path, None, console, None, OWN, tied)
    texts = [path.read_text() for path in tmp_path.iterdir() if path.suffix != ".csv"]
    for text in [*texts, file.getvalue()]:
        plain = text.replace("\\", "")
        assert "60.0" in plain
        assert BEYOND in plain
        assert "first 10 images" in " ".join(plain.split())
    lines = (tmp_path / "tables.csv").read_text().splitlines()
    assert any("insertion(ties=random) minus insertion" in x and BEYOND in x for x in lines)
    assert 'id="xaibench-ties"' in (tmp_path / "tables.html").read_text()


def test_nothing_is_said_where_nothing_is_known(make_frame) -> None:
    assert ties_tables(make_frame([{}]), None, None) == []
    assert ties_tables(make_frame([{"metric": "complexity"}]), OWN, None) == []
    assert ties_tables(make_frame([{"metric": "average_gain(a|b=<1>)"}]), OWN, None) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ties") / "run"
    words = ["--method", "fakecam,gradcam", "--metric", "insertion", "--limit", 2, "--out", out]
    assert cli("run", *words)[0] == 0
    return out


def test_the_printed_command_scores_the_other_orders_into_the_run(small: Path) -> None:
    found = measure_ties(small)
    assert found is not None
    assert all(len(shares) == 2 for shares in found.shares.values())
    assert min(found.shares["fakecam"]) == pytest.approx(1 - 1 / 224**2)
    assert len(measure_ties(small, images=1).shares["gradcam"]) == 1
    code, said, err = cli("report", small)
    assert code == 0, err
    assert "No other order of ties was scored." in said
    joined = said.replace("\\\n", "").splitlines()  # as a shell does
    (line,) = [x for x in joined if x.startswith("xaibench run") and "ties=" in x]
    code, done, err = cli(*shlex.split(line)[1:])
    assert code == 0, err
    assert "computed 8 scores" in done, "two methods, two orders, two photographs"
    assert cli("report", small)[0] == 0
    tables = json.loads((small / "report" / "tables.json").read_text())["tables"]
    (ties,) = [table for table in tables if table["title"] == "Ties"]
    assert ties["missing"] == 0
    assert len(ties["cells"]) == 2 * (1 + 2)
