"""The report for programs: CSV in long form, and the same as JSON with its header."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.types import Table

FIELDS = (
    "table",
    "method",
    "target",
    "transform",
    "metric",
    "mean",
    "low",
    "high",
    "unsure",
    "n",
    "n_constant",
    "n_left_out",
    "paper",
    "difference",
    "remark",
)

INTERVAL = (
    "95%, over images: Wilson's where a metric is 0 or 1, else a bootstrap with widened percentiles"
)


def records(table: Table) -> list[dict[str, Any]]:
    """Return one record a cell that has scores, with the keys `FIELDS`.

    `metric` is the paper's key, which names the units (`average_drop_bar` is 100 - AD%), so that
    records join with `published/zhang2024_tables.csv`; table 0 is what the paper has no column for,
    in natural units. `n_left_out` is a dictionary by status.
    """
    return [
        {
            "table": table.number,
            "method": row.method,
            "target": column.target,
            "transform": column.transform,
            "metric": column.column.paper,
            "mean": rounded(cell.mean),
            "low": rounded(cell.low),
            "high": rounded(cell.high),
            "unsure": cell.unsure,
            "n": cell.n,
            "n_constant": cell.n_constant,
            "n_left_out": dict(cell.n_left_out),
            "paper": cell.paper,
            "difference": rounded(cell.difference),
            "remark": cell.remark,
        }
        for row, line in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, line, strict=True)
        if cell is not None
    ]


def rounded(value: float | None) -> float | None:
    """Keep ten digits: the last bits depend on the machine, and results are version-controlled."""
    return None if value is None else float(f"{value:.10g}")


def to_csv(tables: list[Table]) -> str:
    """Return the report as CSV: one line a cell, empty where there is no number."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for record in records(table):
            writer.writerow(record | {"n_left_out": sum(record["n_left_out"].values())})
    return file.getvalue()


def to_json(header: Header, tables: list[Table]) -> str:
    """Return the report as JSON: run, paper, notes of each table, and the cells."""
    content = {
        "run": asdict(header),
        "paper": PAPER,
        "interval": INTERVAL,
        "tables": [
            {
                "table": table.number,
                "title": table.title,
                "images": table.images,
                "notes": list(table.notes),
                "missing": table.fill.missing if table.fill else 0,
                "fill": table.fill.command if table.fill else None,
                "cells": records(table),
            }
            for table in tables
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
