"""Frames of scores and declarations for the tests of this folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from frames import full_study, make_frame, make_study
from rich.console import Console

from xaibench.report import write_report

__all__ = ["full_study", "make_frame", "make_study"]


@pytest.fixture
def odd_study(full_study: pd.DataFrame) -> pd.DataFrame:
    """The full study and all that makes a table harder to set."""
    plain = full_study[full_study["transform"] == "none"]
    spec = plain[plain["method"] == "rise"].assign(method='rise(fill="50% & a_b#{c}$^~", n=2000)')
    other = plain[plain["metric"] == "insertion"].assign(metric="pointing_game(a|b=<1>)")
    odd = pd.concat([full_study.astype({"method": str, "metric": str}), spec, other])
    odd = odd.reset_index(drop=True)
    odd.loc[(odd["method"] == "lime") & (odd["image"] == "0003.jpg"), "status"] = "nonfinite"
    odd.loc[(odd["method"] == "gradcam") & (odd["image"] == "0004.jpg"), "status"] = "constant_map"
    odd.loc[odd["method"] == "iba", "status"] = "failed"
    return odd


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., str]:
    """Write the report of a frame into `folder` (tmp_path); return what the terminal shows."""

    def write(
        scores: pd.DataFrame,
        width: int = 100,
        tables: list[int] | None = None,
        folder: Path = tmp_path,
    ) -> str:
        file = io.StringIO()
        write_report(scores, folder, tables, Console(file=file, width=width))
        return file.getvalue()

    return write
