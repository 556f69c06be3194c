"""A folder of images, in subfolders named by class where there are classes."""

from __future__ import annotations

from pathlib import Path

from xaibench.datasets.base import Dataset, files_below
from xaibench.errors import XaibenchError
from xaibench.published import imagenet_wnids
from xaibench.registry import dataset


@dataset(schemes=("imagefolder",))
def imagefolder(source: str) -> Dataset:
    """PATH: images in subfolders named by WordNet id or class index; a plain folder has none."""
    root = Path(source)
    ids = files_below(root)
    classes = {wnid: index for index, wnid in enumerate(imagenet_wnids())}
    classes |= {str(index): index for index in range(len(classes))}
    labels = [classes.get(name.split("/")[0], -1) if "/" in name else -1 for name in ids]
    without = [name for name, label in zip(ids, labels, strict=True) if label < 0]
    if without and len(without) < len(ids):
        raise XaibenchError(
            f"{len(without)} of {len(ids)} images in {root} are in no folder named by an ImageNet "
            f"class (first: {without[0]}): move them into one, or out of {root}."
        )
    return Dataset(root.resolve().name, root, tuple(ids), tuple(labels))
