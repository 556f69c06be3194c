"""Are a dataset's labels the network's classes?"""

from __future__ import annotations

import re

from xaibench.datasets import ilsvrc
from xaibench.datasets.base import Dataset
from xaibench.errors import UsageError
from xaibench.models.classifier import TorchClassifier

IMAGENET = re.compile(r"n\d{8}|ILSVRC2012")


def check_labels(classifier: TorchClassifier, dataset: Dataset) -> None:
    """UsageError where the dataset's labels are not the network's classes: ImageNet's for one."""
    count = classifier.num_classes
    if max(dataset.labels) >= count or (count != 1000 and _imagenet(dataset)):
        raise UsageError(
            f"{classifier.name} has {count} classes of its own, and the labels of {dataset.name} "
            "are not among them: use --target predicted."
        )


def _imagenet(dataset: Dataset) -> bool:
    """Whether the labels are ImageNet's: its own name, its class folders, its names in a list.

    Folders named by class index say what the classes are, whatever the files are called.
    """
    *folders, name = dataset.ids[0].split("/")
    return (
        dataset.name in ("samples", "imagenet")
        or any(ilsvrc.is_wnid(folder) for folder in folders)
        or (not folders and bool(IMAGENET.search(name)))
    )
