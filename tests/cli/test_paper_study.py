"""The paper's study end to end on torchvision's resnet50 with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import cli
from layouts import Photo, archive

import xaibench
from xaibench.datasets.load import load_dataset


def photos(count: int) -> list[Photo]:
    held = load_dataset("samples")
    return [Photo(held.open(place).read(), held.labels[place]) for place in range(count)]


@pytest.mark.slow
def test_the_whole_study_from_torchvisions_archive(tmp_path: Path) -> None:
    """`run --config paper` on the archive and devkit, then every report; nothing is left over."""
    archive(tmp_path / "imagenet", photos(6))
    words = ["--data", tmp_path / "imagenet", "--model", "resnet50@random", "--limit", "1"]
    words += ["--method", "fakecam,gradient,gradcam", "--out", tmp_path / "run"]
    code, said, error = cli("run", "--config", "paper", *words)
    assert code == 0, error
    assert said.count("computed") == 4
    scores = xaibench.load_scores(tmp_path / "run")
    # Table 1: 6 metrics; 2: 5 for two more targets; 3: 6; 4: 5 in 16 variations
    assert len(scores) == 3 * (6 + 5 * 2 + 6 + 5 * 16)
    assert set(scores["status"]) == {"ok", "constant_map"}
    constant = scores[scores.status == "constant_map"]
    assert set(constant.method) == {"gradcam"}  # negative all over, as random weights can give
    small = scores[(scores.method == "gradcam") & (scores["transform"] == "resize")]
    assert (small[small.variation == "32"].status == "constant_map").all()  # a 1x1 layer
    assert "nothing left" in cli("run", "--config", "paper", *words)[1]
    for options in ([], ["--claims"], ["--figures", "--agreement"]):
        code, _, error = cli("report", tmp_path / "run", *options)
        assert code == 0, error
    tables = json.loads((tmp_path / "run" / "report" / "tables.json").read_text())
    assert [table["table"] for table in tables["tables"]] == [1, 2, 3, 4]
    fake = scores[(scores.method == "fakecam") & (scores["transform"] == "none")]
    values = fake.drop_duplicates("metric").set_index("metric").value
    assert values["effective_complexity"] == 224 * 224 - 1
    assert values["sparseness"] == pytest.approx(0, abs=1e-4)
    assert round(values["complexity"], 1) == 10.8
