"""Which classes are explained, and whether a dataset's labels are the network's classes."""

from __future__ import annotations

import re

from xaibench.config.run import RunConfig
from xaibench.datasets import ilsvrc
from xaibench.datasets.base import Dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import TorchClassifier

IMAGENET = re.compile(r"n\d{8}|ILSVRC2012")


def targets(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    """The targets asked for; without classes, what the network predicts."""
    if config.target:
        if "ground_truth" in config.target and not dataset.labelled:
            raise XaibenchError(
                f"the images of {dataset.name} have no classes, so there is no "
                "ground_truth: use --target predicted."
            )
        return config.target
    return ("ground_truth",) if dataset.labelled else ("predicted",)


def labelled(classifier: TorchClassifier, dataset: Dataset) -> bool:
    """Whether the images have classes, and these are the network's."""
    try:
        check_labels(classifier, dataset)
    except UsageError:
        return False
    return dataset.labelled


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
