"""Sparseness, complexity and effective complexity of one map, from the formulas, in float64."""

import math

import numpy as np


def _values(m):
    return [float(v) for v in np.asarray(m).reshape(-1)]


def sparseness(m, shift=1e-7):
    """Gini index of the values of ``m`` (H, W), in [0, 1); 0 where all are equal.

    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML
    2020; formula of Hurley & Rickard (2009): with the n values ascending,
    sum over k of (2k - n - 1) v_k / (n sum of v). ``shift`` is added to every value first, so an
    all-zero map is defined and has index 0.
    """
    values = sorted(v + shift for v in _values(m))
    n = len(values)
    weighted = math.fsum((2 * k - n - 1) * v for k, v in enumerate(values, start=1))
    return weighted / (n * math.fsum(values))


def complexity(m):
    """Shannon entropy in nats of m / sum(m), in [0, ln(H W)]; 0 ln 0 counts as 0.

    Bhatt, Weller & Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
    2020. An all-zero map has no distribution: NaN.
    """
    values = _values(m)
    total = math.fsum(abs(v) for v in values)
    if total == 0.0:
        return float("nan")
    return -math.fsum(v / total * math.log(v / total) for v in values if v > 0.0)


def effective_complexity(m, eps=1e-5):
    """Number of pixels of ``m`` strictly above ``eps``, as a float, 0 for an all-zero map.

    The form Quantus gives to Nguyen & Martinez, "On quantitative aspects of model
    interpretability", 2020.
    """
    return float(sum(1 for v in _values(m) if v > eps))
