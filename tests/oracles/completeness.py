"""Completeness of one image's attribution.

Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, proposition 1: the
attributions sum to F(input) - F(baseline), with F the logit of the explained class.
"""

import numpy as np
import torch


def _logit(model, image, target):
    with torch.no_grad():
        return model(image.unsqueeze(0))[0, target].detach().cpu().numpy()


def black_baseline(x):
    """Constant image (3, H, W) at the smallest value that ``x`` has in any channel.

    What Quantus calls "black": the image's own minimum in normalised space, one number for all
    channels, and not the preprocessing's image of a black photograph.
    """
    return torch.full_like(x, float(x.min()))


def completeness_published(model, x, m, target):
    """1.0 where the float32 sum of ``m`` equals logit(x) - logit(baseline) exactly, else 0.0.

    The test of Quantus (no tolerance) on the float32 values as they are. The sum of float32 numbers
    depends on the order of addition, so the answer is in practice 0.0 for every map. (The
    difference is float32, as in Quantus 0.6; 0.5.3 subtracts Python floats, so it asks the float32
    sum to equal the unrounded difference. The study's released complex_analysis.py computes this
    value but no longer keeps it: the line that collects it is commented out, and the summary that
    reads it then raises IndexError.)
    """
    total = np.asarray(m, dtype=np.float32).reshape(-1).sum()
    difference = _logit(model, x, target) - _logit(model, black_baseline(x), target)
    return 1.0 if total == difference else 0.0


def completeness_residual(attribution_sum, logit_x, logit_baseline):
    """|sum - (logit_x - logit_baseline)| / |logit_x - logit_baseline|; 0.0 is complete.

    Where the logits are equal: NaN for a zero sum, infinity otherwise.
    """
    difference = float(logit_x) - float(logit_baseline)
    gap = abs(float(attribution_sum) - difference)
    if difference == 0.0:
        return float("nan") if gap == 0.0 else float("inf")
    return gap / abs(difference)
