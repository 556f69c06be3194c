"""What results weigh beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import tiny

from xaibench.config.run import load_config
from xaibench.execution.weights import weights
from xaibench.stages.run import Run, resolve
from xaibench.stages.steps import PREDICTIONS


def of(out: Path, method: str, metric: str = "insertion", **more: object) -> Run:
    config = {"method": method, "metric": metric, "out": out, "limit": 1, **more}
    return resolve(load_config(config), network=tiny(classes=1000))


def test_a_map_weighs_its_share_of_an_image_s_passes(tmp_path: Path) -> None:
    run = of(tmp_path, "rise(n_masks=30),gradient,fakecam", target="predicted,least_probable")
    weight = weights(run)
    assert weight(("maps", "rise(n_masks=30)", "")) == 1 + 30 / 2
    assert weight(("maps", "gradient", "")) == 1 + (1 + 2 * 2) / 2
    assert weight(("maps", "fakecam", "")) == weight(PREDICTIONS) == 1


@pytest.mark.parametrize(("metric", "expected"), [("insertion", 27 + 1), ("sparseness", 1)])
def test_a_score_weighs_what_the_metric_declares(
    tmp_path: Path, metric: str, expected: float
) -> None:
    run = of(tmp_path, "gradient", metric)
    assert weights(run)(("scores", "gradient", metric)) == expected


def test_metrics_that_explain_weigh_as_much_as_their_explanations_together(tmp_path: Path) -> None:
    both = "max_sensitivity,avg_sensitivity"
    run = of(tmp_path, "gradient", both, protocol="reference")
    weight = weights(run)
    each = [weight(("scores", "gradient", metric.spec)) for metric in run.metrics]
    assert sum(each) == 2 + 10 * (1 + 2)


def test_a_method_without_a_known_cost_weighs_by_count(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def flat(ctx, batch, state):\n    return None\n")
    run = of(tmp_path / "run", f"file:{own}:flat")
    assert weights(run)(("maps", run.methods[0].spec, "")) == 1
