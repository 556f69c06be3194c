"""What the scripts behind Table 4 (transformed inputs) do, step by step.

Read in the study's released code: routines/generation/*_augmentation_generation.py make and save
maps, lib/data.py (AugmentedEvaluator, CompleteEvaluator) loads them, and
routines/evaluation/augmented_evaluation.py (transformed) and interpretable_evaluation.py
(untransformed) score them; scripts/generation/*.sh list the calls. Seeds 44, 55, 93 and 32 only go
to the loader, which does not shuffle, so nothing drawn can be had again: lambda and boxes are
arguments here.
"""

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate
from torchvision.transforms import InterpolationMode, ToTensor, v2

# --- from a map as it is made to the map that is scored ---


def deprocessed(attribution):
    """Signed (3, H, W) -> (1, H, W) float32 in [0, 1]: lib/data.py, smooth_deprocessor.

    Absolute value, maximum over channels, then min-max with 2.2e-16 added to the range, which
    float32 does not notice unless the range is below 1e-8. A constant map becomes zeros.
    """
    values = torch.as_tensor(attribution).float().abs().amax(dim=0, keepdim=True)
    span = values.max() - values.min() + sys.float_info.epsilon
    return ((values - values.min()) / span).numpy()


def through_file(array, folder=None):
    """The array saved by numpy.save and loaded by numpy.load, as all scripts do (.npy)."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "map.npy"
        np.save(path, array)
        return np.load(path, allow_pickle=True)


def loaded_transformed(array):
    """A loaded map as augmented_evaluation.py scores it: (H, W) float32.

    AugmentedEvaluator calls torchvision's ToTensor, which takes a two-dimensional array as (1, H,
    W) and moves the last axis of a three-dimensional one to the front: an array (1, H, W) becomes
    (W, 1, H). The loader adds the batch axis. The script then averages the last axis where it has 3
    entries, or takes index 0 of the third axis where that has one entry: (B, W, 1, H) becomes
    (B, W, H), a channel axis goes in, and the map is scored as if it were (B, 1, H, W).
    """
    batch = default_collate([ToTensor()(array)])
    if batch.shape[-1] == 3:
        batch = batch.mean(dim=-1)
    elif batch.shape[-2] == 1:
        batch = batch[:, :, 0, :].unsqueeze(1)
    return batch.float()[0, 0].numpy()


def loaded_untransformed(array):
    """A loaded map as interpretable_evaluation.py scores it: (H, W), the array's dtype.

    CompleteEvaluator hands the array over as it is. The script averages the last axis where it has
    3 entries, or takes its only entry.
    """
    batch = default_collate([array])
    if batch.shape[-1] == 3:
        batch = batch.mean(dim=-1)
    elif batch.shape[-1] == 1:
        batch = batch[:, :, :, 0]
    return batch[0].numpy()


def scored_gradient_map(attribution, transformed=True, folder=None):
    """The map of `gradient`, `ig` or `guidedbp` that is scored, (H, W) float32 in [0, 1].

    ``attribution``: signed (3, H, W), or a map (H, W) in place of the maximum over channels.
    ``transformed=False`` (gradient_generation.py, integrated_grad_generation.py): the map (1, H, W)
    is transposed to (H, W, 1) before it is saved, and scored as it is.
    ``transformed=True`` (gradient_augmentation_generation.py, integrated_augmentation_generation
    .py): it is saved as (1, H, W), so that what is scored is the map mirrored at the diagonal,
    while the image, saved as (H, W, 3), comes back upright.
    """
    values = np.asarray(attribution)
    array = deprocessed(values if values.ndim == 3 else values[None])
    if not transformed:
        array = array.transpose((1, 2, 0))
    array = through_file(array, folder)
    return loaded_transformed(array) if transformed else loaded_untransformed(array)


def scored_plain_map(m, transformed=True, folder=None):
    """The map of a CAM, RISE, LIME, IBA or Fake-CAM that is scored, (H, W).

    All of them save two-dimensional arrays, transformed or not, which both readers leave as they
    are (float32 after the transformed one).
    """
    array = through_file(np.asarray(m), folder)
    return loaded_transformed(array) if transformed else loaded_untransformed(array)


def reloaded_image(x, folder=None):
    """A transformed image (3, H, W) after saving as (H, W, 3) and ToTensor: the same image."""
    array = np.asarray(torch.as_tensor(x).detach().cpu()).transpose((1, 2, 0))
    return ToTensor()(through_file(array, folder))


# --- groups ---


def groups(names, size):
    """``names`` in the subset's own order, cut into lists of ``size``; the last takes the rest.

    The scripts' DataLoader goes through the lines of the list (data/rand1k_1perclass_val.csv,
    shuffled classes) without shuffling; a batch is a group. Batches of 5 divide the 1,000.
    """
    return [list(names[i : i + size]) for i in range(0, len(names), size)]


# Batch sizes in scripts/generation/r50_{mixup,crop,rotation,resizing}.sh, ground-truth lines.
# Where nothing is listed: 5.
BATCHES = {
    ("ig", "crop"): 1,
    ("ig", "rotation"): 1,
    ("ig", "resize", 32): 1,
    ("ig", "resize", 448): 1,
    ("gradcam", "crop"): 50,
    ("gradcampp", "crop"): 50,
    ("scorecam", "crop"): 50,
    ("gradcam", "rotation"): 50,
    ("gradcampp", "rotation"): 50,
    ("gradcam", "resize"): 50,
    ("gradcampp", "resize"): 50,
    ("rise", "resize", 448): 1,
    ("iba", "resize", 32): 2,
    ("iba", "resize"): 1,
}


def script_batch(method, transform, variation):
    """Batch size of a script's call for the ground-truth class, one of 1, 2, 5 and 50.

    ``method`` is a registry key, ``transform`` one of mixup, crop, rotation, resize, ``variation``
    an integer (seed, degrees or pixels). The batch is the group of a mixup (5 for all methods) and
    of a crop's one box, and, where the network is in train mode (gradient, guidedbp, ig),
    BatchNorm's batch. Elsewhere it has no effect.

    Evidence: the listed lines only. All are commented out but the four Fake-CAM lines of
    r50_resizing.sh (83 to 86), so what ran, and with which batch, is inferred. One line cannot have
    run as it stands: ig, resize 32, batch 1 (r50_resizing.sh, line 8). The script sends the batch
    through the train-mode network before it calls captum, and BatchNorm raises ValueError for one
    image whose layer4 is 1 x 1. The line for the least probable class (line 15) has 5. Whether the
    printed cell comes from 5, or from another state of the script, is not known.
    """
    for key in ((method, transform, int(variation)), (method, transform)):
        if key in BATCHES:
            return BATCHES[key]
    return 5


def batchnorm_groups(method, transform, variation):
    """Images in one train-mode BatchNorm batch for gradient, guidedbp or ig: `script_batch`.

    gradient and guidedbp 5 everywhere; ig 5 for mixup and resize 64 and 128, otherwise 1 (times its
    100 interpolants, which go through the network together). The list's 1 for ig at resize 32 is
    not a size that its script can run with, see `script_batch`.
    """
    if method not in ("gradient", "guidedbp", "ig"):
        raise ValueError(f"{method} runs in eval mode, without groups")
    return script_batch(method, transform, variation)


# --- transforms, on normalised tensors ---


def mixup_group(xs, lam):
    """(n, 3, H, W) mixed: lam * image i + (1 - lam) * image i - 1, the first with the last.

    v2.MixUp with its default alpha 1: one lambda from Beta(1, 1) = uniform a call, so one a group.
    The class explained and scored is image i's own, also where lam < 0.5.
    """
    mixed = []
    for i in range(len(xs)):
        mixed.append(lam * xs[i] + (1.0 - lam) * xs[i - 1])
    return torch.stack(mixed)


def crop(xs, box, size=224, antialias=True):
    """(n, 3, H, W) -> (n, 3, size, size): one ``box`` (top, left, height, width) for the group.

    v2.RandomResizedCrop(size=224, bilinear) called on a batch: default scale (0.08, 1) of the area
    and ratio (3/4, 4/3), one box a call. antialias is not given: torchvision has had it on for
    tensors since 0.17, off before (0.15 and 0.16).
    """
    top, left, height, width = box
    return v2.functional.resized_crop(
        xs,
        top,
        left,
        height,
        width,
        [size, size],
        interpolation=InterpolationMode.BILINEAR,
        antialias=antialias,
    )


def resize(xs, size, antialias=True):
    """(..., 3, H, W) -> (..., 3, size, size): v2.Resize((size, size), bilinear), antialias as crop.

    Without antialias enlarging is the same and shrinking is not.
    """
    return v2.functional.resize(
        xs, [size, size], interpolation=InterpolationMode.BILINEAR, antialias=antialias
    )


def rotation(x, degrees):
    """(..., 3, H, W) turned by ``degrees``, counter-clockwise, as the scripts call torchvision.

    v2.functional.rotate with bilinear interpolation and nothing else given: the image keeps its
    size, turns about its centre, and fill is None.
    """
    return v2.functional.rotate(x, degrees, interpolation=InterpolationMode.BILINEAR)


def rotation_formula(x, degrees):
    """The same pixel by pixel for one image (3, H, W), slowly, float64.

    The output pixel at offset (dy, dx) from the centre ((H - 1) / 2, (W - 1) / 2) reads the input
    at the offset (dy cos + dx sin, dx cos - dy sin), rows growing downwards; bilinear over the four
    neighbours, those outside the image counting 0 (the mean colour), which is what fill None
    amounts to: the border fades once.
    """
    image = torch.as_tensor(x).double().numpy()
    height, width = image.shape[1:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            dy, dx = row - (height - 1) / 2, column - (width - 1) / 2
            y = dy * cos + dx * sin + (height - 1) / 2
            z = dx * cos - dy * sin + (width - 1) / 2
            top, left = math.floor(y), math.floor(z)
            for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= i < height and 0 <= j < width:
                    share = (1 - abs(y - i)) * (1 - abs(z - j))
                    result[:, row, column] += share * image[:, i, j]
    return torch.from_numpy(result)
