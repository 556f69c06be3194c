"""What bfloat16 or compiled code changes in every cell of Tables 1-3, on the embedded photographs.

    python scripts/option_effect.py bfloat16|compiled FOLDER [--limit N] [--method M,...]

Runs the methods and metrics of the tables twice below FOLDER, without the option and with it, on
the first N photographs, and sets the means side by side. What FOLDER holds is not computed again,
and all that it holds is in the page: other methods can come with another --limit. Compiled: also
where `--compile auto` would find that it does not pay.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

import xaibench
from xaibench.models.device import device_name, resolve_device
from xaibench.models.inference import why_slow
from xaibench.stages import network

METRICS = (
    "average_increase,average_drop,average_gain,insertion,deletion,monotonicity,max_sensitivity,"
    "avg_sensitivity,sparseness,complexity,effective_complexity,completeness"
)
KEYS = ["method", "metric", "target", "image"]
PLAIN = {"protocol": "published", "data": "samples", "workers": 0}
OPTIONS = {"bfloat16": {"dtype": "bfloat16"}, "compiled": {"compile": "auto"}}


def page(option: str, plain: pd.DataFrame, other: pd.DataFrame, where: str) -> str:
    """A Markdown page: a row a method and metric. The frames are those of two runs."""
    one, two = (frame.set_index(KEYS).value for frame in (plain, other))
    both = pd.DataFrame({"plain": one, "other": two}).dropna()
    both["apart"] = (both.other - both.plain).abs()
    lines = [
        f"# What {option} forward passes change",
        "",
        f"Made by `python scripts/option_effect.py {option}`: forward passes without gradients are "
        f"{option}, all else is as ever; EfficientNet-Lite0, published protocol, true class; "
        f"{where}. Values in natural units.",
        "",
        f"| method | metric | n | as ever | {option} | difference | largest of an image |",
        "|---|---|---|---|---|---|---|",
    ]
    for (method, metric), rows in both.groupby(["method", "metric"], observed=True, sort=False):
        before, after = rows.plain.mean(), rows.other.mean()
        cells = [method, metric, str(len(rows)), f"{before:.4f}", f"{after:.4f}"]
        cells += [f"{after - before:+.4f}", f"{rows.apart.max():.4f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("option", choices=OPTIONS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=2)
    parser.add_argument("--method", default="fakecam,gradient,guidedbp,gradcam,gradcampp,rise,lime")
    parser.add_argument("--metric", default=METRICS)
    parser.add_argument("--out", type=Path, help="[default: results/bench/OPTION.md]")
    asked = parser.parse_args()
    network.PAYS, network.GAIN = dict.fromkeys(network.PAYS, 0), 0.0
    runs = {"plain": {}, asked.option: OPTIONS[asked.option]}
    for name, option in runs.items():
        what = {"method": asked.method, "metric": asked.metric, "limit": asked.limit}
        xaibench.run({**PLAIN, **what, **option, "out": asked.folder / name}, say=print)
    device = resolve_device("auto")
    slow = why_slow(device) if asked.option == "bfloat16" else ""
    where = f"{device_name(device)}, torch {torch.__version__}" + (f"; {slow}" if slow else "")
    out = asked.out or Path("results/bench") / f"{asked.option}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    frames = (xaibench.load_scores(asked.folder / name) for name in runs)
    out.write_text(page(asked.option, *frames, where))


if __name__ == "__main__":
    main()
