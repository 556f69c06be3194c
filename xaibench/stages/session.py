"""What a process holds while it works on a run: network, data, protocol, current images."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.requests import (
    MethodRequest,
    MetricRequest,
    check_protocol,
    resolve_methods,
    resolve_metrics,
    resolve_transforms,
)
from xaibench.config.run import RunConfig
from xaibench.config.variations import UNTOUCHED, Variation, variations
from xaibench.datasets.base import Dataset
from xaibench.datasets.boxes import Box, Boxes
from xaibench.datasets.load import Unreadable, load_dataset, read_images
from xaibench.datasets.select import ordered
from xaibench.datasets.subset import Subset
from xaibench.errors import Failed, UsageError, XaibenchError, reason
from xaibench.models.classifier import TorchClassifier
from xaibench.models.load import load_model
from xaibench.probes.hooks import activations
from xaibench.seeds import derive
from xaibench.stages.images import Images
from xaibench.stages.labels import check_labels
from xaibench.store.atomic import read_json
from xaibench.store.index import unreadable
from xaibench.store.state import State, state_path
from xaibench.store.state import load as load_state
from xaibench.store.state import save as save_state
from xaibench.types import Context, Cost, Memo

SUBSET_IMAGES = 1_000
AUTO_BATCH = {"cpu": 16, "cuda": 128}


@dataclass
class Session:
    """Everything that units need, built from a configuration; the network is loaded on demand."""

    config: RunConfig
    batch_size: int
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _memo: dict[tuple[str, ...], dict[str, Tensor]] = field(default_factory=dict)
    _memo_of: Variation | None = None

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
        return replace(found.to(self.device), rows=self.batch_size)

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
        return self.groups_of.first(self.config.limit)

    @cached_property
    def groups_of(self) -> Subset:
        """The images that groups of transformed inputs are formed of, whatever the limit."""
        asked = self.config
        return ordered(self.dataset, asked.subset, asked.per_class, asked.seed)

    @cached_property
    def _in_order(self) -> Subset:
        """All images in the dataset's order, which blocks of untouched images follow."""
        return Subset(self.dataset, tuple(range(len(self.dataset))))

    def blocks(self, places: Iterable[int]) -> dict[int, list[int]]:
        """Places by block of the dataset's full order."""
        return self._in_order.blocks(places)

    def block(self, place: int, variation: Variation) -> int:
        """The block that an image's results of a variation lie in."""
        return (self.groups_of if variation.request else self._in_order).block(place)

    def mark(self, variation: Variation) -> str:
        """The hash of the subset whose groups a variation's results may depend on, or nothing."""
        return self.groups_of.sha256 if variation.request else ""

    def unreadable(self, places: Iterable[int]) -> set[int]:
        """Those of some places whose images could not be decoded when the run met them."""
        found: set[int] = set()
        for block, some in self.blocks(places).items():
            bad = unreadable(self.root, block)
            found |= {p for p in some if self.dataset.ids[p] in bad} if bad else set()
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
            self.classifier,
            self.device,
            self.config.seed,
            self.batch_size,
            self.config.workers,
            precision=self.protocol.probability,
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
            "block_size": self.dataset.block_size,
            "preprocessing": self.protocol.preprocessing.model_dump(),
            "protocol": self.protocol.name,
            "protocol_sha256": self.protocol.sha256,
            "seed": self.config.seed,
        }

    def context_for(
        self, size: tuple[int, int], variation: Variation, method: MethodRequest | None = None
    ) -> Context:
        """The context for inputs of a size: larger ones come in smaller batches, ENOUGH at least.

        A method whose BatchNorm is in train mode gets the size of its groups for the variation.
        """
        group = 1
        if method is not None and method.groups and variation.request:
            key = variation.request.entry.key
            group = self.protocol.batchnorm_group(method.entry.key, key, variation.name)
        return replace(self.context, batch_size=self.classifier.rows_at(size), group_size=group)

    def companions(self, places: Sequence[int]) -> list[int]:
        """The places, and those of their groups where any variation asked for needs them."""
        changed = [v.request for v in self.variations if v.request]
        groups = self.protocol.batchnorm_groups
        grouped = any(m.groups and groups.get(m.entry.key) for m in self.methods)
        if changed and (grouped or any(request.groups for request in changed)):
            return [p for group in self.groups_of.groups(places) for p in group]
        return list(places)

    @cached_property
    def images(self) -> Images:
        """The images of the block at hand."""
        return Images(self.groups_of, self.config.seed, self._decode, self.unreadable)

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
        return self._ranked_first(self.dataset.ids)

    @cached_property
    def subset_of_groups(self) -> frozenset[str]:
        """The same for transformed inputs: of the subset that their groups are formed of."""
        return self._ranked_first([self.dataset.ids[place] for place in self.groups_of.places])

    def _ranked_first(self, ids: Sequence[str]) -> frozenset[str]:
        ranked = sorted(ids, key=lambda i: derive(self.config.seed, i, "subset"))
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

    def state(self, method: MethodRequest, variation: Variation = UNTOUCHED) -> State | None:
        """What the method prepares once per run: read, or computed and stored; None if nothing.

        For transformed inputs it may come from the subset's images, and carries its hash. Raises
        Failed where the method cannot prepare it.
        """
        prepare = method.entry.metadata.get("prepare")
        if prepare is None:
            return None
        places: Sequence[int] = range(len(self.dataset))
        subset = ""
        if variation.request and method.prepared_of_subset and not self.groups_of.whole:
            places, subset = self.groups_of.places, self.groups_of.sha256
        key = (method.spec, subset)
        if key not in self._states:
            path = state_path(self.root, method.spec, subset)
            if path.exists():
                self._states[key] = load_state(path)
            else:
                images = functools.partial(self._untransformed, places)
                try:
                    tensors = prepare(self.context, images, **method.options)
                except Exception as error:
                    raise Failed(reason(error)) from error
                self._states[key] = save_state(path, tensors)
        return self._states[key]

    def _untransformed(self, places: Sequence[int], most: int) -> Iterator[Tensor]:
        """The first `most` images of some places (0: all), on the device, in batches."""
        some = places[: most or len(places)]
        for start in range(0, len(some), self.batch_size):
            _, images, _ = self._decode(some[start : start + self.batch_size])
            if len(images):
                yield images.to(self.device)

    def begin(self, places: Sequence[int]) -> None:
        """Let go of what another block needed; places: the images of the next one."""
        self.images.keep(places)
        self._memo.clear()

    def memo(self, images: tuple[str, ...], variation: Variation) -> Memo:
        """Results that the methods and targets share for some images of the block, computed once.

        Those of one variation at a time.
        """
        if self._memo_of != variation:
            self._memo_of = variation
            self._memo.clear()
        held = self._memo.setdefault(images, {})

        def once(key: str, compute: Callable[[], Tensor]) -> Tensor:
            if key not in held:
                held[key] = compute()
            return held[key]

        return once


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
