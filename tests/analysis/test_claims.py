"""The paper's sentences: what they get on printed means, and how the page tells it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frames import declared
from rich.console import Console
from scipy.stats import spearmanr
from worlds import IMAGES, PARTS, PRINTED, check, moved, plain, source, world

from xaibench.analysis.claims.check import CLAIMS, check_claims
from xaibench.analysis.claims.enough import repeated
from xaibench.analysis.claims.evidence import Evidence, from_paper, from_run
from xaibench.analysis.claims.finding import FAILS, HOLDS, UNMEASURED
from xaibench.analysis.claims.moves import in_doubt
from xaibench.analysis.claims.shifts import TRANSFORMS
from xaibench.analysis.measure import Key
from xaibench.published import paper_tables
from xaibench.published.tables import FORMS, METHODS
from xaibench.report import write_claims
from xaibench.report.pages.claims import labels

IMAGEWISE = [key for key, verdict in PRINTED.items() if verdict == UNMEASURED]
ON_MEANS = [key for key in PRINTED if key not in IMAGEWISE]


def test_the_papers_own_numbers() -> None:
    paper = from_paper()
    found = {key: part.check(paper) for key, part in PARTS.items()}
    assert {key: finding.verdict for key, finding in found.items()} == PRINTED
    assert all(f.n is None and f.p is None for f in found.values())
    assert "4 of 6 (AI, AD, AG, I) metrics" in found["gradient_weak"].numbers
    assert found["fidelity_indistinct"].numbers.endswith("apart in 5 of 6")
    assert found["fidelity_indistinct_without"].numbers.endswith("apart in 0 of 6")
    assert "AG 4.5" in found["ag_most_stable"].numbers
    assert "AI 45%, AD 24%, AG 50%" in found["ag_most_stable"].numbers
    assert "Gradient, IG, GuidedBP are transposed" in found["gradient_more_sensitive"].numbers


def test_the_doubtful_printed_cells_cannot_be() -> None:
    """By definition AG <= AI <= 100 - AD; they alone of all rows break it, and exchanged do not."""
    rows = paper_tables().pivot_table(
        index=["method", "target", "transform"], columns="metric", values="value", aggfunc="first"
    )
    needed = [FORMS[m].key for m in ("average_gain", "average_increase", "average_drop")]
    gain, increase, kept = (rows.dropna(subset=needed)[key] for key in needed)
    broken = (gain > increase + 0.1) | (kept < increase - 0.1)  # each is printed to 0.1
    assert list(broken[broken].index) == [("fakecam", "ground_truth", "resize")]
    (ag, ai, bar), at = (float(x[broken].iloc[0]) for x in (gain, increase, kept)), in_doubt()
    assert at == (bar, ag)
    assert bar < ai < ag
    told = PARTS["fake_ad_drops"].check(from_paper()).numbers
    assert f"100 - AD 99.2, under resize {bar:.1f} beside AG {ag:.1f} and AI {ai:.1f}" in told
    assert "a fall of 97.2 points as printed, of 8.7 with the two exchanged" in told


def most_of_fake_cams_m(rows_per_step: int, size: int) -> tuple[int, float]:
    """Steps, and the largest Spearman correlation of their sums with any effects.

    The map is 1 but for one pixel of 0, in ascending order.
    """
    ascending = np.r_[0.0, np.ones(size * size - 1)]
    cuts = range(0, size * size, rows_per_step * size)
    sums = np.array([ascending[i : i + rows_per_step * size].sum() for i in cuts])
    return len(sums), spearmanr(sums, sums.argsort().argsort()).statistic


@pytest.mark.parametrize(("rows", "steps", "bound"), [(32, 7, "0.61"), (8, 28, "0.32")])
def test_the_most_that_fake_cams_m_can_be(rows: int, steps: int, bound: str) -> None:
    assert most_of_fake_cams_m(rows, 224) == (steps, pytest.approx(np.sqrt(3 / (steps + 1))))
    assert f"{np.sqrt(3 / (steps + 1)):.2f}" == bound
    assert f"{bound} with {steps}" in PARTS["fake_top_two_in_m"].rule
    partial, more = most_of_fake_cams_m(rows, 260)  # its last step is of fewer rows
    assert more > np.sqrt(3 / (partial + 1)) + 0.05
    assert "A smaller last step allows more." in PARTS["fake_top_two_in_m"].rule


def test_no_change_is_a_share_of_nothing(make_frame) -> None:
    cells = world(20)
    for key in cells:
        if key.metric == "average_gain" and key.transform == "none":
            cells[key] = np.zeros(20)
    for key in ("metrics_sensitive", "ag_most_stable", "only_ag_stable"):
        assert "AG -, I " in check(make_frame, key, cells).numbers


def test_d_with_ties_at_random_is_told_beside(make_frame) -> None:
    cells = world(20)
    assert "at random" not in check(make_frame, "d_not_fooled", cells).numbers
    cells[plain("gradcam", "deletion(ties='random')")] = np.full(20, 0.25)
    assert "at random" not in check(make_frame, "d_not_fooled", cells).numbers  # nobody beside it
    cells[plain("fakecam", "deletion(ties='random')")] = np.full(20, 0.2)
    found = check(make_frame, "d_not_fooled", cells)
    told = "; where equal pixels are taken at random: Fake-CAM 80.0, Grad-CAM 75.0"
    assert found.numbers.endswith(told)
    assert found.verdict == HOLDS
    cells[plain("gradcam", "deletion(ties='random')")][5:] = np.nan  # Fake-CAM's too are of five
    cells[plain("fakecam", "deletion(ties='random')")][:5] = 0.1
    few = check(make_frame, "d_not_fooled", cells)
    assert few.numbers.endswith("at random: Fake-CAM 90.0, Grad-CAM 75.0 (on 5 images)")
    assert few.n == 20


def test_the_doubtful_printed_cells_are_left_out() -> None:
    printed = from_paper().printed
    assert len(printed) == 460 - 50 - 2  # Table 2 repeats Table 1
    assert Key("fakecam", "ground_truth", "resize", "average_gain") not in printed
    assert printed[plain("ig", "insertion")] == 53.5  # Table 1; Table 2 prints 53.4


@pytest.fixture(scope="module")
def printed(make_frame) -> Evidence:
    return from_run(source(make_frame, world()))


@pytest.mark.parametrize("key", ON_MEANS)
def test_scores_with_the_printed_means_get_the_printed_verdict(printed: Evidence, key: str) -> None:
    finding = PARTS[key].check(printed)
    assert finding.verdict == PRINTED[key]
    assert finding.n == IMAGES
    assert finding.p is None or finding.p <= 0.025


@pytest.mark.parametrize("key", PARTS)
def test_without_scores_nothing_is_measured(make_frame, key: str) -> None:
    only = {plain("gradcam", "parameter_randomization"): np.zeros(20)}
    finding = check(make_frame, key, only)
    assert finding.verdict == UNMEASURED
    assert finding.numbers


@pytest.mark.parametrize("key", PARTS)
def test_nine_images_decide_nothing(make_frame, key: str) -> None:
    cells = world(9)
    probability = dict.fromkeys(("none", *TRANSFORMS), cells[plain("gradcam", "insertion")])
    finding = check(make_frame, key, cells, probability)
    assert finding.verdict == UNMEASURED
    assert "9 images, fewer than 10" in finding.numbers
    assert finding.n == 9


def test_what_is_missing_is_named(make_frame) -> None:
    held = world(20)
    cells = {k: v for k, v in held.items() if k.method != "iba" and k.metric != "deletion"}
    finding = check(make_frame, "gradient_weak", cells)
    assert finding.numbers == "no scores of AI, AD, AG, I, D, M for IBA"
    few = {k: v for k, v in held.items() if k.method in METHODS[:4]}
    assert "4 methods" in check(make_frame, "fidelity_indistinct", few).numbers
    assert "4 methods" in check(make_frame, "all_sensitive", few).numbers
    crop = {k: v for k, v in held.items() if k.transform != "crop"}
    assert "no scores of crop" in check(make_frame, "ag_most_stable", crop).numbers


def _untouched(metric: str):
    return lambda k: k.metric == metric and k.transform == "none"


OVER_ALL = [
    ("robustness_extremes", _untouched("max_sensitivity")),
    ("robustness_indistinct", _untouched("max_sensitivity")),
    ("fidelity_indistinct", _untouched("insertion")),
    ("all_sensitive", lambda k: k.transform == "crop"),
    ("all_sensitive", _untouched("insertion")),
    ("linked_to_probability", lambda k: k.transform != "none"),
    ("i_d_positive", _untouched("insertion")),
]


@pytest.mark.parametrize(("key", "cells"), OVER_ALL)
def test_a_method_on_few_images_leaves_the_others_theirs(make_frame, key: str, cells) -> None:
    """A dear method on 9 of 40 is left out and said to be; on 10, all are compared on these."""
    by = {name: np.linspace(0.1, 0.9, 40) for name in ("none", *TRANSFORMS)}
    for n, kept, note in ((9, 40, "; 9 of 10 methods, without RISE"), (10, 10, "")):
        held = {k: v[:n] if k.method == "rise" and cells(k) else v for k, v in world(40).items()}
        found = check(make_frame, key, held, by)
        assert found.n == kept
        assert found.numbers.count("methods, without") == bool(note)
        assert note in found.numbers


def test_few_images_of_many_methods_stay(make_frame) -> None:
    """One method on more images than the others puts none of them out."""
    held = {k: v if k.method == "gradient" else v[:12] for k, v in world(40).items()}
    for key in ("fidelity_indistinct", "all_sensitive", "only_ag_stable"):
        found = check(make_frame, key, held)
        assert found.n == 12
        assert "methods, without" not in found.numbers
    nobody = {k: v[:8] for k, v in held.items()}
    assert check(make_frame, "all_sensitive", nobody).n == 8


def test_halves_that_do_not_overlap(make_frame) -> None:
    """RISE on the first, IBA on the last: the one with fewer images is left out."""
    cells = world(60)
    from_end = {k: np.concatenate([np.full(35, np.nan), v[35:]]) for k, v in cells.items()}
    held = {k: from_end[k] if k.method == "iba" else v for k, v in cells.items()}
    held |= {k: v[:30] for k, v in cells.items() if k.method == "rise"}
    found = check(make_frame, "fidelity_indistinct", held)
    assert found.n == 30
    assert "9 of 10 methods, without IBA" in found.numbers


def test_a_method_with_part_of_table_4_is_left_out(make_frame) -> None:
    """Its mean would be of other metrics than the others'."""
    held = {
        k: v
        for k, v in world(20).items()
        if k.method != "iba" or k.transform == "none" or k.metric == "average_gain"
    }
    assert "without IBA" in check(make_frame, "all_sensitive", held).numbers
    found = check(make_frame, "gradient_more_sensitive", held)
    assert found.verdict == UNMEASURED
    assert found.numbers == "a family has no scores, or too few; 9 of 10 methods, without IBA"


def test_what_would_decide_is_asked_of_the_same_methods(make_frame) -> None:
    """Images repeated are no more images of the method that was left out."""
    held = {k: v[:9] if k.method == "rise" else v for k, v in world(20).items()}
    evidence = repeated(from_run(source(make_frame, held)), 5)
    found = PARTS["robustness_indistinct"].check(evidence)
    assert found.n == 100
    assert "without RISE" in found.numbers


@pytest.mark.parametrize("order", ["by name", "drawn"])
def test_the_images_whose_predicted_class_is_another_are_told(make_frame, order: str) -> None:
    cells = world(20)
    for k in cells:
        if k.target == "predicted":
            cells[k][5:] = cells[k._replace(target="ground_truth")][5:]
    run = source(make_frame, cells, np.linspace(0.1, 0.9, 20))
    run.predictions["label"] = 7
    run.predictions["argmax"] = np.where(run.predictions["image"] < "005", 8, 7)
    evidence = from_run(run)
    if order == "drawn":
        evidence = replace(evidence, places=np.arange(20)[::-1].copy())
    found = PARTS["predicted_alike"].check(evidence)
    assert found.n == 20
    cut = "; the predicted class is another on 5 of 20 images"
    whole, _, part = found.numbers.partition(f"{cut}, there by ")
    change, means = (
        [float(x.split()[-1]) for x in told.split(", ")]
        for told in (part, whole.partition(": ")[2])
    )
    assert len(change) == 5
    assert np.allclose(np.array(change) / 4, means, atol=0.07)
    assert PARTS["truth_above_predicted"].check(evidence).numbers.endswith(cut)
    assert PARTS["predicted_alike"].check(repeated(evidence, 3)).n == 60
    assert "another" not in check(make_frame, "predicted_alike", world(20)).numbers
    run.predictions.drop(index=run.predictions.index[3], inplace=True)  # not known of one image
    assert "another" not in PARTS["predicted_alike"].check(from_run(run)).numbers


def test_a_stand_in_is_said(make_frame) -> None:
    stand_in = declared(sensitivity={"explanation": "gradient_stand_in"})
    for key in ("robustness_extremes", "robustness_indistinct"):
        found = check(make_frame, key, world(20), catalog=stand_in)
        assert "MS and AS are of Quantus's gradient explanation" in found.numbers
        assert "Quantus" not in check(make_frame, key, world(20)).numbers


def test_families_are_those_of_table_1(make_frame) -> None:
    """CAM methods ahead of the mean of RISE, LIME and IBA, and behind IBA: not the best."""
    cells = world(40)
    for metric in ("average_increase", "average_gain", "insertion"):
        cells[plain("iba", metric)] = cells[plain("scorecam", metric)] * 1.02
        cells[plain("lime", metric)] = cells[plain("lime", metric)] * 0.5
    found = check(make_frame, "cam_best", cells)
    assert found.verdict == FAILS, found.numbers


def test_quotations_are_whole_sentences_of_their_own() -> None:
    assert len({c.quotation for c in CLAIMS}) == len(CLAIMS)
    assert [c.section for c in CLAIMS if "(" in c.section] == [
        *(f"5.2 ({i})" for i in range(1, 6)),
        *(f"5.3 ({i})" for i in range(1, 4)),
    ]
    assert len(PARTS) == sum(len(c.parts) for c in CLAIMS)
    for part in PARTS.values():
        assert part.rule
        assert part.reads


def test_side_by_side(make_frame, tmp_path: Path) -> None:
    images = 20
    options = {"test": "exact"}, {"explanation": "gradient_stand_in"}
    exact = declared(completeness=options[0], sensitivity=options[1])
    cells = world(images) | {plain(m, "completeness"): np.zeros(images) for m in METHODS}
    first = source(make_frame, cells, catalog=exact)
    second = source(make_frame, moved(world(images), -1.0), protocol="reference")
    file = io.StringIO()
    paths = write_claims([first, second], tmp_path, Console(file=file, width=90))
    assert [path.name for path in paths] == ["claims.md", "claims.json"]
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 90
    line = next(x for x in text.splitlines() if "I falls and 100 - D rises" in x)
    assert line.split()[-3:] == [HOLDS, HOLDS, FAILS]
    assert "at least 10 images" in " ".join(text.split())
    markdown = (tmp_path / "claims.md").read_text()
    # What construction settles is told apart, and is no verdict.
    row = next(x for x in markdown.splitlines() if "No method meets completeness |" in x)
    assert [x.strip() for x in row.split("|")[2:-1]] == ["not measurable", "(fact)", HOLDS]
    settled = markdown[markdown.index("## Settled by construction") : markdown.index("## 1.")]
    assert settled.count("Fake-CAM's MS") == 3
    assert "none of 10 methods passes on any image" in settled
    assert "settled by construction:" not in markdown[markdown.index("## 1.") :]
    content = json.loads((tmp_path / "claims.json").read_text())
    assert [part["label"] for part in content["evidence"]] == ["printed", "published", "reference"]
    assert content["minimum_images"] == 10
    for claim in content["claims"]:
        assert claim["quotation"]
        for part in claim["parts"]:
            assert part["findings"][0]["verdict"] == PRINTED[part["key"]]
            assert all(finding["numbers"] for finding in part["findings"])


def test_runs_of_one_protocol_are_numbered(make_frame) -> None:
    run = source(make_frame, {plain("fakecam", "insertion"): np.zeros(3)})
    evidence, _ = check_claims([run, run])
    assert labels(evidence) == ["printed", "published 1", "published 2"]
    other = source(make_frame, {plain("fakecam", "insertion"): np.zeros(3)}, model="lite1")
    evidence, _ = check_claims([run, other, other])
    model = run.scores["model"].iloc[0]
    assert labels(evidence) == [
        "printed",
        f"published {model}",
        "published lite1 1",
        "published lite1 2",
    ]
