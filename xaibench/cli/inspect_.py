"""`list` and `doctor`: what there is, and whether it works here."""

from __future__ import annotations

from typing import Annotated

import typer

from xaibench.cli.screen import echo
from xaibench.errors import fold, unknown

KINDS = ("methods", "metrics", "models", "datasets", "transforms", "protocols")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("list", epilog="Example:\n\n  xaibench list methods")(list_)
    app.command("doctor", epilog="Example:\n\n  xaibench doctor")(doctor)


def list_(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS), show_default=False)] = "",
) -> None:
    """List methods, metrics, models, datasets, transforms or protocols (all, without a name)."""
    chosen = fold(kind) if kind else ""
    if chosen and chosen not in KINDS:
        chosen = f"{chosen}s" if f"{chosen}s" in KINDS else chosen
        if chosen not in KINDS:
            raise unknown("list", kind, KINDS)
    for name in [chosen] if chosen else KINDS:
        lines = _lines(name)
        if not chosen:
            echo(f"{name}:")
        width = max((len(key) for key, _ in lines), default=0)
        for key, doc in lines:
            echo(f"  {key:<{width}}  {doc}")


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


def doctor() -> None:
    """Check this machine: versions, devices, the embedded default, what is writable."""
    from xaibench.execution.doctor import checks

    failed = 0
    for check in checks():
        failed += not check.good
        echo(f"{'ok  ' if check.good else 'FAIL'}  {check.name}: {check.text}")
    if failed:
        raise typer.Exit(1)
