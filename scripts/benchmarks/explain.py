"""`explain` of the methods that look at an image through many passes without gradients."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import Pairs, row
from benchmarks.score import RAW
from benchmarks.setting import Setting, against_raw


def explained(
    setting: Setting, method: str, needs: Mapping[str, float], few: int = 0, many: int = 0
) -> Pairs:
    """Pairs of `explain` and of its passes an image; few, many: images of the two runs."""
    out = f"explain-{method.partition('(')[0]}"

    setting.run(out, setting.many, "explain", method="fakecam")  # makes the predictions

    def run(limit: int) -> float:
        setting.emptied(out, "maps", "state")
        return setting.run(out, limit, "explain", method=method)

    yield from against_raw(setting, run, needs, few, many)


@row("explain-scorecam", "explain of Score-CAM", other=RAW, at_least=0.9)
def scorecam(setting: Setting) -> Pairs:
    """A pass for the maps and one for each of the 1,280 channels; 16 images share the first."""
    return explained(setting, "scorecam", {"forward": 1280}, 1, 2 if setting.quick else 3)


@row("explain-rise", "explain of RISE", other=RAW, at_least=0.9)
def rise(setting: Setting) -> Pairs:
    """32 masks, as the published protocol has it."""
    return explained(setting, "rise", {"forward": 32})


@row("explain-rise-many", "explain of RISE with 1,000 masks", other=RAW, at_least=0.9, pairs=3)
def rise_many(setting: Setting) -> Pairs:
    """1,000 masks of 7 x 7 cells."""
    method = "rise(n_masks=1000,cells=7,p=0.5,weights=probability)"
    return explained(setting, method, {"forward": 1000}, 1, 3 if setting.quick else 4)


@row("explain-lime", "explain of LIME, segments on workers", other=RAW, at_least=0.9)
def lime(setting: Setting) -> Pairs:
    """1,000 samples, as the lime package and the reference protocol have it."""
    method = (
        "lime(n_samples=1000,hidden=mean_colour,segment_space=pixels,surrogate_model=ridge,"
        "score=probability,sign=positive)"
    )
    return explained(setting, method, {"forward": 1000}, 2, 3 if setting.quick else 5)


@row("explain-lime-40", "explain of LIME with 40 samples, segments on workers", other=RAW)
def lime_few(setting: Setting) -> Pairs:
    """40 samples, as the published protocol has it: cutting segments takes longer than passes."""
    return explained(setting, "lime", {"forward": 40}, 4, 6 if setting.quick else 24)
