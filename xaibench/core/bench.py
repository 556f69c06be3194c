"""A network with images from memory, ready for methods and metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

import torch
from torch import Tensor, nn

from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.requests import (
    MethodRequest,
    MetricRequest,
    check_protocol,
    method_request,
    metric_request,
    resolve_methods,
    resolve_metrics,
)
from xaibench.config.run import TARGETS
from xaibench.config.specs import split_all
from xaibench.core.explain import State, prepare
from xaibench.core.explain import explain as explain_batch
from xaibench.core.inputs import (
    Inputs,
    Pictures,
    Transform,
    as_classifier,
    fed_with,
    load_inputs,
)
from xaibench.errors import Failed, UsageError, XaibenchError, fold, reason, unknown
from xaibench.models.classifier import InputSpec, TorchClassifier
from xaibench.models.device import AUTO_BATCH, exact_arithmetic, resolve_device
from xaibench.ops.rows import ENOUGH
from xaibench.registry import Registered
from xaibench.registry.files import plain
from xaibench.types import Batch, Context, Explanation

R = TypeVar("R", MethodRequest, MetricRequest)
Asked = str | Registered | Callable[..., Any] | Sequence[str | Registered | Callable[..., Any]]
"""Methods or metrics: a spec, a comma list, a registered object, a plain function, or several."""
BLOCK = 80
"""Images whose shared results are held at once."""


class Setting(TypedDict, total=False):
    """How images are read, and what the numbers depend on.

    protocol: 'published' (default), 'reference' or a YAML file. preprocessing: how PIL images and
    paths are resized and cropped, and the network's mean and std (`InputSpec`; ImageNet's by
    default); mean, std: over it. transform: PIL image -> normalised (3, H, W), in its place. ids:
    one an image; random draws depend on them; by default file names, or numbers. layers:
    {'cam': NAME, 'iba': NAME}, found where they are not named. device: auto, cpu, cuda, cuda:N.
    batch_size: auto or N. dtype: 'float32', or
    'bfloat16' for passes without gradients. seed: of everything random, 0 by default.
    """

    protocol: str | Protocol
    preprocessing: InputSpec | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    transform: Transform | None
    ids: Sequence[str] | None
    layers: Mapping[str, str] | None
    device: str
    batch_size: str | int
    dtype: str
    seed: int


@dataclass(frozen=True)
class Bench:
    """A network with images and their classes, ready for methods and metrics."""

    inputs: Inputs
    protocol: Protocol
    classifier: TorchClassifier
    ctx: Context
    names: tuple[str, ...]
    classes: Tensor
    logits: Tensor
    probabilities: Tensor

    def batch(self, start: int, stop: int) -> Batch:
        """Some of the images, on the device."""
        device = self.ctx.device
        return Batch(
            self.inputs.ids[start:stop],
            self.inputs.images[start:stop].to(device, copy=True),
            self.inputs.labels[start:stop].to(device),
            self.classes[start:stop].to(device),
            self.names,
            tuple(range(start, stop)),
        )

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Start and stop of every BLOCK images."""
        count = len(self.inputs.ids)
        return ((start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))

    def prepare(self, method: MethodRequest) -> State | None:
        """What a method computes once, from the images at hand. Raises XaibenchError."""

        def images(most: int) -> Iterator[Tensor]:
            some = self.inputs.images[: most or None]
            return (part.to(self.ctx.device) for part in some.split(self.ctx.batch_size))

        try:
            return prepare(self.ctx, method, images)
        except Failed as failure:
            raise XaibenchError(f"{method.spec} failed: {failure}") from failure

    def explain(self, method: MethodRequest, batch: Batch, state: State | None) -> Explanation:
        """A method's maps of a block, a full batch at a time. Raises XaibenchError."""
        size = self.ctx.batch_size
        try:
            parts = [
                explain_batch(self.ctx, method, batch.rows(i, i + size), state)
                for i in range(0, len(batch), size)
            ]
        except Failed as failure:
            raise XaibenchError(f"{method.spec} failed: {failure}") from failure
        scalars = {k: torch.cat([p.scalars[k] for p in parts]) for k in parts[0].scalars}
        explained = [p.explained for p in parts if p.explained is not None]
        return Explanation(torch.cat([p.maps for p in parts]), scalars, torch.cat(explained))


def bench_of(
    model: nn.Module | TorchClassifier,
    images: Pictures,
    labels: Any,
    targets: str | Sequence[str] | None,
    setting: Setting,
) -> Bench:
    """A network and images with one forward over them. Raises UsageError for what does not fit."""
    for name in setting:
        if name not in Setting.__annotations__:
            raise unknown("argument", name, Setting.__annotations__)
    protocol = _protocol(setting.get("protocol", "published"))
    own = model.input if isinstance(model, TorchClassifier) else InputSpec()
    fed = setting.get("preprocessing") or own
    fed = replace(
        fed,
        mean=_rgb(setting.get("mean") or fed.mean),
        std=_rgb(setting.get("std") or fed.std),
    )
    resize, transform = protocol.preprocessing.resize, setting.get("transform")
    inputs = load_inputs(images, labels, setting.get("ids"), fed, resize, transform)
    if not isinstance(model, TorchClassifier):
        fed = fed_with(inputs.images, fed)
    classifier = as_classifier(model, fed, setting.get("layers") or {})
    device = resolve_device(setting.get("device", "auto"))
    exact_arithmetic(device)
    asked = setting.get("batch_size", "auto")
    if asked != "auto" and not str(asked).isdecimal():
        raise UsageError(f"batch_size '{asked}': give auto or a number.")
    rows = max(AUTO_BATCH[device.type] if asked == "auto" else int(asked), ENOUGH)
    dtype = setting.get("dtype", classifier.dtype)
    if dtype not in ("float32", "bfloat16"):
        raise unknown("dtype", dtype, ("float32", "bfloat16"))
    classifier = replace(classifier.to(device), rows=rows, input=fed, dtype=dtype)
    size = classifier.rows_at(inputs.images.shape[-2:])
    seed = setting.get("seed", 0)
    ctx = Context(classifier, device, seed, size, precision=protocol.probability)
    try:
        parts = inputs.images.split(BLOCK)
        found = [
            (part.float(), ctx.probabilities(part))
            for part in ctx.stream(part.to(device) for part in parts)
        ]
        logits, probabilities = (torch.cat(some).cpu() for some in zip(*found, strict=True))
    except Exception as error:
        raise UsageError(
            f"{classifier.name} cannot classify these images ({reason(error)}): give its own "
            "normalised input (B, 3, height, width)."
        ) from error
    if logits.dim() != 2:
        raise UsageError(
            f"{classifier.name} put out {tuple(logits.shape)}: expected logits (B, K)."
        )
    classifier = replace(classifier, num_classes=logits.shape[1])
    ctx = replace(ctx, classifier=classifier)
    names = _targets(targets, inputs)
    of = {
        "ground_truth": inputs.labels,
        "predicted": logits.argmax(1),
        "least_probable": logits.argmin(1),
    }
    if "ground_truth" in names and int(inputs.labels.max()) >= logits.shape[1]:
        raise UsageError(
            f"label {int(inputs.labels.max())} is none of the {logits.shape[1]} classes of "
            f"{classifier.name}."
        )
    classes = torch.stack([of[name] for name in names], 1)
    return Bench(inputs, protocol, classifier, ctx, names, classes, logits, probabilities)


def _rgb(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) != 3:
        raise UsageError(f"mean and std need 3 values, not {len(values)}.")
    red, green, blue = map(float, values)
    return red, green, blue


def _protocol(given: str | Protocol) -> Protocol:
    if isinstance(given, Protocol):
        return given
    protocol = load_protocol(given)
    check_protocol(protocol)
    return protocol


def _targets(asked: str | Sequence[str] | None, inputs: Inputs) -> tuple[str, ...]:
    """The targets asked for; by default the labels, or what the network predicts."""
    if asked is None:
        return ("ground_truth",) if inputs.labelled else ("predicted",)
    names = split_all([asked] if isinstance(asked, str) else asked)
    for name in map(fold, names):
        if name not in TARGETS:
            raise unknown("target", name, TARGETS)
        if name == "ground_truth" and not inputs.labelled:
            raise UsageError("ground_truth needs a label for every image: use predicted.")
    if not names:
        raise UsageError("no targets: give at least one.")
    return tuple(dict.fromkeys(map(fold, names)))


def _each(asked: Asked) -> Iterator[str | Registered | Callable[..., Any]]:
    """What is asked for, one after the other, comma lists taken apart."""
    for one in [asked] if isinstance(asked, str) or callable(asked) else asked:
        if isinstance(one, str):
            yield from split_all([one])
        else:
            yield one


def _registered(kind: str, given: Registered | Callable[..., Any]) -> Registered:
    if isinstance(given, Registered):
        return given
    return plain(kind, given, getattr(given, "__name__", type(given).__name__), "memory")


def methods_of(asked: Asked, protocol: Protocol) -> list[MethodRequest]:
    """Methods with all of their values under a protocol."""
    found: list[MethodRequest] = []
    for one in _each(asked):
        if isinstance(one, str):
            found += resolve_methods([one], protocol)
        else:
            entry = _registered("methods", one)
            found.append(method_request(entry, protocol, entry.key, {}))
    return _once(found)


def metrics_of(asked: Asked, protocol: Protocol) -> list[MetricRequest]:
    """Metrics with all of their values; UsageError for those that need boxes."""
    found: list[MetricRequest] = []
    for one in _each(asked):
        if isinstance(one, str):
            found += resolve_metrics([one], protocol)
        else:
            entry = _registered("metrics", one)
            found += [metric_request(entry, protocol, key, {}) for key in entry.keys]
    for metric in found:
        if "boxes" in metric.needs:
            raise UsageError(f"{metric.spec} needs bounding boxes: use `xaibench run --boxes DIR`.")
    return _once(found)


def _once(requests: list[R]) -> list[R]:
    """Each once; UsageError where there are none, or two go by one name and would mix."""
    if not requests:
        raise UsageError("no methods or no metrics: give at least one.")
    by_spec: dict[str, R] = {}
    for one in requests:
        held = by_spec.setdefault(one.spec, one).entry.function
        if inspect.unwrap(held) is not inspect.unwrap(one.entry.function):
            raise UsageError(f"two functions are called {one.spec}: give each a __name__.")
    return list(by_spec.values())
