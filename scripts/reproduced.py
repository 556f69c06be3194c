r"""How closely runs again give the values of published ones, by metric.

    python scripts/reproduced.py PUBLISHED.parquet RUN [PUBLISHED.parquet RUN ...] \
        > results/reproduced.md

PUBLISHED.parquet is as `scripts/publish_run.py` writes it; RUN is a run directory of the same
photographs, network and protocol. Prints a table of the rows that both have, in the unit of
`scores.parquet` (probabilities and fractions, not percent), for each RUN. Exits 1 where a
value is further away than `TOLERANCE`, or where the two disagree on what could be scored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import xaibench
from xaibench.config.declared import shipped
from xaibench.report.text import count

ROW = ["image", "target", "transform", "variation", "method", "metric"]
SAME = ["model", "dataset", "protocol"]
TOLERANCE = 1e-4
"""Of AG, the distance is that of its probabilities divided by 1 - p, which may be small."""

HEAD = """# Run again

Values of published runs beside those of the same network and protocol run again, made by
`python scripts/reproduced.py`. In the unit of `scores.parquet`: probabilities and fractions, not
percent. AG is a difference of probabilities divided by 1 - p, which is small where the network is
sure.
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


def page(both: pd.DataFrame, title: str) -> str:
    """What was compared, and a table with a row a metric."""
    methods = ", ".join(shipped().label(m) for m in sorted(set(both["method"])))
    images = count(both["image"].nunique(), "photograph")
    lines = [
        f"\n## {title}\n\n{methods}, on {images}.\n",
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
    return "\n".join(lines) + "\n"


def main(pairs: list[tuple[Path, Path]]) -> int:
    """Print a table of each run beside the published one."""
    tables, worst = [], 0.0
    for published, again in pairs:
        both = paired(pd.read_parquet(published), xaibench.load_scores(again))
        if both.empty:
            sys.exit(f"no row of {again} is in {published}.")
        tables.append(page(both, f"{published.parent.name}, {again.name}"))
        worst = max(worst, both["apart"].max())
    sys.stdout.write(HEAD + "".join(tables))
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    words = [Path(word) for word in sys.argv[1:]]
    if not words or len(words) % 2:
        sys.exit(f"usage: {Path(__file__).name} PUBLISHED.parquet RUN [PUBLISHED.parquet RUN ...]")
    sys.exit(main(list(zip(words[::2], words[1::2], strict=True))))
