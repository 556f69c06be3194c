"""How metrics are printed: as the paper does where it prints one, else as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

from xaibench.config.catalog import Catalog, MetricDeclaration
from xaibench.published.tables import FORMS

TARGET_NAMES = {
    "ground_truth": "ground-truth class",
    "predicted": "predicted class",
    "least_probable": "least probable class",
}

OTHER = 0
"""The number of the table that holds what Tables 1-4 have no column for."""

TIES = -1
"""The number of the section on ties, which is set as a table."""


@dataclass(frozen=True)
class Column:
    """One metric as it is printed: printed = offset + scale * natural.

    Attributes:
        metric: our key, or a canonical spec such as `insertion(steps=224)`.
        paper: the key in `published/zhang2024_tables.csv`; it names the printed units.
        header: what stands above the column.
        short: the abbreviation.
        scale: factor from natural to printed units.
        offset: added after scaling.
        digits: decimals printed.
        higher_is_better: of the printed value; None where nobody says.
    """

    metric: str
    paper: str
    header: str
    short: str
    scale: float = 1.0
    offset: float = 0.0
    digits: int = 2
    higher_is_better: bool | None = True

    @property
    def brief(self) -> str:
        """The abbreviation; of a metric with values of its own all that it is."""
        return self.metric if "(" in self.metric else self.short

    def printed(self, value: float) -> float:
        """Return `value` (natural units) in the printed units."""
        return self.offset + self.scale * value


def is_printed(metric: str, catalog: Catalog) -> bool:
    """Whether the paper prints what the metric measures here."""
    form = FORMS.get(metric)
    return form is not None and form.mean in ("", catalog.metric(metric).mean)


def paper_column(metric: str, catalog: Catalog) -> Column:
    """The column of a metric that the paper has a form for."""
    form, declared = FORMS[metric], catalog.metric(metric)
    return Column(
        metric,
        form.key,
        form.header,
        declared.short,
        form.scale,
        form.offset,
        form.digits,
        _better(declared, form.scale),
    )


def natural_column(metric: str, catalog: Catalog, largest: float) -> Column:
    """The column of a metric that is printed as it is stored.

    Args:
        metric: key or canonical spec.
        catalog: says what it is.
        largest: largest absolute mean in the column; decides the decimals where nothing does.
    """
    declared = catalog.metric(metric)
    title = metric if declared.key in FORMS or metric != declared.key else declared.title
    named = declared.unit and declared.key not in FORMS  # the paper's are known by their keys
    header = f"{title}, {declared.unit}" if named else title
    digits = 1 if largest >= 1000 else 2 if largest >= 10 else 3
    digits = digits if declared.digits is None else declared.digits
    return Column(
        metric, metric, header, declared.short, digits=digits, higher_is_better=_better(declared)
    )


def column_of(metric: str, catalog: Catalog, largest: float) -> Column:
    """The paper's column of a metric where it prints one, else the natural one."""
    if is_printed(metric, catalog):
        return paper_column(metric, catalog)
    return natural_column(metric, catalog, largest)


def _better(declared: MetricDeclaration, scale: float = 1.0) -> bool | None:
    if declared.direction == "none":
        return None
    return (declared.direction == "higher") is (scale > 0)
