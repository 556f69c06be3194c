"""Figures 1 and 2: what is chosen, what is drawn, and that all of it can be read."""

from __future__ import annotations

from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from scipy import stats

from xaibench.config.declared import shipped
from xaibench.errors import XaibenchError
from xaibench.published.tables import METHODS
from xaibench.report.figures import figure1, figure2
from xaibench.report.figures.picture import overlay
from xaibench.report.figures.style import WIDTH, caption_lines

RUN = "Model resnet50, dataset imagenet, 20 images, protocol published"


def plain(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores["transform"] == "none") & (scores["target"] == "ground_truth")]


def rows(metric: str, **values: tuple[float, ...]) -> list[dict]:
    """method=(value of a.jpg, of b.jpg, ...)"""
    return [
        {"metric": metric, "method": method, "image": f"{'abcdef'[i]}.jpg", "value": value}
        for method, column in values.items()
        for i, value in enumerate(column)
    ]


def test_best_and_worst_by_the_mean_over_methods(make_frame) -> None:
    scores = make_frame(
        rows("insertion", gradcam=(0.1, 0.5, 0.9), rise=(0.9, 0.6, 0.4))
        + rows("average_drop", gradcam=(0.1, 0.5, 0.9), rise=(0.1, 0.6, 0.2))
    )
    found = [(c.metric, c.which, c.image) for c in figure1.choose(scores)]
    assert found == [
        ("average_drop", "best", "a.jpg"),  # the smallest drop
        ("average_drop", "worst", "b.jpg"),
        ("insertion", "best", "c.jpg"),
        ("insertion", "worst", "a.jpg"),
    ]
    drop = figure1.choose(scores)[0].values
    assert drop == pytest.approx({"gradcam": 90.0, "rise": 90.0})  # as the tables print it


def test_ties_go_to_the_first_image(make_frame) -> None:
    scores = make_frame(rows("average_gain", gradcam=(0.0, 0.0, 0.0), rise=(0.2, 0.2, 0.2)))
    found = figure1.choose(scores.iloc[::-1])
    assert [(c.which, c.image) for c in found] == [("best", "a.jpg"), ("worst", "a.jpg")]


def test_only_images_that_every_method_has_are_compared(make_frame) -> None:
    part = rows("insertion", gradcam=(0.1, 0.5, 0.9), rise=(0.1, 0.5))
    part.append({"metric": "insertion", "method": "rise", "image": "c.jpg", "status": "failed"})
    assert [c.image for c in figure1.choose(make_frame(part))] == ["b.jpg", "a.jpg"]
    (only,) = figure1.choose(make_frame(rows("insertion", gradcam=(0.1,))))
    assert (only.which, only.image) == ("best", "a.jpg")
    with pytest.raises(XaibenchError, match="Figure 1 needs"):
        figure1.choose(make_frame(rows("average_increase", gradcam=(1.0,))))


def test_overlay() -> None:
    photograph = np.full((4, 4, 3), 0.5)
    dark, bright = (overlay(photograph, np.full((4, 4), v)) for v in (0.0, 1.0))
    assert dark.shape == (4, 4, 3)
    assert bright.mean() > dark.mean() + 0.2
    peak = np.zeros((20, 20))
    peak[0, 0] = 1.0  # less than a hundredth of the pixels: nothing to divide by
    assert np.isfinite(overlay(np.zeros((20, 20, 3)), peak)).all()


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(200), np.round(rng.random(200), 1)
    assert figure2.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(figure2.spearman(x, np.zeros(200)))


def test_points_are_joined_by_image(make_frame) -> None:
    scores = make_frame(rows("deletion", gradcam=(0.1, 0.5, 0.9), rise=(0.2, np.nan, 0.4)))
    points = figure2.collect(scores, {"c.jpg": 0.3, "a.jpg": 0.1, "b.jpg": 0.2})
    x, y = points["gradcam", "deletion"]
    assert dict(zip(x, y, strict=True)) == pytest.approx({0.1: 10.0, 0.2: 50.0, 0.3: 90.0})
    assert len(points["rise", "deletion"][0]) == 2
    with pytest.raises(XaibenchError, match="Figure 2 needs"):
        figure2.collect(scores, {})


def draw_both(scores: pd.DataFrame, folder: Path, keep: bool = True) -> dict[str, object]:
    """The figures of some scores with drawn pictures, by name; written where kept."""
    rng = np.random.default_rng(0)
    choices = figure1.choose(scores)
    images = {c.image for c in choices}
    maps = {(i, m): rng.random((28, 28)) for i in images for c in choices for m in c.values}
    photographs = {i: rng.random((28, 28, 3)) for i in images}
    seen: dict[str, object] = {}

    def spy(fig, place, name, title):
        seen[name] = fig
        return save(fig, place, name, title) if keep else []

    save = figure1.save
    with mock.patch.object(figure1, "save", spy), mock.patch.object(figure2, "save", spy):
        known, probabilities = shipped(), dict.fromkeys(images, 0.5)
        figure1.draw(choices, photographs, maps, probabilities, folder, RUN, known)
        probabilities = {i: rng.random() for i in scores["image"].unique()}
        points = figure2.collect(scores, probabilities)
        figure2.draw(points, folder, "ground-truth class", RUN, known)
    return seen


@pytest.mark.parametrize("methods", [["gradcam"], list(METHODS), ["rise(n_masks=2000)"]])
def test_everything_can_be_read(make_study, tmp_path: Path, methods: list[str]) -> None:
    """Type of 7 points, nothing outside of the figure, no label over another."""
    scores = plain(make_study(5, methods)).astype({"metric": str})
    scores = scores[scores["metric"].isin(["average_drop", "insertion"])]
    drawn = draw_both(scores, tmp_path, keep=False)
    for name, fig in drawn.items():
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text().strip()]
        assert min(t.get_fontsize() for t in texts) >= 7
        boxes = [t.get_window_extent(canvas.get_renderer()) for t in texts]
        wide, high = fig.bbox.width, fig.bbox.height
        for text, box in zip(texts, boxes, strict=True):
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= wide + 1 and box.y1 <= high + 1
            assert inside, (name, text.get_text())
        own = [b for t, b in zip(texts, boxes, strict=True) if t.axes is None]
        clashes = [(a, b) for i, a in enumerate(own) for b in own[:i] if overlap(a, b) > 2.0]
        assert not clashes, name
        assert fig.get_size_inches()[0] <= WIDTH + 1e-9


def overlap(a, b) -> float:
    """The smaller side of what two boxes share, in pixels."""
    return min(min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0))


def test_files(make_study, tmp_path: Path) -> None:
    scores = plain(make_study(5, ["fakecam", "gradcam"])).astype({"metric": str})
    scores = scores[scores["metric"].isin(["average_drop", "insertion"])]
    draw_both(scores, tmp_path / "a")
    draw_both(scores, tmp_path / "b")
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["figure1.png", "figure1.svg", "figure2.png", "figure2.svg"]
    for name in names:
        same = (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert same, f"{name}: same numbers, same bytes"
    with Image.open(tmp_path / "a" / "figure1.png") as image:
        assert round(image.info["dpi"][0]) == 300
        assert "Best and worst image" in image.info["Title"]
    tree = ElementTree.parse(tmp_path / "a" / "figure2.svg")
    assert not [e for e in tree.iter() if e.tag.endswith("script")]


def test_captions_are_cut_by_their_width() -> None:
    lines = caption_lines("word " * 60 + "x" * 200, 3.0)
    assert all(len(line) < 70 for line in lines[:-1])
    assert lines[-1] == "x" * 200
    assert " ".join(lines).split() == ("word " * 60 + "x" * 200).split()
