"""The types that methods, metrics and stages share. Imports torch only.

Shapes: B images, T target classes, K classes, (H, W) the input size, (h, w) a map's native size.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from typing import Protocol as TypingProtocol

import torch
from torch import Tensor, nn

from xaibench.costs import Cost as Cost
from xaibench.costs import MetricCost as MetricCost
from xaibench.meter import each, passed, phase
from xaibench.seeds import generator


@dataclass(frozen=True)
class Batch:
    """Images on the device, with what is asked of them.

    ids: image ids, the only join key. images (B, 3, H, W): normalised network input, float32.
    labels (B,): class index, -1 for none. targets (B, T): classes to explain.
    target_names: the T names of the targets. positions: each image's place in the dataset's
    full order. originals: where the images are perturbed ones, the untouched images (B, 3, H, W)
    whose segments still hold.
    """

    ids: tuple[str, ...]
    images: Tensor
    labels: Tensor
    targets: Tensor
    target_names: tuple[str, ...] = ("ground_truth",)
    positions: tuple[int, ...] = ()
    originals: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> tuple[int, int]:
        """Input height and width in pixels."""
        return int(self.images.shape[-2]), int(self.images.shape[-1])

    def rows(self, start: int, stop: int) -> Batch:
        """The images start..stop (exclusive) as a batch of their own."""
        return replace(
            self,
            ids=self.ids[start:stop],
            images=self.images[start:stop],
            labels=self.labels[start:stop],
            targets=self.targets[start:stop],
            positions=self.positions[start:stop],
            originals=None if self.originals is None else self.originals[start:stop],
        )


class Classifier(TypingProtocol):
    """A network with its preprocessing: normalised input (B, 3, H, W) -> logits (B, K)."""

    @property
    def name(self) -> str:
        """The network's name."""

    @property
    def module(self) -> nn.Module:
        """The network itself."""

    @property
    def inference(self) -> nn.Module:
        """The same function, prepared for passes without gradients; hooks belong on `module`."""

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) in evaluation mode; gradients flow where they are enabled.

        Forwarded `rows_at(size)` inputs at a time, the last batch filled up.
        """

    def rows_at(self, size: Sequence[int]) -> int:
        """Inputs in every forward pass of images of a size (H, W)."""

    def to_pixels(self, images: Tensor) -> Tensor:
        """Normalised input -> pixel values in [0, 1]."""

    def from_pixels(self, pixels: Tensor) -> Tensor:
        """Pixel values in [0, 1] -> normalised input."""

    def layer(self, role: str) -> nn.Module:
        """The module that plays a role ('cam', 'iba') or has that dotted name."""

    def view(
        self, *, batchnorm_groups: int | None = None, again: bool = False, chunk: int = 0
    ) -> Classifier:
        """A variant sharing the weights; only BatchNorm modules differ, the original is untouched.

        With batchnorm_groups=n, BatchNorm uses the statistics of each n consecutive inputs;
        again=True forwards blocks a second time in the backward pass, to save memory; chunk=m
        does that and more with no more than m inputs in the network at a time.
        """


@dataclass(frozen=True)
class Explanation:
    """What a method returns: signed maps (B, T, h, w) at native size, channels reduced.

    scalars: named (B, T) values, e.g. `attribution_sum`. explained (B, T): the class that was
    really explained where it can differ from the batch's targets; None where it is the same.
    """

    maps: Tensor
    scalars: Mapping[str, Tensor] = field(default_factory=dict)
    explained: Tensor | None = None


def rebatch(chunks: Iterable[tuple[Tensor, ...]], size: int) -> Iterator[tuple[Tensor, ...]]:
    """Cut chunks (tensors of n rows each) into batches of `size` rows; the last may be smaller."""
    held: list[tuple[Tensor, ...]] = []
    rows = 0
    for chunk in chunks:
        cuts = tuple(range(size - rows, len(chunk[0]), size))
        for piece in zip(*(part.tensor_split(cuts) for part in chunk), strict=True):
            held.append(piece)
            rows += len(piece[0])
            if rows == size:
                yield _joined(held)
                held, rows = [], 0
    if rows:
        yield _joined(held)


def filled(part: Tensor, rows: int, unit: int = 1) -> Tensor:
    """`part` (n, ...) with copies of its first `unit` rows behind, `rows` in all.

    No gradient flows to the copies' source.
    """
    lacking = rows - len(part)
    if lacking <= 0 or not len(part):
        return part
    again = part[:unit].detach()
    times = -(-lacking // len(again))
    return torch.cat([part, *[again] * times])[:rows]


def _joined(parts: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))


@dataclass(frozen=True)
class Context:
    """What stages give to methods and metrics besides the batch.

    batch_size: images a call, and inputs a forward pass. group_size: images that share a
    train-mode BatchNorm batch; a method that declares `groups` gets whole groups, in their order.
    precision: in which a probability is computed from the logits, 'float32' or 'float64'.
    """

    classifier: Classifier
    device: torch.device
    seed: int
    batch_size: int
    workers: int = 0
    group_size: int = 1
    precision: str = "float64"

    def generator(self, image: str, purpose: str) -> torch.Generator:
        """A CPU generator that depends on (seed, image, purpose) alone; image '' is per run."""
        return generator(self.seed, image, purpose)

    def stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Logits (n, K) of any number of inputs, forwarded in full batches without gradients."""
        for (logits,) in self.forwarded((c,) for c in chunks):
            yield logits

    def forwarded(self, chunks: Iterable[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
        """Batches of (inputs, whatever goes with each) with logits in the inputs' place.

        Every pass has `batch_size` rows, the last one's being filled up.
        """
        with torch.inference_mode():
            for inputs, *rest in each("inputs", rebatch(chunks, self.batch_size)):
                rows = self.classifier.rows_at(inputs.shape[-2:])
                full = filled(inputs, rows).contiguous()
                with phase("forward"):
                    logits = self.classifier.inference(full)[: len(inputs)]
                yield passed(logits, len(full)), *rest

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax of logits (n, K) in the run's precision, as float64."""
        return logits.to(getattr(torch, self.precision)).softmax(-1).double()


@dataclass(frozen=True)
class Forwards:
    """A metric's request for forward passes.

    chunks yields (inputs (n, 3, H, W), rows (n,)): rows says which image of the batch each input
    belongs to. The answer is an `Answer` with N = the sum of all n, in the order yielded.
    """

    chunks: Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Answer:
    """Logit (float32) and softmax probability (float64) of each row's scored class, (N,)."""

    logit: Tensor
    probability: Tensor


class Explain(TypingProtocol):
    """The scored method on other inputs of the batch's images."""

    def __call__(
        self, inputs: Tensor, rows: Tensor, classifier: Classifier | None = None
    ) -> Tensor:
        """Normalised maps (n, H, W) of inputs (n, 3, H, W).

        rows (n,): the image of the batch whose masks, segments and noise each input takes.
        """


Memo = Callable[[str, Callable[[], Tensor]], Tensor]

Draw = Callable[[int | None], torch.Generator]
"""A transform's generators: of its i-th image, or of the whole group for None."""


@dataclass(frozen=True)
class Scoring:
    """What a metric sees: B images, each with one normalised map and one scored class.

    maps (B, H, W) in [0, 1] (NaN where the native map was not finite); target (B,) the class
    scored; logit and probability (B,) of that class on the untouched input; scalars: the
    method's own (B,) values; native (B, h, w); additive: whether the method declares that its
    attributions sum to a score difference; wanted: the keys asked for; explain: the same method
    and normalisation on other inputs of the same images, or with another network; memo: results
    shared by methods and targets. extras: 'boxes' (per image, or None), 'in_subset' (B,) bool:
    whether the image belongs to the subset on which expensive metrics are measured,
    'explain_forwards': what one explanation costs.
    """

    batch: Batch
    maps: Tensor
    target: Tensor
    logit: Tensor
    probability: Tensor
    ctx: Context
    scalars: Mapping[str, Tensor] = field(default_factory=dict)
    native: Tensor | None = None
    family: str = ""
    additive: bool = False
    wanted: frozenset[str] = frozenset()
    explain: Explain | None = None
    memo: Memo | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def once(self, key: str, compute: Callable[[], Tensor]) -> Tensor:
        """compute(), or what it gave before for these images, whatever the method: see `memo`.

        A copy of it: what a metric does to its own reaches no other.
        """
        return self.memo(key, compute).clone() if self.memo else compute()

    def shared(self, key: str, make: Callable[[], Tensor]) -> Answer:
        """Logit and probability (B,) of the scored classes on inputs that all methods share.

        make() gives B inputs, or one for all images; they are forwarded once per `key`.
        """
        table = self.once(key, lambda: torch.cat([*self.ctx.stream([make()])]).float())
        rows, pick = table.expand(len(self.batch), -1), self.target[:, None]
        probabilities = self.ctx.probabilities(table).expand(len(self.batch), -1)
        return Answer(rows.gather(1, pick)[:, 0], probabilities.gather(1, pick)[:, 0])


@dataclass(frozen=True)
class Rows:
    """Values (B,) with more beside each: a status of its own, or the curve that it comes from.

    statuses: for metrics that do not apply everywhere; () where they do. curve: (B, S), the S
    numbers of each image whose mean, area or other sum is its value, for `--keep-curves`.
    """

    values: Tensor
    statuses: tuple[str, ...] = ()
    curve: Tensor | None = None


Values = Mapping[str, Tensor | Rows]
"""A metric's result: {metric key: (B,) float64}."""

MetricResult = Values | Generator[Forwards, Answer, Values]
