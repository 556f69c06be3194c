"""Max- and Avg-Sensitivity of one image.

Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019,
estimated by Monte Carlo over given perturbations and, as Quantus has it, divided by the norm of
the unperturbed map.
"""

import math

import numpy as np
import torch


def perturbed(x, noise):
    """``x`` (3, H, W) plus ``noise`` (3, H, W), added in float64 and rounded once to x's dtype."""
    total = x.detach().cpu().double() + torch.as_tensor(noise, dtype=torch.float64)
    return total.to(x.dtype)


def frobenius(values):
    """Square root of the sum of squares of all ``values``."""
    return math.sqrt(math.fsum(float(v) ** 2 for v in np.asarray(values).reshape(-1)))


def sensitivity(explain, x, m, perturbations):
    """``{"max_sensitivity", "avg_sensitivity"}`` of the map ``m`` (H, W), both in [0, inf).

    ``explain`` takes (1, 3, H, W) and returns (H, W); ``perturbations`` (n, 3, H, W) are added to
    the normalised ``x``. Each ratio is ||m - m'|| / ||m|| with Frobenius norms; an all-zero ``m``
    gives NaN for 0 / 0, infinity otherwise. NaN ratios are left out of the maximum and the mean.
    """
    reference = np.asarray(m, dtype=np.float64)
    norm = frobenius(reference)
    ratios = []
    for noise in perturbations:
        other = explain(perturbed(x, noise).unsqueeze(0))
        if isinstance(other, torch.Tensor):
            other = other.detach().cpu().numpy()
        gap = frobenius(reference - np.asarray(other, dtype=np.float64))
        if norm > 0.0:
            ratios.append(gap / norm)
        elif gap > 0.0:
            ratios.append(float("inf"))
    if not ratios:
        return {"max_sensitivity": float("nan"), "avg_sensitivity": float("nan")}
    return {"max_sensitivity": max(ratios), "avg_sensitivity": sum(ratios) / len(ratios)}


def _gradient(model, x, target):
    leaf = x.detach().clone().unsqueeze(0).requires_grad_(True)
    logit = model(leaf)[0, target]
    (gradient,) = torch.autograd.grad(logit, leaf)
    return gradient[0].detach().cpu().numpy().astype(np.float64)


def quantus_saliency(model, x, target):
    """Quantus's 'Saliency' of ``x`` (3, H, W): sum over channels of |d logit / d x|, (H, W)."""
    gradient = _gradient(model, x, target)
    return abs(gradient[0]) + abs(gradient[1]) + abs(gradient[2])


def quantus_gradient(model, x, target, absolute=True):
    """Quantus's 'Gradient' of ``x`` (3, H, W): sum over channels of d logit / d x, (H, W).

    The explanation is signed; the absolute value is the metric's own (its argument ``abs=True``).
    """
    gradient = _gradient(model, x, target)
    total = gradient[0] + gradient[1] + gradient[2]
    return abs(total) if absolute else total
