"""Which means of the paper's tables moved between two sets of scores, on the rows that both have.

    python scripts/moved.py OLD.parquet NEW.parquet > results/moved.md

Both files are as `scripts/publish_run.py` writes them. A cell is shown where its printed mean moves
by at least half of its last digit; units are the paper's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from xaibench.analysis.columns import paper_column
from xaibench.config.declared import shipped
from xaibench.published.tables import METHODS, TABLES

KEYS = ["method", "target", "transform", "metric"]
ROW = [*KEYS, "image", "variation"]


def moved(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: means before and after over common rows, and the largest change of one."""
    both = old[[*ROW, "value"]].merge(new[[*ROW, "value"]], on=ROW, suffixes=("_old", "_new"))
    both = both[np.isfinite(both["value_old"]) & np.isfinite(both["value_new"])]
    both["change"] = (both["value_new"] - both["value_old"]).abs()
    cells = both.groupby(KEYS, sort=False)
    found = cells.agg(
        before=("value_old", "mean"),
        after=("value_new", "mean"),
        most=("change", "max"),
        rows=("change", "size"),
    )
    return found.reset_index()


def lines(table: int, cells: pd.DataFrame) -> list[str]:
    """The Markdown lines of one table of the paper."""
    spec, found = TABLES[table], []
    for target, transform in spec.groups():
        for metric in spec.metrics:
            column = paper_column(metric, shipped())
            for method in METHODS:
                here = (cells[KEYS] == [method, target, transform, metric]).all(axis=1)
                for _, cell in cells[here].iterrows():
                    before, after = column.printed(cell.before), column.printed(cell.after)
                    if abs(after - before) >= 0.5 * 10.0**-column.digits:
                        place = ", ".join(
                            word
                            for word in (shipped().label(method), target, transform)
                            if word != "none"
                        )
                        found.append(
                            f"| {column.header} | {place} | {before:.{column.digits}f} | "
                            f"{after:.{column.digits}f} | {after - before:+.{column.digits}f} | "
                            f"{abs(column.scale) * cell.most:.{column.digits}f} | {cell.rows} |"
                        )
    return found


def main(old: str, new: str) -> None:
    """Print the tables."""
    frames = [pd.read_parquet(Path(name)) for name in (old, new)]
    for frame in frames:
        frame[ROW] = frame[ROW].astype(str)
    cells = moved(*frames)
    for table in TABLES:
        found = lines(table, cells)
        print(f"\n## Table {table}: {len(found)} cells moved\n")
        if found:
            print("| metric | cell | before | after | change | most in one row | rows |")
            print("|---|---|---|---|---|---|---|")
            print("\n".join(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
