"""A page of two small runs with names that mean harm, and a browser to open it in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import EVIL, source

from xaibench.report.html.build import write_html
from xaibench.report.html.view import Run, View


@pytest.fixture(scope="session")
def two_runs() -> list[Run]:
    record = {"command": ["/x/xaibench", "run", "--data", EVIL], "versions": {"torch": EVIL}}
    return [
        Run("published", source("a"), None, [record]),
        Run(f"other {EVIL}", source("b", seed=0.05, protocol="reference")),
    ]


@pytest.fixture(scope="session")
def index(two_runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of both runs as a directory, with data that is loaded when it is asked for."""
    view = View(two_runs, tmp_path_factory.mktemp("report") / "html")
    view.chunk("tried-0", {"evil": EVIL})
    return write_html(view)


@pytest.fixture(scope="session")
def single(two_runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one file."""
    view = View(two_runs, tmp_path_factory.mktemp("single") / "html", single_file=True)
    view.chunk("tried-0", {"evil": EVIL})
    return write_html(view)


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., Any]]:
    """Open a page in headless Chromium: `opened(path, width=..., dark=...)`.

    What the page says in the console, and what it asks for beside files, is in `page.complaints`.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def open_page(path: Path, width: int = 1440, dark: bool = False) -> Any:
            scheme = "dark" if dark else "light"
            page = browser.new_page(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            page.complaints = []
            say = page.complaints.append
            page.on("console", lambda m: say(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: say(str(error)))
            page.on(
                "request", lambda r: None if r.url.startswith(("file:", "data:")) else say(r.url)
            )
            page.goto(path.as_uri())
            return page

        yield open_page
        browser.close()
