"""Quantus 0.6 itself, for one image and with stated settings.

Each function passes copies (some metrics write into their input) and the map as it is: abs and
normalise are off unless stated. Random numbers come from the global NumPy generator, which is
seeded for the call and put back afterwards. A map whose values are all equal makes Quantus raise
AssertionError before it computes anything.
"""

import warnings
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import quantus
import torch

PLAIN = {
    "abs": False,
    "normalise": False,
    "disable_warnings": True,
    "display_progressbar": False,
}
# On a map in [0, 1] the absolute value changes nothing; without it these metrics print a warning.
NONNEGATIVE = {**PLAIN, "abs": True}


@contextmanager
def global_seed(seed):
    """Seed NumPy's global generator inside the block and restore its state afterwards."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)


def _batch(x, m, target, dtype=np.float32):
    return {
        "x_batch": x.detach().cpu().numpy().copy()[None],
        "y_batch": np.array([target]),
        "a_batch": np.array(m, dtype=dtype)[None],
        "channel_first": True,
    }


def _map_only(metric, m, dtype):
    attribution = np.array(m, dtype=dtype)[None]
    images = np.zeros((1, 3, *attribution.shape[1:]), dtype=np.float32)
    with global_seed(0):
        scores = metric(
            model=None,
            x_batch=images,
            y_batch=np.array([0]),
            a_batch=attribution,
            channel_first=True,
        )
    return float(scores[0])


def quantus_sparseness(m, dtype=np.float64):
    """Gini index of ``m`` (H, W), computed in ``dtype``."""
    return _map_only(quantus.Sparseness(**NONNEGATIVE), m, dtype)


def quantus_complexity(m, dtype=np.float64):
    """-sum p ln(p + 1e-12), p = m / sum |m|, computed in ``dtype``."""
    return _map_only(quantus.Complexity(**NONNEGATIVE), m, dtype)


def quantus_effective_complexity(m, dtype=np.float64):
    """Number of values above 1e-5."""
    return _map_only(quantus.EffectiveComplexity(eps=1e-5, **NONNEGATIVE), m, dtype)


def quantus_completeness(model, x, m, target, whole_baseline=True):
    """1.0 where Quantus finds the map complete, else 0.0 (logits, baseline "black").

    Quantus 0.6 replaces as many entries of the flattened input as the attribution has: for a map
    with one channel that is the first colour channel alone (``whole_baseline=False``). Given the
    map in the first of three channels, the others zero, the sum is the same and the whole image
    becomes the baseline, as in Quantus 0.5.
    """
    arguments = _batch(x, m, target)
    if whole_baseline:
        one = arguments["a_batch"]
        arguments["a_batch"] = np.stack([one, np.zeros_like(one), np.zeros_like(one)], axis=1)
    with global_seed(0):
        metric = quantus.Completeness(perturb_baseline="black", **PLAIN)
        scores = metric(model=model, softmax=False, **arguments)
    return float(scores[0])


def library_order(m, channels=3):
    """Ascending order of the entries as Quantus sorts them: NumPy's unstable order for ties.

    It depends on NumPy's version and on the processor; ``channels=1`` for pixels.
    """
    flat = np.broadcast_to(np.array(m, dtype=np.float32), (channels, *np.shape(m))).reshape(1, -1)
    return np.argsort(flat, axis=1)[0]


def draws_for_seed(seed, steps, nr_samples, values=1):
    """The uniform values that MonotonicityCorrelation draws for one image after ``seed``.

    Quantus 0.6 draws one value per step and sample, in that nesting: (steps, nr_samples) float64.
    ``values=3``: what 0.5 drew, one a channel: (steps, nr_samples, 3).
    """
    size = (steps, nr_samples) if values == 1 else (steps, nr_samples, values)
    return np.random.RandomState(seed).uniform(0.0, 1.0, size=size)


def quantus_monotonicity_channels(model, x, m, target, features_in_step, nr_samples, seed):
    """MonotonicityCorrelation of 0.6: 3 H W entries, ``features_in_step`` of them a step.

    ``features_in_step`` must divide H W. The draws are ``draws_for_seed(seed, steps, nr_samples)``
    with steps = ceil(3 H W / features_in_step), the order ``library_order(m)``.
    """
    with global_seed(seed):
        metric = quantus.MonotonicityCorrelation(
            eps=1e-5,
            nr_samples=nr_samples,
            features_in_step=features_in_step,
            perturb_baseline="uniform",
            **PLAIN,
        )
        scores = metric(model=model, softmax=True, **_batch(x, m, target))
    return float(scores[0])


class _Coded(torch.nn.Module):
    """Network of a one-channel code image: -1 keeps the pixel of ``x``, k >= 0 takes draw k."""

    def __init__(self, model, x, draws):
        super().__init__()
        self.model, self.x = model, x
        self.draws = torch.as_tensor(draws).reshape(-1, 3).to(x.dtype)
        self.eval()

    def forward(self, code):
        images = self.x.expand(code.shape[0], -1, -1, -1).clone()
        index = code[:, 0].long()
        for n, row, column in (index >= 0).nonzero().tolist():
            images[n, :, row, column] = self.draws[index[n, row, column]]
        return self.model(images)


def quantus_monotonicity_pixels(model, x, m, target, rows_per_step, draws):
    """MonotonicityCorrelation of 0.6 made to see pixels, with the given draws (steps, n, 3).

    Quantus perturbs a one-channel image of codes and the network turns codes into pixels, so the
    order, the steps, the mean, the divisor and the correlation are the library's, the features are
    pixels and each draw has three values, as in Quantus 0.5. The order is
    ``library_order(m, channels=1)``.
    """
    counter = iter(range(10**9))

    def put_next_code(arr, indices, **_):
        changed = arr.copy()
        changed[np.arange(len(arr))[:, None], indices] = next(counter)
        return changed

    arguments = _batch(x, m, target)
    arguments["x_batch"] = np.full((1, 1, *x.shape[1:]), -1.0, dtype=np.float32)
    with global_seed(0):
        metric = quantus.MonotonicityCorrelation(
            eps=1e-5,
            nr_samples=np.shape(draws)[1],
            features_in_step=rows_per_step * x.shape[2],
            perturb_func=put_next_code,
            **PLAIN,
        )
        scores = metric(model=_Coded(model, x, draws), softmax=True, **arguments)
    return float(scores[0])


class _Masked(torch.nn.Module):
    """Network of a one-channel mask: the fixed image ``x`` times the mask."""

    def __init__(self, model, x):
        super().__init__()
        self.model, self.x = model, x
        self.eval()

    def forward(self, mask):
        return self.model(self.x.unsqueeze(0) * mask)


def quantus_deletion_curve(model, x, m, target, rows_per_step, order=None):
    """Probabilities of PixelFlipping after each step (the untouched image is not among them).

    As it stands PixelFlipping counts channel entries and wants steps that divide H W, so whole
    pixels cannot be its features on a colour image. Here it flips a one-channel mask from one to
    zero and the network multiplies ``x`` by it. ``order``: most salient first, to fix the order of
    ties (Quantus sorts with an unstable sort); without it the map is sorted by Quantus.
    """
    attribution = np.array(m, dtype=np.float32)
    if order is not None:
        ranks = np.empty(attribution.size, dtype=np.float32)
        ranks[np.asarray(order)] = np.arange(attribution.size, 0, -1)
        attribution = ranks.reshape(attribution.shape)
    arguments = _batch(x, attribution, target)
    arguments["x_batch"] = np.ones((1, 1, *x.shape[1:]), dtype=np.float32)
    with global_seed(0):
        metric = quantus.PixelFlipping(
            features_in_step=rows_per_step * x.shape[2], perturb_baseline=0.0, **PLAIN
        )
        scores = metric(model=_Masked(model, x), softmax=True, **arguments)
    return [float(p) for p in scores[0]]


def quantus_deletion(model, x, m, target, rows_per_step, order=None):
    """Normalised trapezoid area under PixelFlipping's curve, the untouched image put first."""
    with torch.no_grad():
        first = float(torch.softmax(model(x.unsqueeze(0))[0], dim=-1)[target])
    curve = [first, *quantus_deletion_curve(model, x, m, target, rows_per_step, order)]
    return sum((a + b) / 2.0 for a, b in pairwise(curve)) / (len(curve) - 1)


def perturbations_for_seed(seed, nr_samples, shape):
    """The noise that Max- and AvgSensitivity draw for one image: (nr_samples, *shape) float64.

    Uniform in [-0.2, 0.2], one draw of the whole flattened image a sample. Quantus adds it in
    float64 and stores the sum as float32.
    """
    return np.random.RandomState(seed).uniform(-0.2, 0.2, size=(nr_samples, *shape))


def _explanation(explain_func):
    if isinstance(explain_func, str):
        return quantus.explain, {"method": explain_func}

    def adapted(model, inputs, targets, **_):
        maps = []
        for image in np.asarray(inputs, dtype=np.float32):
            values = explain_func(torch.from_numpy(image.copy()).unsqueeze(0))
            if isinstance(values, torch.Tensor):
                values = values.detach().cpu().numpy()
            maps.append(np.asarray(values, dtype=np.float32))
        return np.stack(maps)

    return adapted, {}


def quantus_sensitivity(model, x, m, target, seed, explain_func, nr_samples=10):
    """``{"max_sensitivity", "avg_sensitivity"}`` from Quantus, both with the same noise.

    ``explain_func``: "Saliency" or "Gradient" (Quantus's own explanations) or a function
    (1, 3, H, W) -> (H, W). abs is on, which matters for the signed "Gradient"; normalise is off.
    The noise is ``perturbations_for_seed(seed, nr_samples, x.shape)``.
    """
    function, arguments = _explanation(explain_func)
    settings = {**PLAIN, "abs": True, "nr_samples": nr_samples, "lower_bound": 0.2}
    result = {}
    for key, kind in (
        ("max_sensitivity", quantus.MaxSensitivity),
        ("avg_sensitivity", quantus.AvgSensitivity),
    ):
        with global_seed(seed):
            scores = kind(**settings)(
                model=model,
                explain_func=function,
                explain_func_kwargs=dict(arguments),
                **_batch(x, m, target),
            )
        result[key] = float(scores[0])
    return result
