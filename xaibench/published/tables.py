"""What the paper's Tables 1-4 and figures consist of, and in which form it prints each metric.

Rows and columns are those of `zhang2024_tables.csv`, in its order. Scores are stored in natural
units (`average_drop` 0.124); the paper prints another form of most of them (`100 - AD%` 87.6).
Source: Zhang, Torres & Hermanns, ACML 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from xaibench.published import printed_rows

VARIATIONS = 4
"""Variations of each transform that Table 4 averages."""

FIGURE_1 = ("average_drop", "average_gain", "insertion", "deletion")
"""AI is left out: it is 0 or 1 an image, so that no image is its best."""
FIGURE_2 = ("average_gain", "average_drop", "insertion", "deletion")


@dataclass(frozen=True)
class Form:
    """How one metric is printed: printed = offset + scale * natural.

    Attributes:
        key: its name in the CSV, which names the printed units.
        header: what stands above the column.
        mean: what the printed mean has to be of, where the metric can be of another quantity.
        note: what is said below a table that has the column.
    """

    key: str
    header: str
    scale: float = 1.0
    offset: float = 0.0
    digits: int = 2
    mean: str = ""
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper: every metric for every target and transform."""

    number: int
    title: str
    metrics: tuple[str, ...]
    targets: tuple[str, ...]
    transforms: tuple[str, ...]

    def groups(self) -> tuple[tuple[str, str], ...]:
        """The table's (target, transform) pairs in the paper's order."""
        return tuple((target, name) for target in self.targets for name in self.transforms)


def _percent(key: str, header: str) -> Form:
    return Form(key, header, scale=100.0, digits=1)


def _complement(key: str, header: str) -> Form:
    return Form(f"{key}_bar", header, scale=-100.0, offset=100.0, digits=1)


FORMS = {
    "average_increase": _percent("average_increase", "AI%"),
    "average_drop": _complement("average_drop", "100 - AD%"),
    "average_gain": _percent("average_gain", "AG%"),
    "insertion": _percent("insertion", "I%"),
    "deletion": _complement("deletion", "100 - D%"),
    "monotonicity": Form("monotonicity", "Monotonicity"),
    "max_sensitivity": Form("max_sensitivity", "MS"),
    "avg_sensitivity": Form("avg_sensitivity", "AS"),
    "sparseness": _percent("sparseness", "Sparseness"),
    "complexity": Form("complexity", "Complexity", digits=1),
    "effective_complexity": Form("effective_complexity", "EC", digits=1),
    "completeness": Form(
        "completeness",
        "Completeness%",
        scale=100.0,
        digits=1,
        mean="share of passes",
        note="Completeness is the share of images whose map passes the test exactly; the paper "
        "says in its text that every method fails and prints no column.",
    ),
}
"""By metric, in the order of the tables."""

_TITLES = {
    1: "Fidelity, ground-truth class",
    2: "Fidelity for three target classes",
    3: "Robustness and complexity",
    4: "Fidelity on transformed inputs",
}
_METRICS = {form.key: metric for metric, form in FORMS.items()}
_IN_TEXT = {3: ("completeness",)}  # the paper has its verdict, and no numbers


def _table(number: int) -> PaperTable:
    rows = [row for row in printed_rows() if row["table"] == str(number)]
    metrics, targets, transforms = (
        tuple(dict.fromkeys(row[name] for row in rows))
        for name in ("metric", "target", "transform")
    )
    ours = (*(_METRICS[metric] for metric in metrics), *_IN_TEXT.get(number, ()))
    return PaperTable(number, _TITLES[number], ours, targets, transforms)


TABLES = {number: _table(number) for number in _TITLES}
METHODS = tuple(dict.fromkeys(row["method"] for row in printed_rows()))
