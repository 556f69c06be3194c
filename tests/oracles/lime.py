"""Oracles for LIME (Ribeiro, Singh, Guestrin 2016) on images, with segments and samples given.

Segments are (H, W) integers 0 .. n_segments - 1, all present. Samples are (n, n_segments) of 0
and 1: 1 keeps a segment, 0 hides it.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnLasso
from captum.attr import Lime
from captum.attr._core.lime import get_exp_kernel_similarity_function
from lime.lime_base import LimeBase
from skimage.segmentation import quickshift
from sklearn.metrics import pairwise_distances
from torch import nn


def quickshift_segments(x: torch.Tensor) -> np.ndarray:
    """Quickshift with the published parameters on the normalised image as it is.

    `x` (1, 3, H, W) float32 is handed over as (H, W, 3) float32; skimage takes it for RGB in
    [0, 1] and converts it to Lab although its values are not in that range. skimage breaks ties
    with seeded noise (default rng 42). Returns (H, W) int64, labels 0 .. n - 1.

    The study's scripts hand the lime package's wrapper a `random_seed` instead: an old skimage
    takes it (for Table 1 a number drawn afresh a run), a new one has no such argument, the wrapper
    drops it and 42 stands.
    """
    image = np.ascontiguousarray(x[0].detach().numpy().transpose(1, 2, 0))
    return quickshift(image, kernel_size=4, max_dist=200, ratio=0.2).astype(np.int64)


def lime_captum_coefficients(
    model: nn.Module,
    x: torch.Tensor,
    target: int,
    segments: np.ndarray,
    samples: np.ndarray,
    alpha: float = 0.08,
    kernel_width: float = 1000.0,
) -> np.ndarray:
    """captum's Lime made to draw exactly the given samples.

    `model` maps normalised images (1, 3, H, W) to logits; `x` (1, 3, H, W). Hidden segments are 0
    in normalised space. sklearn's Lasso(alpha) with intercept is fitted to the target's logits
    with the sample weights exp(-d^2 / (2 kernel_width^2)), d the euclidean distance of the
    normalised images over all their 3 * H * W values. One forward a sample.
    Returns the coefficients (n_segments,) float32, signed. They carry Lasso's stopping tolerance
    (coordinate descent, tol 1e-4): a converged solver differs by about 1e-3 (seen: 8e-4 for
    coefficients up to 3.6), sklearn's with the same tolerance in float64 by 1e-6.
    """
    rows = torch.as_tensor(np.asarray(samples)).long()

    def given_samples(original, **kwargs):
        for row in rows:
            yield row[None]

    explainer = Lime(
        model,
        interpretable_model=SkLearnLasso(alpha=alpha),
        similarity_func=get_exp_kernel_similarity_function("euclidean", kernel_width),
        perturb_func=given_samples,
    )
    coefficients = explainer.attribute(
        x.detach(),
        baselines=0.0,
        target=int(target),
        feature_mask=torch.as_tensor(np.asarray(segments)).long()[None, None],
        n_samples=len(rows),
        perturbations_per_eval=1,
        return_input_shape=False,
    )
    return coefficients.detach().reshape(-1).numpy()


def lime_package_coefficients(
    model_probability_fn: Callable[[np.ndarray], np.ndarray],
    x_pixels: np.ndarray,
    segments: np.ndarray,
    samples: np.ndarray,
    target: int,
    kernel_width: float = 0.25,
) -> np.ndarray:
    """The regression of the lime package's LimeImageExplainer, with its defaults.

    `x_pixels` (H, W, 3) floating point pixels (an integer image would have its mean colours
    truncated, as in the package); `model_probability_fn` maps (n, H, W, 3) of the same kind to
    probabilities (n, K). As in the package:
    - the first sample is overwritten with ones (the unperturbed image);
    - a hidden segment takes the mean colour of its pixels;
    - d = cosine distance of each row of the sample matrix to the row of ones (1 for an all-zero
      row); weight = sqrt(exp(-d^2 / kernel_width^2));
    - ridge regression, alpha 1, intercept not penalised, on the target's probability.
    Feature selection "auto" with num_features=100000 means "highest_weights", which here keeps
    every segment and only reorders the columns by a first ridge (alpha 0.01), so the coefficients
    are those of one ridge on all segments up to rounding.
    Returns (n_segments,) float64, signed, in the order of the segments.
    """
    rows = np.array(samples, dtype=np.int64)
    rows[0, :] = 1
    n_segments = rows.shape[1]

    averaged = x_pixels.copy()
    for segment in range(n_segments):
        inside = segments == segment
        for channel in range(3):
            averaged[inside, channel] = np.mean(x_pixels[inside][:, channel])

    probabilities = []
    for row in rows:
        image = x_pixels.copy()
        for segment in range(n_segments):
            if row[segment] == 0:
                image[segments == segment] = averaged[segments == segment]
        probabilities.append(np.asarray(model_probability_fn(image[None]))[0])

    def kernel(distance, width):
        return np.sqrt(np.exp(-(distance**2) / width**2))

    distances = pairwise_distances(rows, rows[0].reshape(1, -1), metric="cosine").ravel()
    base = LimeBase(partial(kernel, width=float(kernel_width)), random_state=0)
    _, pairs, _, _ = base.explain_instance_with_data(
        rows,
        np.array(probabilities),
        distances,
        target,
        num_features=100000,
        feature_selection="auto",
    )
    coefficients = np.zeros(n_segments, dtype=np.float64)
    for segment, coefficient in pairs:
        coefficients[segment] = coefficient
    return coefficients


def coefficients_to_map(coefs: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Each pixel gets its segment's coefficient: (n_segments,) and (H, W) -> (H, W), signed."""
    result = np.zeros(segments.shape, dtype=np.asarray(coefs).dtype)
    for segment in range(len(coefs)):
        result[segments == segment] = coefs[segment]
    return result
