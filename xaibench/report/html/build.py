"""All sections of the page, and the file that they stand in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from markupsafe import Markup

from xaibench import __version__
from xaibench.errors import XaibenchError, reason
from xaibench.report.html.view import HERE, SectionHtml, View, to_json
from xaibench.store.atomic import write

OURS = re.compile(r".+-[0-9a-f]{12}\.\w+")
"""The names of files of a page in `assets/` and `data/`: a digest tells them from anybody's."""
SINGLE = "single-file.html"
STYLES, SCRIPTS = ("page.css",), ("page.js", "tables.js")


@dataclass(frozen=True)
class Made:
    """A section with what its file says of it."""

    key: str
    title: str
    html: SectionHtml


def write_html(view: View) -> Path:
    """Write `index.html` of a view and what it needs beside it; returns its path.

    Files that an earlier page left in `assets/`, `data/` and `static/` are removed. A single file
    is `single-file.html`: it stands beside the other page and touches nothing of it.

    Raises:
        XaibenchError: where a section cannot be made, or the folder not be written.
    """
    sections = made(view)
    styles = _once(STYLES, *(s.html.styles for s in sections))
    scripts = _once(SCRIPTS, *(s.html.scripts for s in sections))
    page = view.render(
        "page.html.j2",
        title=" and ".join(run.name for run in view.runs),
        sections=sections,
        styles=[_static(view, name) for name in styles],
        scripts=[_static(view, name) for name in scripts],
        data={s.key: Markup(to_json(s.html.data)) for s in sections if s.html.data is not None},
        chunks={name: Markup(text) for name, text in view.chunks.items()},
        version=__version__,
    )
    index = view.folder / (SINGLE if view.single_file else "index.html")
    write(index, partial(Path.write_text, data=str(page), encoding="utf-8", newline=""))
    if not view.single_file:
        _clear(view)
    return index


def made(view: View) -> list[Made]:
    """The sections that have something to show, in their order."""
    modules = []
    for path in (HERE / "sections").glob("[a-z]*.py"):
        try:
            modules.append(import_module(f"xaibench.report.html.sections.{path.stem}"))
        except Exception as error:
            raise XaibenchError(
                f"section {path.stem} cannot be imported ({reason(error)}): mend its file."
            ) from error
    found = []
    for module in sorted(modules, key=lambda one: (one.place, one.key)):
        build: Callable[[View], SectionHtml | None] = module.section
        if (html := build(view)) is not None:
            found.append(Made(module.key, module.title, html))
    return found


def _once(*names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for part in names for name in part))


def _static(view: View, name: str) -> str | Markup:
    """A file of `static/`: its text for a single file, else where it lies beside the page."""
    path = HERE / "static" / name
    if view.single_file:
        return Markup(path.read_text(encoding="utf-8"))
    place = view.folder / "static" / name
    write(place, partial(Path.write_bytes, data=path.read_bytes()))
    view.written[f"static/{name}"] = place
    return f"static/{name}"


def _clear(view: View) -> None:
    """Remove what an earlier page left in the folders that are the page's own."""
    kept, statics = set(view.written.values()), {path.name for path in (HERE / "static").iterdir()}
    for folder in (view.folder / name for name in ("assets", "data", "static")):
        held = [] if folder.is_symlink() else sorted(folder.rglob("*"), reverse=True)
        for path in held:
            ours = path.name in statics if folder.name == "static" else OURS.fullmatch(path.name)
            if path.is_file() and ours and path not in kept:
                path.unlink()
        for path in [path for path in held if path.is_dir()] + [folder] * folder.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
