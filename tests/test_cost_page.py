"""docs/cost.md is what its script writes: one row of it for every change, all of it when slow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cost.md"
sys.path.insert(0, str(ROOT / "scripts"))
import cost_page  # noqa: E402


def test_a_row_of_the_page_is_the_arithmetic_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_page, "PROTOCOLS", ("reference",))
    monkeypatch.setattr(cost_page, "TABLES", ("table4",))
    one = cost_page.estimates(tmp_path)["reference", "table4"]
    assert cost_page.row("reference", "table4", one) in PAGE.read_text().splitlines()


@pytest.mark.slow
def test_the_page_is_what_the_script_writes() -> None:
    assert cost_page.text() == PAGE.read_text()
