"""Read a run's results: scores as one tidy frame, maps as one array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xaibench.errors import XaibenchError, fold, unknown
from xaibench.store.atomic import encode

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = (
    "image target transform variation method metric status model dataset protocol "
    "label class_index explained_index value"
).split()
KEYS = ["method", "target", "transform", "variation", "metric", "image"]


def load_scores(out: str | Path) -> pd.DataFrame:
    """All scores of a run directory: one row an image, method, target, transform and metric.

    Columns as in `COLUMNS`; value is float64 in natural units; sorted by `KEYS`. Raises
    XaibenchError where there are none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from xaibench.store import tables

    folder = Path(out) / "scores"
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise XaibenchError(f"no scores in {out}; run `xaibench run --out {out}` first.")
    try:
        frame = pq.read_table(folder, page_checksum_verification=True).to_pandas()
    except (pa.ArrowException, OSError):
        for path in files:
            tables.read(path)  # names the damaged one
        raise
    for name in ("method", "target", "transform", "variation", "metric"):
        frame[name] = frame[name].astype(str)
    # a run interrupted between a success and the removal of an earlier failure has both
    last = frame["status"].eq("failed").sort_values(kind="stable").index
    frame = frame.loc[last].drop_duplicates(KEYS)
    return frame[COLUMNS].sort_values(KEYS, ignore_index=True)


def load_maps(
    out: str | Path,
    method: str,
    target: str = "ground_truth",
    transform: str = "none",
    variation: str = "none",
) -> tuple[list[str], NDArray[np.float32]]:
    """Normalised maps of one method: image ids and an array (N, H, W) float32 in [0, 1].

    Raises XaibenchError where the run has no such maps.
    """
    import torch

    from xaibench.config import Protocol
    from xaibench.normalize import normalize
    from xaibench.requests import resolve_methods
    from xaibench.store import maps as store
    from xaibench.store.atomic import read_json

    root = Path(out)
    held = root / "manifests" / "protocol.json"
    if not held.exists():
        raise XaibenchError(f"{root} is not a run directory; give the --out of a run.")
    protocol = Protocol.model_validate(read_json(held))
    request = resolve_methods([method], protocol)[0]
    if not (root / "maps" / encode(request.spec)).is_dir():
        from urllib.parse import unquote

        found = [unquote(p.name) for p in (root / "maps").glob("*")]
        raise unknown(f"method in {root}", request.spec, found)
    place = store.folder(root, request.spec, fold(target), fold(transform), variation)
    shards = [store.load(path) for path in sorted(place.glob("*.safetensors"))]
    if not shards:
        raise XaibenchError(
            f"{root} has no maps of {request.spec} for {target}, {transform}, {variation}; "
            "run `xaibench explain` for them."
        )
    size = shards[0].size
    maps = torch.cat([normalize(s.maps, size, request.normalization) for s in shards])
    return [i for s in shards for i in s.ids], maps.numpy()


def load_predictions(out: str | Path) -> pd.DataFrame:
    """What the network said of every image: one row an image, transform and variation.

    Columns: image (str); label, argmax, argmin (int64, label -1 for none); logit_TARGET (float32)
    and probability_TARGET (float64) for the three targets, NaN where a target has no class;
    transform and variation (str, "none" for the untouched image). Sorted by transform, variation
    and image. Raises XaibenchError where there are none.
    """
    import pandas as pd

    from xaibench.store import tables

    folder = Path(out) / "predictions"
    parts = []
    for path in sorted(folder.glob("*/*/*.parquet")):
        transform, variation = path.parts[-3:-1]
        part = tables.read(path).to_pandas()
        parts.append(part.assign(transform=transform, variation=variation))
    if not parts:
        raise XaibenchError(f"no predictions in {out}; run `xaibench run --out {out}` first.")
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(["transform", "variation", "image"], ignore_index=True)
