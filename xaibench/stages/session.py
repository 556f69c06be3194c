"""What a process holds while it works on a run: network, data, protocol, current images."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench.config import Protocol, RunConfig, load_protocol
from xaibench.datasets.base import Dataset
from xaibench.datasets.boxes import Box, Boxes
from xaibench.datasets.load import Unreadable, load_dataset, read_images
from xaibench.datasets.select import select
from xaibench.errors import Failed, UsageError, XaibenchError, reason
from xaibench.hooks import activations
from xaibench.models.classifier import TorchClassifier
from xaibench.models.load import load_model
from xaibench.requests import (
    MethodRequest,
    MetricRequest,
    check_protocol,
    resolve_methods,
    resolve_metrics,
    resolve_transforms,
)
from xaibench.seeds import derive
from xaibench.stages.images import Images
from xaibench.stages.index import unreadable
from xaibench.stages.variation import Variation, variations
from xaibench.store.atomic import read_json
from xaibench.store.state import State, state_path
from xaibench.store.state import load as load_state
from xaibench.store.state import save as save_state
from xaibench.types import Context, Cost, Memo

SUBSET_IMAGES = 1_000
IMAGENET = re.compile(r"n\d{8}|ILSVRC2012")
AUTO_BATCH = {"cpu": 16, "cuda": 128}


@dataclass
class Session:
    """Everything that units need, built from a configuration; the network is loaded on demand."""

    config: RunConfig
    batch_size: int
    _states: dict[str, State] = field(default_factory=dict)
    _memo: dict[str, Tensor] = field(default_factory=dict)
    _memo_of: tuple[tuple[str, ...], Variation] | None = None

    @property
    def root(self) -> Path:
        """The run directory."""
        return self.config.directory

    @cached_property
    def protocol(self) -> Protocol:
        """The protocol with its values."""
        found = load_protocol(self.config.protocol)
        check_protocol(found)
        return found

    @cached_property
    def dataset(self) -> Dataset:
        """The images in their full order."""
        return load_dataset(self.config.data_name)

    @cached_property
    def device(self) -> torch.device:
        """The device asked for; `auto` is CUDA where there is one."""
        found = resolve_device(self.config.device)
        if found.type == "cuda":  # TF32 keeps 10 bits: maps and rankings are float32
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.deterministic = True
        return found

    @cached_property
    def classifier(self) -> TorchClassifier:
        """The network on the device."""
        config = self.config
        found = load_model(config.model_name, config.weights, config.cam_layer)
        if "ground_truth" in self.targets:
            check_labels(found, self.dataset)
        return found.to(self.device)

    @cached_property
    def methods(self) -> list[MethodRequest]:
        """The methods asked for."""
        return resolve_methods(self.config.method, self.protocol)

    @cached_property
    def metrics(self) -> list[MetricRequest]:
        """The metrics asked for."""
        return resolve_metrics(self.config.metric, self.protocol, self.config.metric_backend)

    @cached_property
    def variations(self) -> list[Variation]:
        """The variations of the transforms asked for."""
        return variations(resolve_transforms(self.config.transform, self.protocol))

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The targets asked for; without classes, what the network predicts."""
        if self.config.target:
            if "ground_truth" in self.config.target and not self.dataset.labelled:
                raise XaibenchError(
                    f"the images of {self.dataset.name} have no classes, so there is no "
                    "ground_truth: use --target predicted."
                )
            return self.config.target
        return ("ground_truth",) if self.dataset.labelled else ("predicted",)

    @cached_property
    def selection(self) -> list[int]:
        """Places of the chosen images in the dataset's order."""
        asked = self.config
        return select(self.dataset, asked.limit, asked.subset, asked.per_class, asked.seed)

    def blocks(self) -> dict[int, list[int]]:
        """The chosen places by block of the full order, which holds whole groups."""
        found: dict[int, list[int]] = {}
        for place in self.selection:
            found.setdefault(place // self.dataset.block_size, []).append(place)
        return found

    @cached_property
    def model(self) -> str:
        """The network's name, from the run's identity where it is held there."""
        path = self.root / "manifests" / "identity.json"
        return str(read_json(path)["model"]) if path.exists() else self.classifier.name

    @cached_property
    def light_context(self) -> Context:
        """A context without a network, for metrics that need none."""
        cpu = torch.device("cpu")
        return Context(None, cpu, self.config.seed, self.batch_size)  # type: ignore[arg-type]

    @cached_property
    def context(self) -> Context:
        """What methods and metrics get."""
        return Context(
            self.classifier, self.device, self.config.seed, self.batch_size, self.config.workers
        )

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run."""
        return {
            "model": self.classifier.name,
            "weights": self.classifier.weights_id,
            "weights_sha256": self.classifier.weights_sha256,
            "layers": self.classifier.roles,
            **self.light_identity(),
        }

    def light_identity(self) -> dict[str, Any]:
        """The part of the identity that needs no network."""
        return {
            "dataset": self.dataset.name,
            "data_fingerprint": self.dataset.fingerprint,
            "preprocessing": self.protocol.preprocessing.model_dump(),
            "protocol": self.protocol.name,
            "protocol_sha256": self.protocol.sha256,
            "seed": self.config.seed,
        }

    def context_for(self, variation: Variation, size: tuple[int, int]) -> Context:
        """The context for inputs of a variation: larger inputs come in smaller batches."""
        group = self.protocol.batchnorm_group if variation.request else 1
        usual = self.classifier.input.crop**2
        count = min(self.batch_size, max(1, self.batch_size * usual // (size[0] * size[1])))
        count = max(group, count // group * group)
        return replace(self.context, batch_size=count, group_size=group)

    def companions(self, places: Sequence[int]) -> list[int]:
        """The places, and those of their groups where any variation asked for needs them."""
        changed = [v.request for v in self.variations if v.request]
        grouped = self.protocol.batchnorm_group > 1 and any(m.groups for m in self.methods)
        if any(grouped or request.groups for request in changed):
            return [p for group in self.dataset.groups(places) for p in group]
        return list(places)

    @cached_property
    def images(self) -> Images:
        """The images of the block at hand."""
        return Images(
            self.dataset, self.config.seed, self._decode, functools.partial(unreadable, self.root)
        )

    def _decode(self, places: Sequence[int]) -> tuple[list[int], Tensor, list[Unreadable]]:
        resize = self.protocol.preprocessing.resize
        return read_images(self.dataset, places, self.classifier, resize, self.config.workers)

    def boxes(self, ids: Sequence[str]) -> list[list[Box] | None]:
        """Bounding boxes of images in input pixels; all None without --boxes."""
        if self._boxes is None:
            return [None] * len(ids)
        resize = self.protocol.preprocessing.resize
        return self._boxes.of(ids, self.classifier.input, resize)

    @cached_property
    def _boxes(self) -> Boxes | None:
        return Boxes(self.config.boxes) if self.config.boxes else None

    @cached_property
    def subset(self) -> frozenset[str]:
        """The SUBSET_IMAGES images, drawn by the seed, on which expensive metrics are measured."""
        ranked = sorted(self.dataset.ids, key=lambda i: derive(self.config.seed, i, "subset"))
        return frozenset(ranked[:SUBSET_IMAGES])

    @cached_property
    def channels(self) -> int:
        """Channels of the CAM layer, on which Score-CAM's cost depends."""
        side = self.classifier.input.crop
        blank = torch.zeros(1, 3, side, side, device=self.device)
        return int(activations(self.classifier, "cam", blank).shape[1])

    def cost(self, method: MethodRequest) -> Cost:
        """Network passes that one image's explanation costs."""
        declared = method.entry.metadata.get("cost")
        if declared is None:
            return Cost()
        asks = "channels" in inspect.signature(declared).parameters  # a forward, and a CAM layer
        return declared(**method.options, **({"channels": self.channels} if asks else {}))

    def state(self, method: MethodRequest) -> State | None:
        """What the method prepares once per run: read, or computed and stored; None if nothing.

        Raises Failed where the method cannot prepare it.
        """
        prepare = method.entry.metadata.get("prepare")
        if prepare is None:
            return None
        if method.spec not in self._states:
            path = state_path(self.root, method.spec)
            if path.exists():
                self._states[method.spec] = load_state(path)
            else:
                try:
                    tensors = prepare(self.context, self.untransformed, **method.options)
                except Exception as error:
                    raise Failed(reason(error)) from error
                self._states[method.spec] = save_state(path, tensors)
        return self._states[method.spec]

    def untransformed(self, most: int) -> Iterator[Tensor]:
        """The first `most` images of the full order (0: all), on the device, in batches."""
        count = min(most or len(self.dataset), len(self.dataset))
        for start in range(0, count, self.batch_size):
            places = range(start, min(start + self.batch_size, count))
            _, images, _ = self._decode(places)
            if len(images):
                yield images.to(self.device)

    def memo(self, images: tuple[str, ...], variation: Variation) -> Memo:
        """Results that the methods and targets of the current images share, computed once."""
        if self._memo_of != (images, variation):
            self._memo_of = (images, variation)
            self._memo.clear()

        def once(key: str, compute: Callable[[], Tensor]) -> Tensor:
            if key not in self._memo:
                self._memo[key] = compute()
            return self._memo[key]

        return once


def check_labels(classifier: TorchClassifier, dataset: Dataset) -> None:
    """UsageError where the dataset's labels are not the network's classes: ImageNet's for one."""
    count = classifier.num_classes
    imagenet = dataset.name in ("samples", "imagenet") or bool(IMAGENET.search(dataset.ids[0]))
    if max(dataset.labels) >= count or (count != 1000 and imagenet):
        raise UsageError(
            f"{classifier.name} has {count} classes of its own, and the labels of {dataset.name} "
            "are not among them: use --target predicted."
        )


def resolve_device(name: str) -> torch.device:
    """The torch device for --device; UsageError for an unknown one, XaibenchError if absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device '{name}': give auto, cpu, cuda or cuda:N.") from None
    if device.type not in AUTO_BATCH:
        raise UsageError(f"device '{name}': give auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise XaibenchError(f"device '{name}': {count} CUDA devices here; use --device cpu.")
    return device
