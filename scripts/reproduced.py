"""How closely a run again gives the values of a published one, by metric.

    python scripts/reproduced.py PUBLISHED.parquet RUN [RUN ...] > results/reproduced.md

PUBLISHED.parquet is as `scripts/publish_run.py` writes it; every RUN is a run directory of the same
photographs, network and protocol. Prints a table of the rows that both have, in the unit of
`scores.parquet` (probabilities and fractions, not percent). Exits 1 where a value is further away
than `TOLERANCE`, or where the two disagree on what could be scored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import xaibench
from xaibench.config.declared import shipped

ROW = ["image", "target", "transform", "variation", "method", "metric"]
SAME = ["model", "dataset", "protocol"]
TOLERANCE = 1e-4
"""Of AG, the distance is that of its probabilities divided by 1 - p, which may be small."""

HEAD = """# Run again

Values of `{published}` beside those of the same network and protocol run again,
made by `python scripts/reproduced.py`. Methods: {methods}, on {images} photographs.
In the unit of `scores.parquet`: probabilities and fractions, not percent. AG is a difference of
probabilities divided by 1 - p, which is small where the network is sure.

"""


def paired(published: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """The rows that both have; `apart`: between their values, infinite where one alone has one."""
    for name in SAME:
        ours, theirs = (set(frame[name].astype(str)) for frame in (published, again))
        if ours != theirs:
            sys.exit(f"{name}: {theirs} run again, {ours} published.")
    kept = [*ROW, "status", "value"]
    frames = (
        frame[kept].astype(dict.fromkeys([*ROW, "status"], str)) for frame in (published, again)
    )
    both = pd.merge(*frames, on=ROW, suffixes=("_old", "_new"))
    old, new = both["value_old"], both["value_new"]
    alike = (both["status_old"] == both["status_new"]) & (old.isna() == new.isna())
    both["apart"] = np.where(alike, (old - new).abs().fillna(0.0), np.inf)
    return both


def page(both: pd.DataFrame, published: str) -> str:
    """What was compared, and a table with a row a metric."""
    methods = ", ".join(shipped().label(m) for m in sorted(set(both["method"])))
    head = HEAD.format(published=published, methods=methods, images=both["image"].nunique())
    lines = [
        "| Metric | Values | Same to the bit | Largest difference |",
        "| --- | ---: | ---: | ---: |",
    ]
    groups = dict(list(both.groupby("metric")))
    for metric in sorted(groups, key=list(shipped().metrics).index):
        apart = groups[metric]["apart"]
        lines.append(
            f"| {shipped().metric(metric).short} | {len(apart)} | {(apart == 0).sum()} | "
            f"{apart.max():.1e} |"
        )
    apart = both["apart"]
    lines.append(f"| all | {len(apart)} | {(apart == 0).sum()} | {apart.max():.1e} |")
    return head + "\n".join(lines) + "\n"


def main(published: Path, runs: list[Path]) -> int:
    """Print the table."""
    again = pd.concat([xaibench.load_scores(run) for run in runs])
    both = paired(pd.read_parquet(published), again)
    if both.empty:
        sys.exit(f"no row of {', '.join(map(str, runs))} is in {published}.")
    sys.stdout.write(page(both, published.as_posix()))
    return int((both["apart"] > TOLERANCE).any())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]))
