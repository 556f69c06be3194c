"""The images of the block at hand: decoded once, transformed when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.datasets.base import Dataset
from xaibench.datasets.blobs import Content
from xaibench.datasets.load import Decoded, Unreadable
from xaibench.datasets.subset import Subset
from xaibench.errors import XaibenchError
from xaibench.seeds import generator


@dataclass
class Images:
    """Reads images of a subset, and keeps them and the last inputs made of them.

    lost: places whose images the run has met and could not read; they are in no group. contents:
    what those read were, by id.
    """

    subset: Subset
    seed: int
    decode: Callable[[Sequence[int]], Decoded]
    lost: set[int] = field(default_factory=set)
    contents: dict[str, Content] = field(default_factory=dict)
    _held: dict[int, Tensor | Unreadable] = field(default_factory=dict)
    _last: tuple[tuple[int, ...], Variation, Tensor] | None = None

    @property
    def dataset(self) -> Dataset:
        """The dataset that the subset is of."""
        return self.subset.dataset

    def seen(self, places: Sequence[int]) -> tuple[list[int], list[Unreadable]]:
        """The places whose images can be decoded, and the failures; they are held from then on."""
        lacking = [p for p in places if p not in self._held]
        if lacking:
            good, images, failures, contents = self.decode(lacking)
            self.contents |= contents
            self._held |= dict(zip(good, images, strict=True))
            bad = {f.image: f for f in failures}
            self._held |= {p: bad[i] for p in lacking if (i := self.dataset.ids[p]) in bad}
        found = [(p, self._held[p]) for p in places]
        good = [p for p, image in found if isinstance(image, Tensor)]
        return good, [image for _, image in found if isinstance(image, Unreadable)]

    def read(self, places: Sequence[int]) -> tuple[list[int], Tensor, list[Unreadable]]:
        """The same with the images (n, 3, H, W) of the places that have one."""
        good, failures = self.seen(places)
        tensors = [image for p in good if isinstance(image := self._held[p], Tensor)]
        return good, torch.stack(tensors) if tensors else torch.empty(0, 3, 0, 0), failures

    def inputs(self, places: Sequence[int], variation: Variation = UNTOUCHED) -> Tensor:
        """What the network is fed for images at some places (n, 3, h, w), on the CPU.

        Raises XaibenchError where one cannot be decoded any more.
        """
        key = tuple(places)
        if self._last is None or self._last[:2] != (key, variation):
            self._last = (key, variation, self._make(key, variation))
        return self._last[2]

    def groups(self, places: Sequence[int]) -> list[list[int]]:
        """The groups of the subset that hold these places, without the unreadable images."""
        found = self.subset.groups(places)
        return [[p for p in group if p not in self.lost] for group in found]

    def _readable(self, places: Sequence[int]) -> Tensor:
        """Images that were readable when the run met them."""
        _, images, failures = self.read(places)
        if failures:
            raise XaibenchError(
                f"{failures[0].image} was readable when the run began and is not now "
                f"({failures[0].reason}): restore it, or start anew with --overwrite."
            )
        return images

    def _make(self, places: tuple[int, ...], variation: Variation) -> Tensor:
        if variation.request is None:
            return self._readable(places)
        changed = {p: image for part in self._changed(places, variation) for p, image in part}
        return torch.stack([changed[p] for p in places])

    def _changed(
        self, places: tuple[int, ...], variation: Variation
    ) -> Iterator[list[tuple[int, Tensor]]]:
        """Places with their transformed images, group by group of the subset's order."""
        request = variation.request
        assert request is not None
        wanted = set(places)
        for members in self.groups(places):
            asked = members if request.groups else [p for p in members if p in wanted]

            def draw(i: int | None, asked: list[int] = asked) -> torch.Generator:
                group = f"group {self.subset.group(asked[0])}"
                name = group if i is None else self.dataset.ids[asked[i]]
                return generator(self.seed, name, f"{request.entry.key} {variation.name}")

            images = self._readable(asked)
            moved = request.entry(images, draw, variation.name, **request.options)
            yield list(zip(asked, moved, strict=True))


@dataclass
class Sent:
    """Inputs on a device: sent there once, for all methods and targets of a block.

    make: gives the inputs (n, 3, h, w) of places and a variation, on the CPU. Those of one
    variation are held at a time.
    """

    device: torch.device
    make: Callable[[Sequence[int], Variation], Tensor]
    _held: dict[int, Tensor] = field(default_factory=dict)
    _of: Variation | None = None

    def inputs(self, places: Sequence[int], variation: Variation) -> Tensor:
        """A copy on the device (n, 3, h, w): what a plug-in writes stays its own."""
        if self._of != variation:
            self._held, self._of = {}, variation
        lacking = [p for p in places if p not in self._held]
        if lacking:
            made = sent(self.make(lacking, variation), self.device)
            self._held |= dict(zip(lacking, made, strict=True))
        return torch.stack([self._held[p] for p in places])


def sent(inputs: Tensor, device: torch.device) -> Tensor:
    """A copy on the device; on CUDA it is made beside what is computed, and waited for there."""
    if device.type != "cuda":
        return inputs.to(device)
    own, passes = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(own):
        found = inputs.pin_memory().to(device, non_blocking=True)
    passes.wait_stream(own)
    found.record_stream(passes)  # its memory is not given to another tensor before these are done
    return found
