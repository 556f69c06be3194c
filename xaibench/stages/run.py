"""What a run consists of: resolved from its configuration once, and handed to every stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench.config.files import digest
from xaibench.config.options import Options
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
from xaibench.core.explain import cam_channels, cost
from xaibench.core.memory import Room
from xaibench.datasets.base import Dataset
from xaibench.datasets.boxes import Box, Boxes
from xaibench.datasets.load import Decoded, as_input, load_dataset
from xaibench.datasets.select import in_drawn_order, ordered
from xaibench.datasets.subset import Subset
from xaibench.models.classifier import TorchClassifier
from xaibench.models.device import resolve_device
from xaibench.models.load import loader
from xaibench.registry import Registered
from xaibench.seeds import derive
from xaibench.stages.ahead import Ahead
from xaibench.stages.labels import targets
from xaibench.stages.network import batch_size_of, compiling, loaded
from xaibench.stages.outside import outside
from xaibench.store import images, layout
from xaibench.store.identity import known
from xaibench.store.origin import Origin, origin
from xaibench.types import Context, Cost

SUBSET_IMAGES = 1_000


@dataclass(frozen=True)
class Run:
    """A configuration with all that it means; the network is loaded when it is first used.

    subset: the images chosen before the limit, in the order in which transforms group them.
    batch_size: images a forward pass. network: one in memory, in the place of the one that the
    configuration names. room: where memory has forced smaller batches. ahead: images read early.
    """

    config: RunConfig
    protocol: Protocol
    dataset: Dataset
    subset: Subset
    methods: tuple[MethodRequest, ...]
    metrics: tuple[MetricRequest, ...]
    variations: tuple[Variation, ...]
    targets: tuple[str, ...]
    device: torch.device
    batch_size: int
    network: TorchClassifier | None = None
    room: Room = field(default_factory=Room, compare=False)
    ahead: Ahead = field(default_factory=Ahead, compare=False)

    @property
    def root(self) -> Path:
        """The run directory."""
        return self.config.directory

    @cached_property
    def selection(self) -> list[int]:
        """Places of the chosen images in the dataset's order."""
        return self.subset.first(self.config.limit)

    @cached_property
    def whole(self) -> Subset:
        """All images in the dataset's order, which blocks of untouched images follow."""
        return Subset(self.dataset, tuple(range(len(self.dataset))))

    @property
    def transformed(self) -> tuple[Variation, ...]:
        """The variations of transforms among those asked for."""
        return tuple(v for v in self.variations if v.request)

    def ids(self, places: Iterable[int]) -> tuple[str, ...]:
        """Image ids of places in the dataset's order."""
        return tuple(self.dataset.ids[place] for place in places)

    def order(self, variation: Variation) -> Subset:
        """The images in whose order the blocks of a variation's results lie."""
        return self.subset if variation.request else self.whole

    def mark(self, variation: Variation) -> str:
        """The hash of the subset whose groups a variation's results may depend on, or nothing."""
        return self.subset.sha256 if variation.request else ""

    def companions(self, places: Sequence[int]) -> list[int]:
        """The places, and those of their groups where any variation asked for needs them."""
        groups = self.protocol.batchnorm_groups
        grouped = any(m.groups and groups.get(m.entry.key) for m in self.methods)
        if self.transformed and (
            grouped or any(v.request and v.request.groups for v in self.transformed)
        ):
            return [p for group in self.subset.groups(places) for p in group]
        return list(places)

    @cached_property
    def classifier(self) -> TorchClassifier:
        """The network on the device."""
        return self.compiling[0]

    @cached_property
    def compiling(self) -> tuple[TorchClassifier, str]:
        """The network, and why it is not compiled where `--compile auto` asks for that."""
        return compiling(self, loaded(self))

    @cached_property
    def loader(self) -> Registered | None:
        """The registered function that loads the network; None for one in memory."""
        return None if self.network else loader(self.config.model_name)

    @cached_property
    def model(self) -> str:
        """The network's name, from the run's identity where it is held there."""
        return str(known(self.root).get("model") or self.classifier.name)

    @cached_property
    def mine(self) -> str:
        """The hash of the run's identity, which all its results carry."""
        return digest(known(self.root) or self.identity())

    def origin(self, code: str, variation: Variation = UNTOUCHED, batch: int = 0) -> Origin:
        """The origin of what this run makes now. batch: a smaller batch size than the run's."""
        return origin(code, self.mark(variation), self.mine, batch)

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run."""
        return {
            "model": self.classifier.name,
            "weights": self.classifier.weights_id,
            "weights_sha256": self.classifier.weights_sha256,
            "layers": self.classifier.roles,
            **({"compiled": True} if self.classifier.compiled else {}),
            **self.light_identity(),
        }

    def light_identity(self) -> dict[str, Any]:
        """The part of the identity that needs no network."""
        other = {"order": self.config.order, "dtype": self.config.dtype}
        return {
            "dataset": self.dataset.name,
            "data_fingerprint": self.dataset.fingerprint,
            "block_size": self.dataset.block_size,
            "preprocessing": self.protocol.preprocessing.model_dump(),
            "protocol": self.protocol.name,
            "protocol_sha256": self.protocol.sha256,
            "seed": self.config.seed,
        } | {key: value for key, value in other.items() if value != getattr(Options, key)}

    @property
    def light_context(self) -> Context:
        """A context without a network, for metrics that need none."""
        cpu = torch.device("cpu")
        return Context(None, cpu, self.config.seed, self.batch_size)  # type: ignore[arg-type]

    @property
    def context(self) -> Context:
        """What methods and metrics get for inputs of the network's own size."""
        return Context(
            self.classifier,
            self.device,
            self.config.seed,
            self.batch_size,
            self.config.workers,
            precision=self.protocol.probability,
        )

    def context_for(
        self, size: Sequence[int], variation: Variation, method: MethodRequest | None = None
    ) -> Context:
        """The context for inputs of a size (H, W): larger ones come in smaller batches.

        A method whose BatchNorm is in train mode gets the size of its groups for the variation.
        """
        group = 1
        if method is not None and method.groups and variation.request:
            key = variation.request.entry.key
            group = self.protocol.batchnorm_group(method.entry.key, key, variation.name)
        return replace(self.context, batch_size=self.classifier.rows_at(size), group_size=group)

    def state_path(self, method: MethodRequest, variation: Variation) -> Path | None:
        """Where what a method prepares for a variation lies; None where it prepares nothing."""
        if method.entry.metadata.get("prepare") is None:
            return None
        return layout.state(self.root, method.spec, self.state_source(method, variation)[1])

    def state_source(
        self, method: MethodRequest, variation: Variation
    ) -> tuple[Sequence[int], str]:
        """The images that a state comes from, and the hash of the subset that they are, if any."""
        if variation.request and method.prepared_of_subset and not self.subset.whole:
            return self.subset.places, self.subset.sha256
        return range(len(self.dataset)), ""

    def decode(self, places: Sequence[int]) -> Decoded:
        """Read images at some places. Raises XaibenchError where results are of other pixels."""
        found = self.ahead.take(self, places)
        images.check(self.root, self.mine, map(self.whole.block, places), found.contents)
        spec = self.classifier.input  # four times as large: only where they are at work
        return found._replace(images=as_input(found.images, spec.mean, spec.std))

    def boxes(self, ids: Sequence[str]) -> list[list[Box] | None]:
        """Bounding boxes of images in input pixels; all None without --boxes."""
        if self.config.boxes is None:
            return [None] * len(ids)
        return self._boxes.of(ids, self.classifier.input, self.protocol.preprocessing.resize)

    @cached_property
    def _boxes(self) -> Boxes:
        assert self.config.boxes is not None
        return Boxes(self.config.boxes)

    def measured(self, ids: Sequence[str], variation: Variation) -> Tensor:
        """Which images (N,) bool belong to those on which expensive metrics are measured."""
        chosen = self._drawn_of_subset if variation.request else self._drawn
        return torch.tensor([i in chosen for i in ids])

    @cached_property
    def _drawn(self) -> frozenset[str]:
        return self._first_ranked(self.dataset.ids)

    @cached_property
    def _drawn_of_subset(self) -> frozenset[str]:
        return self._first_ranked(self.ids(self.subset.places))

    def _first_ranked(self, ids: Sequence[str]) -> frozenset[str]:
        """SUBSET_IMAGES of some images, drawn by the seed."""
        ranked = sorted(ids, key=lambda i: derive(self.config.seed, i, "subset"))
        return frozenset(ranked[:SUBSET_IMAGES])

    @cached_property
    def _channels(self) -> int:
        """Channels of the CAM layer, on which Score-CAM's cost depends."""
        return cam_channels(self.classifier.in_batches(1, (0, 0)))

    def cost(self, method: MethodRequest) -> Cost:
        """Network passes that one image's explanation costs."""
        return cost(method, lambda: self._channels)


def resolve(
    config: RunConfig,
    *,
    network: TorchClassifier | None = None,
    protocol: Protocol | None = None,
    subset: Subset | None = None,
) -> Run:
    """What a configuration means; protocol and subset: in the place of those that it names.

    Raises UsageError for what does not exist, XaibenchError for what cannot be had.
    """
    if protocol is None:
        protocol = load_protocol(config.protocol)
        check_protocol(protocol)
    methods = resolve_methods(config.method, protocol)
    metrics = resolve_metrics(config.metric, protocol, config.metric_backend)
    device = resolve_device(config.device)
    dataset = load_dataset(config.data_name, config.classes)
    subset = subset or ordered(dataset, config.subset, config.per_class, config.seed)
    subset = in_drawn_order(subset, config.seed) if config.order == "drawn" else subset
    if config.maps is not None:
        method, subset = outside(config, subset, metrics)
        methods = [method]
    return Run(
        config,
        protocol,
        subset.dataset,
        subset,
        tuple(methods),
        tuple(metrics),
        tuple(variations(resolve_transforms(config.transform, protocol))),
        targets(config, subset.dataset),
        device,
        batch_size_of(config, device),
        network,
    )
