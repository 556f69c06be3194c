"""The heat map of agreement: with few methods the titles are wider than the triangles."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from fits import assert_nothing_is_cut
from frames import METHODS

from xaibench.analysis.agreement import Agreement, summarise
from xaibench.report.figures import heatmap


@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_nothing_is_cut(count: int) -> None:
    pairs = count * (count - 1) // 2
    values = np.random.default_rng(0).uniform(0, 1, (5, pairs))
    none = np.zeros((5, pairs), bool)
    methods, images = tuple(METHODS[:count]), list("abcde")
    agreement = Agreement(methods, "ground_truth", images, values, values, none, 0.1, 5018)
    with mock.patch.object(heatmap, "save") as save:
        heatmap.draw(agreement, summarise(agreement), Path("nowhere"))
    assert_nothing_is_cut(save.call_args.args[0], 300)  # as it is saved
