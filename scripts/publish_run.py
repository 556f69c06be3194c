"""Copy what a finished run shows to a folder that can be committed.

    python scripts/publish_run.py RUN FOLDER

FOLDER gets the report as it stands in RUN (make it first: `xaibench report RUN`), all scores as one
Parquet file, their means by method, target, transform, variation and metric as another, and one
manifest: identity, protocol, declarations, and the command, versions, device and counts of every
process. Absolute paths of the run and of its data, in the report too, become results/runs/RUN and
the last part.

run.tar.xz is the run directory itself without its large maps. Unpacked anywhere, it is reported on,
and `xaibench run` goes on with it:

    mkdir -p results/runs/RUN && tar -xf FOLDER/run.tar.xz -C results/runs/RUN
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

import xaibench
from xaibench.store import layout
from xaibench.store.atomic import read_json

KEYS = ["method", "target", "transform", "variation", "metric"]
PHOTOGRAPHS = {"figure1"}  # not ours to publish
KEPT = {".md", ".csv", ".json", ".tex", ".html", ".png"}
LARGE = 100_000
"""Bytes of a file of maps that is left out: `xaibench explain` makes it anew."""


def aggregates(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and counts of every cell; constant maps are averaged."""
    used = scores[scores.status.isin(["ok", "constant_map"])]
    found = used.groupby(KEYS).value.agg(["mean", "std", "count"])
    counts = scores.groupby([*KEYS, "status"]).size().unstack(fill_value=0)
    return found.join(counts, how="outer").reset_index()


def records_of(run: Path) -> list[dict[str, Any]]:
    """What each process left, in the order in which they started."""
    return [read_json(path) for path in layout.manifests(run)]


def manifest(run: Path, records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Identity, protocol, declarations and what each process did."""
    processes = []
    for record in records:
        words = record["command"][1:]
        for place, word in enumerate(words[:-1]):
            if word == "--out":
                words[place + 1] = f"results/runs/{run.name}"
        processes.append(
            {"command": ["xaibench", *words]}
            | {
                key: record[key]
                for key in ("started", "ended", "versions", "git_revision", "device")
            }
            | {key: record.get(key) for key in ("batch_size", "seed", "counts")}
        )
    declared = layout.manifest(run, "catalog")  # absent from runs of older versions
    return {
        "identity": read_json(layout.manifest(run, "identity")),
        "protocol": read_json(layout.manifest(run, "protocol")),
        "catalog": read_json(declared) if declared.exists() else None,
        "processes": processes,
    }


def without_paths(text: str, run: Path, records: Iterable[dict[str, Any]]) -> str:
    """A text with what stands anywhere for the absolute paths of a run and of its commands."""
    words = {word for record in records for word in record["command"]}
    said = {word: Path(word).name for word in words if Path(word).is_absolute()}
    said[str(run.resolve())] = f"results/runs/{run.name}"
    for path in sorted(said, key=len, reverse=True):
        text = text.replace(path, said[path])
    return text


def archive(run: Path, records: list[dict[str, Any]], into: Path) -> None:
    """The run directory without large maps, as a file that the same run makes to the bit."""
    folders = (run / layout.MANIFESTS, layout.failures(run))
    notes = [path for folder in folders for path in sorted(folder.rglob("*.json"))]
    with tarfile.open(into, "w:xz") as whole:
        for path in (*notes, *layout.stored(run)):
            name = path.relative_to(run).as_posix()
            if name.startswith("maps/") and path.stat().st_size > LARGE:
                continue
            content = path.read_bytes()
            if path.suffix == ".json":
                content = without_paths(content.decode(), run, records).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            whole.addfile(entry, io.BytesIO(content))


def main(run: Path, folder: Path) -> None:
    """Write the folder anew."""
    if not (run / "report").is_dir():
        raise SystemExit(f"{run} has no report: make it with `xaibench report {run}`.")
    scores, records = xaibench.load_scores(run), records_of(run)
    texts = {"manifest.json": json.dumps(manifest(run, records), indent=1, default=str) + "\n"}
    found = [p for p in sorted((run / "report").iterdir()) if p.suffix in KEPT]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in found:
        if path.suffix != ".png":
            texts[path.name] = path.read_text(encoding="utf-8")
        elif path.stem not in PHOTOGRAPHS:
            shutil.copyfile(path, folder / path.name)
    failures = sorted((run / "failures").rglob("*.json"))
    if failures:
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in failures]
        texts["failures.json"] = json.dumps(rows, indent=1) + "\n"
    for name, text in texts.items():
        (folder / name).write_text(without_paths(text, run, records), encoding="utf-8")
    scores.to_parquet(folder / "scores.parquet", compression="zstd", index=False)
    aggregates(scores).to_parquet(folder / "aggregates.parquet", compression="zstd", index=False)
    archive(run, records, folder / "run.tar.xz")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
