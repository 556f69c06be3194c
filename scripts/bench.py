"""How fast the tool is: against its own network's bare rate, and against peers, side by side.

    python scripts/bench.py [--only NAME ...] [--quick] [--data FOLDER] [--out results/bench]

Measures the rows of scripts/benchmarks/*.py in one process: interleaved pairs (ours, the other),
their medians, the median of the ratios and its quartiles. Each file's rows go to
OUT/DEVICE/FILE.json, where the rows not measured now stay as they are, each with its own date and
machine; OUT/DEVICE.md is the table of all of them. `--quick` is a look: fewer images, one pair,
written only where --out says so. Stopped, it keeps the pairs that it has of the row at hand.
Peers need `pip install 'xaibench[bench]'`.
"""

from __future__ import annotations

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command does; torch reads it once

import argparse
import fnmatch
import importlib
import json
import pkgutil
import platform
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks import ROWS, Row

OUT = Path("results/bench")
PACKAGES = ("torch", "torchvision", "numpy", "captum", "quantus", "grad-cam", "lime")
Record = dict[str, Any]


def found() -> dict[str, Row]:
    """All rows, by name, in the order of their files."""
    for module in pkgutil.iter_modules(benchmarks.__path__):
        importlib.import_module(f"benchmarks.{module.name}")
    return ROWS


def chosen(rows: Mapping[str, Row], only: Sequence[str]) -> list[Row]:
    """Rows by name, pattern or file; SystemExit names what there is."""
    for asked in only:
        if not any(_matches(row, asked) for row in rows.values()):
            sys.exit(f"no row is called {asked}; there are: {', '.join(rows)}")
    if not only:
        return [row for row in rows.values() if not row.named]
    return [row for row in rows.values() if any(_matches(row, asked) for asked in only)]


def _matches(row: Row, asked: str) -> bool:
    return asked == row.file or fnmatch.fnmatch(row.name, asked)


def summary(row: Row, pairs: Sequence[tuple[float, float | None]]) -> Record:
    """Medians of a row's pairs, and the median and quartiles of their ratios."""
    ratios = [ours if other is None else ours / other for ours, other in pairs]
    others = [other for _, other in pairs if other is not None]
    low, middle, high = (
        statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    )
    return {
        "name": row.name,
        "what": row.what,
        "other": row.other,
        "unit": row.unit,
        "at_least": row.at_least,
        "at_most": row.at_most,
        "ours_median": statistics.median(ours for ours, _ in pairs),
        "other_median": statistics.median(others) if others else None,
        "ratio": middle,
        "quartiles": [low, high],
        "kept": (row.at_least is None or middle >= row.at_least)
        and (row.at_most is None or middle <= row.at_most),
        "pairs": [list(pair) for pair in pairs],
    }


def circumstances(device: Any, data: str) -> Record:
    """Where and with what a row was measured."""
    import torch

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    cuda = device.type == "cuda"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "machine": torch.cuda.get_device_name(device) if cuda else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "huge_pages": os.environ["THP_MEM_ALLOC_ENABLE"] == "1",
        "python": platform.python_version(),
        "versions": versions,
        "data": data,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")


def merge(path: Path, records: Iterable[Record]) -> None:
    """Put records into a file in the place of those of the same names; the others stay."""
    held = {r["name"]: r for r in json.loads(path.read_text())} if path.exists() else {}
    held |= {r["name"]: r for r in records}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(held.values()), indent=1) + "\n")


def table(folder: Path, order: Sequence[str]) -> str:
    """All records of a device's folder as a Markdown page, in the order of the rows."""
    records = [r for path in sorted(folder.glob("*.json")) for r in json.loads(path.read_text())]
    records.sort(key=lambda r: order.index(r["name"]) if r["name"] in order else len(order))
    lines = [
        f"# Measured on {folder.name}",
        "",
        "Made by `python scripts/bench.py`. Medians of interleaved pairs; in brackets the ratios' "
        "quartiles.",
        "",
        "| what | ours | the other | ratio | asked | pairs | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(record) for record in records]
    notes: dict[str, None] = {}
    for one in records:
        notes.setdefault(_note(one))
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def _line(record: Record) -> str:
    other = record["other_median"]
    low, high = record["quartiles"]
    ratio = f"**{record['ratio']:.3g}** ({low:.3g}-{high:.3g})"
    words = {"at_least": "at least", "at_most": "at most"}
    asked = [f"{words[key]} {record[key]:g}" for key in words if record[key] is not None]
    cells = [
        record["what"],
        f"{record['ours_median']:.4g} {record['unit']}",
        "" if other is None else f"{record['other']}: {other:.4g}",
        ratio,
        ", ".join(asked) + ("" if record["kept"] or not asked else ": **missed**"),
        str(len(record["pairs"])),
        record["date"],
    ]
    return f"| {' | '.join(cells)} |"


def _note(record: Record) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    pages = "huge pages" if record["huge_pages"] else "no huge pages"
    return (
        f"{record['date'][:10]}: {record['data']}; {record['machine']}, {record['cores']} cores, "
        f"{record['threads']} threads, {record['isa']}, {pages}; Python {record['python']}, "
        f"{packages}"
    )


def measured(row: Row, setting: Any, pairs: int) -> Record:
    """A row's record, from so many pairs."""
    source = row.measure(setting)
    got: list[tuple[float, float | None]] = []
    try:
        for pair in islice(source, pairs):
            got.append(pair)
            print(f"  {' / '.join('-' if x is None else f'{x:.4g}' for x in pair)}", flush=True)
    except KeyboardInterrupt:  # what was measured is kept
        if not got:
            raise
    close = getattr(source, "close", None)
    if close:
        close()
    return summary(row, got)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="rows by name, pattern or file")
    parser.add_argument("--quick", action="store_true", help="fewer images and one pair")
    parser.add_argument("--pairs", type=int, help="pairs a row, in the place of its own number")
    parser.add_argument("--data", type=Path, help="a folder of photographs, one subfolder a class")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help=f"where to write [default: {OUT}]")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--table", action="store_true", help="make the table anew and end")
    asked = parser.parse_args()
    rows = found()
    some = chosen(rows, asked.only)
    if asked.list:
        for row in some:
            print(
                f"{row.name:28} {row.bound:8} {row.what}" + (f" / {row.other}" if row.other else "")
            )
        return
    out = asked.out or OUT
    if asked.table:
        for folder in (path for path in sorted(out.iterdir()) if path.is_dir()):
            folder.with_suffix(".md").write_text(table(folder, list(rows)))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from benchmarks.setting import Setting

    from xaibench.models.device import resolve_device

    device = resolve_device(asked.device)
    data = (
        f"photographs: {asked.data.name}"
        if asked.data
        else "photographs: the embedded ones, augmented"
    )
    folder = out / device.type
    with tempfile.TemporaryDirectory(prefix="xaibench-bench-") as scratch:
        setting = Setting(device, Path(scratch), asked.data and asked.data.resolve(), asked.quick)
        for row in some:
            print(f"{row.name}: {row.title}", flush=True)
            record = measured(row, setting, asked.pairs or (1 if asked.quick else row.pairs))
            record |= circumstances(device, data)
            low, high = record["quartiles"]
            print(f"  ratio {record['ratio']:.3f} ({low:.3f}-{high:.3f})  {row.bound}", flush=True)
            if asked.out or not asked.quick:
                merge(folder / f"{row.file}.json", [record])
                folder.with_suffix(".md").write_text(table(folder, list(rows)))


if __name__ == "__main__":
    main()
