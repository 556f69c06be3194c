"""Any image files through methods and a network, as a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from xaibench.config.catalog import Catalog
from xaibench.config.classes import Classes, network_names, read_classes
from xaibench.config.declared import of_run
from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.config.run import TARGETS, RunConfig
from xaibench.core.bench import Bench, Setting, bench_of, methods_of, metrics_of
from xaibench.core.evaluate import scored
from xaibench.core.explain import State, cam_channels, cost
from xaibench.core.score import memo
from xaibench.errors import UsageError, XaibenchError, fold, shown
from xaibench.models.load import load_model
from xaibench.normalize import STATUS_CONSTANT, STATUS_OK, normalize
from xaibench.published.classes import ClassNames

Say = Callable[[str], None]
CHEAP = 50
"""Passes an image up to which a method is shown where none is named."""
MOST = 40
"""Images on a sheet; more are a run's."""
TOP = 3


@dataclass(frozen=True)
class Sheet:
    """What was shown: the file, the methods on it, and why others are not.

    images: of each its classes with their probabilities, and its scores in natural units by method
    and metric, None where there is no value.
    """

    path: Path
    methods: tuple[str, ...]
    failed: Mapping[str, str]
    images: Sequence[Mapping[str, Any]]


@torch.inference_mode(False)
def show(
    images: Sequence[Path], config: RunConfig, target: str | None, path: Path, say: Say
) -> Sheet:
    """Explain image files and draw their maps; scores are those of a run on the same images.

    Args:
        images: image files, at most `MOST`.
        config: network, protocol, methods and metrics. Without methods, those of up to `CHEAP`
            passes an image that are no controls.
        target: predicted, least_probable, or a class by name or index; the predicted one by
            default.
        path: the PNG file.
        say: gets what the network says of each image, and what is left out.

    Raises:
        UsageError: for what does not exist, or is too much.
        XaibenchError: for an image that cannot be read, or where no method works.
    """
    from xaibench.report.figures import sheet

    if len(images) > MOST:
        raise UsageError(
            f"{len(images)} images: a sheet takes {MOST}; `xaibench run --data FOLDER` takes more."
        )
    said = None if config.classes is None else read_classes(config.classes)
    bench, names = _bench(images, config, target, said)
    asked = "method" in config.model_fields_set
    methods = methods_of(config.method, bench.protocol) if asked else _cheap(bench)
    metrics = metrics_of(config.metric, bench.protocol)
    _say_predictions(bench, names, say)
    maps, rows, failed = _explained(bench, methods, metrics)
    for spec, why in failed.items():
        say(f"left out: {spec if spec in maps else why}")
    if not maps:
        raise XaibenchError(f"{next(iter(failed.values()))}, and no other method works.")
    catalog = of_run(methods, metrics, bench.protocol.model_dump(mode="json"))
    pixels = bench.classifier.to_pixels(bench.inputs.images.to(bench.ctx.device))
    photographs = pixels.permute(0, 2, 3, 1).cpu().numpy()
    drawn = [
        sheet.Explained(
            name,
            photographs[place],
            _words(bench, names, place),
            {catalog.label(spec): of[place].numpy() for spec, of in maps.items()},
            {catalog.label(spec): _lines(of, place, catalog) for spec, of in rows.items()},
        )
        for place, name in enumerate(bench.inputs.ids)
    ]
    sheet.draw(drawn, _caption(bench, config), path)
    found = [_record(bench, names, place, rows) for place in range(len(drawn))]
    return Sheet(path, tuple(maps), failed, found)


def _bench(
    images: Sequence[Path], config: RunConfig, target: str | None, said: Classes | None
) -> tuple[Bench, ClassNames]:
    """The network with the images, and the names of its classes."""
    network = load_model(config.model_name, config.weights, config.cam_layer)
    if said is not None:
        said.check(network.num_classes, network.name)
    names = network_names(network.num_classes, said)
    labels, targets = None, fold(target or "predicted")
    if targets == "ground_truth":
        raise UsageError(
            "image files have no labels: name the class, such as --target 'tabby cat', or use "
            "predicted."
        )
    if targets not in TARGETS:
        labels = [names.find(target or "", network.name)] * len(images)
        targets = "ground_truth"
    setting: Setting = {
        "protocol": config.protocol,
        "device": config.device,
        "batch_size": config.batch_size,
        "dtype": config.dtype,
        "seed": config.seed,
    }
    return bench_of(network, list(images), labels, targets, setting), names


def _cheap(bench: Bench) -> list[MethodRequest]:
    """The methods that are no controls and declare at most CHEAP passes an image."""
    found = []
    for method in methods_of("all", bench.protocol):
        about = method.entry.metadata
        if about.get("family") != "control" and about.get("cost") is not None:
            passes = cost(method, lambda: cam_channels(bench.classifier))
            found += [method] if sum(passes.total(1)) <= CHEAP else []
    return found


def _explained(
    bench: Bench, methods: Sequence[MethodRequest], metrics: Sequence[MetricRequest]
) -> tuple[dict[str, torch.Tensor], dict[str, list[dict[str, Any]]], dict[str, str]]:
    """By method: maps (N, H, W), rows of scores as `core.evaluate.scored` has them, and errors."""
    maps: dict[str, torch.Tensor] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    batch, shared = bench.batch(0, len(bench.inputs.ids)), memo({})
    for method in tqdm(methods, unit="method", delay=1, leave=False, disable=None):
        try:
            state: State | None = bench.prepare(method)
            found = bench.explain(method, batch, state)
            steps = method.steps("none")
            maps[method.spec] = normalize(found.maps[:, 0], batch.size, steps).cpu()
            rows[method.spec] = scored(bench, batch, 0, method, found, state, metrics, shared)
        except XaibenchError as error:
            failed[method.spec] = str(error).rstrip(".")
    return maps, rows, failed


def _lines(rows: Sequence[Mapping[str, Any]], place: int, catalog: Catalog) -> list[str]:
    """An image's scores in words, as the tables print them."""
    from xaibench.analysis.columns import column_of
    from xaibench.report.document import Column
    from xaibench.report.text import number

    lines = []
    for row in (row for row in rows if row["place"] == place):
        column, status = column_of(row["metric"], catalog, abs(row["value"])), row["status"]
        head = Column(column.header, better=column.higher_is_better).heading()
        known = status in (STATUS_OK, STATUS_CONSTANT)
        text = number(column.printed(row["value"]), column.digits) if known else status
        constant = " (constant map)" * (status == STATUS_CONSTANT)
        lines.append(f"{head} {text.replace('_', ' ')}{constant}")
    return lines


def _record(
    bench: Bench, names: ClassNames, place: int, rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """The same of an image for programs."""

    def said(index: int) -> dict[str, Any]:
        probability = float(bench.probabilities[place, index])
        return {"class": names.label(index), "index": index, "probability": probability}

    return {
        "image": bench.inputs.ids[place],
        "explained": said(int(bench.classes[place, 0])),
        "likeliest": [said(index) for index in _likeliest(bench, place)],
        "scores": {
            spec: {
                row["metric"]: row["value"] if isfinite(row["value"]) else None
                for row in of
                if row["place"] == place
            }
            for spec, of in rows.items()
        },
    }


def _likeliest(bench: Bench, place: int) -> list[int]:
    """The classes that the network finds likeliest, the first first."""
    few = min(TOP, bench.logits.shape[1])
    return [int(index) for index in bench.logits[place].topk(few).indices]


def _words(bench: Bench, names: ClassNames, place: int) -> list[str]:
    """What stands below a photograph: the class explained, and the predicted one if another."""
    own, found = int(bench.classes[place, 0]), int(bench.logits[place].argmax())
    words = [names.label(own), f"p {_p(bench, place, own)}"]
    other = [f"predicted: {names.label(found)}", f"p {_p(bench, place, found)}"]
    return words + (other if own != found else [])


def _p(bench: Bench, place: int, index: int) -> str:
    """A probability in words: two decimals, or one digit where these are zeros."""
    value = float(bench.probabilities[place, index])
    return f"{value:.2f}" if value >= 0.005 else f"{value:.1g}"


def _say_predictions(bench: Bench, names: ClassNames, say: Say) -> None:
    """Say the classes that the network finds likeliest, and the one explained where it is none."""
    for place, name in enumerate(bench.inputs.ids):
        likely = _likeliest(bench, place)
        found = [f"{names.label(index)} {_p(bench, place, index)}" for index in likely]
        own = int(bench.classes[place, 0])
        asked = f"; explained: {names.label(own)} {_p(bench, place, own)}" * (own != likely[0])
        say(f"{name}: {', '.join(found)}{asked}")


def _caption(bench: Bench, config: RunConfig) -> str:
    from xaibench.report.figures.picture import SCALE

    height, width = bench.inputs.images.shape[-2:]
    network = bench.classifier
    way = "to a square" if bench.protocol.preprocessing.resize == "squash" else "by its short side"
    return shown(
        f"Each method: its map ({SCALE}), the map over the image in grey, its scores as in the "
        f"report. Image: as the network sees it, resized {way} and cropped to {width} x {height}. "
        f"Model {network.name} ({network.weights_id}), protocol {bench.protocol.name}."
    )
