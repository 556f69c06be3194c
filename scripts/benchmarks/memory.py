"""What a run holds over 1,000 images against 100: memory, open files; and bytes a stored map."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from benchmarks import Pairs, row
from benchmarks.photographs import augmented
from benchmarks.process import COMMAND, Taken, take
from benchmarks.setting import MODEL, Setting
from xaibench.store import layout

FEW, WORKED, MANY = 100, 300, 1_000
"""A run of a hundred images may be over before it starts workers, which hold memory and handles."""
METHODS = "gradcam", "iba(steps=1,samples=1,statistics_images=100)"


@cache
def _folder(scratch: Path, copies: int) -> Path:
    """A hundred photographs, each under so many names."""
    folder = scratch / "thousand"
    for number, path in enumerate(sorted(augmented(scratch / "hundred", 100).rglob("*.jpg"))):
        into = folder / path.parent.name
        into.mkdir(parents=True, exist_ok=True)
        for copy in range(copies):
            shutil.copyfile(path, into / f"{number:03}-{copy}.jpg")
    return folder


@cache
def _run(folder: Path, limit: int, device: str) -> Taken:
    """A run of CAM and IBA, explained and scored, over so many images."""
    words = [*COMMAND, "run", "--data", folder, "--model", MODEL, "--limit", limit]
    words += ["--device", device, "--metric", "insertion(rows_per_step=112)"]
    for method in METHODS:
        words += ["--method", method]
    return take([*words, "--out", folder.parent / f"memory-{limit}"])


def _runs(setting: Setting, few: int = FEW) -> tuple[Taken, Taken]:
    """Of many images, and of few of the same dataset."""
    few, many, copies = (few // 5, 200, 2) if setting.quick else (few, MANY, 10)
    folder, device = _folder(setting.scratch, copies), str(setting.device)
    return _run(folder, many, device), _run(folder, few, device)


WHAT = f"run of Grad-CAM and IBA, {MANY:,} images"


@row("memory-growth", f"memory, {WHAT}", other=f"{FEW} images", unit="GB", at_most=1.1, pairs=1)
def memory_growth(setting: Setting) -> Pairs:
    """The most that the processes of a run hold together."""
    while True:
        many, few = _runs(setting)
        yield many.memory / 1e9, few.memory / 1e9


@row(
    "memory-with-workers",
    f"memory, {WHAT}",
    other=f"{WORKED} images",
    unit="GB",
    at_most=1.1,
    pairs=1,
)
def memory_with_workers(setting: Setting) -> Pairs:
    """The same where both have workers."""
    while True:
        many, few = _runs(setting, WORKED)
        yield many.memory / 1e9, few.memory / 1e9


@row("open-files", f"open files, {WHAT}", other=f"{WORKED} images", unit="", at_most=1, pairs=1)
def open_files(setting: Setting) -> Pairs:
    """The most handles at once."""
    while True:
        many, few = _runs(setting, WORKED)
        yield many.handles, few.handles


@row("map-bytes", "a stored map of Grad-CAM or IBA", unit="bytes", at_most=1_000, pairs=1)
def map_bytes(setting: Setting) -> Pairs:
    """The larger of the two means."""
    few = FEW // 5 if setting.quick else FEW
    while True:
        _run(_folder(setting.scratch, 1), few, str(setting.device))
        root = setting.scratch / f"memory-{few}"
        sizes = {}
        for key in layout.map_sets(root):
            paths = layout.results(layout.maps(root, *key))
            sizes[key] = sum(path.stat().st_size for path in paths) / few
        yield max(sizes.values()), None
