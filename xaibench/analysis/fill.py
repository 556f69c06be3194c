"""Which cells of the paper's tables are missing, and the one command that fills them.

Every table is a full product of methods, metrics, targets and transforms, and a run computes
nothing twice. So the smallest product around the missing cells is one command that computes
exactly these: whatever else it names is there already.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from xaibench.analysis.layout import Measured, paper_metrics
from xaibench.analysis.measure import Key, Measurement
from xaibench.analysis.types import Fill
from xaibench.config.catalog import Catalog
from xaibench.published.tables import METHODS, TABLES, VARIATIONS
from xaibench.registry.files import located

_DEFAULTS = {"transform": ["none"], "target": []}


@dataclass(frozen=True)
class RunWords:
    """What a command needs to go on with a run.

    Attributes:
        options: those that name its directory, by whether images are transformed.
        labelled: whether the classes of its images, if they have any, are the network's.
        files: of the user's own functions, paths by file name.
    """

    options: Mapping[bool, Sequence[str]]
    labelled: bool = True
    files: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, transformed: bool) -> Sequence[str]:
        return self.options[transformed]


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
    What has failed on every image is left alone: it would fail again.

    Args:
        number: the table.
        catalog: what the run's metrics are; it decides which columns there are.
        measured: the cells that there are.
        methods: rows beside the paper's.
        labelled: whether the images have classes; without, none is the ground truth.
        run: how to go on with the run; None where nobody knows.
    """
    partly = {key for key, one in measured.items() if "failed" in one.n_left_out}
    failed = {key for key in partly if not measured[key].n}
    methods_failed = _always("method", measured, failed)
    rest = [key for key in measured if key.method not in methods_failed]
    metrics_failed = _always("metric", rest, failed)
    rows = list(dict.fromkeys([*METHODS, *methods]))
    cells = [
        Key(method, target, transform, metric)
        for method in rows
        for target, transform in TABLES[number].groups()
        if labelled or target != "ground_truth"
        for metric in paper_metrics(number, catalog)
    ]
    missing = [
        key
        for key in cells
        if not _whole(key, measured.get(key))
        and key.method not in methods_failed
        and key.metric not in metrics_failed
    ]
    if not missing:
        return None
    words, named = ["xaibench", "run"], dict[str, set[str]]()
    for name in Key._fields:
        lacking = {getattr(key, name) for key in missing}
        wanted = [v for v in dict.fromkeys(getattr(key, name) for key in cells) if v in lacking]
        named[name] = set(wanted)
        if wanted != _DEFAULTS.get(name):
            words += [f"--{name}", ",".join(located(v, run.files if run else {}) for v in wanted)]
    again = any(all(getattr(key, name) in named[name] for name in named) for key in partly)
    words += ["--no-retry-failed"] * again
    return Fill(
        len(missing),
        len(cells),
        shlex.join([*words, *(run[number == 4] if run else ())]),
        run is not None,
        (*methods_failed, *metrics_failed),
    )


def _always(name: str, keys: Iterable[Key], failed: Set[Key]) -> list[str]:
    """The methods or metrics of which every cell has failed."""
    held = list(keys)
    works = {getattr(key, name) for key in held if key not in failed}
    return [one for one in dict.fromkeys(getattr(key, name) for key in held) if one not in works]


def _whole(key: Key, measurement: Measurement | None) -> bool:
    if measurement is None:
        return False
    return key.transform == "none" or len(measurement.variations) >= VARIATIONS
