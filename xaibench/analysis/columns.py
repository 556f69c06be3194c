"""How the paper prints its metrics, and what its Tables 1-4 consist of.

Scores are stored in natural units (`average_drop` 0.124); the paper prints another form of most of
them (`100 - AD%` 87.6). One `Column` says how to get from one to the other; one `TableSpec` says
which columns, targets and transforms a table has. Source: Zhang, Torres & Hermanns, ACML 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from xaibench.errors import UsageError


@dataclass(frozen=True)
class Column:
    """One metric as it is printed: printed = offset + scale * natural.

    Attributes:
        metric: our key, or a canonical spec such as `insertion(steps=224)`.
        paper: the key in `published/zhang2024_tables.csv`; it names the printed units.
        header: what stands above the column.
        short: the paper's abbreviation.
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

    def printed(self, value: float) -> float:
        """Return `value` (natural units) in the paper's units."""
        return self.offset + self.scale * value


@dataclass(frozen=True)
class Family:
    """The methods that the paper lists under one heading, in its order."""

    name: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class TableSpec:
    """One table of the paper: every metric for every target and transform."""

    number: int
    title: str
    metrics: tuple[str, ...]
    targets: tuple[str, ...] = ("ground_truth",)
    transforms: tuple[str, ...] = ("none",)

    def groups(self) -> tuple[tuple[str, str], ...]:
        """Return the table's (target, transform) pairs in the paper's order."""
        return tuple((target, name) for target in self.targets for name in self.transforms)


def _percent(metric: str, header: str, short: str) -> Column:
    return Column(metric, metric, header, short, scale=100.0, digits=1)


def _complement(metric: str, header: str, short: str) -> Column:
    return Column(metric, f"{metric}_bar", header, short, scale=-100.0, offset=100.0, digits=1)


_ALL = (
    _percent("average_increase", "AI%", "AI"),
    _complement("average_drop", "100 - AD%", "AD"),
    _percent("average_gain", "AG%", "AG"),
    _percent("insertion", "I%", "I"),
    _complement("deletion", "100 - D%", "D"),
    Column("monotonicity", "monotonicity", "Monotonicity", "M"),
    Column("max_sensitivity", "max_sensitivity", "MS", "MS", higher_is_better=False),
    Column("avg_sensitivity", "avg_sensitivity", "AS", "AS", higher_is_better=False),
    _percent("sparseness", "Sparseness", "S"),
    Column("complexity", "complexity", "Complexity", "C", digits=1, higher_is_better=False),
    Column("effective_complexity", "effective_complexity", "EC", "EC", 1.0, 0.0, 1, False),
    _percent("completeness", "Completeness%", "Co"),
)
COLUMNS: dict[str, Column] = {column.metric: column for column in _ALL}

FAMILIES = (
    Family("Control", ("fakecam",)),
    Family("Gradient based", ("gradient", "ig", "guidedbp")),
    Family("CAM based", ("gradcam", "gradcampp", "scorecam")),
    Family("Perturbation based", ("rise", "lime", "iba")),
)
OTHER_FAMILY = "Other methods"

METHOD_NAMES = {
    "fakecam": "Fake-CAM",
    "gradient": "Gradient",
    "ig": "IG",
    "guidedbp": "GuidedBP",
    "gradcam": "Grad-CAM",
    "gradcampp": "Grad-CAM++",
    "scorecam": "Score-CAM",
    "rise": "RISE",
    "lime": "LIME",
    "iba": "IBA",
}

TARGET_NAMES = {
    "ground_truth": "ground-truth class",
    "predicted": "predicted class",
    "least_probable": "least probable class",
}

VARIATIONS = 4
"""Variations of each transform that the paper's Table 4 averages."""

OTHER = 0
"""The number of the table that holds what Tables 1-4 have no column for."""

TIES = -1
"""The number of the section on ties, which is set as a table."""

_FIDELITY = ("average_increase", "average_drop", "average_gain", "insertion", "deletion")
_TABLE_3 = (
    "max_sensitivity",
    "avg_sensitivity",
    "sparseness",
    "complexity",
    "effective_complexity",
    "completeness",
)
SPECS: dict[int, TableSpec] = {
    1: TableSpec(1, "Fidelity, ground-truth class", (*_FIDELITY, "monotonicity")),
    2: TableSpec(2, "Fidelity for three target classes", _FIDELITY, tuple(TARGET_NAMES)),
    3: TableSpec(3, "Robustness and complexity", _TABLE_3),
    4: TableSpec(
        4,
        "Fidelity on transformed inputs",
        _FIDELITY,
        transforms=("mixup", "resize", "rotation", "crop"),
    ),
}


def natural_column(metric: str, largest: float) -> Column:
    """Return the column of a metric that is printed as it is stored.

    Args:
        metric: key or canonical spec; a spec takes its direction from its key.
        largest: largest absolute mean in the column; decides the decimals.
    """
    known = COLUMNS.get(metric.partition("(")[0])
    better = None
    # What is stored for completeness depends on the protocol: a verdict or a residual.
    if known is not None and known.metric != "completeness":
        better = known.higher_is_better is (known.scale > 0)
    digits = 1 if largest >= 1000 else 2 if largest >= 10 else 3
    return Column(metric, metric, metric, metric, 1.0, 0.0, digits, better)


def fill_command(table: int) -> str:
    """Return the `xaibench run` command that measures every cell of `table` (1-4)."""
    if table not in SPECS:
        raise UsageError(f"no table {table}: the paper has tables {', '.join(map(str, SPECS))}")
    spec = SPECS[table]
    words = ["xaibench run --method all --metric", ",".join(spec.metrics)]
    words += [f"--target {target}" for target in spec.targets]
    words += [f"--transform {name}" for name in spec.transforms if name != "none"]
    return " ".join(words)
