"""`list` and `doctor`: what there is, and whether it works here."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import aside, document, echo, folded, next_is, width
from xaibench.errors import UsageError, XaibenchError, fold, unknown

COLUMNS = 80
"""Of a list where nobody says how wide the screen is."""
KINDS = ("methods", "metrics", "models", "datasets", "transforms", "protocols")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("list", epilog="Example:\n\n  xaibench list methods")(list_)
    app.command("doctor", epilog="Examples:\n\n  xaibench doctor\n\n  xaibench doctor RUN --fix")(
        doctor
    )


def list_(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS), show_default=False)] = "",
    as_json: o.Json = None,
) -> None:
    """List methods, metrics, models, datasets, transforms or protocols (all, without a name)."""
    chosen = fold(kind) if kind else ""
    if chosen and chosen not in KINDS:
        chosen = f"{chosen}s" if f"{chosen}s" in KINDS else chosen
        if chosen not in KINDS:
            raise unknown("list", kind, KINDS)
    listed = {name: _lines(name) for name in ([chosen] if chosen else KINDS)}
    if as_json:
        document({name: [{"name": k, "text": t} for k, t in held] for name, held in listed.items()})
        return
    columns = width() or COLUMNS
    for name, lines in listed.items():
        if not chosen:
            echo(f"{name}:")
        widest = min(max((len(key) for key, _ in lines), default=0), columns * 2 // 5)
        for key, doc in lines:
            for line in folded(f"  {key:<{widest}}  {doc}", columns, widest + 2):
                echo(line)


def _lines(kind: str) -> list[tuple[str, str]]:
    if kind == "protocols":
        return _protocols()
    from xaibench.registry import entries

    untouched = [("none", "The untouched images.")] if kind == "transforms" else []
    return untouched + [(e.key, e.doc) for e in entries(kind).values()]


def _protocols() -> list[tuple[str, str]]:
    from xaibench.config.shipped import protocol_files

    listed = []
    for name, path in protocol_files().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        texts = [t.removeprefix("description:") for t in lines if t.startswith("description:")]
        listed.append((name, texts[0].strip() if texts else ""))
    return listed


Directory = Annotated[
    Optional[Path], typer.Argument(help="A run directory to look through.", show_default=False)
]


def doctor(
    run: Directory = None,
    fix: Annotated[
        bool, o.option("fix", "Delete what is damaged, foreign, stale or left over in RUN.")
    ] = False,
    as_json: o.Json = None,
) -> None:
    """Check this machine; with RUN, list what is damaged, foreign, stale or left over there.

    Foreign is what another run made, stale what other code made than is here now. Exit code 1 where
    something was found.
    """
    if run is not None:
        _look_through(run, fix, bool(as_json))
        return
    if fix:
        raise UsageError("--fix deletes files of a run: name its directory, `doctor RUN --fix`.")
    from xaibench.execution.doctor import checks

    found = []
    for check in checks():
        found.append(check)
        if not as_json:
            echo(f"{'ok  ' if check.good else 'FAIL'}  {check.name}: {check.text}")
    good = all(check.good for check in found)
    if as_json:
        document({"good": good, "checks": [vars(check) for check in found]})
    elif good:
        echo(f"all is well{next_is('run')}")
    if not good:
        raise typer.Exit(1)


def _look_through(root: Path, fix: bool, as_json: bool) -> None:
    """Print every file of a run that is not as it should be; delete them with `fix`."""
    say = aside if as_json else echo
    from xaibench.store import layout
    from xaibench.store.health import Finding, findings, remove
    from xaibench.store.lock import writing
    from xaibench.store.remote import fetched, written

    root = fetched(root)
    if not layout.is_run(root):
        raise XaibenchError(f"{root} is not a run directory; give the --out of a run.")
    with ExitStack() as held:
        if fix:
            held.enter_context(written(root, say=say))
            held.enter_context(writing(root, remedy="wait for its end"))
        found = list(findings(root))
        stale, unknown_why = _stale(root, {one.path for one in found})
        found += [Finding("stale", path) for path in stale]
        notes = [layout.unmapped(root)]
        notes += [f"whether results are stale is not known: {unknown_why}"] if unknown_why else []
        for line in (*(f"{one.kind}: {one.path}" for one in found), *filter(None, notes)):
            say(line)
        count = remove(root, found) if fix else 0
    removable = any(one.removable for one in found)
    if as_json:
        files = [{**vars(one), "removable": one.removable} for one in found]
        more = {"notes": list(filter(None, notes)), "deleted": count}
        document({"run": root, "good": not removable or fix, "files": files, **more})
    counts = Counter(one.kind for one in found)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing wrong"
    if fix:
        say(f"{root}: {listed}; {count} files deleted, `xaibench run` makes them anew")
        return
    fine = next_is("report", root)
    say(f"{root}: {listed}" + ("; --fix deletes these" if removable else fine))
    if removable:
        raise typer.Exit(1)


def _stale(root: Path, bad: set[Path]) -> tuple[list[Path], str]:
    """Files that other code made, among the sound ones; or why that is not known."""
    from xaibench.store import layout
    from xaibench.studies.stale import all_of, stale_files

    try:
        good = [path for path in layout.stored(root) if path not in bad]
        return list(stale_files(all_of(root), good)), ""
    except XaibenchError as error:
        return [], str(error)
