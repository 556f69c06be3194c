from dataclasses import replace

import torch
from helpers import score
from oracles import pointing as slow

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_metrics
from xaibench.datasets.boxes import Boxes, carry
from xaibench.models.classifier import InputSpec

BOXES = [[(20, 30, 120, 160)], [(0, 0, 224, 224)], [(5, 5, 9, 9), (100, 100, 200, 200)], None]


def test_equals_the_definition(real):
    base = replace(real, extras={"boxes": BOXES})
    for key in ("pointing_game", "energy_pointing_game"):
        found = score(base, key)
        for i in range(3):
            expected = getattr(slow, key)(real.maps[i].cpu().numpy(), BOXES[i])
            assert abs(float(found[i]) - expected) < 1e-6


def test_images_without_a_box_say_so(real):
    metric = resolve_metrics(["pointing_game"], load_protocol("published"))[0]
    found = metric.entry(replace(real, extras={"boxes": BOXES}), **metric.options)
    assert found["pointing_game"].statuses == ("ok", "ok", "ok", "no_box")
    plain = metric.entry(real, **metric.options)
    assert set(plain["pointing_game"].statuses) == {"no_box"}


def test_boxes_follow_the_preprocessing(tmp_path):
    """A marked rectangle in a photograph lands where the carried box says."""
    import numpy as np
    from PIL import Image

    pixels = np.zeros((300, 500, 3), dtype=np.uint8)
    pixels[60:180, 100:350] = 255
    image, spec = Image.fromarray(pixels), InputSpec(mean=(0, 0, 0), std=(1, 1, 1))
    for resize in ("squash", "short_side"):
        seen = spec.preprocess(resize)(image)[0] > 0.5
        x_min, y_min, x_max, y_max = carry((100, 60, 350, 180), (500, 300), spec, resize)
        rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
        edges = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (edges - torch.tensor([x_min, y_min, x_max, y_max])).abs().max() <= 1
    (tmp_path / "a.xml").write_text(
        "<annotation><size><width>500</width><height>300</height></size><object><bndbox>"
        "<xmin>100</xmin><ymin>60</ymin><xmax>350</xmax><ymax>180</ymax></bndbox></object>"
        "</annotation>"
    )
    found = Boxes(tmp_path).of(["n01/a.jpg", "n01/b.jpg"], spec, "squash")
    assert found == [[carry((100, 60, 350, 180), (500, 300), spec, "squash")], None]
