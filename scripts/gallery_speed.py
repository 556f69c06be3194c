"""How fast the gallery of the HTML page is in Chromium: first paint, pictures, filters, orders.

    python scripts/gallery_speed.py [IMAGES] [--steps 29] [--keep FOLDER]

A made-up gallery of IMAGES (1,000): 10 methods, 12 metrics, curves of insertion and deletion, and
strips of the embedded photographs with made-up maps over them, smooth for every second method and
noise for the others, as large on the disk as those of a run. The page is opened from disk, each
control is turned, and the time until the browser has painted is taken: medians, and from least to
most. Needs playwright and Debian's chromium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from xaibench.analysis.compare import Source
from xaibench.datasets.load import load_dataset, read_images
from xaibench.models.load import load_model
from xaibench.report.figures.picture import scale
from xaibench.report.html.build import write_html
from xaibench.report.html.gallery import Gallery, Shown
from xaibench.report.html.view import Run, View
from xaibench.studies.gallery import SIDE, strip

METHODS = "fakecam gradient guidedbp ig gradcam gradcampp scorecam rise lime iba".split()
METRICS = (
    "average_increase average_drop average_gain insertion deletion monotonicity max_sensitivity "
    "avg_sensitivity sparseness complexity effective_complexity completeness"
).split()
TARGETS = ("ground_truth", "predicted", "least_probable")
CLASSES, ROUNDS = 100, 7
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
FIRST = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
PICTURES = """() => {
  const seen = [...document.querySelectorAll('.g-maps img')].filter((image) => {
    const box = image.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return seen.length > 0 && seen.every((image) => image.complete && image.naturalWidth);
}"""
TURN = """([name, value]) => new Promise((done) => {
  const field = document.querySelector('.g-controls').elements.namedItem(name);
  const begun = performance.now();
  field.value = value;
  field.dispatchEvent(new Event('change', { bubbles: true }));
  const changed = performance.now();
  requestAnimationFrame(() => setTimeout(() => done([changed - begun, performance.now() - begun])));
})"""


def synthetic(images: int, steps: int = 29, strips: list[bytes] | None = None) -> View:
    """A view of one run whose gallery has so many images; its folder is to be set.

    strips: pictures, taken in turn; without them images have none.
    """
    draws = np.random.default_rng(0)
    ids = [f"{place % CLASSES:03d}/{place:05d}.jpg" for place in range(images)]
    cells = [(method, metric) for method in METHODS for metric in METRICS]
    scores = pd.DataFrame(
        [
            {"method": method, "metric": metric, "image": image, "value": value}
            for method, metric in cells
            for image, value in zip(ids, draws.random(images), strict=True)
        ]
    ).assign(
        target="ground_truth", transform="none", variation="none", status="ok", dataset="made up",
        model="none", protocol="published", label=0,
    )  # fmt: skip
    label = np.arange(images) % CLASSES
    found = np.where(draws.random(images) < 0.75, label, draws.integers(0, CLASSES, images))
    predictions = pd.DataFrame(
        {"image": ids, "label": label, "argmax": found, "argmin": (label + 1) % CLASSES}
        | {f"probability_{t}": draws.random(images) for t in TARGETS}
    ).assign(transform="none", variation="none")
    for target in ("ground_truth", "least_probable"):
        predictions[f"probability_{target}"] = np.linspace(0.1, 0.9, images)
    curves = {
        metric: {
            method: dict(zip(ids, np.sort(draws.random((images, steps))), strict=True))
            for method in METHODS
        }
        for metric in ("insertion", "deletion")
    }

    def pictures() -> Iterator[Shown]:
        for place, image in enumerate(ids):
            strip = strips[place % len(strips)] if strips else None
            apart = float(draws.random())
            yield Shown(image, strip, bool(strip), frozenset(METHODS if strip else ()), apart)

    size = (SIDE, SIDE)
    gallery = Gallery(
        "ground_truth", images, METHODS, ids, pictures(), size, scale(), curves,
        lambda index: f"made-up class {index}",
    )  # fmt: skip
    run = Run("made up", Source("made up", scores, predictions=predictions))
    return View((run,), Path(), prepared={"gallery": [gallery]})


def strips() -> list[bytes]:
    """The embedded photographs, each with a map of every method."""
    dataset, network = load_dataset("samples"), load_model("efficientnet_lite0")
    _, inputs, _, _ = read_images(dataset, range(20), network, "squash", 0)
    pixels = network.to_pixels(inputs).permute(0, 2, 3, 1).numpy()
    torch.manual_seed(0)
    smooth = interpolate(torch.rand(20, len(METHODS), 7, 7), (224, 224), mode="bilinear")
    noise = torch.rand(20, len(METHODS), 224, 224) ** 4
    return [
        strip(pixels[i], [(smooth, noise)[m % 2][i, m] for m in range(len(METHODS))], (SIDE, SIDE))
        for i in range(20)
    ]


def measure(index: Path) -> dict[str, list[float]]:
    """Milliseconds in Chromium, by what was done."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for _ in range(3):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{index.as_uri()}#gallery")
            page.wait_for_function(PICTURES)
            found.setdefault("first paint", []).append(page.evaluate(FIRST))
            whole = page.evaluate("() => performance.now()")
            found.setdefault("pictures in view, from the start", []).append(whole)
            page.close()
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{index.as_uri()}#gallery")
        page.wait_for_function(PICTURES)
        turns = {
            "one class, and all": [("class", "7"), ("class", "")],
            "wrong alone, and all": [("right", "0"), ("right", "")],
            "another order": [("order", "best"), ("order", "maps"), ("order", "")],
            "another metric": [("metric", "3"), ("metric", "0")],
        }
        for what, each in turns.items():
            for _ in range(ROUNDS):
                for turn in each:
                    script, painted = page.evaluate(TURN, list(turn))
                    found.setdefault(f"{what}: script", []).append(script)
                    found.setdefault(f"{what}: painted", []).append(painted)
        heap = page.evaluate("() => performance.memory ? performance.memory.usedJSHeapSize : 0")
        print(f"heap of the script after it all: {heap / 1e6:.1f} MB")
        browser.close()
    return found


def main() -> None:
    """Make the page, measure, print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("images", nargs="?", type=int, default=1000)
    asked.add_argument("--steps", type=int, default=29, help="of a curve")
    asked.add_argument("--keep", type=Path, help="folder in which the page stays")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as held:
        view = synthetic(given.images, given.steps, strips())
        view = View(view.runs, given.keep or Path(held), prepared=view.prepared)
        index = write_html(view)
        sizes = {
            name: sum(p.stat().st_size for p in (view.folder / name).rglob("*") if p.is_file())
            for name in ("assets", "data")
        }
        listed = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items())
        print(f"{given.images} images: index.html {index.stat().st_size / 1e6:.2f} MB, {listed}")
        for what, values in measure(index).items():
            middle = statistics.median(values)
            print(f"{what:<36} {middle:7.1f} ms  ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
