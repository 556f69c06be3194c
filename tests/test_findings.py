"""FINDINGS.md is what its script makes of the results, and says nothing that they lack."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit
from scipy.stats import ttest_1samp

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import findings
import upright

ROOT = Path(__file__).parents[1]


def test_the_committed_page() -> None:
    results = findings.Results(ROOT / "results")
    assert (ROOT / "results" / "FINDINGS.md").read_text(encoding="utf-8") == findings.page(results)


def test_each_is_one_sentence_with_a_number() -> None:
    told = dict(findings.found(findings.Results(ROOT / "results")))
    assert list(told) == list(findings.FINDINGS)
    for title, found in told.items():
        assert re.search(r"\d", found.sentence), title
        assert found.sentence.endswith("."), title
        assert not re.search(r"[.?!] [A-Z]", found.sentence), title


def test_the_committed_claims_of_upright_maps() -> None:
    folder = ROOT / "results" / "transposed"
    published = pd.read_parquet(folder.parent / "published" / "scores.parquet")
    held = pd.read_parquet(folder / "upright.parquet")
    found = upright.asked(published, held)
    assert (folder / "claims.md").read_text(encoding="utf-8") == upright.page(found, held)
    told = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    assert {k: {n: f["verdict"] for n, f in x.items()} for k, x in told.items()} == {
        part.key: {n: f.verdict for n, f in both.items()} for part, both in found
    }


def written(root: Path, **files: Any) -> findings.Results:
    """Results with these files of the published run."""
    (root / "published").mkdir(parents=True)
    for name, content in files.items():
        (root / "published" / f"{name}.json").write_text(json.dumps(content))
    return findings.Results(root)


def text(found: findings.Found) -> str:
    """A finding's sentence and what comes after it."""
    return f"{found.sentence} {found.further}"


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
    assert "(paired t, Holm for 6 comparisons, n 80 to 120):" in said
    assert "I 2 better, 1 worse, D 1 better, 1 worse, M 0 better, 0 worse." in said


def test_p_is_that_of_the_interval() -> None:
    """One that ends at 0 has 5%; values that all differ alike differ for sure."""
    assert np.isclose(findings.p_of(pair("gradcam", "random", low=0.0)), 0.05)
    values = np.random.default_rng(0).normal(0.3, size=80)
    half = stdtrit(79, 0.975) * values.std(ddof=1) / np.sqrt(80)
    ends = {"low": values.mean() - half, "high": values.mean() + half}
    p = findings.p_of(pair("gradcam", "random", **ends))
    assert np.isclose(p, ttest_1samp(values, 0).pvalue)
    assert findings.p_of(pair("gradcam", "random", low=1.0, high=1.0)) == 0
    assert findings.p_of(pair("gradcam", "random", low=0.0, high=0.0)) == 1


def test_a_difference_is_counted_after_holm(tmp_path: Path) -> None:
    """Beyond its own interval, but not beyond that of three comparisons."""
    near = [pair(m, "random", low=0.01, high=1.0) for m in ("gradcam", "rise", "lime")]
    said = findings.controls(written(tmp_path, power={"pairs": near})).sentence
    assert "I 0 better, 0 worse" in said
    one = findings.controls(written(tmp_path / "one", power={"pairs": near[:1]})).sentence
    assert "I 1 better, 0 worse" in one


def test_a_part_is_counted_by_its_verdicts() -> None:
    found = {name: {"verdict": v} for name, v in (("printed", "holds"), ("a", "undecided"))}
    assert findings.tally(found) == "holds in print, is undecided in 1 of 1 runs"
    found |= {"b": {"verdict": "holds"}, "c": {"verdict": "fails"}}
    told = "holds in print and in 1 of 3 runs, fails in 1 of 3 runs, is undecided in 1 of 3 runs"
    assert findings.tally(found) == told
    found |= {"d": {"verdict": "not measurable here"}}
    assert findings.tally(found) == told


def test_what_takes_more_images_than_any_counts_as_such(tmp_path: Path) -> None:
    pairs = [
        pair("gradcam", "fakecam", needed=n, most=most)
        for n, most in ((300, 450), (400, None), (600, 900), (None, None), (None, None))
    ]
    said = text(findings.enough(written(tmp_path, power={"pairs": pairs})))
    assert "(from n 80), 500 images tell 2 of 5 pairs by one fidelity metric apart (1 even" in said
    assert "50,000 images 3, and the middle pair takes 600. Without Fake-CAM, Gradient" in said
    assert "500 images tell 0 of 0 pairs" in said
    never = written(tmp_path / "never", power={"pairs": pairs[2:]})
    assert "the middle pair takes more than any. Without" in text(findings.enough(never))


def test_which_rankings_are_compared(tmp_path: Path) -> None:
    runs = [
        {"run": name, "name": f"runs/{name}", "protocol": protocol, "model": model, "images": n}
        for name, protocol, model, n in (
            ("A", "published", "one", 40),
            ("B", "published", "two", 30),
            ("C", "reference", "one", 20),
            ("D", "reference", "two", 10),
        )
    ]
    told = {"low": 0.1, "high": 1.0}
    of = {"AB": 0.1, "CD": 0.2, "AC": 0.3, "BD": 0.5, "AD": 0.7, "BC": 0.8, "A paper": 0.9}
    same = {"metric": "insertion", "methods": 10, "low": -1.0, "high": 1.0}
    taus = [
        {**same, "first": key[0], "second": key[1:].strip(), "tau": tau} for key, tau in of.items()
    ]
    taus[0] |= told
    taus.append({**taus[1], "tau": None})  # of rankings that are all ties
    taus.append({**taus[-2], "first": "B", **told})  # the paper and another network: not told
    taus += [{**taus[0], "metric": "deletion", "tau": 0.5, "low": -0.5}]
    taus += [{**taus[1], "metric": "max_sensitivity", "methods": 4, "tau": 1.0, **told}]
    taus += [{**taus[1], "metric": "sparseness", "tau": 0.2, **told}]
    ranks = [
        {"run": f"runs/{run}", "metric": metric, "images": n}
        for run, metric, n in (
            ("A", "insertion", 40),
            ("B", "insertion", 30),
            ("C", "insertion", 12),
            ("C", "deletion", 20),
            ("D", "sparseness", 9),
            ("D", "max_sensitivity", 15),
        )
    ]
    (tmp_path / "across").mkdir()
    two = {
        "metric": "sparseness",
        "by_run": dict.fromkeys("ABCD"),
        "surely": False,
        "unsure": False,
    }
    pairs = [
        {**two, "first": first, "second": second, "everywhere": order}
        for first, second, order in (
            ("gradcam", "rise", 1),
            ("gradcam", "lime", -1),
            ("rise", "lime", 0),
            ("gradient", "rise", 1),
            ("fakecam", "rise", -1),
        )
    ]
    known = {"runs": runs, "taus": taus, "pairs": pairs, "ranks": ranks}
    (tmp_path / "across" / "across.json").write_text(json.dumps(known))
    said = text(findings.networks(findings.Results(tmp_path)))
    assert "Between 2 networks" in said
    assert "by 0.30 (0.10 to 0.50) under `published` (n 40, 30)" in said
    assert "by 0.20 (0.20 to 0.20) under `reference` (n 12 to 20, 9)" in said
    assert "two protocols on one network correlate by 0.40 (0.30 to 0.50)" in said
    assert "ResNet-50 by 0.90 (0.90 to 0.90)" in said
    assert "Of 5 pairs of methods by one metric 4 keep their order in all 4 runs" in said
    assert said.endswith("Without Fake-CAM, Gradient, IG and GuidedBP 2 of 3 keep it.")
    assert "of 8 taus between runs 2 lie surely above 0, 1 of them by a fidelity metric" in said


def test_one_run_alone_has_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "across").mkdir()
    run = {"run": "A", "protocol": "published", "model": "one", "images": 40}
    known = {"runs": [run], "taus": [], "pairs": [], "ranks": []}
    (tmp_path / "across" / "across.json").write_text(json.dumps(known))
    with pytest.raises(findings.Missing, match="rankings to compare"):
        findings.networks(findings.Results(tmp_path))


def test_which_orders_of_ties_matter(tmp_path: Path) -> None:
    """Those that were run, with the moves that are sure by name."""

    def cell(metric: str, mean: float, low: float, high: float) -> dict[str, Any]:
        same = {"method": "fakecam", "transform": "none", "target": "ground_truth", "n": 120}
        return {**same, "metric": metric, "mean": mean, "low": low, "high": high}

    cells = [
        cell("tied_pixels", 100.0, 100.0, 100.0),
        cell("insertion(ties='random') minus insertion", 4.0, -1.0, 9.0),
        cell("deletion(ties='random') minus deletion", 12.0, 8.0, 16.0),
    ]
    none = {"tables": {"tables": [{"cells": cells}]}, "power": {"pairs": []}}
    found = findings.ties(written(tmp_path, **none))
    said = found.sentence
    assert "Pixels that share a value: Fake-CAM 100% (n 120)." in found.further
    told = "at random, 1 of 2 means surely move (Fake-CAM's 100 - D by 12.0 [8.0, 16.0])"
    assert told in said
    assert "from the first on" not in said
    assert found.further.endswith("(n 120).")  # nothing of Grad-CAM, which was not scored so
    bare = written(tmp_path / "bare", tables={"tables": [{"cells": cells[:1]}]})
    with pytest.raises(findings.Missing, match="ties"):
        findings.ties(bare)


def named(root: Path) -> None:
    """Claims 1a and 1b of results."""
    keys = ("d_not_fooled", "gradient_more_sensitive")
    parts = [{"key": key, "reads": key, "findings": []} for key in keys]
    (root / "claims.json").write_text(json.dumps({"claims": [{"parts": parts}]}))


def test_what_transposed_maps_do(tmp_path: Path) -> None:
    assert findings.transposed(findings.Results(tmp_path)) == ("", "")
    named(tmp_path)

    def effect(metric: str, change: float, half: float, **more: Any) -> dict[str, Any]:
        known = {"method": "gradient", "metric": metric, "kind": "switch", "n": 20}
        ends = {"change": change, "low": change - half, "high": change + half}
        return {**known, "switch": "normalization.gradient.transpose", **ends, **more}

    effects = [{**effect("insertion", 0, 0), "kind": "from", "change": None}]
    effects += [effect("insertion", x, 1.0) for x in (-2.0, 0.5, 3.0)]
    effects += [effect("deletion", x, 9.0) for x in (-4.0, 4.0, -1.0)]
    (tmp_path / "transposed").mkdir()
    (tmp_path / "transposed" / "ablation.json").write_text(json.dumps({"effects": effects}))
    claim = {
        name: {
            "verdict": verdict,
            "numbers": f"mean size of change: gradient methods {x} points, n",
        }
        for name, verdict, x in (("transposed", "holds", 5.0), ("upright", "fails", 1.0))
    }
    both = {"gradient_more_sensitive": claim}
    (tmp_path / "transposed" / "claims.json").write_text(json.dumps(both))
    said, command = findings.transposed(findings.Results(tmp_path))
    assert "Upright, Gradient's I moves by -2.0 to +3.0 (2 of 3 surely)" in said
    assert "Gradient's 100 - D moves by -4.0 to +4.0 (0 of 3 surely) points" in said
    assert "mean size of change is 1.0 points, with transposed maps 5.0 (n 20)" in said
    assert said.endswith("and the claim holds and fails.")
    assert "(claim 1b)" in said
    assert "--method gradient " in command
    assert command.endswith(
        "--switch normalization.gradient.transpose --limit 20`, "
        "`python scripts/upright.py results RUN RUN` with the two that it leaves"
    )


@pytest.mark.parametrize(("low", "words"), [(-0.02, "no longer surely"), (0.01, "still surely")])
def test_whether_d_is_fooled_with_ties_at_random(tmp_path: Path, low: float, words: str) -> None:
    same = {"difference": 0.2, "low": 0.1, "high": 0.3, "metric": "deletion"}
    pairs = [
        pair("fakecam", "gradcam", **same),
        pair("fakecam", "lime", **same),
        pair("fakecam", "gradcam", **same | {"metric": "deletion(ties='random')", "low": low}),
    ]
    named(tmp_path)
    said = findings.not_fooled(written(tmp_path, power={"pairs": pairs}))
    assert f"20.0 [10.0, 30.0] points above Grad-CAM's, and at random {words} above" in said
    assert said.endswith("(n 80).")
    assert "(claim 1a)" in said
    unsure = [{**pairs[0], "low": -0.1}, *pairs[1:]]
    (tmp_path / "published" / "power.json").write_text(json.dumps({"pairs": unsure}))
    assert findings.not_fooled(findings.Results(tmp_path)) == ""


def test_what_is_decided_under_both_protocols(tmp_path: Path) -> None:
    runs = [f"{protocol} {findings.MODEL}" for protocol in ("published", "reference")]

    def part(key: str, *verdicts: str) -> dict[str, Any]:
        found = [
            {"evidence": run, "verdict": v, "n": n, "numbers": ""}
            for run, v, n in zip(runs, verdicts, (120, 20), strict=True)
        ]
        return {"key": key, "reads": f"the {key}", "findings": found}

    claims = [
        {"parts": [part("one", "holds", "fails")]},
        {"parts": [part("two", "holds", "holds"), part("three", "holds", "undecided")]},
        {"parts": [part("four", "holds", "not measurable here")]},
    ]
    (tmp_path / "claims.json").write_text(json.dumps({"claims": claims}))
    said = text(findings.survive(findings.Results(tmp_path)))
    assert "Of 4 parts of the paper's sentences 3 were measured" in said
    assert "(n 120 and 20), and 2 are decided under both" in said
    assert '1 ("the one") holds and fails, 2a ("the two") holds. Each is tested' in said


def test_what_is_not_there_is_left_out_and_named(tmp_path: Path, capsys) -> None:
    (tmp_path / "claims.json").write_text(json.dumps({"claims": []}))
    (tmp_path / "across").mkdir()
    (tmp_path / "across" / "across.json").write_text(
        json.dumps({"runs": [], "taus": [], "pairs": [], "ranks": []})
    )
    results = written(tmp_path, power={"pairs": []}, tables={"tables": []})
    assert list(findings.found(results)) == []
    named = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == [make.__name__ for make in findings.FINDINGS.values()]
