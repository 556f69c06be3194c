"""The same on the same photographs with other libraries, on the network as people load it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import Pairs, row
from benchmarks.score import SENSITIVITY
from benchmarks.setting import Setting
from xaibench.ops.blur import blur_kernel
from xaibench.ops.resize import minmax

STEP = 8 * 224
"""Pixels a step of insertion and deletion."""


def against(
    setting: Setting,
    peer: Callable[[], object],
    images: int,
    ours: Callable[[int], float],
    few: int = 0,
    many: int = 0,
) -> Pairs:
    """Pairs of images a second. peer() works on so many images; ours(n) gives a run's seconds."""
    few, many = few or setting.few, many or setting.many
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer()
        ours(few)
        while True:
            seconds = ours(many) - ours(few)
            yield (many - few) / seconds, images / setting.seconds(peer)


def scoring(setting: Setting, method: str, metric: str) -> Callable[[int], float]:
    """Seconds of `score` on stored maps of so many images."""
    out = f"peers-{method.partition('(')[0]}"
    setting.run(out, setting.many, "explain", method=method, metric=metric)

    def run(limit: int) -> float:
        setting.emptied(out, "scores")
        return setting.run(out, limit, "score", method=method, metric=metric)

    return run


def explaining(setting: Setting, method: str) -> Callable[[int], float]:
    """Seconds of `explain` of so many images, predictions made before."""
    out = f"peers-explain-{method.partition('(')[0]}"

    setting.run(out, setting.many, "explain", method="fakecam")

    def run(limit: int) -> float:
        setting.emptied(out, "maps", "state")
        return setting.run(out, limit, "explain", method=method)

    return run


def maps(images: Tensor) -> Tensor:
    """Some smooth maps (n, H, W) in [0, 1]: what is scored does not matter to the speed."""
    draw = torch.Generator().manual_seed(0)
    small = torch.rand(len(images), 1, 7, 7, generator=draw)
    return minmax(F.interpolate(small, images.shape[-2:], mode="bilinear")[:, 0])


@torch.no_grad()
def causal_metric(
    network: nn.Module, images: Tensor, labels: Tensor, saliency: Tensor, insertion: bool
) -> np.ndarray:
    """`CausalMetric.evaluate` of the RISE authors: a step of all images at a time."""
    size = images.shape[-1] ** 2
    steps = -(-size // STEP)
    order = np.flip(np.argsort(saliency.flatten(1).numpy(), axis=1), axis=1)
    if insertion:
        kernel = blur_kernel(5, 5.0).expand(3, 1, 5, 5)
        start, finish = F.conv2d(images, kernel, padding=2, groups=3), images
    else:
        start, finish = images.clone(), torch.zeros_like(images)
    current, final = start.numpy().copy(), finish.numpy()
    n = len(images)
    scores = np.empty((steps + 1, n), dtype=np.float32)
    for i in range(steps + 1):
        shown = torch.from_numpy(current).to(next(network.parameters()).device)
        softmax = torch.softmax(network(shown), 1).cpu()
        scores[i] = softmax.gather(1, labels[:, None])[:, 0].numpy()
        coordinates = order[:, STEP * i : STEP * (i + 1)]
        flat, other = current.reshape(n, 3, size), final.reshape(n, 3, size)
        rows, columns = np.arange(n).reshape(n, 1), np.arange(3).reshape(1, 3, 1)
        flat[rows[:, None], columns, coordinates[:, None]] = other[
            rows[:, None], columns, coordinates[:, None]
        ]
    return (scores.sum(0) - scores[0] / 2 - scores[-1] / 2) / steps


@row(
    "peer-insertion-deletion",
    "insertion and deletion",
    other="the RISE authors' evaluation.py",
    at_least=1,
    pairs=3,
)
def rise_authors(setting: Setting) -> Pairs:
    """Both, 28 steps, a step of 8 images in one batch."""
    images, labels = setting.inputs(8)
    saliency = maps(images)

    def peer() -> None:
        for insertion in (True, False):
            causal_metric(setting.plain, images, labels, saliency, insertion)

    return against(setting, peer, 8, scoring(setting, "gradcam", "insertion,deletion"))


def quantus_batch(setting: Setting, count: int) -> dict[str, object]:
    """Arguments of a Quantus metric's call."""
    images, labels = setting.inputs(count)
    return {
        "model": setting.plain,
        "x_batch": images.numpy(),
        "y_batch": labels.numpy(),
        "a_batch": maps(images)[:, None].numpy(),
        "channel_first": True,
        "device": str(setting.device),
    }


PLAIN = {"abs": False, "normalise": False, "disable_warnings": True, "display_progressbar": False}


@row("peer-monotonicity", "monotonicity", other="Quantus", at_least=1, pairs=3)
def quantus_monotonicity(setting: Setting) -> Pairs:
    """7 steps of 32 rows, 10 draws each."""
    import quantus

    metric = quantus.MonotonicityCorrelation(
        nr_samples=10, features_in_step=32 * 224, perturb_baseline="uniform", **PLAIN
    )
    batch = quantus_batch(setting, 1)
    ours = scoring(setting, "gradcam", "monotonicity")
    return against(setting, lambda: metric(softmax=True, **batch), 1, ours)


@row("peer-sensitivity", "MS and AS of the gradient", other="Quantus", at_least=1, pairs=3)
def quantus_sensitivity(setting: Setting) -> Pairs:
    """10 draws; Quantus computes each metric by itself."""
    import quantus

    kinds = (quantus.MaxSensitivity, quantus.AvgSensitivity)
    metrics = [kind(nr_samples=10, lower_bound=0.2, **PLAIN) for kind in kinds]
    batch = quantus_batch(setting, 1)
    explainer = {"explain_func": quantus.explain, "explain_func_kwargs": {"method": "Saliency"}}
    ours = scoring(setting, "gradient(batchnorm=eval,explained_class=given)", SENSITIVITY)

    def peer() -> None:
        for metric in metrics:
            metric(**batch, **explainer)

    return against(setting, peer, 1, ours)


@row("peer-gradcam", "explain of Grad-CAM", other="pytorch-grad-cam", at_least=1, pairs=3)
def grad_cam(setting: Setting) -> Pairs:
    """A batch of 16 images."""
    from pytorch_grad_cam import GradCAM

    return cam(setting, GradCAM, "gradcam", 16, 0, 0)


@row("peer-scorecam", "explain of Score-CAM", other="pytorch-grad-cam", at_least=1, pairs=2)
def score_cam(setting: Setting) -> Pairs:
    """1,280 masks of one image, in batches of 16."""
    from pytorch_grad_cam import ScoreCAM

    return cam(setting, ScoreCAM, "scorecam", 1, 1, 2)


def cam(setting: Setting, kind: type, method: str, count: int, few: int, many: int) -> Pairs:
    """A method of pytorch-grad-cam on a batch of `count` images."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    images, labels = setting.inputs(count)
    targets = [ClassifierOutputTarget(label) for label in labels.tolist()]
    network = copy.deepcopy(setting.plain).requires_grad_(True)  # as people load it
    explainer = kind(model=network, target_layers=[network.get_submodule("features")])

    def peer() -> None:
        with torch.enable_grad():
            explainer(input_tensor=images.to(setting.device), targets=targets)

    return against(setting, peer, count, explaining(setting, method), few, many)


@row("peer-lime", "explain of LIME", other="lime", at_least=1, pairs=2)
def lime_package(setting: Setting) -> Pairs:
    """1,000 samples, the package's defaults, on one image; batches of 16."""
    from lime.lime_image import LimeImageExplainer

    images, labels = setting.inputs(1)
    classifier = setting.classifier
    pixels = classifier.to_pixels(images).clamp(0, 1)[0].permute(1, 2, 0).double().numpy()

    @torch.no_grad()
    def probabilities(some: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2).float()
        inputs = classifier.from_pixels(batch).contiguous().to(setting.device)
        return torch.softmax(setting.plain(inputs), 1).cpu().numpy()

    def peer() -> None:
        LimeImageExplainer(random_state=0).explain_instance(
            pixels,
            probabilities,
            labels=tuple(labels.tolist()),
            top_labels=None,
            num_samples=1000,
            batch_size=16,
        )

    method = (
        "lime(n_samples=1000,hidden=mean_colour,segment_space=pixels,surrogate_model=ridge,"
        "score=probability,sign=positive)"
    )
    return against(setting, peer, 1, explaining(setting, method), 2, 4)
