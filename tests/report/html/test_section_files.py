"""What other commands left in the report folder, shown again, and whether the run went on since."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pages import source
from PIL import Image

from xaibench.report.html.artefacts import table
from xaibench.report.html.sections import ablation, agreement, figures
from xaibench.report.html.view import Run, View


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run directory with a heat map, its table and Figure 2."""
    root = tmp_path / "runs" / "a"
    for folder in ("report", "manifests"):
        (root / folder).mkdir(parents=True)
    (root / "manifests" / "run-1-1.json").write_text("{}")
    for name in ("agreement", "figure2"):
        Image.new("L", (40, 30)).save(root / "report" / f"{name}.png")
    (root / "report" / "figure1.png").write_bytes(b"torn")
    (root / "report" / "agreement.csv").write_text(
        "first,second,correlation,correlation_low,correlation_high,overlap,overlap_low,"
        "overlap_high,n,n_constant\ngradcam,rise,0.9546,0.8854,0.9868,,,,10,0\n"
    )
    return Run("a", source("a"), root)


def test_the_heat_map_and_its_table_are_shown(run: Run, tmp_path: Path) -> None:
    view = View([run], tmp_path / "html")
    made = agreement.section(view)
    assert made is not None
    assert re.search(r'src="assets/run-0/agreement-[0-9a-f]+\.png"', made.body)
    assert "Grad-CAM / RISE" in made.body
    assert "0.95</span>" in made.body
    assert "[0.89, 0.99]" in made.body
    assert "after this was made" not in made.body


def test_a_picture_that_is_older_than_the_run_says_so(run: Run, tmp_path: Path) -> None:
    assert run.folder is not None
    made = figures.section(View([run], tmp_path / "html"))
    assert made is not None
    assert "after this was made" not in made.body
    assert 'width="40" height="30" loading="lazy"' in made.body
    assert "figure1" not in made.body, "which is no picture"
    os.utime(run.folder / "report" / "figure2.png", (1, 1))
    made = figures.section(View([run], tmp_path / "html"))
    assert made is not None
    assert "after this was made" in made.body
    assert "--figures" in made.body


def test_an_ablation_beside_its_runs_is_shown(run: Run, tmp_path: Path) -> None:
    assert ablation.section(View([run], tmp_path / "html")) is None
    assert run.folder is not None
    (run.folder.parent / "ablation.csv").write_text(
        "method,target,transform,metric,units,kind,switch,before,after,mean,change,low,high,n,"
        "n_constant,note\n"
        "gradcam,ground_truth,none,insertion,insertion,switch,causal.kernel,5,11,50.5,-22.679,"
        "-39.3,-6.05,2,0,\n"
    )
    made = ablation.section(View([run], tmp_path / "html"))
    assert made is not None
    assert "causal.kernel" in made.body
    assert "\u221222.68" in made.body
    assert "[\u221239.30, \u22126.05]" in made.body


def test_a_file_of_other_columns_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "agreement.csv"
    path.write_text("a,b\n1,2\n")
    assert table(path, agreement.COLUMNS, ("first", "second"), str, agreement.ENDS) is None
    assert table(tmp_path / "none.csv", {}, (), str, {}) is None
