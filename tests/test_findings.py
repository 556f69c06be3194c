"""FINDINGS.md is what its script makes of the results, and says nothing that they lack."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import findings

ROOT = Path(__file__).parents[1]


def test_the_committed_page() -> None:
    results = findings.Results(ROOT / "results")
    assert (ROOT / "results" / "FINDINGS.md").read_text(encoding="utf-8") == findings.page(results)


def written(root: Path, **files: Any) -> findings.Results:
    """Results with these files of the published run."""
    (root / "published").mkdir()
    for name, content in files.items():
        (root / "published" / f"{name}.json").write_text(json.dumps(content))
    return findings.Results(root)


def pair(first: str, second: str, **more: Any) -> dict[str, Any]:
    """A pair by Insertion, in which the first is ahead for sure."""
    same = {"target": "ground_truth", "metric": "insertion", "images": 80, "needed": 400}
    return {**same, "first": first, "second": second, "low": 1.0, "high": 2.0, **more}


def test_nothing_is_said_of_controls_that_were_not_run(tmp_path: Path) -> None:
    results = written(tmp_path, power={"pairs": [pair("gradcam", "rise")]})
    with pytest.raises(findings.Missing, match="random"):
        findings.controls(results)


def test_who_is_ahead_of_random(tmp_path: Path) -> None:
    ahead = [pair("gradcam", "random"), pair("random", "rise", low=-2.0, high=-1.0)]
    others = [
        pair("lime", "random", low=-1.0),  # not sure
        pair("random", "ig"),  # behind
        pair("fakecam", "random"),  # says nothing itself
        pair("scorecam", "random", target="predicted"),
        pair("iba", "random", low=None, high=None),
    ]
    down = [
        pair("gradcam", "random", metric="deletion"),  # less is better
        pair("rise", "random", metric="deletion", low=-2.0, high=-1.0, images=120),
    ]
    results = written(tmp_path, power={"pairs": [*ahead, *others, *down]})
    said = findings.controls(results).sentence
    assert "(n 80 to 120): AI 0 (0), AD 0 (0), AG 0 (0), I 2 (1), D 1 (1), M 0 (0)." in said


def test_what_takes_more_images_than_any_counts_as_such(tmp_path: Path) -> None:
    pairs = [
        pair("gradcam", "rise", needed=n, most=most)
        for n, most in ((300, 450), (400, None), (600, 900), (None, None), (None, None))
    ]
    said = findings.enough(written(tmp_path, power={"pairs": pairs})).sentence
    assert "500 images would tell 2 apart" in said
    assert "for 1 are 500 enough even at that end" in said
