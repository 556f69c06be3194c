"""Which method is worth its time: the page, in all formats, and where it is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from networks import tiny
from rich.console import Console
from typer.testing import CliRunner

import xaibench
from xaibench.analysis.compare import Source
from xaibench.cli import app
from xaibench.report import write_pages
from xaibench.report.pages.time import of_run


def row(method: str, stage: str, seconds: float, device: str = "cpu") -> dict[str, object]:
    made = {"results": 10.0, "forwards": 640.0, "backwards": 0.0}
    of = {"stage": stage, "method": method, "device": device}
    return {**of, "seconds": seconds, **made, "declared": [64, 0] if stage == "explain" else None}


def scores() -> pd.DataFrame:
    lines = [
        (method, metric, target, "none", "ok", value)
        for method, value in (("rise", 0.5), ("gradcam", 0.25))
        for metric in ("insertion", "deletion", "sparseness")
        for target in ("ground_truth", "predicted")
    ]
    lines.append(("rise", "insertion", "ground_truth", "crop", "ok", 0.0))
    lines.append(("rise", "insertion", "ground_truth", "none", "failed", float("nan")))
    names = ["method", "metric", "target", "transform", "status", "value"]
    of = {"image": "a", "variation": "none", "model": "m", "dataset": "d", "protocol": "published"}
    return pd.DataFrame(lines, columns=names).assign(**of)


def test_the_fastest_comes_first_devices_are_kept_apart_and_metrics_stand_beside() -> None:
    rows = [row("rise", "explain", 20), row("rise", "score", 5), row("gradcam", "explain", 1)]
    page = of_run(Source("run", scores(), timings=[*rows, row("rise", "explain", 2, "cuda")]))
    assert [section.title for section in page.sections] == ["cpu", "cuda"]
    grid = page.sections[0].blocks[0]
    assert [r.label for r in grid.rows] == ["Grad-CAM", "RISE"]
    assert [c.text for c in grid.cells[1]] == ["10", "2", "0.5", "64", "0", "50.0", "50.0"]
    assert [c.text for c in grid.cells[0]] == ["10", "0.1", "-", "64", "0", "25.0", "75.0"]


def test_the_page_is_written_in_every_format(tmp_path: Path) -> None:
    source = Source("run", scores(), timings=[row("rise", "explain", 20)])
    paths = write_pages(["time"], source, tmp_path, Console(quiet=True))
    assert [path.suffix for path in paths] == [".md", ".csv", ".json", ".tex", ".html"]
    assert all("RISE" in p.read_text() for p in paths if p.suffix in (".md", ".tex", ".html"))
    (line,) = json.loads((tmp_path / "time.json").read_text())["seconds"]
    assert (line["explain"], line["forwards_declared"], line["insertion"]) == (2.0, 64.0, 50.0)


def test_without_seconds_the_page_says_so() -> None:
    page = of_run(Source("run", scores()))
    assert not page.sections
    assert page.blocks[0].text == "No process of this run has recorded seconds."


@pytest.mark.parametrize("old", [False, True])
def test_report_prints_it_where_processes_have_recorded_seconds(tmp_path: Path, old: bool) -> None:
    options = {"method": "gradient", "metric": "insertion", "limit": 1, "out": tmp_path}
    xaibench.run(options, network=tiny(classes=1000))
    if old:
        for path in (tmp_path / "manifests").glob("run-*.json"):
            record = json.loads(path.read_text())
            del record["timings"]
            path.write_text(json.dumps(record))
    found = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert ("Which method is worth its time" in found.output) is not old
    assert (tmp_path / "report" / "time.md").exists() is not old
