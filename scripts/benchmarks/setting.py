"""What rows measure with: the network, photographs, runs in this process, bare passes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import xaibench
from benchmarks.photographs import augmented
from xaibench.datasets.load import load_dataset, read_images
from xaibench.models.classifier import TorchClassifier
from xaibench.models.device import AUTO_BATCH, exact_arithmetic
from xaibench.models.evalnorm import quick_norms
from xaibench.models.load import load_model
from xaibench.probes.hooks import replaced_output

MODEL = "efficientnet_lite0"
BURST = 4
"""Bare passes at once between a run's own."""
READY = 8
"""Batches of ready inputs: more than a processor's cache holds."""


@dataclass
class Setting:
    """One bench run. scratch: a folder for runs. data: photographs, or None for the embedded ones.

    few, many: images of the two runs whose difference is an image's cost, start-up left out.
    """

    device: torch.device
    scratch: Path
    data: Path | None = None
    quick: bool = False

    @property
    def few(self) -> int:
        """Images of the smaller run."""
        return 2 if self.quick else 8

    @property
    def many(self) -> int:
        """Images of the larger run."""
        return 6 if self.quick else 48

    @cached_property
    def photographs(self) -> Path:
        """A folder of at least 100 photographs, one subfolder a class."""
        return self.data or augmented(self.scratch / "photographs", 100)

    @cached_property
    def classifier(self) -> TorchClassifier:
        """The network as the tool runs it."""
        exact_arithmetic(self.device)
        found = load_model(MODEL).to(self.device)
        return replace(found, rows=AUTO_BATCH[self.device.type])

    @cached_property
    def plain(self) -> nn.Module:
        """The network as people load it: contiguous, BatchNorm and ReLU modules of their own."""
        return load_model(MODEL).module.to(self.device)

    def inputs(self, count: int) -> tuple[Tensor, Tensor]:
        """The first photographs as the network is fed (n, 3, H, W), on the CPU, and labels (n,)."""
        dataset = load_dataset(str(self.photographs))
        found = read_images(dataset, range(count), self.classifier, "squash", 0)
        return found.images, torch.tensor([dataset.labels[place] for place in found.places])

    @cached_property
    def ready(self) -> list[Tensor]:
        """Full batches on the device, in the network's own memory format."""
        rows = self.classifier.rows
        images, _ = self.inputs(16)
        images = torch.cat([images] * -(-rows * READY // len(images))).to(self.device)
        parts = images[: rows * READY].split(rows)
        return [part.contiguous(memory_format=torch.channels_last) for part in parts]

    @cached_property
    def passes(self) -> Mapping[str, Callable[[Tensor], object]]:
        """Passes of a full batch by kind: what no run can be faster than."""
        classifier = self.classifier
        network, module = classifier.inference, classifier.module
        layer = classifier.layer("cam")

        def forward(batch: Tensor) -> object:
            with torch.inference_mode():
                return network(batch)

        def gradient(batch: Tensor) -> object:
            leaf = batch.detach().requires_grad_()
            with quick_norms(batch.device):
                logits = module(leaf)
            return torch.autograd.grad(logits.amax(1).sum(), leaf)

        def cam(batch: Tensor) -> object:
            held: list[Tensor] = []

            def keep(output: Tensor) -> Tensor:
                held.append(output.detach().requires_grad_())
                return held[0]

            with replaced_output(layer, keep), quick_norms(batch.device):
                score = module(batch).amax(1).sum()
            return torch.autograd.grad(score, held[0])

        return {"forward": forward, "gradient": gradient, "cam": cam}

    def raw(self, needs: Mapping[str, float], images: float) -> float:
        """Seconds that so many images' passes take in a bare loop. needs: passes an image."""
        total = 0.0
        for kind, each in needs.items():
            count = each * images
            batches = max(1, round(count / self.classifier.rows))
            seconds = self.seconds(partial(self._loop, self.passes[kind], batches))
            total += seconds * count / (batches * self.classifier.rows)
        return total

    def _loop(self, one: Callable[[Tensor], object], batches: int) -> None:
        for i in range(batches):
            one(self.ready[i % READY])

    def seconds(self, do: Callable[[], object]) -> float:
        """Wall time of a call, the device's queue included."""
        self._wait()
        start = time.perf_counter()
        do()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    between: Between | None = field(default=None, init=False)

    def run(self, out: str, limit: int, stages: str = "explain score", **config: Any) -> float:
        """Seconds of `xaibench.run` in this process on the first `limit` photographs.

        Without those of the bare passes that it makes `between` its own.
        """
        asked = {
            "data": str(self.photographs),
            "model": MODEL,
            "device": str(self.device),
            "limit": limit,
            "out": str(self.scratch / out),
            **config,
        }
        network, between = load_model(MODEL), self.between
        if between is not None:
            network.module.register_forward_hook(between.after)  # copies of the network keep it
        seconds = self.seconds(
            lambda: xaibench.run(asked, stages=frozenset(stages.split()), network=network)
        )
        return seconds - (between.seconds if between else 0.0)

    def emptied(self, out: str, *folders: str) -> None:
        """Delete a run directory, or some of its folders."""
        for folder in folders or ("",):
            shutil.rmtree(self.scratch / out / folder, ignore_errors=True)


@dataclass
class Between:
    """Bare passes between a run's own, a few after each few, while it goes on.

    What else the machine does, and how fast its processor may be clocked, changes from second to
    second on shared machines: so it falls on both alike.
    """

    setting: Setting
    kind: str
    seconds: float = 0.0
    passes: int = 0
    _own: int = 0

    def __deepcopy__(self, memo: object) -> Between:
        """Itself: the copies that the tool makes of a network are to call this one, too."""
        return self

    def after(self, _: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        """A hook behind the run's network; examples of fewer rows are no passes."""
        if len(inputs[0]) < self.setting.classifier.rows:
            return
        self._own += 1
        if self._own % BURST == 0:
            self.burst()

    def burst(self) -> None:
        """BURST bare passes, timed."""
        one, ready = self.setting.passes[self.kind], self.setting.ready
        with torch.inference_mode(False):
            self.seconds += self.setting.seconds(lambda: [one(part) for part in ready[:BURST]])
        self.passes += BURST

    @property
    def each(self) -> float:
        """Seconds of one pass; of a burst made now where the run is too short to hold one."""
        if not self.passes:
            self.burst()
        return self.seconds / self.passes


def against_raw(
    setting: Setting,
    run: Callable[[int], float],
    needs: Mapping[str, float],
    few: int = 0,
    many: int = 0,
) -> Iterator[tuple[float, float]]:
    """Pairs of images a second: of a run, and of the passes that it needs in a bare loop.

    run(n) gives the seconds of n images; what counts is the difference of `many` and `few`, each
    taken in bare passes that were made between its own, of the kind that it needs most.
    """
    few, many = few or setting.few, many or setting.many
    images, rows = many - few, setting.classifier.rows
    kind = max(needs, key=lambda k: needs[k])
    setting.raw(needs, few)  # warm up
    run(few)
    while True:
        cost: dict[int, float] = {}
        for count in (few, many):
            setting.between = Between(setting, kind)
            try:
                seconds = run(count)
            finally:
                between, setting.between = setting.between, None
            cost[count] = seconds / between.each
        each = between.each
        bare = needs[kind] * images / rows * each
        rest = {k: n for k, n in needs.items() if k != kind}
        bare += setting.raw(rest, images)
        yield images / ((cost[many] - cost[few]) * each), images / bare
