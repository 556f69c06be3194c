"""The report of finished runs as an HTML page: `report/html/` of the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaibench.store import layout
from xaibench.store.manifest import records

if TYPE_CHECKING:
    from xaibench.analysis.compare import Source


def write_html_page(
    directories: Sequence[Path],
    sources: Sequence[Source],
    *,
    single_file: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of runs given together; returns its `index.html`.

    directories, sources: of each run, alike in order. options: of the command, by name.

    Raises XaibenchError where a section cannot be made or the folder not be written.
    """
    from xaibench.report.html.build import write_html
    from xaibench.report.html.view import Run, View

    runs = [
        Run(name, source, directory, records(directory))
        for name, source, directory in zip(
            names([directory.resolve() for directory in directories]),
            sources,
            directories,
            strict=True,
        )
    ]
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


def prepared(
    directories: Sequence[Path], sources: Sequence[Source], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What sections need that no module of the report may read, by the section's key."""
    from xaibench.studies.gallery import galleries

    return {"gallery": galleries(directories, sources, options.get("gallery"))}
