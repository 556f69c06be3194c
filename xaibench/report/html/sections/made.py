"""How the numbers were made: commands, versions, hashes, devices, what failed, how to repeat it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from xaibench.config.options import OPTIONS, Options
from xaibench.report.html.view import Run, SectionHtml, View
from xaibench.report.text import MISSING

title, key, place = "How it was made", "made", 90
AGAIN = "results/runs/again"
_LEFT_OUT = {"out", "dry_run", "overwrite", "keep_stale", "wait", "profile", "workers"}
_STUDIES = ("check", "ablate")
_STAGES = ("run", "explain", "score")


def section(view: View) -> SectionHtml:
    """One part a run, from its manifests and records."""
    return SectionHtml(view.panels([_panel(view, run) for run in view.runs]))


def _panel(view: View, run: Run) -> Markup:
    records = run.records
    versions = [dict(record.get("versions") or {}) for record in records]
    names = dict.fromkeys(name for one in versions for name in one)
    identity = run.source.identity
    return view.render(
        "made.html.j2",
        run=run,
        again=list(dict.fromkeys(map(again, records))),
        processes=[_process(record) for record in records],
        versions={
            name: list(dict.fromkeys(str(one.get(name, MISSING)) for one in versions))
            for name in names
        },
        identity={name: _plain(value) for name, value in identity.items()},
        counted=_counted(run),
    )


def again(record: Mapping[str, Any]) -> str:
    """The command that computes anew what a process was asked for, in a directory of its own.

    Every option that differs from its default, with the batch size that was at work.
    """
    said = _words(record.get("command"))
    if len(said) > 1 and said[1] in _STUDIES:  # which makes runs of its own
        return shlex.join(["xaibench", *said[1:]])
    stage = said[1] if len(said) > 1 and said[1] in _STAGES else _STAGES[0]
    config = {**(record.get("config") or {}), "batch_size": record.get("batch_size") or "auto"}
    words = ["xaibench", stage]
    for name, option in OPTIONS.items():
        value, default = config.get(name), getattr(Options, name)
        value = tuple(value) if isinstance(value, list) else value
        if name in _LEFT_OUT or value is None or value == default:
            continue
        flag = option.flag or name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [
                f"--{flag}",
                ",".join(map(str, value)) if isinstance(value, tuple) else str(value),
            ]
    return shlex.join([*words, "--out", AGAIN])


def _process(record: Mapping[str, Any]) -> dict[str, Any]:
    """What one process says of itself, in words."""
    said, counts = _words(record.get("command")), record.get("counts")
    known = counts.items() if isinstance(counts, Mapping) else ()
    return {
        "command": shlex.join(["xaibench", *said[1:]]) if said else MISSING,
        "started": str(record.get("started") or MISSING)[:19].replace("T", " "),
        "ended": str(record.get("ended") or "did not end")[:19].replace("T", " "),
        "device": record.get("device") or MISSING,
        "batch": record.get("batch_size") or MISSING,
        "counts": ", ".join(f"{n:,} {name}" for name, n in known if n and type(n) is int)
        or MISSING,
        "revision": record.get("git_revision") or MISSING,
    }


def _words(command: object) -> list[str]:
    """A recorded command as its words; records can be edited by hand."""
    return list(map(str, command)) if isinstance(command, list) else []


def _counted(run: Run) -> list[tuple[str, int]]:
    """Scores by status, the usable ones first."""
    counts = run.source.scores["status"].value_counts()
    return [(str(name), int(n)) for name, n in counts.items() if n]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
