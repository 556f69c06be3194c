"""Which classes are explained, and whether a dataset's labels are the network's classes."""

from __future__ import annotations

import re

from xaibench.config.run import RunConfig
from xaibench.datasets import ilsvrc
from xaibench.datasets.base import Dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.published.classes import imagenet

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


def labelled(classifier: TorchClassifier, dataset: Dataset, said: bool = False) -> bool:
    """Whether the images have classes, and these are the network's."""
    try:
        check_labels(classifier, dataset, said)
    except UsageError:
        return False
    return dataset.labelled


def check_labels(classifier: TorchClassifier, dataset: Dataset, said: bool = False) -> None:
    """UsageError where the dataset's labels are not the network's classes: ImageNet's for one.

    said: the user has said which they are, with --classes.
    """
    count = classifier.num_classes
    if max(dataset.labels) >= count or (not said and count != 1000 and _imagenet(dataset)):
        raise UsageError(
            f"{classifier.name} has {count} classes of its own, and the labels of {dataset.name} "
            "are not among them: use --target predicted, or say with --classes FILE which class "
            "each folder is."
        )


def _imagenet(dataset: Dataset) -> bool:
    """Whether the labels are ImageNet's: its own name, its class folders, its names in a list.

    Folders named by class index say what the classes are, whatever the files are called.
    """
    *folders, name = dataset.ids[0].split("/")
    return (
        dataset.name in ("samples", "imagenet")
        or any(ilsvrc.is_wnid(folder) for folder in folders)
        or (bool(folders) and bool(imagenet().indices(folders[0])))
        or (not folders and bool(IMAGENET.search(name)))
    )


def unnamed(dataset: Dataset) -> str:
    """What keeps folders, most of which have names of ImageNet's classes, from being classes."""
    folders = dict.fromkeys(name.split("/")[0] for name in dataset.ids if "/" in name)
    others = [folder for folder in folders if not imagenet().indices(folder)]
    if dataset.labelled or not others:
        return ""
    if 2 * len(others) > len(folders):
        known = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        return f" that the network is known to have (folders {known}; --classes FILE says them)"
    return f" (folder '{others[0]}' is no class of ImageNet's; {len(folders) - len(others)} are)"
