"""Runs for the page of the report, with names that mean harm wherever a name can stand."""

from __future__ import annotations

import pandas as pd
from frames import declared, frame, study

from xaibench.analysis.compare import Source
from xaibench.config.catalog import Catalog, MethodDeclaration

EVIL = "</script><script>document.title='taken'</script><b>\"'&"
"""What a name would be that was to run in the page."""
METHODS = ("fakecam", "gradcam", "rise")


def source(name: str, images: int = 12, seed: float = 0.0, **run: str) -> Source:
    """Scores of three methods of the paper's, of RISE not for all targets, and of an evil one."""
    scores = study(images, METHODS, **run).astype({"method": str, "metric": str})
    scores = scores[scores["transform"] == "none"]
    lost = (scores["method"] == "rise") & (scores["target"] == "least_probable")
    scores = scores[~lost]
    scores["value"] = (scores["value"] + seed).clip(upper=1.0)
    own = [
        {"method": "mine", "metric": metric, "image": f"{EVIL}{i}", "value": 0.1 * i}
        for metric in ("insertion", "deletion")
        for i in range(3)
    ]
    known = declared()
    mine = {"mine": MethodDeclaration("mine", EVIL)}
    catalog = Catalog(mine, {}).over(known)
    whole = pd.concat([scores, frame(own, **run)], ignore_index=True)
    return Source(name, whole, {"model": EVIL, "seed": 0}, catalog=catalog)
