"""The paper's printed numbers and ImageNet's class ids: package data and what reads it.

`zhang2024_tables.csv` holds the 460 numbers of Tables 1-4 of Zhang, Torres & Hermanns (ACML 2024),
in the paper's own units; `imagenet_wnids.csv` maps a class index to its WordNet id.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def paper_tables() -> pd.DataFrame:
    """Return the paper's printed numbers, one row a cell (460 rows).

    Columns: table (int64), method, target, transform, metric (the paper's key, for example
    `average_drop_bar` for 100 - AD%), value (float64, the paper's units) and note ("" for most).
    """
    import pandas as pd

    return pd.DataFrame(printed_rows()).astype({"table": "int64", "value": "float64"})


@cache
def printed_rows() -> tuple[dict[str, str], ...]:
    """The same rows as text, in the file's order."""
    with (files(__name__) / "zhang2024_tables.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the 1,000 WordNet ids; position i is the class with index i."""
    with (files(__name__) / "imagenet_wnids.csv").open(encoding="utf-8") as file:
        rows = sorted((int(row["index"]), row["wnid"]) for row in csv.DictReader(file))
    return tuple(wnid for _, wnid in rows)
