"""`score` on stored maps against the passes that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import Pairs, row
from benchmarks.setting import Setting, against_raw

RAW = "its own network's bare rate"


def scored(
    setting: Setting,
    method: str,
    metric: str,
    needs: Mapping[str, float],
    few: int = 0,
    many: int = 0,
) -> Pairs:
    """Pairs of `score` of one method's stored maps and of its passes an image."""
    out = f"score-{method}"
    setting.run(out, setting.many, "explain", method=method, metric=metric)

    def run(limit: int) -> float:
        setting.emptied(out, "scores")
        return setting.run(out, limit, "score", method=method, metric=metric)

    yield from against_raw(setting, run, needs, few, many)


@row("score-insertion-deletion", "score of insertion and deletion", other=RAW, at_least=0.92)
def insertion_deletion(setting: Setting) -> Pairs:
    """27 steps each, and the blurred image."""
    return scored(setting, "gradcam", "insertion,deletion", {"forward": 55})


@row("score-insertion-deletion-fine", "the same with 224 steps", other=RAW, at_least=0.92, pairs=3)
def insertion_deletion_fine(setting: Setting) -> Pairs:
    """As the reference protocol has it; on fewer images."""
    metric = "insertion(rows_per_step=1,kernel=11),deletion(rows_per_step=1)"
    return scored(setting, "gradcam", metric, {"forward": 447}, 2, 3 if setting.quick else 8)


@row("score-monotonicity", "score of monotonicity", other=RAW, at_least=0.9)
def monotonicity(setting: Setting) -> Pairs:
    """7 steps, each drawn 10 times."""
    return scored(
        setting, "gradcam", "monotonicity", {"forward": 70}, 8, 12 if setting.quick else 24
    )


SENSITIVITY = "max_sensitivity(explanation=method),avg_sensitivity(explanation=method)"


@row("score-sensitivity-gradcam", "score of MS and AS of Grad-CAM", other=RAW, at_least=0.9)
def sensitivity_gradcam(setting: Setting) -> Pairs:
    """10 explanations an image: a forward pass, and a backward pass down to the layer."""
    return scored(setting, "gradcam", SENSITIVITY, {"cam": 10}, 8, 12 if setting.quick else 48)


@row("score-sensitivity-gradient", "score of MS and AS of the gradient", other=RAW, at_least=0.9)
def sensitivity_gradient(setting: Setting) -> Pairs:
    """10 explanations an image: a forward and a backward pass; BatchNorm in evaluation mode."""
    method = "gradient(batchnorm=eval,explained_class=given)"
    return scored(setting, method, SENSITIVITY, {"gradient": 10}, 8, 24)
