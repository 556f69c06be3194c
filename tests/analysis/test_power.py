"""How many images means and pairs of methods need: against simulation and textbook numbers."""

from __future__ import annotations

import numpy as np
import pytest
from frames import EXACT, frame
from scipy import stats

from xaibench.analysis.compare import Source
from xaibench.analysis.power import images_apart, images_within, power, power_of
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
