"""Every rule holds where it should, fails where it should, and says when it cannot tell."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats as scipy_stats

from xaibench.published import paper_tables
from xaibench.report import write_claims
from xaibench.report.claims import CLAIMS, check_claims
from xaibench.report.claims_evidence import (
    FAILS,
    HOLDS,
    UNMEASURED,
    Evidence,
    Finding,
    decide,
    from_paper,
    from_run,
)
from xaibench.report.claims_images import rank_correlations
from xaibench.report.columns import COLUMNS, METHOD_NAMES
from xaibench.report.compare import Source
from xaibench.report.measure import Key

IMAGES = 24
METHODS = tuple(METHOD_NAMES)
CLAIM = {claim.key: claim for claim in CLAIMS}
NATURAL = {column.paper: column for column in COLUMNS.values()}


def world(images: int = IMAGES, spread: float = 0.004, seed: int = 0) -> dict[Key, np.ndarray]:
    """Natural values (images,) of every cell whose means are the paper's printed ones."""
    rng = np.random.default_rng(seed)
    cells = {}
    for row in paper_tables().sort_values("table", ascending=False).itertuples():
        column = NATURAL[row.metric]
        centre = (row.value - column.offset) / column.scale
        noise = rng.normal(0, spread, images)
        key = Key(row.method, row.target, row.transform, column.metric)
        cells[key] = centre + (noise - noise.mean()) * max(1.0, abs(centre))
    for method in METHODS:
        cells[Key(method, "ground_truth", "none", "completeness")] = np.zeros(images)
    return cells


def plain(method: str, metric: str) -> Key:
    return Key(method, "ground_truth", "none", metric)


def source(
    make_frame, cells: dict[Key, np.ndarray], probability: np.ndarray | None = None, **run: str
) -> Source:
    rows = [
        {**key._asdict(), "image": f"{i:03d}", "value": float(v), "variation": f"{key.transform}"}
        for key, values in cells.items()
        for i, v in enumerate(values)
    ]
    predictions = None
    if probability is not None:
        predictions = pd.DataFrame(
            {
                "image": [f"{i:03d}" for i in range(len(probability))],
                "transform": "none",
                "variation": "none",
                "probability_ground_truth": probability,
            }
        ).sample(frac=1, random_state=0)
    return Source("run", make_frame(rows, **run), predictions=predictions)


def check(make_frame, key: str, cells: dict[Key, np.ndarray], *rest, **run: str) -> Finding:
    return CLAIM[key].check(from_run(source(make_frame, cells, *rest, **run), resamples=200))


PRINTED = {
    "gradient_weak": HOLDS,
    "cam_best": HOLDS,
    "ag_i_not_fooled": HOLDS,
    "i_d_follow_probability": UNMEASURED,
    "fidelity_indistinct": FAILS,
    "robustness_indistinct": HOLDS,
    "transforms_move_all": HOLDS,
    "ag_most_stable": HOLDS,
    "completeness_unmet": UNMEASURED,
    "sensitivity_of_others": HOLDS,
}


def test_the_papers_own_numbers() -> None:
    paper = from_paper()
    found = {claim.key: claim.check(paper) for claim in CLAIMS}
    assert {key: finding.verdict for key, finding in found.items()} == PRINTED
    assert all(f.n is None and f.support is None for f in found.values())
    assert "4 of 6 metrics (AI, AD, AG, I)" in found["gradient_weak"].numbers
    # D, too, puts Fake-CAM last: 61.6.
    assert "not fooled: 1 of 4 metrics (D)" in found["ag_i_not_fooled"].numbers
    # AG moves by the fewest points, and by the largest share of what it was.
    assert "AG 4.5" in found["ag_most_stable"].numbers
    assert "AI 45%, AD 24%, AG 50%" in found["ag_most_stable"].numbers


def test_the_doubtful_printed_cells_are_left_out() -> None:
    printed = from_paper().printed
    assert len(printed) == 460 - 50 - 2  # Table 2 repeats Table 1
    assert Key("fakecam", "ground_truth", "resize", "average_gain") not in printed
    assert printed[plain("ig", "insertion")] == 53.5  # Table 1; Table 2 prints 53.4


@pytest.mark.parametrize(
    "key",
    [
        *("gradient_weak", "cam_best", "ag_i_not_fooled", "transforms_move_all"),
        *("ag_most_stable", "sensitivity_of_others"),
    ],
)
def test_scores_with_the_printed_means_get_the_printed_verdict(make_frame, key: str) -> None:
    # Little noise: gradcam and guidedbp print 86.8 and 86.9 in D, and no rule hangs on that.
    finding = check(make_frame, key, world())
    assert finding.verdict == PRINTED[key] == HOLDS
    assert finding.n == IMAGES
    assert finding.support == 1.0
    exact = CLAIM[key].check(from_paper()).numbers.partition("; its Tables")[0]
    if key not in ("ag_most_stable", "transforms_move_all"):  # here with the doubtful cells
        assert finding.numbers == exact


def changed(changes: dict[Key, float]) -> dict[Key, np.ndarray]:
    cells = world()
    for key, value in changes.items():
        cells[key] = cells[key] - cells[key].mean() + value
    return cells


FAILING = {
    # Gradient methods above LIME in AI: 3 of 6 metrics are no more than half.
    "gradient_weak": {plain("ig", "average_increase"): 0.2},
    # Fake-CAM still leads AD, but RISE leads four others.
    "cam_best": {
        plain("rise", metric): value
        for metric, value in {
            "average_increase": 0.9,
            "average_gain": 0.9,
            "insertion": 0.9,
            "monotonicity": 0.9,
        }.items()
    },
    "ag_i_not_fooled": {plain("fakecam", "insertion"): 0.665},
    "ag_most_stable": {plain("scorecam", "average_gain"): 0.999, plain("rise", "average_gain"): 1.0}
    | {plain(m, "average_gain"): 0.9 for m in ("gradcam", "gradcampp", "iba", "lime")},
    "sensitivity_of_others": {
        plain("fakecam", "max_sensitivity"): 0.0,
        plain("fakecam", "avg_sensitivity"): 0.0,
    },
}


@pytest.mark.parametrize("key", FAILING)
def test_a_claim_can_fail(make_frame, key: str) -> None:
    cells = changed(FAILING[key])
    if key == "sensitivity_of_others":
        for place in FAILING[key]:
            cells[place] = np.zeros(IMAGES)
    finding = check(make_frame, key, cells)
    assert finding.verdict == FAILS
    assert finding.support > 0.95


def test_fake_cam_must_be_among_the_best_itself(make_frame) -> None:
    cells = changed({plain("fakecam", m): -0.3 for m in ("average_increase", "monotonicity")})
    assert check(make_frame, "cam_best", cells).verdict == HOLDS
    cells[plain("fakecam", "average_drop")] = np.full(IMAGES, 0.9)
    assert check(make_frame, "cam_best", cells).verdict == FAILS


def test_a_method_that_no_transform_moves(make_frame) -> None:
    cells = world()
    for key in cells:
        if key.method == "rise" and key.transform != "none":
            cells[key] = cells[key._replace(transform="none")] + 0.04  # four points
    finding = check(make_frame, "transforms_move_all", cells)
    assert finding.verdict == FAILS
    assert "least RISE 4.0 points" in finding.numbers


@pytest.mark.parametrize("key", CLAIM)
def test_without_scores_nothing_is_measured(make_frame, key: str) -> None:
    only = {plain("gradcam", "parameter_randomization"): np.zeros(IMAGES)}
    finding = check(make_frame, key, only)
    assert finding.verdict == UNMEASURED
    assert finding.numbers


@pytest.mark.parametrize("key", CLAIM)
def test_nine_images_decide_nothing(make_frame, key: str) -> None:
    cells = world(9)
    probability = cells[plain("gradcam", "insertion")]
    finding = check(make_frame, key, cells, probability)
    assert finding.verdict == UNMEASURED
    assert "9 images, fewer than 10" in finding.numbers
    assert finding.n == 9


def test_what_is_missing_is_named(make_frame) -> None:
    cells = {k: v for k, v in world().items() if k.method != "iba" and k.metric != "deletion"}
    finding = check(make_frame, "gradient_weak", cells)
    assert finding.numbers == "no scores of AI, AD, AG, I, D, M for IBA"
    few = {k: v for k, v in world().items() if k.method in METHODS[:4]}
    assert "4 methods" in check(make_frame, "fidelity_indistinct", few).numbers
    assert "4 methods" in check(make_frame, "transforms_move_all", few).numbers
    crop = {k: v for k, v in world().items() if k.transform != "crop"}
    assert "no scores of crop" in check(make_frame, "ag_most_stable", crop).numbers


def test_a_verdict_that_resamples_turn_round_is_none(make_frame) -> None:
    cells = world()
    noise = np.random.default_rng(1).normal(0, 0.3, IMAGES)
    cells[plain("fakecam", "insertion")] += 0.055 + noise - noise.mean()
    finding = check(make_frame, "ag_i_not_fooled", cells)
    assert finding.verdict == UNMEASURED
    assert finding.numbers.startswith("undecided, holds in only")
    assert 0.4 < finding.support < 0.95


def distinct(spread: float, metrics: tuple[str, ...], seed: int = 3) -> dict[Key, np.ndarray]:
    """Ten methods a step of 0.1 apart on every image, with noise of `spread`."""
    rng = np.random.default_rng(seed)
    return {
        plain(method, metric): 0.1 * i + rng.normal(0, spread, IMAGES)
        for i, method in enumerate(METHODS)
        for metric in metrics
    }


SETS = {
    "fidelity_indistinct": "average_increase average_drop average_gain insertion deletion "
    "monotonicity",
    "robustness_indistinct": "max_sensitivity avg_sensitivity sparseness complexity "
    "effective_complexity",
}


@pytest.mark.parametrize("key", SETS)
def test_metrics_that_tell_methods_apart_and_that_do_not(make_frame, key: str) -> None:
    metrics = tuple(SETS[key].split())
    clear = check(make_frame, key, distinct(0.05, metrics))
    assert (clear.verdict, clear.n) == (FAILS, IMAGES)
    assert f"not apart 0 of {len(metrics)}" in clear.numbers
    noise = check(make_frame, key, distinct(3.0, metrics))
    assert noise.verdict == HOLDS
    assert f"apart 0, not apart {len(metrics)}" in noise.numbers
    # Half this way, half that way: neither more than half.
    half = distinct(0.05, metrics[:3]) | distinct(3.0, metrics[3:])
    if len(metrics) == 6:
        assert check(make_frame, key, half).verdict == UNMEASURED
    # The same value for all methods tells nothing apart, and has no W.
    same = {k: np.zeros(IMAGES) for k in distinct(0, metrics)}
    assert check(make_frame, key, same).verdict == HOLDS


def test_the_numbers_behind_telling_apart_are_those_of_scipy(make_frame) -> None:
    metrics = tuple(SETS["fidelity_indistinct"].split())
    cells = distinct(0.5, metrics)
    numbers = check(make_frame, "fidelity_indistinct", cells).numbers
    values = np.stack([cells[plain(m, "insertion")] for m in METHODS], axis=1)
    w = scipy_stats.friedmanchisquare(*values.T).statistic / (IMAGES * (len(METHODS) - 1))
    assert f" W {w:.2f}, D " in numbers
    share = float(numbers.split("I ")[2].split("%")[0]) / 100
    count = 0
    for i in range(len(METHODS)):
        for j in range(i):
            change = values[:, i] - values[:, j]
            low, high = scipy_stats.bootstrap(
                (change,), np.mean, n_resamples=1000, method="percentile", rng=5
            ).confidence_interval
            count += low > 0 or high < 0
    assert share == pytest.approx(count / 45, abs=0.08)  # 200 resamples: a few pairs are close


def test_following_the_probability(make_frame) -> None:
    rng = np.random.default_rng(4)
    p = rng.random(IMAGES)
    metrics = ("insertion", "deletion", "average_gain", "average_drop")
    cells = {
        plain(m, metric): p ** (1 + i) + rng.normal(0, 0.05, IMAGES)
        for i, m in enumerate(METHODS[:5])
        for metric in metrics
    }
    held = check(make_frame, "i_d_follow_probability", cells, p)
    assert held.verdict == HOLDS
    assert "median over 5 methods" in held.numbers
    shuffled = check(make_frame, "i_d_follow_probability", cells, rng.permutation(p))
    assert shuffled.verdict == FAILS
    assert "no predictions" in check(make_frame, "i_d_follow_probability", cells).numbers
    flat = check(make_frame, "i_d_follow_probability", cells, np.full(IMAGES, 0.5))
    assert flat.verdict == UNMEASURED
    # Insertion alone is not enough.
    one = {k: (v if k.metric == "insertion" else v[::-1]) for k, v in cells.items()}
    assert check(make_frame, "i_d_follow_probability", one, p).verdict == FAILS


def test_rank_correlations_are_spearmans() -> None:
    rng = np.random.default_rng(6)
    x = np.round(rng.random(40), 1)
    values = np.stack([x + rng.normal(0, 0.3, 40), rng.random(40), np.ones(40), -x], axis=1)
    found = rank_correlations(x, values, resamples=4000)
    expected = [scipy_stats.spearmanr(x, column).statistic for column in values.T[[0, 1, 3]]]
    assert found[0, [0, 1, 3]] == pytest.approx(expected)
    assert (found[:, 2] == 0).all()
    theirs = scipy_stats.bootstrap(
        (x, values[:, 0]),
        lambda a, b: scipy_stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=7,
    )
    # Ranks of the whole sample instead of each resample's own: close, not equal.
    ends = np.quantile(found[1:, 0], [0.025, 0.975])
    assert ends == pytest.approx(tuple(theirs.confidence_interval), abs=0.05)


def test_completeness(make_frame) -> None:
    none = {plain(m, "completeness"): np.zeros(IMAGES) for m in METHODS}
    held = check(make_frame, "completeness_unmet", none)
    assert held.verdict == HOLDS
    assert "none of 10 methods passes on any image" in held.numbers
    one = none | {plain("ig", "completeness"): np.ones(IMAGES)}
    failed = check(make_frame, "completeness_unmet", one)
    assert failed.verdict == FAILS
    assert "IG passes on 100% of the images" in failed.numbers


@pytest.mark.parametrize(("residual", "verdict"), [(0.02, HOLDS), (0.002, FAILS)])
def test_completeness_as_a_residual(make_frame, residual: float, verdict: str) -> None:
    run = source(
        make_frame,
        {plain("ig", "completeness"): np.full(IMAGES, residual)},
        protocol="reference",
    )
    others = make_frame(
        {"method": "rise", "metric": "completeness", "image": f"{i:03d}", "value": np.nan}
        | {"status": "not_applicable"}
        for i in range(IMAGES)
    ).assign(protocol="reference")
    scores = pd.concat([run.scores, others], ignore_index=True)
    finding = CLAIM["completeness_unmet"].check(from_run(Source("run", scores), resamples=100))
    assert finding.verdict == verdict
    assert "the only one tested" in finding.numbers


def test_images_without_a_usable_score_leave_every_cell(make_frame) -> None:
    run = source(make_frame, world())
    gone = (run.scores["image"] == "003") & (run.scores["method"] == "lime")
    run.scores.loc[gone, "status"] = "failed"
    finding = CLAIM["gradient_weak"].check(from_run(run, resamples=50))
    assert finding.n == IMAGES - 1


def test_decide() -> None:
    yes = np.array([True] + [True] * 97 + [False] * 3)
    assert decide(yes, 10, "x").verdict == HOLDS
    assert decide(~yes, 10, "x").verdict == FAILS
    assert decide(yes, 9, "x").verdict == UNMEASURED
    assert decide(yes, 10, "x", no=~yes).support == pytest.approx(0.97)
    shaky = np.array([True] + [True] * 94 + [False] * 6)
    assert decide(shaky, 10, "x").verdict == UNMEASURED
    assert decide(np.array([True]), None, "x") == Finding(HOLDS, "x")
    neither = decide(np.zeros(5, bool), 10, "x", no=np.zeros(5, bool))
    assert (neither.verdict, neither.numbers) == (UNMEASURED, "undecided: x")


def test_another_target_where_there_is_no_ground_truth(make_frame) -> None:
    cells = {k._replace(target="predicted"): v for k, v in world().items() if k[1:3] == (
        "ground_truth", "none")}  # fmt: skip
    evidence = from_run(source(make_frame, cells), resamples=50)
    assert evidence.target == "predicted"
    assert CLAIM["gradient_weak"].check(evidence).verdict == HOLDS


def test_quotations_are_from_the_abstract_and_the_rest_are_paraphrases() -> None:
    abstract = (
        "the existing evaluation does not provide a fair nor meaningful comparison to the existing "
        "saliency maps; these evaluations have their implicit assumption and are not "
        "differentiable; 2) the saliency maps do not provide enough information on explaining the "
        "accuracy of network, the relationship between classes and the modification of the images."
    )
    assert len(CLAIM) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.paraphrase
        assert claim.rule
        assert (claim.quotation is not None) == claim.section.startswith("Abstract")
        assert claim.quotation is None or claim.quotation in abstract


def test_side_by_side(make_frame, tmp_path: Path) -> None:
    first = source(make_frame, world())
    moved = world() | {k: np.zeros(IMAGES) for k in FAILING["sensitivity_of_others"]}
    second = source(make_frame, moved, protocol="reference")
    file = io.StringIO()
    paths = write_claims([first, second], tmp_path, Console(file=file, width=90))
    assert [path.name for path in paths] == ["claims.md", "claims.json"]
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 90
    line = next(x for x in text.splitlines() if x.startswith("10. MS and AS"))
    assert line.split()[-3:] == [HOLDS, HOLDS, FAILS]
    assert "at least 10 images" in " ".join(text.split())
    content = json.loads((tmp_path / "claims.json").read_text())
    assert [part["label"] for part in content["evidence"]] == ["printed", "published", "reference"]
    assert content["minimum_images"] == 10
    for claim in content["claims"]:
        verdicts = [finding["verdict"] for finding in claim["findings"]]
        assert verdicts[0] == PRINTED[claim["key"]]
        assert all(finding["numbers"] for finding in claim["findings"])
    markdown = (tmp_path / "claims.md").read_text()
    assert (
        "| 10. MS and AS, as computed, do not measure the methods. | holds | holds | fails |"
        in (markdown)
    )


def test_runs_of_one_protocol_are_numbered(make_frame) -> None:
    run = source(make_frame, {plain("fakecam", "insertion"): np.zeros(3)})
    evidence, _ = check_claims([run, run], resamples=10)
    from xaibench.report.claims_text import labels

    assert labels(evidence) == ["printed", "published 1", "published 2"]
    assert all(isinstance(part, Evidence) for part in evidence)
