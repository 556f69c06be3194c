"""Gallery: each image with every method's map over it, its scores and its curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaibench.analysis.columns import Column, column_of
from xaibench.analysis.measure import AVERAGED
from xaibench.config.catalog import Catalog
from xaibench.config.specs import key_of
from xaibench.errors import shown
from xaibench.published.tables import FORMS
from xaibench.report.html.gallery import Curves, Gallery
from xaibench.report.html.view import Run, SectionHtml, View
from xaibench.report.text import target_name

if TYPE_CHECKING:
    import pandas as pd

title, key, place = "Gallery", "gallery", 60
CHUNK = 20
"""Images whose pictures and curves are loaded together."""
POINTS = 61
"""A curve is drawn with so many points at most, its ends among them."""


def section(view: View) -> SectionHtml | None:
    """One gallery a run that has one."""
    held: Sequence[Gallery | None] = view.prepared.get(key) or ()
    pairs = list(zip(view.runs, held, strict=False))
    data = [g and _data(view, run, g, at) for at, (run, g) in enumerate(pairs)]
    if not any(data):
        return None
    bodies = [
        view.render("gallery.html.j2", g=g, run=run, at=at, target=target_name(g.target))
        if g
        else None
        for at, (run, g) in enumerate(pairs)
    ]
    return SectionHtml(view.panels(bodies), data, ("gallery.css",), ("gallery.js",))


def _data(view: View, run: Run, gallery: Gallery, at: int) -> dict[str, Any]:
    """What the script shows; pictures and curves are in chunks beside it."""
    source, known = run.source, run.source.known
    rows = source.scores
    rows = rows[
        (rows["transform"] == "none")
        & (rows["target"] == gallery.target)
        & rows["image"].isin(gallery.images)
    ]
    usable = rows[rows["status"].isin(AVERAGED)].astype({"metric": str, "method": str})
    columns = _columns(usable, known)
    drawn, apart = _chunks(view, gallery, [c.metric for c in columns], at)
    labels, found, certain = _classes(source.predictions, gallery.images)
    named = sorted({index for index in (*labels, *found) if index >= 0})
    return {
        "size": gallery.size,
        "methods": [known.label(method) for method in gallery.methods],
        "metrics": [_metric(column, known, gallery) for column in columns],
        "first": next((i for i, c in enumerate(columns) if not known.metric(c.metric).binary), 0),
        "images": [shown(image) for image in gallery.images],
        "label": labels,
        "predicted": found,
        "probability": certain,
        "apart": apart,
        "classes": {index: shown(gallery.class_name(index)) for index in named},
        "values": [_values(usable, column, gallery) for column in columns],
        "chunk": CHUNK,
        "chunks": drawn,
    }


def _columns(usable: pd.DataFrame, known: Catalog) -> list[Column]:
    """The metrics in the order of the tables, in the units of these."""
    order = list(FORMS)
    specs = sorted(
        usable["metric"].unique(),
        key=lambda spec: (order.index(k) if (k := key_of(spec)) in order else 99, spec),
    )
    largest = usable["value"].abs().groupby(usable["metric"]).max()
    return [column_of(spec, known, float(largest[spec])) for spec in specs]


def _metric(column: Column, known: Catalog, gallery: Gallery) -> dict[str, Any]:
    """What a metric is called and which values are better; of one with curves where these lie."""
    curves = gallery.curves.get(column.metric)
    ends: tuple[float, float] | None = None
    every = [curve for of in (curves or {}).values() for curve in of.values()]
    if every:
        low, high = min(float(c.min()) for c in every), max(float(c.max()) for c in every)
        ends = known.metric(column.metric).bounds or (low, high)
    return {
        "label": column.header,
        "title": known.metric(column.metric).title,
        "digits": column.digits,
        "higher": column.higher_is_better,
        "ends": ends,
    }


def _values(usable: pd.DataFrame, column: Column, gallery: Gallery) -> list[list[float | None]]:
    """By method and image, as the tables print them."""
    of = usable[usable["metric"] == column.metric]
    pairs = zip(of["method"], of["image"].astype(str), of["value"], strict=True)
    held = {(method, image): float(value) for method, image, value in pairs}
    return [
        [_rounded(column, held.get((method, image))) for image in gallery.images]
        for method in gallery.methods
    ]


def _rounded(column: Column, value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{column.printed(value):.9g}")  # orders are of what is not printed, too


def _classes(
    predictions: pd.DataFrame | None, images: Sequence[str]
) -> tuple[list[int], list[int], list[float | None]]:
    """Label, predicted class (-1 where unknown) and the probability of the latter, by image."""
    nothing: tuple[int, int, float | None] = (-1, -1, None)
    held: dict[str, tuple[int, int, float | None]] = {}
    if predictions is not None:
        plain = predictions[predictions["transform"] == "none"]
        names = ("image", "label", "argmax", "probability_predicted")
        for image, label, found, p in zip(*(plain[name] for name in names), strict=True):
            held[image] = int(label), int(found), round(float(p), 3)
    rows = [held.get(image, nothing) for image in images]
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def _chunks(
    view: View, gallery: Gallery, metrics: Sequence[str], at: int
) -> tuple[list[str], list[float | None]]:
    """Write pictures and curves; where the chunks are, and how far each image's maps are apart."""
    part: list[dict[str, Any]] = []
    places: list[str] = []
    apart: list[float | None] = []
    for number, one in enumerate(gallery.pictures):
        url = None
        if one.strip is not None:
            url = view.asset(f"gallery/{at}-{number:05d}.jpg", one.strip)
        there = [one.pictured, *(method in one.mapped for method in gallery.methods)]
        of = [gallery.curves.get(metric) for metric in metrics]
        curves = [c and list(_curves(c, gallery.methods, one.image)) for c in of]
        part.append({"strip": url, "there": list(map(int, there)), "curves": curves})
        apart.append(None if one.apart is None else round(one.apart, 4))
        if len(part) == CHUNK or number + 1 == len(gallery.images):
            places.append(view.chunk(f"gallery-{at}-{len(places)}", part))
            part = []
    return places, apart


def _curves(
    curves: Mapping[str, Curves], methods: Sequence[str], image: str
) -> Iterator[list[float] | None]:
    """Each method's curve, thinned for the eye."""
    for method in methods:
        whole = curves.get(method, {}).get(image)
        if whole is None:
            yield None
            continue
        places = np.linspace(0, len(whole) - 1, min(len(whole), POINTS)).round().astype(int)
        yield [round(float(value), 3) for value in whole[places]]
