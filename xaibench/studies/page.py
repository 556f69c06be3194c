"""The report of finished runs as an HTML page: `report/html/` of the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_object
from xaibench.store.manifest import records

if TYPE_CHECKING:
    from xaibench.analysis.compare import Source
    from xaibench.analysis.ties import Tied
    from xaibench.report.html.view import Failure


def write_html_page(
    directories: Sequence[Path],
    sources: Sequence[Source],
    *,
    single_file: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of runs given together; returns its `index.html` or `single-file.html`.

    directories, sources: of each run, alike in order. options: of the command, by name.

    Raises XaibenchError where a section cannot be made or the folder not be written.
    """
    from xaibench.report.html.build import write_html
    from xaibench.report.html.view import Run, View
    from xaibench.studies.words import run_words

    known = names([directory.resolve() for directory in directories])
    runs = []
    for name, source, directory in zip(known, sources, directories, strict=True):
        notes = list(source.notes)
        tied = _tied(directory, notes)
        left = records(directory), run_words(directory), tied, failures(directory)
        runs.append(Run(name, replace(source, notes=notes), directory, *left))
    view = View(
        runs=runs,
        folder=layout.report(directories[0]) / "html",
        single_file=single_file,
        options=options or {},
        prepared=prepared(directories, sources, options or {}),
    )
    return write_html(view)


def names(directories: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart."""
    for depth in range(1, max(len(path.parts) for path in directories) + 1):
        found = ["/".join(path.parts[-depth:]) for path in directories]
        if len(set(found)) == len(found):
            return found
    return list(map(str, directories))


def failures(directory: Path) -> list[Failure]:
    """Images that could not be read, and units that failed; damaged records are left out."""
    from xaibench.report.html.view import Failure
    from xaibench.store.ledger import unreadable

    found = [Failure(image, why, [image]) for image, why in unreadable(directory).items()]
    for path in sorted(layout.failures(directory).glob("units/*/*/*/*/*.json")):
        with suppress(XaibenchError):
            held = read_object(path, "method", "metric", "transform", "reason")
            words = [held["method"], held["metric"], held["transform"]]
            what = ", ".join(str(word) for word in words if word != "none")
            images = held.get("images")
            named = list(map(str, images)) if isinstance(images, list) else []
            found.append(Failure(what, str(held["reason"]), named))
    return found


def _tied(directory: Path, notes: list[str]) -> Tied | None:
    """Shares of tied pixels where maps are stored; notes say which cannot be read."""
    if not any(directory.glob("maps/*/*/none/none/*.safetensors")):
        return None
    from xaibench.studies.ties import measure_ties  # imports torch

    return measure_ties(directory, say=notes.append)


def prepared(
    directories: Sequence[Path], sources: Sequence[Source], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What sections need that no module of the report may read, by the section's key."""
    found: dict[str, Any] = {}
    if any((layout.report(root) / "check").is_dir() for root in directories):
        from xaibench.studies.check import finished  # imports torch

        found["check"] = list(map(finished, directories))
    if options.get("gallery") != 0:
        from xaibench.studies.gallery import galleries  # imports torch

        found["gallery"] = galleries(directories, sources, options.get("gallery"))
    return found
