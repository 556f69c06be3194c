"""How many images means and pairs of methods need: against simulation and textbook numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from frames import EXACT, frame
from scipy import stats
from scipy.integrate import quad

from xaibench.analysis.compare import Source
from xaibench.analysis.power import images_apart, images_of_share, images_within, power, power_of
from xaibench.analysis.stats import wilson_intervals
from xaibench.errors import XaibenchError


@pytest.mark.parametrize(
    ("effect", "images"),
    [(0.2, 265), (0.5, 44), (0.8, 19)],  # G*Power 3.1, paired t-test, two-sided 5%, power 90%
)
def test_textbook_numbers(effect: float, images: int) -> None:
    assert images_apart(effect, 1.0) == images_apart(-3 * effect, 3.0) == images


@pytest.mark.parametrize("n", [5, 20, 60])
def test_power_is_how_often_the_test_finds_it(n: int) -> None:
    drawn = np.random.default_rng(0).normal(0.4, 1.0, (20_000, n))
    found = (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05).mean()
    assert abs(found - power_of(0.4, 1.0, n)) < 4 * np.sqrt(0.25 / 20_000)


def integrated(effect: float, n: int) -> float:
    """Power of the two-sided t-test at 5%, by integrating over the estimated deviation."""
    root, end, centre = np.sqrt(n - 1), stats.t.ppf(0.975, n - 1), effect * np.sqrt(n)

    def density(x: float) -> float:
        beyond = stats.norm.sf(end * x - centre) + stats.norm.cdf(-end * x - centre)
        return float(root * stats.chi.pdf(root * x, n - 1) * beyond)

    edges = np.clip(centre / end + np.array([-3.0, 0.0, 3.0]) / end, 0.0, 1 + 40 / root)
    parts = sorted({0.0, 1.0, *edges, 1 + 40 / root})
    return sum(quad(density, *pair, limit=200)[0] for pair in pairwise(parts))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 20, 120])
def test_power_is_that_of_the_integral(n: int) -> None:
    for effect in (1e-3, 0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 16.0, 20.0):
        assert abs(power_of(effect, 1.0, n) - integrated(effect, n)) < 1e-4, effect


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 10, 100, 10**7])
def test_power_is_a_number_at_any_distance(n: int) -> None:
    """The noncentral distributions of SciPy are not; power rises to 1 and stays there."""
    found = [power_of(centre / np.sqrt(n), 1.0, n) for centre in np.geomspace(1e-2, 1e6, 4000)]
    assert np.isfinite(found).all()
    assert (np.diff(found) > -1e-5).all()
    assert found[-1] == 1.0


def test_larger_differences_need_no_more_images() -> None:
    needed = [images_apart(effect, 1.0) for effect in np.geomspace(0.01, 1e12, 600)]
    assert None not in needed
    assert needed == sorted(needed, reverse=True)
    assert needed[-1] == 2


def test_the_least_images_are_the_least() -> None:
    for spread, half in ((1.0, 0.1), (0.3, 0.01), (5.0, 4.0)):
        n = images_within(spread, half)
        widths = [stats.t.ppf(0.975, m - 1) * spread / np.sqrt(m) for m in (n, n - 1)]
        assert widths[0] <= half < widths[1]
    n = images_apart(0.01, 1.0)
    assert n is not None
    assert power_of(0.01, 1.0, n) >= 0.9 > power_of(0.01, 1.0, n - 1)
    assert images_apart(1e-9, 1.0) is None
    assert images_apart(1.0, 0.0) == images_within(0.0, 0.01) == 2
    assert images_apart(0.0, 1.0) is None


def test_of_a_run() -> None:
    rng = np.random.default_rng(1)
    values = {m: rng.normal(c, 0.1, 30) for m, c in (("gradcam", 0.6), ("rise", 0.55))}
    values["lime"] = values["rise"].copy()
    rows = [
        {"image": f"{i:02d}.jpg", "method": m, "metric": metric, "value": float(v[i] * scale)}
        for m, v in values.items()
        for i in range(30)
        for metric, scale in (("insertion", 1.0), ("complexity", 1000.0))
    ]
    found = power(Source("run", frame(rows), catalog=EXACT))
    by = {(mean.key.method, mean.key.metric): mean for mean in found.means}
    spread = values["gradcam"].std(ddof=1)
    assert by["gradcam", "insertion"].spread == pytest.approx(spread)
    assert by["gradcam", "insertion"].needed == (
        images_within(spread, 0.01),
        images_within(spread, 0.02),
    )
    assert by["gradcam", "complexity"].needed == (None, None), "it has no upper bound"
    pairs = {(p.first.method, p.second.method): p for p in found.by("insertion", "ground_truth")}
    assert len(pairs) == 3
    one = next(p for names, p in pairs.items() if set(names) == {"gradcam", "rise"})
    differences = values["gradcam"] - values["rise"]
    ends = stats.t.interval(0.95, 29, differences.mean(), stats.sem(differences))
    assert sorted(map(abs, (one.low, one.high))) == pytest.approx(sorted(map(abs, ends)))
    assert one.least <= one.needed
    assert one.most is None or one.most >= one.needed
    assert one.told(10**6)
    same = next(p for names, p in pairs.items() if set(names) == {"lime", "rise"})
    assert (same.needed, same.low, same.told(10**9)) == (None, None, False)


def test_one_image_and_none() -> None:
    rows = [{"image": "a.jpg", "method": m, "metric": "insertion", "value": 0.5} for m in "ab"]
    found = power(Source("run", frame(rows), catalog=EXACT))
    assert [mean.needed for mean in found.means] == [(None, None)] * 2
    assert [pair.needed for pair in found.pairs] == [None]
    with pytest.raises(XaibenchError, match="no scores of untouched images"):
        power(Source("run", frame(rows, transform="crop"), catalog=EXACT))


def test_a_share_takes_wilsons_interval() -> None:
    """0 of 30 is no certainty: its interval by Student's t has no width, with any two images."""
    seen = {"ig": 0, "gradcam": 17}
    rows = [
        {"image": f"{i:02d}", "method": m, "metric": "average_increase", "value": float(i < ones)}
        for m, ones in seen.items()
        for i in range(30)
    ]
    found = power(Source("run", frame(rows), catalog=EXACT))
    by = {mean.key.method: mean.needed for mean in found.means}
    assert by["ig"] == (189, 93)  # z^2 / (2 (n + z^2)) is the half width of 0 of n
    for share, half in ((0.25, 0.01), (0.5, 0.02), (0.05, 0.02)):
        n = images_of_share(share, half)
        widths = []
        for images in (n, n - 1):
            sums = np.full((images, 1), share)  # a share that is no whole number of images
            low, high = wilson_intervals(sums, np.ones((images, 1)))[:, 0]
            widths.append((high - low) / 2)
        assert widths[0] <= half < widths[1]


def test_what_never_differs_is_marked_and_what_varies_is_not() -> None:
    values = {"fakecam": np.zeros(20), "rise": np.linspace(0.1, 0.7, 20), "lime": np.zeros(20)}
    values["lime"][:3] = 0.2
    rows = [
        {"image": f"{i:02d}", "method": m, "metric": "sparseness", "value": float(x)}
        for m, column in values.items()
        for i, x in enumerate(column)
    ]
    found = power(Source("run", frame(rows), catalog=EXACT))
    assert {mean.key.method: mean.unsure for mean in found.means} == {
        "fakecam": True,
        "rise": False,
        "lime": True,  # 3 of 20 off the commonest value
    }
    pairs = {(p.first.method, p.second.method): p.unsure for p in found.pairs}
    assert pairs == {
        ("fakecam", "rise"): False,
        ("fakecam", "lime"): True,
        ("rise", "lime"): False,
    }


def test_noise_seems_to_be_told_apart_but_not_surely() -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"image": f"{i:02d}", "method": m, "metric": "insertion", "value": float(x)}
        for m in "abcdefghij"
        for i, x in enumerate(rng.normal(0.5, 0.1, 30))
    ]
    found = power(Source("run", frame(rows), catalog=EXACT))
    assert sum(p.told(500) for p in found.pairs) > 10
    assert sum(p.surely_told(500) for p in found.pairs) <= 2  # 2.25 of 45 at 5%
    for pair in found.pairs:
        assert pair.surely_told(500) <= pair.told(500) <= pair.perhaps_told(500)


def test_metrics_stand_as_the_paper_orders_them() -> None:
    names = ["own", "complexity", "deletion", "monotonicity", "average_drop", "average_increase"]
    rows = [
        {"image": i, "method": m, "metric": metric, "value": 0.5}
        for metric in names
        for m in "ab"
        for i in "xy"
    ]
    found = power(Source("run", frame(rows), catalog=EXACT))
    assert [column.metric for column in found.columns] == [
        "average_increase",
        "average_drop",
        "deletion",
        "monotonicity",
        "complexity",
        "own",
    ]
