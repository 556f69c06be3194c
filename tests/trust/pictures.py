"""Small pictures, runs on them, and comparisons of what two runs hold, to the bit."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from networks import THOUSAND
from PIL import Image

import xaibench
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.ledger import unreadable
from xaibench.store.read import KEYS

Config = Mapping[str, object]
BASE = {"model": THOUSAND, "method": "gradient", "metric": "sparseness", "limit": 6}
MORE = {**BASE, "metric": "sparseness,average_drop"}
GROUPS = {**BASE, "transform": "none,mixup"}
BOTH = frozenset({"explain", "score"})
READABLE = "readable now, and taken out of failures/: "
IDS = [f"{place % 4}/{place}.bmp" for place in range(7)]


def bitmap(seed: int) -> bytes:
    """An encoded picture of always the same size in bytes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((80, 72), Image.Resampling.BICUBIC).save(file, "BMP")
    return file.getvalue()


GOOD, OTHER = [bitmap(place) for place in range(7)], bitmap(99)
BAD = b"\0" * len(OTHER)


def pictures(data: Path) -> Path:
    """Seven pictures in a folder; tests may change them."""
    for image, content in zip(IDS, GOOD, strict=True):
        write(data, image, content, later=0)
    return data


def write(data: Path, image: str, content: bytes, later: float = 5) -> None:
    """Put bytes in a file's place; its time moves by `later` seconds."""
    path = data / image
    before = path.stat().st_mtime_ns if path.exists() else 10**18
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    time = before + int(later * 1e9)
    os.utime(path, ns=(time, time))


def forge(out: Path, content: object) -> None:
    path = layout.failures(out) / "00000-12345678.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def run(data: Path, out: Path, config: Config, stages: frozenset[str] = BOTH) -> tuple[str, str]:
    """The lines of a run but for the network's accuracy, and its last line or error."""
    lines: list[str] = []

    def said() -> str:
        accuracy = ("accuracy", "warning: 0 of", "  ")
        return "\n".join(line for line in lines if not line.startswith(accuracy))

    try:
        end = xaibench.run(
            {**config, "data": str(data), "out": out}, stages=stages, say=lines.append
        )
    except XaibenchError as error:
        return said(), str(error)
    return said(), end.line


def rows(out: Path) -> pd.DataFrame:
    if not (out / "scores").exists():
        return pd.DataFrame(columns=[*KEYS, "value", "status", "class_index"])
    return xaibench.load_scores(out)


def assert_of_fresh_images(out: Path, fresh: Path) -> None:
    """Every row that a directory holds is the row that a fresh run gives."""
    there = rows(fresh).set_index(KEYS)
    here = rows(out).set_index(KEYS)
    assert here.index.isin(there.index).all()
    pd.testing.assert_frame_equal(here, there.loc[here.index], check_exact=True)


def assert_the_same(out: Path, fresh: Path) -> None:
    pd.testing.assert_frame_equal(rows(out), rows(fresh), check_exact=True)
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(out), xaibench.load_predictions(fresh), check_exact=True
    )
    for key in layout.map_sets(fresh):
        (ids, maps), (others, expected) = (xaibench.load_maps(o, *key) for o in (out, fresh))
        order = [ids.index(i) for i in others]
        assert len(ids) == len(others)
        np.testing.assert_array_equal(maps[order], expected)
    assert unreadable(out).keys() == unreadable(fresh).keys()
