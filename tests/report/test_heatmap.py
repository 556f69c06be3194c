"""The heat map of agreement: with few methods the titles are wider than the triangles."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from frames import METHODS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from xaibench.analysis.agreement import Agreement, summarise
from xaibench.report.figures import heatmap
from xaibench.report.figures.style import WIDTH


@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_nothing_is_cut(count: int) -> None:
    pairs = count * (count - 1) // 2
    values = np.random.default_rng(0).uniform(0, 1, (5, pairs))
    none = np.zeros((5, pairs), bool)
    methods, images = tuple(METHODS[:count]), list("abcde")
    agreement = Agreement(methods, "ground_truth", images, values, values, none, 0.1, 5018)
    with mock.patch.object(heatmap, "save") as save:
        heatmap.draw(agreement, summarise(agreement), Path("nowhere"))
    fig = save.call_args.args[0]
    fig.set_dpi(300)  # as it is saved
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    for text in fig.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(canvas.get_renderer())
            assert -1 <= box.x0 <= box.x1 <= fig.bbox.width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= fig.bbox.height + 1, text.get_text()
    assert fig.get_size_inches()[0] <= WIDTH + 1e-9
