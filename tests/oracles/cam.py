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
from torch.nn import functional


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

    The 1e-8 came on 2023-10-06 (pull request 449); before, a channel that is constant over space
    made every weight, and so the map, NaN.

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
    """Grad-CAM++ with pytorch-grad-cam's epsilon in equation 19, before the final ReLU.

    The library's variant of `gradcampp_paper` (Chattopadhay et al. 2018).

    With g = d logit / d A_k and S_k = sum over space of A_k:
        a   = g^2 / (2 g^2 + S_k g^3 + 1e-6), 0 where g = 0
        w_k = sum over space of a relu(g)
        map = sum_k w_k A_k
    (g^2 and g^3 stand for the second and third derivatives: the score is taken as the exponential
    of the logit, whose own factor cancels in a and is dropped in w. The 1e-6 is that of
    pytorch-grad-cam, neither in the paper nor in its code; g is often near 1e-3, so it matters.)
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


def gradcampp_paper(
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    target: int,
    normalized_alphas: bool = False,
) -> np.ndarray:
    """Grad-CAM++, equation 19 of Chattopadhay et al. 2018 as it stands, before the final ReLU.

    With g = d logit / d A_k and S_k = sum over space of A_k:
        a   = g^2 / (2 g^2 + S_k g^3), 0 where the denominator is 0
        w_k = sum over space of a relu(g)
        map = sum_k w_k A_k
    No epsilon. The paper's code (adityac94/Grad_CAM_plus_plus, misc/utils.py, grad_CAM_plus) puts 1
    in place of a zero denominator, so a is the numerator there: 0 where g = 0, and g^2 (times the
    score's exponential) only where 2 + S_k g is exactly 0, which does not happen for g > 0 and a
    layer with A >= 0; where g <= 0 the weight drops it. So both conventions give the same map. The
    exponential of the score in its three derivatives cancels in a and is a common factor of w.

    That code does one thing more that equation 19 has not: it divides a, per channel, by its sum
    over the positions where relu(g) > 0 (by 1 where that is 0), so that w_k is a weighted *mean*
    of relu(g). ``normalized_alphas=True`` gives that.

    The algebra after autograd is float64: in float32 g^3 underflows from g = 1e-13 on.
    Returns (h, w) float32 at the layer's size, non-negative for a layer with A >= 0.
    """
    activations, gradients = _activations_and_gradients(model, layer, x, target)
    result = torch.zeros_like(activations[0], dtype=torch.float64)
    for channel in range(activations.shape[0]):
        a_k, g = activations[channel].double(), gradients[channel].double()
        numerator, denominator = g**2, 2 * g**2 + a_k.sum() * g**3
        alpha = torch.zeros_like(g)
        alpha[denominator != 0] = (numerator / denominator)[denominator != 0]
        positive = g.clamp(min=0)
        if normalized_alphas:
            total = alpha[positive > 0].sum()
            alpha = alpha / (total if total != 0 else 1.0)
        result = result + (alpha * positive).sum() * a_k
    return result.float().numpy()


def scorecam_formula(
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    target: int,
    align_corners: bool = False,
    weights: str = "softmax",
) -> np.ndarray:
    """Score-CAM, algorithm 1 of Wang et al. 2020, before its ReLU.

    For each channel A_k: upsampled bilinearly to the input's size, min-maxed over space (no
    epsilon), times the normalised input `x` (1, 3, H, W); S_k = the target's logit of that.
    ``weights="softmax"`` (the paper): w = softmax over the channels of S; the score of the baseline
    image that algorithm 1 subtracts cancels. ``"probability"`` (the authors' repository,
    haofanwang/Score-CAM, cam/scorecam.py): w_k = the softmax probability of the target for channel
    k's masked image, no softmax over channels.
    ``align_corners``: False in the authors' repository, True in pytorch-grad-cam.

    A channel that is constant over space has no min-max. ``softmax``: its mask is 0 (what
    pytorch-grad-cam's range + 1e-8 gives), so its S_k is the logit of the mean image; after the
    ReLU and min-max this adds a constant to the map and nothing else, for a layer with A >= 0.
    ``probability``: left out of the sum, as the repository does.

    Differences that are not differences: the repository sums the upsampled channels and applies the
    ReLU at the input's size; the sum commutes with upsampling, and for A >= 0 and w >= 0 the ReLU
    does nothing. Here sum_k w_k A_k at the layer's own size: (h, w) float32, signed. Softmaxes in
    float64. One forward a channel.
    """
    if weights not in ("softmax", "probability"):
        raise ValueError("weights must be 'softmax' or 'probability'")
    activations, _ = _activations_and_gradients(model, layer, x, target)
    scores, kept = [], []
    for channel in activations:
        mask = functional.interpolate(
            channel[None, None], size=x.shape[-2:], mode="bilinear", align_corners=align_corners
        )[0, 0]
        span = mask.max() - mask.min()
        if span == 0 and weights == "probability":
            continue
        mask = (mask - mask.min()) / span if span > 0 else torch.zeros_like(mask)
        with torch.no_grad():
            logits = model(x.detach() * mask)[0].double()
        if weights == "probability":
            logits = torch.softmax(logits, dim=0)
        scores.append(logits[target].item())
        kept.append(channel.double())
    factors = torch.tensor(scores, dtype=torch.float64)
    if weights == "softmax":
        factors = torch.softmax(factors, dim=0)
    result = torch.zeros_like(activations[0], dtype=torch.float64)
    for factor, channel in zip(factors, kept, strict=True):
        result = result + factor * channel
    return result.float().numpy()
