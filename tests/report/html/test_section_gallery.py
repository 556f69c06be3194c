"""The gallery's section: what stands in the page, and what a browser makes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from gallery_speed import METHODS, METRICS, synthetic

from xaibench.report.html import build
from xaibench.report.html.sections import gallery as module
from xaibench.report.html.sections.gallery import POINTS, section
from xaibench.report.html.view import View

HOSTILE = "<img src=x onerror=alert(1)>\u202e.jpg"
VISIBLE = HOSTILE.replace("\u202e", r"\u202e")
SHOWN = [m for m in METRICS if m != "completeness"] + ["completeness"]
IMAGES = 130


def view_of(folder: Path, images: int = 3, steps: int = 5, **changed: Any) -> View:
    """A made-up gallery in a folder, some of its fields changed."""
    made = synthetic(images, steps)
    gallery = replace(made.prepared["gallery"][0], **changed)
    return View(made.runs, folder, prepared={"gallery": [gallery]})


def written(view: View) -> Path:
    """The page with this section alone."""
    html = section(view)
    assert html is not None
    only = [build.Made(module.key, module.title, html)]
    with mock.patch.object(build, "made", return_value=only):
        return build.write_html(view)


def test_values_are_those_of_the_tables(tmp_path: Path) -> None:
    """100 - AD% where the paper prints that; what is not in a mean is not shown."""
    view = view_of(tmp_path)
    scores = view.runs[0].source.scores
    first = scores["image"].unique()[0]
    lost = (scores["method"] == "rise") & (scores["metric"] == "insertion")
    scores.loc[lost & (scores["image"] == first), "status"] = "failed"
    made = section(view)
    assert made is not None
    (data,) = made.data
    assert [m["label"] for m in data["metrics"]][:4] == ["AI%", "100 - AD%", "AG%", "I%"]
    of = scores[(scores["method"] == "lime") & (scores["metric"] == "average_drop")]
    expected = [100 - 100 * value for value in of.set_index("image")["value"]]
    assert data["values"][1][METHODS.index("lime")] == pytest.approx(expected, rel=1e-8)
    insertion = data["values"][3][METHODS.index("rise")]
    assert insertion[0] is None
    assert None not in insertion[1:]
    assert [m["higher"] for m in data["metrics"]][1:5] == [True] * 4


def test_curves_are_thinned_and_keep_their_ends(tmp_path: Path) -> None:
    view = view_of(tmp_path, images=45, steps=225)
    made = section(view)
    assert made is not None
    (data,) = made.data
    parts = [read_chunk(tmp_path / place) for place in data["chunks"]]
    assert list(map(len, parts)) == [20, 20, 5]
    curves = view.prepared["gallery"][0].curves["deletion"]["iba"]
    drawn = parts[1][3]["curves"][4][METHODS.index("iba")]
    whole = curves[data["images"][23]]
    assert len(drawn) == POINTS
    assert (drawn[0], drawn[-1]) == (round(whole[0], 3), round(whole[-1], 3))
    assert set(drawn) <= set(np.round(whole, 3))
    assert parts[0][0]["curves"][0] is None


def read_chunk(path: Path) -> list[dict[str, Any]]:
    """What a file of data/ holds."""
    text = path.read_text().partition(", ")[2].removesuffix(");\n")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def test_without_pictures_or_a_gallery(tmp_path: Path) -> None:
    made = section(view_of(tmp_path, notes=["No photographs: they are gone."]))
    assert made is not None
    assert "No photographs: they are gone." in made.body
    assert not (tmp_path / "assets").exists()
    assert section(replace(view_of(tmp_path), prepared={})) is None
    assert section(replace(view_of(tmp_path), prepared={"gallery": [None]})) is None


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 130 images, the first of a hostile name, with pictures."""
    folder = tmp_path_factory.mktemp("page")
    strip = (
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00"
        b"\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    )
    made = synthetic(IMAGES, 5, [strip])
    gallery, run = made.prepared["gallery"][0], made.runs[0]
    names = [HOSTILE, *gallery.images[1:]]
    new = dict(zip(gallery.images, names, strict=True))
    source = replace(
        run.source,
        scores=run.source.scores.assign(image=run.source.scores["image"].map(new)),
        predictions=run.source.predictions.assign(image=names),
    )
    gallery = replace(gallery, images=names)
    runs = (replace(run, source=source),)
    return written(View(runs, folder, prepared={"gallery": [gallery]}))


@pytest.fixture
def page(opened: Callable[..., Any], index: Path) -> Iterator[Any]:
    """The page, anew; afterwards nothing was said on the console and nothing fetched."""
    yield (held := opened(index, 1000))
    assert held.complaints == []
    held.close()


def choose(page: Any, control: str, value: str) -> None:
    page.locator(f".g-controls select[name={control}]").select_option(value)


def names(page: Any) -> list[str]:
    found: list[str] = page.locator(".g-card h4").all_text_contents()
    return found


def test_pages_of_a_hundred_and_pictures_that_come_when_they_are_near(page: Any) -> None:
    status = page.locator(".g-status")
    assert status.inner_text() == "130 of 130 images, 1 to 100"
    assert len(names(page)) == 100
    assert names(page)[0] == VISIBLE, "as text, nothing hidden"
    page.wait_for_selector(".g-card:first-child img")
    assert page.locator(".g-card:nth-child(90) img").count() == 0
    page.locator(".g-card:nth-child(90)").scroll_into_view_if_needed()
    page.wait_for_selector(".g-card:nth-child(90) img")
    assert page.locator(".g-card:nth-child(90) img").count() == 1 + len(METHODS)
    assert page.locator(".g-card:nth-child(90) polyline").count() == 2 * len(METHODS)
    page.get_by_role("button", name="Next").click()
    assert status.inner_text() == "130 of 130 images, 101 to 130"
    assert page.get_by_role("button", name="Next").is_disabled()
    assert page.evaluate("() => document.activeElement.className") == "g-status"


def test_the_pictures_are_there_before_it_is_printed(page: Any) -> None:
    page.evaluate("window.print = () => (window.printed = true)")
    page.keyboard.press("Control+p")
    page.wait_for_function("window.printed")
    images = page.locator(".g-card img")
    assert images.count() == 100 * (1 + len(METHODS))
    assert images.evaluate_all("(all) => all.every((one) => one.complete && one.naturalWidth)")


def test_a_program_that_prints_finds_all_pictures(page: Any, index: Path) -> None:
    """`chromium --headless --print-to-pdf` presses no key and scrolls nowhere."""
    page.goto(f"{index.as_uri()}?print")
    images = page.locator(".g-card img")
    assert images.count() == 100 * (1 + len(METHODS))
    assert images.evaluate_all("(all) => all.every((one) => one.complete && one.naturalWidth)")


def test_filters(page: Any) -> None:
    choose(page, "class", "7")
    assert names(page) == ["007/00007.jpg", "007/00107.jpg"]
    assert "made-up class 7 " in page.locator(".g-facts").first.inner_text()
    choose(page, "class", "")
    counts = []
    for value, word in (("1", "right"), ("0", "wrong")):
        choose(page, "right", value)
        counts.append(int(page.locator(".g-status").inner_text().split()[0]))
        assert all(word in text for text in page.locator(".g-facts").all_text_contents())
    assert sum(counts) == IMAGES
    assert min(counts) > 0
    choose(page, "class", "50")
    assert len(names(page)) <= 2


def test_best_and_worst_come_first(page: Any) -> None:
    every = synthetic(IMAGES, 5).runs[0].source.scores
    for order, metric, method, largest in (
        ("best", "insertion", "", True),
        ("worst", "insertion", "", False),
        ("best", "max_sensitivity", "", False),  # lower is better
        ("worst", "deletion", "rise", True),  # printed as 100 - D%
    ):
        choose(page, "metric", str(SHOWN.index(metric)))
        choose(page, "method", str(METHODS.index(method)) if method else "")
        choose(page, "order", order)
        methods = [method] if method else METHODS
        rows = every[(every["metric"] == metric) & every["method"].isin(methods)]
        means = rows.groupby("image")["value"].mean().sort_values(ascending=not largest)
        expected = [VISIBLE if i == "000/00000.jpg" else i for i in means.index[:5]]
        assert names(page)[:5] == expected
        said = page.locator(".g-rule").inner_text()
        assert f"{order} first" in said
        assert ("mean over all methods" in said) == (not method)


def test_most_disagreement_comes_first(page: Any, index: Path) -> None:
    text = index.read_text().partition('id="data-gallery">')[2].partition("</script>")[0]
    data = json.loads(text)[0]
    choose(page, "order", "maps")
    apart = np.argsort(-np.array(data["apart"]), kind="stable")
    assert names(page)[:9] == [data["images"][i] for i in apart[:9]]
    assert "Spearman" in page.locator(".g-rule").inner_text()
    choose(page, "metric", "3")
    choose(page, "order", "values")
    spread = np.ptp(np.array(data["values"][3], dtype=float), axis=0)
    assert names(page)[:9] == [data["images"][i] for i in np.argsort(-spread, kind="stable")[:9]]


def test_all_by_keyboard(page: Any) -> None:
    """The controls are reached in their order, and the table of values opened."""
    page.set_viewport_size({"width": 390, "height": 900})
    page.locator(".g-controls").get_by_label("Class").focus()
    for label in ("Prediction", "Metric", "Method", "Order"):
        page.keyboard.press("Tab")
        reached = page.evaluate("() => document.activeElement.parentElement.firstChild.data.trim()")
        assert reached == label
    page.keyboard.press("ArrowDown")
    assert "best first" in page.locator(".g-rule").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".g-card table")
    table = page.locator(".g-card").first.locator("table")
    assert table.locator("tbody tr").count() == len(METHODS)
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 390, "nothing but the table scrolls sideways"


def test_the_chosen_method_stands_out_in_the_curves(page: Any) -> None:
    choose(page, "method", "4")
    page.wait_for_selector(".g-card:first-child polyline.g-on")
    marked = page.locator(".g-card:first-child polyline.g-on")
    assert marked.count() == 2
    page.locator(".g-card:first-child figure[data-place='2'] img").hover()
    places = marked.evaluate_all("(lines) => lines.map((line) => line.dataset.place)")
    assert places == ["2", "2"]


def test_a_single_file_holds_it_all(opened: Callable[..., Any], tmp_path: Path) -> None:
    single = written(replace(view_of(tmp_path, images=30), single_file=True))
    assert [path.name for path in tmp_path.iterdir()] == ["single-file.html"]
    page = opened(single)
    page.wait_for_selector(".g-card:first-child polyline")
    assert page.locator(".g-card").count() == 30
    assert page.complaints == []
    page.close()


@pytest.mark.parametrize("width", [390, 900, 1440])
def test_it_fits_every_width_in_the_dark(
    opened: Callable[..., Any], index: Path, width: int
) -> None:
    page = opened(index, width, dark=True)
    page.wait_for_selector(".g-card:first-child img")
    page.locator(".g-card").first.locator("summary").click()
    page.wait_for_selector(".g-card table")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background, line = (
        page.locator(f".g-card:first-child {what}").first.evaluate(
            f"one => getComputedStyle(one).{of}"
        )
        for what, of in (("svg", "backgroundColor"), ("polyline", "stroke"))
    )
    assert background == "rgba(0, 0, 0, 0)"
    assert line == page.evaluate("getComputedStyle(document.body).color")
    page.close()
