"""The pictures of the page's gallery: photographs with every method's map over them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xaibench.config.specs import key_of
from xaibench.errors import XaibenchError
from xaibench.execution.progress import progress
from xaibench.registry import entries
from xaibench.report.html.gallery import Curves, Gallery, Shown
from xaibench.stages.steps import IMAGES, Step
from xaibench.store import layout
from xaibench.store.accuracy import names_in
from xaibench.store.read import MapReader, load_curves

if TYPE_CHECKING:
    from torch import Tensor

    from xaibench.analysis.compare import Source
    from xaibench.published.classes import ClassNames
    from xaibench.stages.run import Run

LIMIT = 100
"""Images of a gallery where nobody says."""
SIDE = 160
"""Pixels: the longer side of a picture."""
_STEP = 16  # images at once: 10 methods x 16 x 224 x 224 in float32 are 32 MB
_POOL = 56  # pixels a side on which maps are compared: with ten methods 8 ms an image
_QUALITY = 75

Picture = NDArray[np.floating]


def galleries(
    directories: Sequence[Path], sources: Sequence[Source], limit: int | None
) -> list[Gallery | None]:
    """A gallery of each run; none where the limit is 0, or no untouched image has scores."""
    limit = LIMIT if limit is None else limit
    pairs = zip(directories, sources, strict=True)
    return [gallery(root, source, limit) for root, source in pairs] if limit else []


def gallery(root: Path, source: Source, limit: int = LIMIT) -> Gallery | None:
    """At most `limit` images of a run, spread evenly over the dataset's order.

    The target is that of the figures. Photographs are what the network saw; where they or the maps
    cannot be had, `notes` say why and the rest is shown.
    """
    from xaibench.analysis.layout import table_rows
    from xaibench.report.figures.picture import scale
    from xaibench.studies.figures import main_target

    try:
        target = main_target(source.scores)
    except XaibenchError:
        return None
    rows = source.scores[
        (source.scores["transform"] == "none") & (source.scores["target"] == target)
    ]
    methods = [row.method for row in table_rows(map(str, rows["method"].unique()), source.known)]
    notes: list[str] = []
    run = _run(root, notes)
    ids = sorted(map(str, rows["image"].unique()))
    if run is not None:
        known = set(ids)
        ids = [image for image in run.dataset.ids if image in known]
    chosen = [ids[place * len(ids) // limit] for place in range(limit)] if limit < len(ids) else ids
    readers = _readers(root, methods, target, notes)
    curves = _curves(
        root, methods, sorted(map(str, rows["metric"].unique())), target, chosen, notes
    )
    size = _size(run, readers)
    return Gallery(
        target=target,
        total=len(ids),
        methods=methods,
        images=chosen,
        pictures=_pictures(run, chosen, methods, readers, size, notes),
        size=size,
        colours=scale(),
        curves=curves,
        class_name=_names(root, source).label,
        notes=notes,
    )


def _names(root: Path, source: Source) -> ClassNames:
    """What the classes of the run's network are called."""
    known = source.predictions
    return names_in(root, 0 if known is None or known.empty else int(known["classes"].max()))


def _run(root: Path, notes: list[str]) -> Run | None:
    """The run with its data and its network's preprocessing, where these are still there."""
    from xaibench.studies.audit.cases import run_of

    try:
        return run_of(root, [], [], ["none"], device="cpu")
    except XaibenchError as error:
        notes.append(f"No photographs: {str(error).rstrip('.')}.")
        return None


def _readers(
    root: Path, methods: Sequence[str], target: str, notes: list[str]
) -> dict[str, MapReader]:
    """What reads the stored maps of each method that has any."""
    found, stored = {}, layout.mapped(root, target)
    for method in (one for one in methods if one in stored):
        try:
            found[method] = MapReader(root, method, target)
        except XaibenchError as error:
            _say(notes, str(error))
    if lost := [method for method in methods if method not in stored]:
        notes.append(f"No maps of {', '.join(lost)} are stored: `xaibench explain` makes them.")
    return found


def _curves(
    root: Path,
    methods: Sequence[str],
    metrics: Sequence[str],
    target: str,
    images: Sequence[str],
    notes: list[str],
) -> Mapping[str, Mapping[str, Curves]]:
    """The stored curves of some images."""
    found: dict[str, dict[str, Curves]] = {}
    wanted = set(images)
    declared = {metric: entries("metrics").get(key_of(metric)) for metric in metrics}
    having = [m for m, one in declared.items() if one is None or one.metadata.get("curve")]
    for metric in having:
        for method in methods:
            try:
                ids, curves = load_curves(root, method, metric, target)
            except XaibenchError:
                continue
            pairs = zip(ids, curves, strict=True)
            held = {image: curve.copy() for image, curve in pairs if image in wanted}
            if not held:
                continue
            found.setdefault(metric, {})[method] = held
    if not found and any(declared[metric] for metric in having):
        notes.append("No curves are stored: the same run with --keep-curves stores them.")
    return found


def _size(run: Run | None, readers: Mapping[str, MapReader]) -> tuple[int, int]:
    """Height and width of a picture: those of the input, `SIDE` at most, in whole squares of 8."""
    height, width = (run.classifier.input.crop,) * 2 if run else (1, 1)
    if run is None:
        for reader in readers.values():
            with suppress(XaibenchError):  # said where its maps are drawn
                height, width = next(iter(reader.take(reader.ids[:1]).values())).shape
                break
    factor = min(1.0, SIDE / max(height, width))
    return max(8, round(height * factor / 8) * 8), max(8, round(width * factor / 8) * 8)


def _pictures(
    run: Run | None,
    images: Sequence[str],
    methods: Sequence[str],
    readers: Mapping[str, MapReader],
    size: tuple[int, int],
    notes: list[str],
) -> Iterator[Shown]:
    """A strip of each image; what cannot be read is left out and said once."""
    with progress({IMAGES: len(images)}) as tick:
        for start in range(0, len(images), _STEP):
            part = images[start : start + _STEP]
            photographs = _photographs(run, part, notes)
            maps = {method: _take(reader, part, notes) for method, reader in readers.items()}
            for image in part:
                of = {method: held[image] for method, held in maps.items() if image in held}
                photograph, made = photographs.get(image), None
                if of or photograph is not None:
                    made = strip(photograph, [of.get(method) for method in methods], size)
                yield Shown(image, made, photograph is not None, frozenset(of), _apart(of))
            tick(Step("gallery", "images", "", {IMAGES: len(part)}, len(part)))


def _take(reader: MapReader, images: Sequence[str], notes: list[str]) -> dict[str, Tensor]:
    """Maps of some images that can be shown."""
    try:
        return {i: map_ for i, map_ in reader.take(images).items() if map_.isfinite().all()}
    except XaibenchError as error:
        _say(notes, str(error))
        return {}


def _photographs(run: Run | None, images: Sequence[str], notes: list[str]) -> dict[str, Picture]:
    """Image -> the (H, W, 3) pixels in [0, 1] that the network saw; those that can be read."""
    if run is None:
        return {}
    places = {image: place for place, image in enumerate(run.dataset.ids)}
    try:
        read, inputs, failures, _ = run.decode(sorted(places[image] for image in images))
    except XaibenchError as error:
        _say(notes, str(error))
        return {}
    for failure in failures:
        _say(notes, f"{failure.image} cannot be read any more: {failure.reason}.")
    pixels = run.classifier.to_pixels(inputs).permute(0, 2, 3, 1).numpy()
    return {run.dataset.ids[place]: pixels[row] for row, place in enumerate(read)}


def _say(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def strip(
    photograph: Picture | None, maps: Sequence[Tensor | None], size: tuple[int, int]
) -> bytes:
    """The photograph, then each map over it as in Figure 1, as one JPEG; grey for what is not.

    Its squares of 8 pixels do not cross from one picture into the next.
    """
    from PIL import Image

    from xaibench.report.figures.picture import overlay, tint

    height, width = size
    held = io.BytesIO()
    whole = Image.new("RGB", (width * (1 + len(maps)), height), (128, 128, 128))
    for place, map_ in enumerate((None, *maps)):
        shown: Any = photograph
        if place and map_ is None:
            continue
        if map_ is not None:
            values = map_.cpu().numpy()
            shown = tint(values) if photograph is None else overlay(photograph, values)
        if shown is not None:
            tile = Image.fromarray(np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8))
            whole.paste(tile.resize((width, height), Image.Resampling.LANCZOS), (place * width, 0))
    whole.save(held, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return held.getvalue()


def _apart(maps: Mapping[str, Tensor]) -> float | None:
    """1 - Spearman's correlation of the maps' means over squares, mean over every two maps.

    Pairs with a constant map have none.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    from xaibench.studies.agreement import pairwise

    if len(maps) < 2:
        return None
    sizes = {map_.shape for map_ in maps.values()}
    if len(sizes) > 1:
        return None
    stacked = torch.stack(list(maps.values())).float()
    side = min(_POOL, *stacked.shape[-2:])
    small = adaptive_avg_pool2d(stacked[None].nan_to_num(0.0), side)
    rho = pairwise(small, 1)[0][0]
    rows, columns = np.triu_indices(len(maps), 1)
    pairs = rho.numpy()[rows, columns]
    pairs = pairs[np.isfinite(pairs)]
    return float(1 - pairs.mean()) if len(pairs) else None
