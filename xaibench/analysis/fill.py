"""Which cells of the paper's tables are missing, and the one command that fills them.

Every table is a full product of methods, metrics, targets and transforms, and a run computes
nothing twice. So the smallest product around the missing cells is one command that computes
exactly these: whatever else it names is there already.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xaibench.analysis.columns import METHOD_NAMES, SPECS, VARIATIONS
from xaibench.analysis.declared import Declared
from xaibench.analysis.layout import Measured, paper_metrics
from xaibench.analysis.measure import Key, Measurement
from xaibench.analysis.types import Fill
from xaibench.config.options import OPTIONS
from xaibench.store.atomic import read_json

# Options of a run that say what to compute, where, or how fast; the others say what the run is.
_NOT_THE_RUN = frozenset(name for name, option in OPTIONS.items() if not option.of_run)
RunWords = Mapping[bool, Sequence[str]]
_DEFAULTS = {"seed": 0, "transform": ["none"], "target": []}


def find_fill(
    number: int,
    declared: Declared,
    measured: Measured,
    methods: Iterable[str] = (),
    labelled: bool = True,
    run: RunWords | None = None,
) -> Fill | None:
    """Return what table `number` (1-4) lacks, or None where it is whole.

    A cell of a transformed input is missing too where it has fewer variations than the paper's.

    Args:
        number: the table.
        declared: what the run's metrics mean; it decides which columns there are.
        measured: the cells that there are.
        methods: rows beside the paper's.
        labelled: whether the images have classes; without, none is the ground truth.
        run: words that name the run directory and its options, by whether images are
            transformed; None where nobody knows.
    """
    rows = list(dict.fromkeys([*METHOD_NAMES, *methods]))
    cells = [
        Key(method, target, transform, metric)
        for method in rows
        for target, transform in SPECS[number].groups()
        if labelled or target != "ground_truth"
        for metric in paper_metrics(number, declared)
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


def run_words(root: Path) -> RunWords | None:
    """Return the options that name a run directory: `--out DIR --protocol published --limit 4`.

    Of untouched images under False, of transformed ones under True: these may be fewer. They come
    from the manifests of the directory; of its runs of a kind, the one over the most images counts,
    and where there is none of the kind, the one over the most. None where there is no manifest.
    """
    manifests = sorted((root / "manifests").glob("run-*.json"))
    records = [record for record in map(read_json, manifests) if record.get("config")]
    if not records:
        return None
    return {transformed: _words(root, records, transformed) for transformed in (False, True)}


def _words(root: Path, records: list[dict[str, Any]], transformed: bool) -> list[str]:
    names = [set(record["config"].get("transform") or ["none"]) for record in records]
    alike = [r for r, n in zip(records, names, strict=True) if (n != {"none"}) == transformed]
    chosen = max(enumerate(alike or records), key=lambda item: (_images(item[1]), item[0]))[1]
    config = chosen["config"]
    words = ["--out", str(root), *_options(config)]
    limit = config.get("limit")
    return words if limit is None else [*words, "--limit", str(limit)]


def _images(record: Mapping[str, Any]) -> float:
    """How many images a run was over; where it did not end, what it was limited to."""
    counted = (record.get("counts") or {}).get("images")
    limit = record["config"].get("limit")
    return float(counted if counted is not None else limit if limit is not None else "inf")


def _options(config: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in config.items():
        if name in _NOT_THE_RUN or value in (None, False, [], _DEFAULTS.get(name)):
            continue
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        for part in value if isinstance(value, list) else [value] * (value is not True):
            words += [option, str(part)]
    return words
