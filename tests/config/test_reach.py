"""What switches really move on a small network, against what they are said to move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from networks import TEN
from PIL import Image
from protocols import everything_else

import xaibench
from xaibench.config.protocol import load_protocol
from xaibench.config.reach import Cell, Counts, moves
from xaibench.config.switches import applied, asked, asked_transforms, differences
from xaibench.registry import get

METHODS = ["gradient", "gradcam", "gradcampp", "scorecam", "iba(steps=2,samples=2)"]
METRICS = [
    "average_gain",
    "insertion(rows_per_step=32)",
    "deletion(rows_per_step=32)",
    "sparseness",
    "effective_complexity(rows_per_step=32,draws=2)",
    "avg_sensitivity(draws=2)",
]
TARGETS = ["ground_truth", "least_probable"]
TRANSFORMS = ["none", "crop", "resize"]
VARIATIONS = {
    "crop": ("44", "55"),
    "mixup": ("44", "55"),
    "resize": ("64", "128"),
    "rotation": ("45", "135"),
}
IMAGES, CHOSEN = 6, 5
KEYS = ["method", "metric", "target", "transform", "variation", "image"]
PUBLISHED = load_protocol("published")
METHOD_FILES = [*(Path(xaibench.__file__).parent / "methods").glob("*.py")]


@pytest.fixture(scope="module", autouse=True)
def _small_network() -> Iterator[None]:
    with ExitStack() as stack:
        for name, some in VARIATIONS.items():  # two of each are enough, and 448 pixels are many
            declared = get("transforms", name).metadata
            stack.enter_context(mock.patch.dict(declared, variations=some))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and a list of five of the six in an order of its own."""
    made = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(3)
    for i in range(IMAGES):
        (made / "data" / str(i)).mkdir(parents=True)
        small = (torch.rand(5, 8, 3, generator=generator) * 255).to(torch.uint8).numpy()
        Image.fromarray(small).resize((42, 26)).save(made / "data" / str(i) / f"{i}.png")
    (made / "chosen.txt").write_text("".join(f"{i}/{i}.png\n" for i in (4, 0, 2, 5, 1)))
    return made


def scores(folder: Path, out: Path, **more: Any) -> pd.DataFrame:
    xaibench.run(
        {
            "model": TEN,
            "data": str(folder / "data"),
            "subset": str(folder / "chosen.txt"),
            "metric": METRICS,
            "target": TARGETS,
            "limit": 2,
            "out": str(out),
            **more,
        }
    )
    return xaibench.load_scores(out).set_index(KEYS)["value"].sort_index()


@pytest.fixture(scope="module")
def base(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.Series:
    return scores(folder, tmp_path_factory.mktemp("base"), method=METHODS, transform="all")


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("preprocessing.resize", "gradcam"),
        ("probability", "gradcam,gradient"),
        ("batchnorm_groups.gradient", "gradcam,gradient"),
        ("normalization.gradient.transpose", "gradcam,gradient"),
        ("normalization.gradcam.native_minmax", "gradcam"),
        ("gradient.batchnorm", "gradient,gradcam"),
        ("gradient.explained_class", "gradient"),
        ("gradcampp.epsilon", "gradcampp,gradcam"),
        ("scorecam.align_corners", "scorecam"),
        ("scorecam.weights", "scorecam"),
        ("iba.statistics_images", METHODS[-1]),
        ("iba.statistics_of", METHODS[-1]),
        ("iba.resized", METHODS[-1]),
        ("causal.kernel", "gradcam"),
        ("causal.ties", "gradcam"),
        ("causal.tie_seed", "gradcam"),
        ("effective_complexity.definition", "gradcam"),
        ("effective_complexity.threshold", "gradcam"),
        ("effective_complexity.tolerance", "gradcam"),
        ("sensitivity.explanation", "gradcam"),
        ("crop.box", "gradcam"),
        ("resize.antialias", "gradcam"),
        ("rotation.fill", "gradcam"),
        ("mixup.alpha", "gradcam"),
    ],
)
def test_what_is_said_not_to_move_does_not_and_something_else_does(
    name: str, methods: str, folder: Path, base: pd.Series, tmp_path: Path
) -> None:
    """Every value that changes, if only in its last bit, is of a cell that is said to move."""
    asked_for = (asked("methods", METHODS), asked("metrics", METRICS), asked_transforms(["all"]))
    everything = differences(PUBLISHED, everything_else(PUBLISHED), *asked_for)
    (switch,) = [s for s in everything if s.name == name]
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(applied(PUBLISHED, [switch], "one").model_dump(mode="json")))
    transforms = [*TRANSFORMS, *({switch.owner} & {"rotation", "mixup"})]
    targets = TARGETS if name == "gradient.explained_class" else TARGETS[1:]
    more = {"target": targets, "transform": transforms, "protocol": str(file)}
    found = scores(folder, tmp_path / "out", method=methods, **more)
    before = base.loc[found.index]
    other = ~((found == before) | (found.isna() & before.isna()))
    moved = {key[:4] for key in found.index[other]}
    parts = (asked("methods", methods.split(",") if "(" not in methods else [methods]),)
    cells = product(*parts, asked_for[1], targets, asked_transforms(transforms))
    said = {
        (c.method.text, c.metric.text, c.target, c.transform.text)
        for c in (Cell(*parts) for parts in cells)
        if moves(switch, c, PUBLISHED, Counts(IMAGES, CHOSEN))
    }
    known = {key[:4] for key in found.index}
    assert said <= known, "or the comparison would be of nothing"
    assert moved <= said
    assert bool(moved) == bool(said)
    assert bool(said) == (name not in ("causal.tie_seed", "effective_complexity.tolerance"))
    assert np.isfinite(found).mean() > 0.5


def test_no_method_takes_probabilities_in_the_precision_of_the_protocol() -> None:
    """Its maps would differ between precisions, and an ablation copies them."""
    found = [path.name for path in METHOD_FILES if "probabilities(" in path.read_text()]
    assert METHOD_FILES
    assert not found
