"""The page in headless Chromium: sorting, switching, hints, widths, nothing fetched, no harm."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import EVIL

from xaibench.report.html.view import to_json

Open = Callable[..., Any]
TABLE = ".panel[data-run='0'] table[data-table=table-1]"
ROWS = f"{TABLE} tbody tr:not(.family)"


def column(page: Any, place: int) -> list[str]:
    """What the rows of Table 1 show in a column, as they stand."""
    return [
        row.locator("th, td").nth(place).inner_text().split("\n")[0]
        for row in page.locator(ROWS).all()
    ]


@pytest.fixture(scope="module")
def page(opened: Open, index: Path) -> Any:
    """One page for the tests that leave it as it was."""
    return opened(index)


@pytest.mark.parametrize("width", [390, 900, 1440])
def test_it_fits_every_width_in_both_colours(
    opened: Open, index: Path, tmp_path: Path, width: int
) -> None:
    """Tables scroll in boxes of their own; the pictures are for whoever wants to look."""
    page = opened(index, width, dark=width == 900)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
    assert (tmp_path / f"{width}.png").stat().st_size > 50_000
    assert page.complaints == []
    page.close()


def test_a_head_sorts_best_first_then_last_then_as_it_was(page: Any) -> None:
    head = page.locator(f"{TABLE} thead th", has_text="I%").first
    place = head.evaluate("head => head.cellIndex")
    before = column(page, 0)
    orders = []
    for _ in range(3):
        head.locator("button").click()
        orders.append((head.get_attribute("aria-sort"), column(page, place), column(page, 0)))
    (first, values, _), (second, others, _), (third, _, names) = orders
    assert (first, second, third) == ("descending", "ascending", "none")
    assert [*map(float, values)] == sorted(map(float, values), reverse=True)
    assert [*map(float, others)] == sorted(map(float, others))
    assert names == before


def test_the_keyboard_sorts_and_what_has_no_value_stays_last(page: Any) -> None:
    table = ".panel[data-run='0'] table[data-table=table-2]"
    last = page.locator(f"{table} tbody tr:not(.family)").last
    head = page.locator(f"{table} thead th[data-better]").last
    head.locator("button").focus()
    for order in ("descending", "ascending"):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        assert last.locator("th").inner_text().startswith("RISE")
        assert last.locator("td").last.inner_text() == "\u00b7"
    page.keyboard.press("Enter")


def test_the_arrow_keys_reach_every_cell_and_its_hint(page: Any) -> None:
    cells = page.locator(f"{TABLE} tbody td")
    cells.first.focus()
    assert page.locator(f"{TABLE} tbody td[tabindex='0']").count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert "n 12 images, 0 constant, 0 left out" in tip.inner_text()
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    cells.nth(2).hover()
    assert tip.inner_text().startswith("Fake-CAM, AG%")


def test_one_run_is_shown_and_the_switch_shows_the_other_or_all(page: Any) -> None:
    def seen() -> list[bool]:
        parts = page.locator("#tables .panel").all()
        return [part.is_visible() for part in parts]

    runs = page.locator("#runs input")
    assert seen() == [True, False]
    runs.nth(1).check()
    assert seen() == [False, True]
    runs.nth(1).press("ArrowRight")
    assert seen() == [True, True]
    runs.first.check()
    assert seen() == [True, False]


def test_intervals_and_the_papers_numbers_can_be_put_away(page: Any) -> None:
    for place, part in enumerate((".i", ".p")):
        box = page.locator("#parts input").nth(place)
        assert page.locator(f"{TABLE} {part}").first.is_visible()
        box.uncheck()
        assert not page.locator(f"{TABLE} {part}").first.is_visible()
        box.check()


def test_colours_follow_the_system_until_they_are_chosen(opened: Open, index: Path) -> None:
    page = opened(index, dark=True)
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme").click()
    assert page.locator("#theme").inner_text() == "Colours: light"
    assert page.evaluate(colour) != dark
    page.locator("#theme").click()
    assert page.evaluate(colour) == dark
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert not page.locator("#controls").is_visible()
    page.close()


def test_the_first_stop_of_the_keyboard_skips_to_the_results(opened: Open, index: Path) -> None:
    page = opened(index)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()


def test_names_that_mean_harm_are_text(page: Any) -> None:
    assert page.title() == f"published and other {EVIL} - xaibench report"
    assert EVIL in page.locator("#tables").inner_text()
    inside = "[...document.querySelectorAll('script')].filter(s => !s.src && s.type === '').length"
    assert page.evaluate(inside) == 0
    assert page.complaints == []


@pytest.mark.parametrize("way", ["directory", "one file"])
def test_it_works_elsewhere_and_loads_what_is_wanted_later(
    opened: Open, index: Path, single: Path, tmp_path: Path, way: str
) -> None:
    """Moved as it would be unzipped; the single file without anything beside it."""
    if way == "directory":
        shutil.copytree(index.parent, tmp_path / "moved")
        place = tmp_path / "moved" / "index.html"
    else:
        place = tmp_path / "page.html"
        shutil.copyfile(single, place)
    page = opened(place)
    digest = hashlib.sha256(to_json({"evil": EVIL}).encode()).hexdigest()[:12]
    loads = f"xaibench.load('data/tried-0-{digest}.js').then(held => held.evil)"
    assert page.evaluate(loads) == EVIL
    head = page.locator(f"{TABLE} thead th[data-better]").first
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert page.complaints == []
    page.close()
