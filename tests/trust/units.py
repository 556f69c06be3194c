"""Runs of small pictures of noise under a tiny network, and functions of a run that break."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from networks import tiny

import xaibench
from xaibench.models.classifier import TorchClassifier
from xaibench.store.ledger import contents

COUNT = 50
"""Images: three batches of 16 and one of two."""
KEYS = ["method", "metric", "image"]


class Killed(BaseException):
    """The process is gone: no handler knows of it."""


def run(
    data: Path, out: Path, network: TorchClassifier | None = None, **more: Any
) -> tuple[dict[str, int], list[str]]:
    """What a run computed, and the lines that it said."""
    lines: list[str] = []
    config = {
        "data": str(data),
        "target": "predicted",
        "method": "gradient,fakecam",
        "metric": "sparseness,average_drop,insertion(rows_per_step=32)",
        "workers": 0,
        "out": out,
        **more,
    }
    found = xaibench.run(config, network=network or tiny(classes=1000), say=lines.append)
    return found.computed, [line for line in lines if "classes" not in line]


def files(out: Path, kind: str, method: str = "gradient") -> list[Path]:
    """Files of maps or scores of a method, and of predictions."""
    paths = sorted(p for p in (out / kind).rglob("[0-9]*") if p.is_file())
    return [p for p in paths if method in str(p.relative_to(out)) or kind == "predictions"]


def held(out: Path, kind: str, method: str = "gradient") -> int:
    """How many images are in these files."""
    return sum(len(contents(path)[0]) for path in files(out, kind, method))


def same(out: Path, base: Path) -> None:
    """Scores and maps are equal to the bit, one row each, in one file a block."""
    ours, theirs = xaibench.load_scores(out), xaibench.load_scores(base)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert not pd.read_parquet(out / "scores").duplicated(KEYS).any()
    for method in ("gradient", "fakecam"):
        (ids, maps), (their_ids, their_maps) = (
            xaibench.load_maps(one, method, "predicted") for one in (out, base)
        )
        assert ids == their_ids
        assert np.array_equal(maps, their_maps)
    for kind in ("maps", "scores", "predictions"):
        names = [[path.relative_to(of) for path in files(of, kind)] for of in (out, base)]
        assert names[0] == names[1]


@contextmanager
def broken_in_call(where: str, call: int, error: BaseException) -> Iterator[mock.Mock]:
    """A function raises at its n-th call; the mock counts them."""
    module, _, name = where.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)
    calls = iter(range(1, 10_000))

    def function(*given: Any, **more: Any) -> Any:
        if next(calls) == call:
            raise error
        return real(*given, **more)

    with mock.patch(where, side_effect=function) as made:
        yield made


METHOD = "xaibench.methods.gradient.gradient_maps"
METRIC = "xaibench.metrics.sparsity.gini"  # sparseness alone calls it, once a slice
