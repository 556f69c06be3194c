"""Whether all of a figure's words are on it."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from xaibench.report.figures.style import WIDTH


def assert_nothing_is_cut(fig: Figure, dpi: int) -> None:
    """No text reaches over the figure's edge, and the figure is no wider than the page."""
    fig.set_dpi(dpi)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    for text in fig.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(canvas.get_renderer())
            assert -1 <= box.x0 <= box.x1 <= fig.bbox.width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= fig.bbox.height + 1, text.get_text()
    assert fig.get_size_inches()[0] <= WIDTH + 1e-9
