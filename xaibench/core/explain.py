"""A method on a batch: native maps, checked; the same method again on other inputs."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.core.memory import check_device
from xaibench.errors import Failed, MethodRaised, XaibenchError, reason
from xaibench.models.classifier import TorchClassifier
from xaibench.normalize import normalize
from xaibench.probes.hooks import activations
from xaibench.types import Batch, Classifier, Context, Cost, Explain, Explanation

_LOG = logging.getLogger(__name__)
State = dict[str, Tensor]
Images = Callable[[int], Iterator[Tensor]]
"""Batches of the first so many images of a run, 0 meaning all."""


def prepare(ctx: Context, method: MethodRequest, images: Images) -> State | None:
    """What a method computes once per run; None if nothing. Raises Failed where it cannot."""
    make = method.entry.metadata.get("prepare")
    if make is None:
        return None
    try:
        found: State = make(ctx, images, **method.options)
    except Exception as error:
        raise _failed(method, make, error) from error
    return found


def explain(ctx: Context, method: MethodRequest, batch: Batch, state: State | None) -> Explanation:
    """Run a method on a batch and check shapes; maps come back (B, T, h, w) float32.

    Raises MethodRaised where the method raises, Failed where it refuses (XaibenchError) or returns
    something else.
    """
    asked = batch.targets.clone()
    try:
        found = method.entry(ctx, batch, _copied(state), **method.options)
        wrong = _wrong(found, asked.shape)
        if wrong:
            raise Failed(f"method {method.spec} returned {wrong}")
        return Explanation(
            found.maps.detach().float(),
            {k: v.detach().double() for k, v in found.scalars.items()},
            asked if found.explained is None else found.explained,
        )
    except Failed:
        raise
    except Exception as error:
        check_device(error)
        raise _failed(method, method.entry.function, error) from error


def _failed(method: MethodRequest, function: object, error: Exception) -> Failed:
    """What an error of a method's function is kept as; its traceback is for --debug."""
    _LOG.debug("%s failed", method.spec, exc_info=error)
    kind = Failed if isinstance(error, XaibenchError) else MethodRaised
    return kind(reason(error, function))


def _copied(state: State | None) -> State | None:
    """Prepared tensors as a method gets them: what it writes there reaches no other call."""
    return {name: value.clone() for name, value in state.items()} if state else state


def _wrong(found: object, expected: torch.Size) -> str:
    """What is wrong with a method's result; empty where nothing is. expected: (B, T)."""
    wanted = f"({', '.join(map(str, expected))}, h, w)"
    if not isinstance(found, Explanation):
        return f"{type(found).__name__}; expected an Explanation of maps (B, T, h, w) = {wanted}."
    maps: object = found.maps
    sized = isinstance(maps, Tensor) and maps.dim() == 4 and maps.shape[:2] == expected
    if not sized or not found.maps.numel() or not found.maps.is_floating_point():
        return (
            f"maps of {described(maps)}; expected a floating-point tensor (B, T, h, w) = {wanted}."
        )
    more = {**found.scalars, "explained": found.explained}
    for name, value in more.items():
        if value is None and name == "explained":
            continue
        if not isinstance(value, Tensor) or value.shape != expected or value.is_complex():
            return f"{name} of {described(value)}; expected a tensor (B, T) = {tuple(expected)}."
    return ""


def described(value: object) -> str:
    """The shape of a tensor or array, with its type where that is not float32; else its type."""
    shape, kind = getattr(value, "shape", None), str(getattr(value, "dtype", ""))
    if shape is None:
        return f"type {type(value).__name__}"
    array = "" if isinstance(value, Tensor) else f" in a {type(value).__name__}"
    kind = "" if kind == "torch.float32" else f" of {kind.removeprefix('torch.')}"
    return f"shape {tuple(shape)}{kind}{array}"


def explainer(
    usual: Context, method: MethodRequest, batch: Batch, state: State | None, transform: str
) -> Explain:
    """The method and its normalisation on other inputs of the batch's images, first target.

    transform: what the batch went through, `none` for untouched images.
    """
    steps = method.steps(transform)

    def explain_again(inputs: Tensor, rows: Tensor, classifier: Classifier | None = None) -> Tensor:
        ctx = replace(usual, classifier=classifier) if classifier is not None else usual
        if ctx.group_size > 1:
            raise XaibenchError(
                f"{method.spec} shares BatchNorm statistics over groups of {ctx.group_size}, and "
                "a perturbed input has no such group: use batchnorm=eval."
            )
        places = rows.tolist()
        perturbed = replace(
            batch,
            ids=tuple(batch.ids[i] for i in places),
            images=inputs,
            labels=batch.labels[rows],
            targets=batch.targets[rows],
            positions=tuple(batch.positions[i] for i in places),
            originals=batch.images[rows],
        )
        parts = []
        for start in range(0, len(inputs), ctx.batch_size):
            some = perturbed.rows(start, start + ctx.batch_size)
            found = method.entry(ctx, some, _copied(state), **method.options)
            parts.append(found.maps[:, 0])
        return normalize(torch.cat(parts), batch.size, steps)

    return explain_again


def cam_channels(classifier: TorchClassifier) -> int:
    """Channels of the CAM layer, on which Score-CAM's cost depends."""
    return int(activations(classifier, "cam", classifier.blank()).shape[1])


def cost(method: MethodRequest, channels: Callable[[], int]) -> Cost:
    """Network passes that one image's explanation costs; channels: how many the CAM layer has."""
    declared = method.entry.metadata.get("cost")
    if declared is None:
        return Cost()
    asks = "channels" in inspect.signature(declared).parameters  # a forward, and a CAM layer
    return declared(**method.options, **({"channels": channels()} if asks else {}))
