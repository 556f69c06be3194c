"""`run` from JPEG files to scores."""

from __future__ import annotations

from benchmarks import Pairs, row
from benchmarks.score import RAW
from benchmarks.setting import Setting, against_raw


@row(
    "run-gradcam",
    "run of Grad-CAM, insertion, deletion from JPEG files",
    other=RAW,
    at_least=0.85,
)
def run_gradcam(setting: Setting) -> Pairs:
    """A forward pass, Grad-CAM's pass, and 55 of insertion and deletion."""

    def run(limit: int) -> float:
        setting.emptied("run")
        return setting.run("run", limit, method="gradcam", metric="insertion,deletion")

    return against_raw(setting, run, {"forward": 56, "cam": 1})
