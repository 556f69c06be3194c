"""`merge`: put run directories of one run together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import aside, document, echo, next_is
from xaibench.errors import UsageError

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Run directories of one run: of shards with an --out each, or copies of one directory "
        "that went on with other methods, metrics or more images."
    ),
]
Out = Annotated[str, o.option("out", "A new directory for all of it.", metavar="PATH")]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("merge", epilog="Example:\n\n  xaibench merge part-1 part-2 --out whole")(merge)


def merge(runs: Sources, out: Out, as_json: o.Json = None) -> None:
    """Put run directories of one run together; what two of them hold has to be equal.

    The result is what one process would have written. The directories stay; on one disk their files
    are shared, not copied. Each may be a URL, and --out too.
    """
    if len(runs) < 2:
        raise UsageError("merge puts at least two run directories together: name another.")
    say = aside if as_json else echo
    from xaibench.config.urls import located
    from xaibench.store.agree import other_versions
    from xaibench.store.merge import merge as merge_runs
    from xaibench.store.remote import fetched, place, written

    runs, whole = [fetched(run) for run in runs], located(Path(out))
    with written(Path(out), say=say):
        done = merge_runs(runs, whole, _key(runs[0]))
    into = place(whole)
    drift = other_versions(runs)
    if drift:
        say(f"warning: made with several versions: {'; '.join(drift)}")
    if as_json:
        document({"run": into, "from": runs, **vars(done)})
    parts = f", {done.joined} put together from parts" * bool(done.joined)
    say(
        f"{into}: {len(runs)} runs, {done.images} images, {done.files} files{parts}"
        f"{next_is('report', into)}"
    )


def _key(run: Path) -> Callable[[str], tuple[int, str]]:
    """What the images of a run are sorted by: drawn by its seed, or ImageNet's number and name."""
    from xaibench.datasets import ilsvrc
    from xaibench.datasets.select import drawn_rank
    from xaibench.store.identity import known

    identity = known(run)
    if identity.get("order") == "drawn":
        return partial(drawn_rank, int(identity["seed"]))
    return lambda image: (ilsvrc.number(image) or 0, image)
