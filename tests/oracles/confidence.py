"""Average Drop, Average Increase and Average Gain of one image, from their definitions.

Average Drop and Average Increase: Chattopadhay et al., "Grad-CAM++", WACV 2018.
Average Gain: Zhang et al., "Opti-CAM", 2023.
The masked image is made on the [0, 1] pixels: undo the normalisation, multiply, normalise again.

What the study's scripts do with p (the image's probability) and q (the masked image's), read in
evaluation/object_recognition.py, routines/evaluation/*.py and routines/diagnostics_generation.py:

- p and q are torch softmax of float32 logits, so both are float32 values.
- Tables 1 and 2 (interpretable_evaluation.py): p was written to JSON as a Python float, which keeps
  the float32 value exactly, and comes back as float64 by the loader's collation. q stays float32.
  Their difference, the divisors and the three metrics are float64 by type promotion.
- Table 4 (augmented_evaluation.py): p is computed in the script, so all of it is float32. For
  p >= 0.5 the float32 1 - p is exact, and the sign of p - q is the same, so only AD's and AG's
  last bits (6e-8 of the value) differ from the float64 arithmetic.
- Divisors: p + e and (1 - p) + e with e = 2.2e-16 (sys.float_info.epsilon). At p = 1 the numerator
  of AG is 0 as no q exceeds 1, so AG = 0 / e = 0; at p = 0, AD = 0. No NaN arises. For
  p near 1e-12 (least probable class) e lowers AD by 0.02 %.
- AI is the sign of q - p with negatives set to 0: 1 only where q > p as float32 values.
- Means: NumPy's over the list of all images; float64 in Tables 1 and 2, float32 in Table 4 (the
  list holds float32 scalars). The plain mean, so one NaN makes the cell NaN.

A true 1 - p under 6e-8 is 0 or one unit of float32: AI and AG of very confident images are then
those of the rounding. ``precision="float32"`` keeps this, ``"float64"`` does not.
"""

import sys

import torch

from .causal import target_probability


def probability(model, x, target, precision="float64"):
    """Softmax probability of class ``target`` for one input ``x`` (3, H, W), a Python float.

    One forward of batch size one in the network's precision; ``precision`` is the softmax's, see
    `causal.target_probability`.
    """
    with torch.no_grad():
        logits = model(x.unsqueeze(0))[0]
    return target_probability(logits, target, precision)


def masked_image(x, m, mean, std):
    """``x`` (3, H, W) with its pixels in [0, 1] multiplied by the map ``m`` (H, W).

    In float64, rounded once to x's dtype.
    """
    channels = []
    for c in range(x.shape[0]):
        pixels = x[c].double() * float(std[c]) + float(mean[c])
        pixels = pixels * torch.as_tensor(m, dtype=torch.float64)
        channels.append((pixels - float(mean[c])) / float(std[c]))
    return torch.stack(channels).to(x.dtype)


def masked_image_script(x, m, mean, std):
    """The same through two torchvision Normalize in x's own dtype, as the study's lib/data.py.

    Undoing is Normalize(mean=-mean/std, std=1/std), so (x + mean/std) / (1/std). In float32 an
    all-ones map gives x back only to about 3e-7, on which the AI of such maps rests. (A float64
    map, as Fake-CAM's in Tables 1 and 2, makes the product and second Normalize float64, rounded to
    float32 at the end; the undoing is float32 all the same. Here the map is rounded first, as
    Table 4's script does.)
    """
    from torchvision.transforms import Normalize

    undo = Normalize([-a / s for a, s in zip(mean, std, strict=True)], [1 / s for s in std])
    redo = Normalize(list(mean), list(std))
    return redo(torch.as_tensor(m).to(x.dtype)[None] * undo(x))


def confidence_of(p, q, precision="float64"):
    """The three metrics from the two probabilities, as a dictionary of floats.

    ``average_drop`` = max(p - q, 0) / p in [0, 1]; ``average_increase`` = 1 where q > p strictly,
    otherwise 0; ``average_gain`` = max(q - p, 0) / (1 - p) in [0, 1].
    ``float64``: a zero divisor gives NaN (0 / 0). ``float32``: p and q must be float32 values, the
    divisors get the scripts' 2.2e-16 and a zero divisor gives 0.
    """
    if precision == "float32":
        tiny = sys.float_info.epsilon
        drop, gain = max(p - q, 0.0) / (p + tiny), max(q - p, 0.0) / (1.0 - p + tiny)
    else:
        drop = max(p - q, 0.0) / p if p > 0.0 else float("nan")
        gain = max(q - p, 0.0) / (1.0 - p) if p < 1.0 else float("nan")
    return {
        "average_drop": drop,
        "average_increase": 1.0 if q > p else 0.0,
        "average_gain": gain,
    }


def confidence_from_logits(logits, masked_logits, target, precision="float64"):
    """`confidence_of` for given rows of logits (K,) of the image and of the masked image."""
    p = target_probability(logits, target, precision)
    q = target_probability(masked_logits, target, precision)
    return confidence_of(p, q, precision)


def confidence(model, x, m, target, mean, std, precision="float64"):
    """The three confidence metrics of one image, as a dictionary of floats.

    ``x`` (3, H, W) normalised, ``m`` (H, W); ``mean`` and ``std`` three numbers each.
    """
    p = probability(model, x, target, precision)
    q = probability(model, masked_image(x, m, mean, std), target, precision)
    return confidence_of(p, q, precision)
