"""`normalize`: the maps of a run as files for other tools."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xaibench.cli import options as o
from xaibench.cli.results import Run
from xaibench.cli.screen import aside, document, echo, next_is
from xaibench.cli.sources import find_run


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("normalize", epilog="Example:\n\n  xaibench normalize --method gradcam --png")(
        normalize
    )


def normalize(
    run: Run = None,
    method: o.Method = None,
    target: o.Target = None,
    png: Annotated[
        bool, o.option("png", "Each map as a PNG too, in the colours of `show`.")
    ] = False,
    as_json: o.Json = None,
) -> None:
    """Write the normalised maps of a run as .npy files beside a list of image ids (normalized/)."""
    directory = find_run(run)
    from xaibench.stages.normalize import materialize

    made: list[dict[str, Any]] = []
    say = aside if as_json else echo
    for path, count in materialize(directory, method or [], target or []):
        made.append({"file": path, "maps": count})
        say(f"{path}: {count} maps")
        if png:
            from xaibench.studies.pictures import write_pngs

            folder = write_pngs(path)
            made[-1]["pictures"] = folder
            say(f"{folder}: {count} PNG files in colours; values are in {path.name} alone")
    if as_json:
        document({"run": directory, "written": made})
    last = f"written: {directory / 'normalized'}{next_is('report', directory, '--agreement')}"
    say(last)
