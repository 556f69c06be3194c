"""What Figures 1 and 2 show, out of a run directory: scores, predictions, photographs, maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd

Picture = NDArray[np.floating]


def write_figures(root: Path, scores: pd.DataFrame) -> list[Path]:
    """Write `figure2` and `figure1` as PNG and SVG into the run's report directory.

    The ground-truth class is shown, or the first target that there is. Figure 2 needs scores and
    predictions alone; Figure 1 also the maps, the photographs and the network's preprocessing.
    Raises XaibenchError where one of these is missing.
    """
    from xaibench.analysis.columns import TARGET_NAMES
    from xaibench.analysis.header import build_header
    from xaibench.config.declared import shipped
    from xaibench.report.figures import figure1, figure2
    from xaibench.report.text import header_line
    from xaibench.store.catalog import catalog_in
    from xaibench.store.manifest import identity_of
    from xaibench.store.read import load_predictions

    target, catalog = main_target(scores), catalog_in(root) or shipped()
    rows = scores[(scores["transform"] == "none") & (scores["target"] == target)]
    predictions = load_predictions(root)
    plain = predictions[predictions["transform"] == "none"].drop_duplicates("image")
    probabilities = dict(zip(plain["image"], plain[f"probability_{target}"], strict=True))
    if lost := sorted(set(rows["image"].unique()) - probabilities.keys()):
        raise XaibenchError(
            f"the prediction of {lost[0]} is gone: run the same `xaibench run` again."
        )
    line = header_line(build_header(rows, catalog, identity_of(root)))
    run = line[0].upper() + line[1:]
    folder = root / "report"
    points = figure2.collect(rows, probabilities)
    written = figure2.draw(points, folder, TARGET_NAMES.get(target, target), run, catalog)

    choices = figure1.choose(rows)
    images = sorted({choice.image for choice in choices})
    methods = sorted({method for choice in choices for method in choice.values})
    return written + figure1.draw(
        choices,
        photographs(root, images, methods),
        maps_of(root, images, methods, target),
        probabilities,
        folder,
        run,
        catalog,
    )


def main_target(scores: pd.DataFrame) -> str:
    """The target that figures show: ground_truth where it was scored on untouched images."""
    targets = set(map(str, scores.loc[scores["transform"] == "none", "target"].unique()))
    for target in ("ground_truth", "predicted", "least_probable"):
        if target in targets:
            return target
    raise XaibenchError("figures need scores of untransformed images: run with --transform none.")


def photographs(root: Path, images: list[str], methods: list[str]) -> dict[str, Picture]:
    """Image -> the (H, W, 3) pixels in [0, 1] that the run's network saw."""
    from xaibench.studies.audit.cases import run_of

    run = run_of(root, methods, ["insertion"], ["none"], device="cpu")
    indices = {image: index for index, image in enumerate(run.dataset.ids)}
    read, inputs, failures, _ = run.decode(sorted(indices[image] for image in images))
    if failures:
        raise XaibenchError(f"{failures[0].image} cannot be read any more: {failures[0].reason}.")
    pixels = run.classifier.to_pixels(inputs).permute(0, 2, 3, 1).numpy()
    return {run.dataset.ids[index]: pixels[row] for row, index in enumerate(read)}


def maps_of(
    root: Path, images: list[str], methods: list[str], target: str
) -> dict[tuple[str, str], Picture]:
    """(image, method) -> its normalised map (H, W)."""
    from xaibench.store.read import MapReader

    maps: dict[tuple[str, str], Picture] = {}
    for method in methods:
        held = MapReader(root, method, target).take(images)
        lost = [image for image in images if image not in held]
        if lost:
            raise XaibenchError(
                f"the map of {lost[0]} by {method} is not stored: make it with `xaibench explain`."
            )
        maps |= {(image, method): map_.numpy() for image, map_ in held.items()}
    return maps
