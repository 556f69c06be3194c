"""Oracles for the gradient and integrated gradients, in eval mode or with batch statistics.

Common arguments: `model` maps normalised images (N, 3, H, W) to logits (N, K) and is used in the
mode it comes in; `x` is one image (1, 3, H, W), `xs` a group (n, 3, H, W); `target` a class
index, `targets` n of them.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from captum.attr import IntegratedGradients, Saliency
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def train_mode_batchnorm(model: nn.Module) -> nn.Module:
    """A deep copy of `model`, all in eval mode but for its BatchNorm modules, in train mode.

    So BatchNorm normalises with the mean and the (biased) variance of the batch in front of it,
    while dropout and stochastic depth stay off. The copy's running statistics move with each
    forward, which has no effect on train-mode outputs: calls do not influence one another.
    (The study's gradient scripts never call eval(), so there the whole network is in train mode:
    the same for a ResNet, which has no dropout, and not for VGG.)
    BatchNorm raises ValueError where a channel has a single value (one image, 1 x 1 features).
    """
    clone = copy.deepcopy(model).eval()
    for module in clone.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return clone


def _has_batch_statistics(model: nn.Module) -> bool:
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())


def gradient_group(
    model: nn.Module, xs: torch.Tensor, targets: Sequence[int] | torch.Tensor
) -> np.ndarray:
    """Vanilla gradient (Simonyan et al. 2014, section 3.1) of n images forwarded together.

    d (sum_i logit_i[target_i]) / d xs, absolute value, maximum over channels. With batch
    statistics the images of the group influence one another, so that the gradient at image i
    contains what image i does to the other images' logits; in eval mode it is each image's own.
    Returns (n, H, W) float32, non-negative, not normalised.
    """
    images = xs.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = model(images)
        total = torch.zeros((), dtype=logits.dtype)
        for i in range(len(images)):
            total = total + logits[i, int(targets[i])]
    (gradients,) = torch.autograd.grad(total, images)
    return gradients.abs().max(dim=1).values.numpy()


def gradient(model: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Vanilla gradient of one image: max over channels of |d logit[target] / d x|.

    Returns (H, W) float32, non-negative, not normalised.
    """
    return gradient_group(model, x, [target])[0]


def saliency_captum(model: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """The same through captum's Saliency (abs=True), then the maximum over channels.

    Returns (H, W) float32, non-negative, not normalised.
    """
    attribution = Saliency(model).attribute(x.detach().clone(), target=int(target), abs=True)
    return attribution[0].detach().max(dim=0).values.numpy()


def _as_baseline(baseline: float | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A number, (3,), (3, 1, 1), (3, H, W) or (1 or n, 3, H, W) as a tensor of `like`'s shape."""
    value = torch.as_tensor(baseline, dtype=like.dtype)
    if value.ndim == 1:
        value = value[:, None, None]
    return value.expand_as(like).clone()


def integrated_gradients_captum(
    model: nn.Module,
    x: torch.Tensor,
    target: int,
    baseline: float | torch.Tensor,
    steps: int,
    internal_batch_size: int | None = 10,
) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, equation 1) of one image through captum.

    Gauss-Legendre quadrature (captum's default) with `steps` nodes from `baseline` (normalised
    space) to x, times (x - baseline). Returns (3, H, W) float32, signed; its sum approximates
    logit(x) - logit(baseline). `internal_batch_size` bounds the memory and only moves the last
    bits; a model with batch statistics would see cut batches, so it is refused here: use
    `integrated_gradients_group`.
    """
    if _has_batch_statistics(model):
        raise ValueError("batch statistics need one forward: use integrated_gradients_group")
    images = x.detach().clone()
    attribution = IntegratedGradients(model).attribute(
        images,
        baselines=_as_baseline(baseline, images),
        target=int(target),
        n_steps=steps,
        internal_batch_size=internal_batch_size,
    )
    return attribution[0].detach().numpy().astype(np.float32)


def integrated_gradients_formula(
    model: nn.Module,
    x: torch.Tensor,
    target: int,
    baseline: float | torch.Tensor,
    steps: int,
) -> np.ndarray:
    """Integrated gradients of one image without captum, for a model in eval mode.

    Equation 1 of Sundararajan et al. 2017, (x - x') times the integral over t in [0, 1] of the
    gradient at x' + t (x - x'), with NumPy's Gauss-Legendre rule moved from [-1, 1] to [0, 1]. One
    gradient a node, summed in float64. Returns (3, H, W) float64, signed.
    """
    start = _as_baseline(baseline, x)
    nodes, quadrature = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros(x.shape, dtype=torch.float64)
    for node, weight in zip(nodes, quadrature, strict=True):
        point = (start + (1 + node) / 2 * (x.detach() - start)).to(x.dtype).requires_grad_(True)
        with torch.enable_grad():
            logit = model(point)[0, target]
        (gradient_here,) = torch.autograd.grad(logit, point)
        total += weight / 2 * gradient_here.double()
    return (total * (x.detach() - start).double())[0].numpy()


def integrated_gradients_group(
    model: nn.Module,
    xs: torch.Tensor,
    targets: Sequence[int] | torch.Tensor,
    baseline: float | torch.Tensor,
    steps: int,
) -> np.ndarray:
    """Integrated gradients of n images through one captum call and one forward.

    All n * steps interpolants go through the network together (node-major: the n images at the
    first node, then at the second, ...), so train-mode BatchNorm takes its statistics over all of
    them and each gradient contains the influence on all the others.
    Returns (n, 3, H, W) float32, signed. Memory grows with n * steps.
    """
    images = xs.detach().clone()
    attribution = IntegratedGradients(model).attribute(
        images,
        baselines=_as_baseline(baseline, images),
        target=torch.as_tensor(targets, dtype=torch.long),
        n_steps=steps,
        internal_batch_size=None,
    )
    return attribution.detach().numpy().astype(np.float32)
