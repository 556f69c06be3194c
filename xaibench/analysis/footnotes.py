"""What has to be said below a table: gaps, counts, and what the paper's numbers cannot carry."""

from __future__ import annotations

from collections import Counter

from xaibench.analysis.columns import OTHER
from xaibench.analysis.measure import Key, Measurement
from xaibench.analysis.stats import FEW, MIN_IMAGES
from xaibench.analysis.types import Cell, Table
from xaibench.config.catalog import OWN, STAND_IN, Catalog
from xaibench.published.tables import FORMS, TABLES, VARIATIONS

SWAPPED = "printed_AD_and_AG_look_swapped"

_SENSITIVITY = {
    STAND_IN: "MS and AS do not measure the methods: as in the paper's code, each map is compared "
    "with Quantus's own gradient explanation of the perturbed input. Fake-CAM is constant, so its "
    "true MS and AS are 0, yet the paper prints 0.96.",
    OWN: "MS and AS compare each method with itself here. The paper's code compared each map with "
    "Quantus's own gradient explanation, so its printed MS and AS do not measure the methods.",
    "": "Whose explanation of the perturbed input MS and AS take is not known from these scores. "
    "The paper's code took Quantus's own gradient explanation for every method.",
}
UNSURE = (
    "! after an interval: it holds the true mean in under 90% of the cases, because of fewer "
    f"than {MIN_IMAGES} images or fewer than {FEW} that differ from the commonest value (what is "
    "rare may not have been seen); coverage by simulation in docs/statistics.md."
)
_SWAPPED = (
    "* The paper's printed AD and AG of Fake-CAM with Resize (2.0 and 90.5) look swapped: beside "
    "its AI of 47.4 they cannot be (by definition AG <= AI <= 100 - AD)."
)


def empty_note(number: int) -> str:
    """Say that a table has no scores."""
    if number == OTHER:
        return "No scores outside of Tables 1-4."
    return f"No scores for Table {number} yet."


def table_notes(
    table: Table, measured: dict[Key, Measurement], catalog: Catalog
) -> tuple[str, ...]:
    """Return the notes below `table`, whose cells come from `measured`."""
    notes = []
    if table.number in TABLES:
        metrics = dict.fromkeys(column.column.metric for column in table.columns)
        explains = (catalog.metric(metric).explains for metric in metrics)
        notes += [_SENSITIVITY[whose] for whose in explains if whose is not None][:1]
        notes += [FORMS[metric].note for metric in metrics if FORMS[metric].note]
    if any(cell.paper_note == SWAPPED for cell in _cells(table)):
        notes.append(_SWAPPED)
    if table.number == 4:
        notes += _variations(measured, catalog)
    notes += _until(table)
    notes += [UNSURE] if any(cell.unsure for cell in _cells(table)) else []
    notes += _left_out(table)
    return tuple(notes)


def _cells(table: Table) -> list[Cell]:
    return [cell for line in table.cells for cell in line if cell is not None]


def _until(table: Table) -> list[str]:
    """Say how cells came to their images where they were to stop."""
    points = sorted({cell.points for cell in _cells(table) if cell.points is not None})
    if not points:
        return []
    listed = " or ".join(f"{one:g}" for one in points)
    return [
        f"until {listed}: images came in a drawn order, and the cell took no more once its 95% "
        "interval was within so many points (0.01 in natural units each) of the mean, at the end "
        "of a block. That interval is the one shown: a confidence sequence of the mean over all "
        "images of the set, which holds whenever one looks (docs/until.md). n is its images."
    ]


def _variations(measured: dict[Key, Measurement], catalog: Catalog) -> list[str]:
    """Say where a mean is over fewer variations than the paper's four."""
    short: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for key, measurement in measured.items():
        if len(measurement.variations) != VARIATIONS:
            methods = short.setdefault((key.transform, measurement.variations), set())
            methods.add(catalog.label(key.method))
    notes = []
    for transform, names in sorted(short):
        methods = short[transform, names]
        everywhere = {catalog.label(key.method) for key in measured if key.transform == transform}
        whose = "" if methods == everywhere else f" ({', '.join(sorted(methods))})"
        count = f"{len(names)} variation{'s' * (len(names) > 1)}"
        notes.append(
            f"{transform.capitalize()}{whose}: mean over {count} ({', '.join(names)}); the paper "
            f"averages {VARIATIONS}."
        )
    return notes


def _left_out(table: Table) -> list[str]:
    """List the rows that are in no mean, by reason and method."""
    reasons: dict[str, Counter[str]] = {}
    for row, line in zip(table.rows, table.cells, strict=True):
        for cell in line:
            for reason, count in (cell.n_left_out if cell else {}).items():
                reasons.setdefault(reason, Counter())[row.label] += count
    notes = []
    for reason, methods in sorted(reasons.items()):
        listed = ", ".join(f"{label} {count:,}" for label, count in methods.items())
        notes.append(f"Left out of the means as {reason} (scores): {listed}.")
    return notes
