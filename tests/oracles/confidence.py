"""Average Drop, Average Increase and Average Gain of one image, from their definitions.

Average Drop and Average Increase: Chattopadhay et al., "Grad-CAM++", WACV 2018.
Average Gain: Zhang et al., "Opti-CAM", 2023.
The masked image is made on the [0, 1] pixels: undo the normalisation, multiply, normalise again.
"""

import numpy as np
import torch


def probability(model, x, target):
    """Softmax probability of class ``target`` for one input ``x`` (3, H, W).

    One forward of batch size one in float32; the softmax itself is taken in float64.
    """
    with torch.no_grad():
        logits = model(x.unsqueeze(0))[0]
    values = logits.detach().cpu().numpy().astype(np.float64)
    exponentials = np.exp(values - values.max())
    return float(exponentials[target] / exponentials.sum())


def masked_image(x, m, mean, std):
    """``x`` (3, H, W) with its pixels in [0, 1] multiplied by the map ``m`` (H, W)."""
    channels = []
    for c in range(x.shape[0]):
        pixels = x[c].double() * float(std[c]) + float(mean[c])
        pixels = pixels * torch.as_tensor(m, dtype=torch.float64)
        channels.append((pixels - float(mean[c])) / float(std[c]))
    return torch.stack(channels).to(x.dtype)


def confidence(model, x, m, target, mean, std):
    """The three confidence metrics of one image, as a dictionary of floats.

    With p the probability of ``target`` for the image and q for the masked image:
    ``average_drop`` = max(p - q, 0) / p in [0, 1]; ``average_increase`` = 1 where q > p strictly,
    otherwise 0; ``average_gain`` = max(q - p, 0) / (1 - p) in [0, 1].
    A zero divisor gives NaN (0 / 0).
    """
    p = probability(model, x, target)
    q = probability(model, masked_image(x, m, mean, std), target)
    return {
        "average_drop": max(p - q, 0.0) / p if p > 0.0 else float("nan"),
        "average_increase": 1.0 if q > p else 0.0,
        "average_gain": max(q - p, 0.0) / (1.0 - p) if p < 1.0 else float("nan"),
    }
