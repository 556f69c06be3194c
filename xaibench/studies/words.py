"""The options that name a run directory, for the commands that a report suggests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaibench.analysis.fill import RunWords
from xaibench.config.options import OPTIONS
from xaibench.store import layout
from xaibench.store.atomic import read_json
from xaibench.store.remote import place
from xaibench.store.sources import files_of

# Options of a run that say what to compute, where, or how fast; the others say what the run is.
_NOT_THE_RUN = frozenset(name for name, option in OPTIONS.items() if not option.of_run)
_DEFAULTS = {"seed": 0, "order": "dataset", "dtype": "float32"}


def run_words(root: Path) -> RunWords | None:
    """Return the options that name a run directory: `--out DIR --protocol published --limit 4`.

    Of untouched images under False, of transformed ones under True: these may be fewer. They come
    from the manifests of the directory; of its runs of a kind, the one over the most images counts,
    and where there is none of the kind, the one over the most. The images are labelled unless a
    process that had the network found otherwise. None where there is no manifest.
    """
    manifests = layout.manifests(root)
    records = [record for record in map(read_json, manifests) if record.get("config")]
    if not records:
        return None
    options = {transformed: _words(root, records, transformed) for transformed in (False, True)}
    labelled = all(record.get("labelled", True) for record in records)
    return RunWords(options, labelled, files_of(root))


def _words(root: Path, records: list[dict[str, Any]], transformed: bool) -> list[str]:
    names = [set(record["config"].get("transform") or ["none"]) for record in records]
    alike = [r for r, n in zip(records, names, strict=True) if (n != {"none"}) == transformed]
    chosen = max(enumerate(alike or records), key=lambda item: (_images(item[1]), item[0]))[1]
    dtype = (chosen.get("identity") or {}).get("dtype")
    config = chosen["config"] | {"dtype": dtype}  # a score without the network need not name it
    words = ["--out", place(root), *_options(config)]
    for name in ("limit", "until"):
        words += [f"--{name}", str(config[name])] if config.get(name) is not None else []
    return words


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
