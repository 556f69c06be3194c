"""Read a run's results: scores as one tidy frame, maps as one array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from xaibench.config.specs import parse
from xaibench.errors import XaibenchError, fold, unknown
from xaibench.store import layout
from xaibench.store.remote import fetched
from xaibench.store.scores import COLUMNS as COLUMNS
from xaibench.store.scores import KEYS as KEYS
from xaibench.store.scores import read_scores

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from xaibench.config.requests import MethodRequest
    from xaibench.store.maps import MapShard


def load_scores(out: str | Path) -> pd.DataFrame:
    """All scores of a run directory: one row an image, method, target, transform and metric.

    out: the directory, or its URL, of which the scores are fetched; so it is in all of these.
    Columns as in `COLUMNS`; value is float64 in natural units; sorted by `KEYS`. Raises
    XaibenchError where there are none.
    """
    return plain(read_scores(fetched(out, layout.MANIFESTS, "scores")).frame)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with its names as strings."""
    for name in frame.select_dtypes("category"):
        frame[name] = frame[name].astype(str)
    return frame


def load_curves(
    out: str | Path,
    method: str,
    metric: str,
    target: str = "ground_truth",
    transform: str = "none",
    variation: str = "none",
) -> tuple[list[str], NDArray[np.float64]]:
    """What a metric's values come from, as `--keep-curves` stores it: ids and curves (N, S).

    Of insertion and deletion the probability of the scored class at S steps, both ends with it,
    whose trapezoid area is the value. method and metric as the scores have them. In the order of
    ids; images without a value are left out.
    Raises XaibenchError where the run has no such curves.
    """
    import numpy as np

    from xaibench.store import tables
    from xaibench.store.sound import reader, steadily

    root = fetched(out, layout.MANIFESTS, "scores")
    keys = {"target": fold(target), "transform": fold(transform), "variation": variation}
    keys["method"] = _scored(root / "scores", "method", method)
    of = layout.scores(root, **keys, metric="").parent
    keys["metric"] = _scored(of, "metric", metric)
    folder = layout.scores(root, **keys)

    def read() -> dict[str, NDArray[np.float64]]:
        held = reader(root)
        found: dict[str, NDArray[np.float64]] = {}
        for path in layout.results(folder):
            if tables.has_curves(path):
                table = held.table(path)
                curves = table[tables.CURVE].to_numpy()
                rows = zip(table["image"].to_pylist(), curves, strict=True)
                found |= {image: curve for image, curve in rows if curve is not None}
        return found

    found = steadily(read)
    if not found:
        raise XaibenchError(
            f"{out} has no curves of {keys['metric']} of {keys['method']} for {keys['target']}, "
            f"{keys['transform']}, {variation}: run it again with --keep-curves."
        )
    ids = sorted(found)
    if len({len(curve) for curve in found.values()}) > 1:
        raise XaibenchError(f"the curves of {keys['metric']} in {folder} differ in length.")
    return ids, np.stack([found[image] for image in ids])


def _scored(folder: Path, name: str, spec: str) -> str:
    """A method or metric as the partitions of a folder of scores write it, however it was typed."""
    known = {unquote(p.name.partition("=")[2]) for p in folder.glob(f"{name}=*")}
    same = [one for one in known if parse(one) == parse(spec)]
    if not same:
        raise unknown(f"{name} in {folder}", spec, known)
    return same[0]


def load_maps(
    out: str | Path,
    method: str,
    target: str = "ground_truth",
    transform: str = "none",
    variation: str = "none",
) -> tuple[list[str], NDArray[np.float32]]:
    """Normalised maps of one method, as they are scored: ids and (N, H, W) float32 in [0, 1].

    In the order of blocks; a block that was written at several times in the order of ids. Raises
    XaibenchError where the run has no such maps.
    """
    import torch

    from xaibench.normalize import normalize
    from xaibench.store.sound import reader, steadily

    root = fetched(out, layout.MANIFESTS)
    folder = layout.maps(
        root, _request(root, method).spec, fold(target), fold(transform), variation
    )
    root = fetched(out, layout.MANIFESTS, folder.relative_to(root).as_posix())

    def read() -> tuple[MethodRequest, dict[Path, MapShard]]:
        asked = (method, fold(target), fold(transform), variation)
        request, paths = _stored_maps(root, *asked)
        held = reader(root)
        return request, {path: held.shard(path) for path in paths}

    request, shards = steadily(read)
    steps = request.steps(fold(transform))
    maps = torch.cat([normalize(s.maps, s.size, steps) for s in shards.values()])
    ids = [i for s in shards.values() for i in s.ids]
    files = Counter(layout.block_of(path) for path in shards)
    if max(files.values()) == 1:
        return ids, maps.numpy()
    blocks = [layout.block_of(path) for path, shard in shards.items() for _ in shard.ids]

    def place(row: int) -> tuple[int, str, int]:
        return blocks[row], ids[row] if files[blocks[row]] > 1 else "", row

    once = {image: row for row, image in enumerate(ids)}  # a kill may have left some in two files
    rows = sorted(once.values(), key=place)
    return [ids[row] for row in rows], maps[rows].numpy()


class MapReader:
    """Stored maps of one method by image, for images asked for in the order of their blocks.

    The shard read last is kept: memory is that of one shard, 320 images at most.
    """

    def __init__(self, out: str | Path, method: str, target: str = "ground_truth") -> None:
        from xaibench.store import maps as store
        from xaibench.store.sound import reader

        self._request, paths = _stored_maps(Path(out), method, fold(target), "none", "none")
        self._reader = reader(Path(out))
        self._where = {i: (path, r) for path in paths for r, i in enumerate(store.read_ids(path))}
        self._held: tuple[Path, MapShard] | None = None

    @property
    def ids(self) -> list[str]:
        """The images that have a map, in the order of the shards."""
        return list(self._where)

    def take(self, ids: Collection[str]) -> dict[str, Tensor]:
        """Image -> its normalised map (H, W) float32; images without one are left out."""
        from xaibench.normalize import normalize

        wanted: dict[Path, list[tuple[str, int]]] = {}
        for image in ids:
            if image in self._where:
                path, row = self._where[image]
                wanted.setdefault(path, []).append((image, row))
        found: dict[str, Tensor] = {}
        for path, places in wanted.items():
            if self._held is None or self._held[0] != path:
                self._held = (path, self._reader.shard(path))
            shard = self._held[1].select([row for _, row in places])
            maps = normalize(shard.maps, shard.size, self._request.normalization)
            found |= dict(zip(shard.ids, maps, strict=True))
        return found


def _stored_maps(
    root: Path, method: str, target: str, transform: str, variation: str
) -> tuple[MethodRequest, list[Path]]:
    """The method as the run's protocol has it, and its shards in the order of their blocks."""
    request = _request(root, method)
    scored = (root / "scores" / f"method={layout.encode(request.spec)}").is_dir()
    if not scored and not (root / "maps" / layout.encode(request.spec)).is_dir():
        raise unknown(f"method in {root}", request.spec, {key[0] for key in layout.map_sets(root)})
    folder = layout.maps(root, request.spec, target, transform, variation)
    paths = layout.results(folder)
    if not paths:
        raise XaibenchError(
            f"{root} has no maps of {request.spec} for {target}, {transform}, {variation}; "
            f"run `xaibench explain --method {request.spec}` with the options of that run."
        )
    return request, paths


def _request(root: Path, method: str) -> MethodRequest:
    """A method as the run's protocol has it."""
    from xaibench.config.requests import made_elsewhere, resolve_methods
    from xaibench.registry.files import located
    from xaibench.store import sources
    from xaibench.store.manifest import stored_protocol

    protocol = stored_protocol(root)
    if method in sources.made_elsewhere(root):
        return made_elsewhere(method)
    return resolve_methods([located(method, sources.files_of(root))], protocol)[0]


def load_predictions(out: str | Path) -> pd.DataFrame:
    """What the network said of every image: one row an image, transform and variation.

    Columns: image (str); label, argmax, argmin (int64, label -1 for none); logit_TARGET (float32)
    and probability_TARGET (float64) for the three targets, NaN where a target has no class; rank
    (int64), how many classes come before the label, -1 without one, and classes (int64), of how
    many, 0 in files of earlier versions, which say neither; transform and variation (str, "none"
    for the untouched image). Sorted by transform, variation and image. Raises XaibenchError where
    there are none.
    """
    import pandas as pd

    from xaibench.store import tables
    from xaibench.store.sound import reader, steadily

    root = fetched(out, layout.MANIFESTS, "predictions")

    def read() -> list[pd.DataFrame]:
        held, parts = reader(root), []
        for folder in sorted((root / "predictions").glob("*/*")):
            transform, variation = map(unquote, folder.parts[-2:])
            for path in layout.results(folder):
                part = held.table(path).drop_columns(list(tables.CONTENT)).to_pandas()
                older = {k: v for k, v in tables.RANK.items() if k not in part}
                parts.append(part.assign(transform=transform, variation=variation, **older))
        return parts

    parts = steadily(read)
    if not parts:
        raise XaibenchError(f"no predictions in {out}; run `xaibench run --out {out}` first.")
    keys = ["transform", "variation", "image"]
    frame = pd.concat(parts).drop_duplicates(keys)  # a kill may leave an image in two files
    return frame.sort_values(keys, ignore_index=True)
