"""Oracles for guided backpropagation (Springenberg et al. 2015, section 3.4).

Common arguments: `model` maps normalised images (1, 3, H, W) to logits (1, K), in the mode it
comes in; `x` is one image (1, 3, H, W); `target` a class index.
"""

import copy
import warnings

import numpy as np
import torch
from captum.attr import GuidedBackprop
from torch import nn


class _GuidedClamp(torch.autograd.Function):
    """clamp(a, 0, ceiling) forwards; backwards R_in = 1(0 < a < ceiling) 1(R_out > 0) R_out."""

    @staticmethod
    def forward(ctx, a, ceiling):
        ctx.save_for_backward((a > 0) & (a < ceiling))
        return a.clamp(min=0.0, max=ceiling)

    @staticmethod
    def backward(ctx, r_out):
        (active,) = ctx.saved_tensors
        return active.to(r_out.dtype) * (r_out > 0).to(r_out.dtype) * r_out, None


class _GuidedActivation(nn.Module):
    def __init__(self, ceiling: float):
        super().__init__()
        self.ceiling = ceiling

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return _GuidedClamp.apply(a, self.ceiling)


def _replace_activations(module: nn.Module) -> int:
    """Replace every nn.ReLU and nn.ReLU6 below `module`; how many places were replaced."""
    count = 0
    # ._modules and not named_children(), which leaves out a module's second name
    for name, child in list(module._modules.items()):
        if isinstance(child, nn.ReLU):
            setattr(module, name, _GuidedActivation(float("inf")))
            count += 1
        elif isinstance(child, nn.ReLU6):
            setattr(module, name, _GuidedActivation(6.0))
            count += 1
        elif child is not None:
            count += _replace_activations(child)
    return count


def guided_backprop_signed(model: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """The guided gradient of logit[target] at the input.

    On a deep copy, each nn.ReLU and nn.ReLU6 module (in-place, shared or called several times
    alike: the replacement keeps no state and never works in place) gets the backward rule
        R_in = 1(active) 1(R_out > 0) R_out,   active: a > 0 (ReLU), 0 < a < 6 (ReLU6),
    with a the pre-activation. Everything else differentiates as usual, functional relu calls
    included: those are not guided. Raises ValueError if the network has no such module.
    (The study's gradient_generation.py replaces the modules of a class named ReLU and no others:
    on a ReLU6 network its guided map is the plain gradient. The ReLU6 rule here is ours, the paper
    has ReLU alone.)
    Returns (3, H, W) float32, signed.
    """
    guided = copy.deepcopy(model)
    if _replace_activations(guided) == 0:
        raise ValueError("the network has no ReLU or ReLU6 module to guide")
    image = x.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logit = guided(image)[0, target]
    (gradient,) = torch.autograd.grad(logit, image)
    return gradient[0].numpy()


def guided_backprop(model: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Maximum over channels of the guided gradient's absolute value.

    Returns (H, W) float32, non-negative, not normalised.
    """
    return np.abs(guided_backprop_signed(model, x, target)).max(axis=0)


def guided_backprop_captum(model: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Guided backpropagation through captum, for networks with plain nn.ReLU modules.

    Returns (3, H, W) float32, signed. Works on a deep copy.

    What captum 0.9 does, as run: modules called several times and in-place modules (torchvision's
    BasicBlock and Bottleneck) come out right, since it hooks the tensors of each call, so no use
    needs a module of its own. It ignores ReLU6 and functional relu without a word (the result is
    then the plain gradient), and it clamps the whole gradient of a pre-activation, wrongly where
    something besides the ReLU reads that tensor.
    """
    image = x.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum announces its hooks
        attribution = GuidedBackprop(copy.deepcopy(model)).attribute(image, target=int(target))
    return attribution[0].detach().numpy()
