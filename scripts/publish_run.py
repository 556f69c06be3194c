"""Copy what a finished run shows to a folder that can be committed.

    python scripts/publish_run.py RUN FOLDER

FOLDER gets the report as it stands in RUN (make it first: `xaibench report RUN`), all scores as one
Parquet file, their means by method, target, transform, variation and metric as another, and one
manifest: identity, protocol, declarations, and the command, versions, device and counts of every
process. Absolute paths of the run and of its data, in the report too, become results/runs/RUN and
the last part.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

import xaibench

KEYS = ["method", "target", "transform", "variation", "metric"]
PHOTOGRAPHS = {"figure1"}  # not ours to publish
KEPT = {".md", ".csv", ".json", ".tex", ".html", ".png"}


def aggregates(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and counts of every cell; constant maps are averaged."""
    used = scores[scores.status.isin(["ok", "constant_map"])]
    found = used.groupby(KEYS).value.agg(["mean", "std", "count"])
    counts = scores.groupby([*KEYS, "status"]).size().unstack(fill_value=0)
    return found.join(counts, how="outer").reset_index()


def manifest(run: Path) -> dict[str, Any]:
    """Identity, protocol, declarations and the records of all processes."""
    folder = run / "manifests"
    records = []
    for path in sorted(folder.glob("run-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        words = record["command"][1:]
        for place, word in enumerate(words[:-1]):
            if word == "--out":
                words[place + 1] = f"results/runs/{run.name}"
        record["command"] = ["xaibench", *words]
        records.append(
            {
                key: record[key]
                for key in ("command", "started", "ended", "versions", "git_revision", "device")
            }
            | {key: record.get(key) for key in ("batch_size", "seed", "counts")}
        )
    declared = folder / "catalog.json"  # absent from runs of older versions
    catalog = json.loads(declared.read_text(encoding="utf-8")) if declared.exists() else None
    return {
        "identity": json.loads((folder / "identity.json").read_text(encoding="utf-8")),
        "protocol": json.loads((folder / "protocol.json").read_text(encoding="utf-8")),
        "catalog": catalog,
        "processes": records,
    }


def without_paths(text: str, run: Path, processes: Iterable[dict[str, Any]]) -> str:
    """A text with what stands anywhere for the absolute paths of a run and of its commands."""
    words = {word for record in processes for word in record["command"]}
    said = {word: Path(word).name for word in words if Path(word).is_absolute()}
    said[str(run.resolve())] = f"results/runs/{run.name}"
    for path in sorted(said, key=len, reverse=True):
        text = text.replace(path, said[path])
    return text


def main(run: Path, folder: Path) -> None:
    """Write the folder anew."""
    scores = xaibench.load_scores(run)
    made = manifest(run)
    texts = {"manifest.json": json.dumps(made, indent=1, default=str) + "\n"}
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
        words = without_paths(text, run, made["processes"])
        (folder / name).write_text(words, encoding="utf-8")
    scores.to_parquet(folder / "scores.parquet", compression="zstd", index=False)
    aggregates(scores).to_parquet(folder / "aggregates.parquet", compression="zstd", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
