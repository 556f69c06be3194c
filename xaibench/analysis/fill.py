"""Which cells of the paper's tables are missing, and the one command that fills them.

Every table is a full product of methods, metrics, targets and transforms, and a run computes
nothing twice. So the smallest product around the missing cells is one command that computes
exactly these: whatever else it names is there already.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from xaibench.analysis.layout import Measured, paper_metrics
from xaibench.analysis.measure import Key, Measurement
from xaibench.analysis.types import Fill
from xaibench.config.catalog import Catalog
from xaibench.published.tables import METHODS, TABLES, VARIATIONS

RunWords = Mapping[bool, Sequence[str]]
"""Options that name a run directory, by whether images are transformed."""
_DEFAULTS = {"transform": ["none"], "target": []}


def find_fill(
    number: int,
    catalog: Catalog,
    measured: Measured,
    methods: Iterable[str] = (),
    labelled: bool = True,
    run: RunWords | None = None,
) -> Fill | None:
    """Return what table `number` (1-4) lacks, or None where it is whole.

    A cell of a transformed input is missing too where it has fewer variations than the paper's.

    Args:
        number: the table.
        catalog: what the run's metrics are; it decides which columns there are.
        measured: the cells that there are.
        methods: rows beside the paper's.
        labelled: whether the images have classes; without, none is the ground truth.
        run: words that name the run directory and its options, by whether images are
            transformed; None where nobody knows.
    """
    rows = list(dict.fromkeys([*METHODS, *methods]))
    cells = [
        Key(method, target, transform, metric)
        for method in rows
        for target, transform in TABLES[number].groups()
        if labelled or target != "ground_truth"
        for metric in paper_metrics(number, catalog)
    ]
    missing = [key for key in cells if not _whole(key, measured.get(key))]
    if not missing:
        return None
    words = ["xaibench", "run"]
    for name in Key._fields:
        lacking = {getattr(key, name) for key in missing}
        wanted = [v for v in dict.fromkeys(getattr(key, name) for key in cells) if v in lacking]
        if wanted != _DEFAULTS.get(name):
            words += [f"--{name}", ",".join(wanted)]
    return Fill(
        len(missing),
        len(cells),
        shlex.join([*words, *(run[number == 4] if run else ())]),
        run is not None,
    )


def _whole(key: Key, measurement: Measurement | None) -> bool:
    if measurement is None:
        return False
    return key.transform == "none" or len(measurement.variations) >= VARIATIONS
