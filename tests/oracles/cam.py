"""Oracles for Grad-CAM, Grad-CAM++ and Score-CAM.

`*_library` calls pytorch-grad-cam; `*_formula` follows the papers' equations with a hook and
autograd, without touching that library. Common arguments: `model` maps (1, 3, H, W) to logits
(1, K); `layer` is the module whose output is the stack of K feature maps A_k, called exactly once
in a forward; `x` is one normalised image (1, 3, H, W); `target` a class index.
"""

import contextlib
import io
from collections.abc import Iterator

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn


@contextlib.contextmanager
def _left_as_found(model: nn.Module) -> Iterator[None]:
    """Freeze the parameters inside, and put modes, requires_grad flags and gradients back after.

    The library calls eval() on the model, clears every parameter's gradient and runs backward();
    none of that may outlive the call.
    """
    modes = [(module, module.training) for module in model.modules()]
    parameters = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        for parameter, _, _ in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, requires_grad, grad in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad


def _library_cam(
    cam_class: type,
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    target: int,
    batch_size: int | None = None,
) -> np.ndarray:
    """Run one class of pytorch-grad-cam on one image; its hooks are released on leaving."""
    # The parameters are frozen, so the input must ask for a gradient to give the layer one.
    image = x.detach().clone().requires_grad_(True)
    with _left_as_found(model):
        cam = cam_class(model=model, target_layers=[layer])
        try:  # not `with cam`, which swallows IndexError
            if batch_size is not None:
                cam.batch_size = batch_size
            with contextlib.redirect_stderr(io.StringIO()):  # Score-CAM draws a progress bar
                result = cam(input_tensor=image, targets=[ClassifierOutputTarget(target)])
        finally:
            cam.activations_and_grads.release()
    return np.asarray(result[0], dtype=np.float32)


def gradcam_library(model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017) as pytorch-grad-cam computes it.

    Returns (H, W) float32 in [0, 1]: relu(sum_k w_k A_k), min-max at the layer's size (divisor
    max + 1e-7), cv2.resize bilinear to the input size, min-max again.

    Two things the library does: it switches the whole model to eval mode (put back afterwards,
    but a train-mode BatchNorm is not seen), and it keeps the activation as a view, so that an
    in-place operation after the layer (torchvision's DenseNet: relu on `features`) changes it.
    """
    return _library_cam(GradCAM, model, layer, x, target)


def gradcampp_library(
    model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int
) -> np.ndarray:
    """Grad-CAM++ (Chattopadhay et al. 2018) as pytorch-grad-cam computes it.

    Returns (H, W) float32 in [0, 1], post-processed as `gradcam_library`. Where the map's maximum
    is not far above 1e-7, the library's divisor (max + 1e-7) shrinks the first min-max, which the
    second one undoes, except for its own 1e-7 (seen in Grad-CAM of untrained networks, maps of
    1e-11: the maximum is then 0.9995 and not 1).
    """
    return _library_cam(GradCAMPlusPlus, model, layer, x, target)


def scorecam_library(
    model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int, batch_size: int = 16
) -> np.ndarray:
    """Score-CAM (Wang et al. 2020) as pytorch-grad-cam computes it.

    Returns (H, W) float32 in [0, 1], post-processed as `gradcam_library`. Each channel is
    upsampled with align_corners=True, min-maxed (divisor range + 1e-8) and multiplied with the
    normalised input; the weights are the softmax over channels of the target's logits.

    `batch_size` masked images go through the network at a time. Memory: the library holds all
    channels' masked images at once (1280 channels of 3 x 224 x 224: 0.8 GB) and its hook also
    keeps the layer's output of every one of them. Slow: one forward a channel.
    """
    return _library_cam(ScoreCAM, model, layer, x, target, batch_size)


def _activations_and_gradients(
    model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A and g = d logit[target] / d A, each (C, h, w) float32."""
    seen = []

    def cut_here(module, inputs, output):
        leaf = output.detach().clone().requires_grad_(True)
        seen.append(leaf)
        return leaf.clone()  # the rest of the network may work in place on this one

    handle = layer.register_forward_hook(cut_here)
    try:
        with torch.enable_grad():
            logit = model(x.detach())[0, target]
    finally:
        handle.remove()
    if len(seen) != 1:
        raise ValueError(f"the layer must run once in a forward, it ran {len(seen)} times")
    (gradient,) = torch.autograd.grad(logit, seen[0])
    return seen[0].detach()[0], gradient[0]


def gradcam_formula(model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Grad-CAM, equations 1 and 2 of Selvaraju et al. 2017, before the ReLU of equation 2.

    w_k = mean over space of d logit / d A_k; map = sum_k w_k A_k.
    Returns (h, w) float32 at the layer's size, signed, any range.
    """
    activations, gradients = _activations_and_gradients(model, layer, x, target)
    result = torch.zeros_like(activations[0])
    for channel in range(activations.shape[0]):
        weight = gradients[channel].mean()
        result = result + weight * activations[channel]
    return result.numpy()


def gradcampp_formula(
    model: nn.Module, layer: nn.Module, x: torch.Tensor, target: int
) -> np.ndarray:
    """Grad-CAM++, equation 19 of Chattopadhay et al. 2018, before the final ReLU.

    With g = d logit / d A_k and S_k = sum over space of A_k:
        a   = g^2 / (2 g^2 + S_k g^3 + 1e-6), 0 where g = 0
        w_k = sum over space of a relu(g)
        map = sum_k w_k A_k
    (g^2 and g^3 stand for the second and third derivatives: the score is taken as the exponential
    of the logit, whose own factor cancels in a and is dropped in w. The 1e-6 is that of
    pytorch-grad-cam, not in the paper; g is often near 1e-3, so that it matters.)
    Returns (h, w) float32 at the layer's size. Non-negative for a layer with A >= 0.
    """
    activations, gradients = _activations_and_gradients(model, layer, x, target)
    result = torch.zeros_like(activations[0])
    for channel in range(activations.shape[0]):
        a_k, g = activations[channel], gradients[channel]
        total = a_k.sum()
        alpha = g**2 / (2 * g**2 + total * g**3 + 1e-6)
        alpha[g == 0] = 0.0
        weight = (alpha * g.clamp(min=0)).sum()
        result = result + weight * a_k
    return result.numpy()
