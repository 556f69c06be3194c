"""What `--dtype bfloat16` changes in every cell of Tables 1-3, on the embedded photographs.

    python scripts/dtype_effect.py FOLDER [--limit N] [--method M,...] [--metric M,...]

Runs the methods and metrics of the tables twice below FOLDER, in float32 and in bfloat16, on the
first N photographs, and sets the means side by side. What FOLDER holds is not computed again, and
all that it holds is in the page: other methods can come with another --limit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

import xaibench
from xaibench.models.device import device_name, resolve_device
from xaibench.models.inference import why_slow

METRICS = (
    "average_increase,average_drop,average_gain,insertion,deletion,monotonicity,max_sensitivity,"
    "avg_sensitivity,sparseness,complexity,effective_complexity,completeness"
)
KEYS = ["method", "metric", "target", "image"]
FLOAT32 = {"protocol": "published", "data": "samples", "workers": 0}


def page(plain: pd.DataFrame, half: pd.DataFrame, where: str) -> str:
    """A Markdown page: a row a method and metric. The frames are those of two runs."""
    one, two = (frame.set_index(KEYS).value for frame in (plain, half))
    both = pd.DataFrame({"float32": one, "bfloat16": two}).dropna()
    both["apart"] = (both.bfloat16 - both.float32).abs()
    lines = [
        "# bfloat16 against float32",
        "",
        "Made by `python scripts/dtype_effect.py`: forward passes without gradients in bfloat16, "
        f"all else in float32; EfficientNet-Lite0, published protocol, true class; {where}.",
        "",
        "| method | metric | n | float32 | bfloat16 | difference | largest of an image |",
        "|---|---|---|---|---|---|---|",
    ]
    for (method, metric), rows in both.groupby(["method", "metric"], observed=True, sort=False):
        before, after = rows.float32.mean(), rows.bfloat16.mean()
        cells = [method, metric, str(len(rows)), f"{before:.4f}", f"{after:.4f}"]
        cells += [f"{after - before:+.4f}", f"{rows.apart.max():.4f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=2)
    parser.add_argument("--method", default="fakecam,gradient,guidedbp,gradcam,gradcampp,rise,lime")
    parser.add_argument("--metric", default=METRICS)
    parser.add_argument("--out", type=Path, default=Path("results/bench/dtype.md"))
    asked = parser.parse_args()
    runs = {dtype: asked.folder / dtype for dtype in ("float32", "bfloat16")}
    for dtype, out in runs.items():
        what = {"method": asked.method, "metric": asked.metric, "limit": asked.limit}
        xaibench.run({**FLOAT32, **what, "dtype": dtype, "out": out}, say=print)
    device = resolve_device("auto")
    slow = why_slow(device)
    where = f"{device_name(device)}, torch {torch.__version__}" + (f"; {slow}" if slow else "")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(page(*(xaibench.load_scores(out) for out in runs.values()), where))


if __name__ == "__main__":
    main()
