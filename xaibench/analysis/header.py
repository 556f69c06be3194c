"""What a report says before its first table: which run this is and what it compares with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.config.catalog import Catalog

PAPER = (
    'Zhang, Torres & Hermanns, "Saliency Maps Give a False Sense of Explanability to Image '
    'Classifiers", ACML 2024'
)
PAPER_IMAGES = 50_000
_PAPER_MODELS = ("resnet50", "torchvision:resnet50", "torchvision:resnet50@IMAGENET1K_V1")
_PAPER_WEIGHTS = "IMAGENET1K_V1"
_PAPER_FILE = "0676ba61"
"""What the SHA-256 of torchvision's file of these weights begins with; its name says so too."""
_PAPER_DATA = (
    "imagenet",
    "imagenetval",
    "imagenet1k",
    "imagenet1kval",
    "ilsvrc2012",
    "ilsvrc2012val",
)


@dataclass(frozen=True)
class Header:
    """The run behind a report; `images` counts the images with at least one score.

    weights: what is in the paper's network instead of the paper's weights, "" for these.
    """

    model: str
    dataset: str
    protocol: str
    images: int
    notes: tuple[str, ...]
    weights: str = ""

    @property
    def network(self) -> str:
        """The network's name, with weights that the name does not tell."""
        return f"{self.model} with {self.weights}" if self.weights else self.model

    @property
    def of_the_paper(self) -> bool:
        """Whether it is of the paper's network, weights and data."""
        own = self.model in _PAPER_MODELS and not self.weights
        return own and is_imagenet(self.dataset)


def build_header(
    scores: pd.DataFrame,
    catalog: Catalog | None = None,
    identity: Mapping[str, Any] | None = None,
) -> Header:
    """Describe the run that `scores` come from.

    Args:
        scores: of one run; `resnet50@random` is called resnet50 there.
        catalog: what its protocol declares.
        identity: what the manifest says the run is, its weights among it; without it the weights
            are taken to be those that the network's name stands for.

    Raises:
        XaibenchError: if there are no scores, or scores of more than one run identity.
    """
    if scores.empty:
        raise XaibenchError("there are no scores to report yet: start with `xaibench run`")
    model, dataset, protocol = (_only(scores, name) for name in ("model", "dataset", "protocol"))
    images = int(scores["image"].nunique())
    as_published = catalog.as_published if catalog else None
    weights = _other_weights(identity or {}) if model in _PAPER_MODELS else ""
    header = Header(model, dataset, protocol, images, (), weights)
    return replace(header, notes=_notes(header, as_published))


def _other_weights(identity: Mapping[str, Any]) -> str:
    """What a run of the paper's network has instead of the paper's weights; "" for these."""
    weights = str(identity.get("weights", _PAPER_WEIGHTS))
    same_file = str(identity.get("weights_sha256", "")).startswith(_PAPER_FILE)
    return "" if weights == _PAPER_WEIGHTS or same_file else weights


def _only(scores: pd.DataFrame, name: str) -> str:
    values = sorted(str(value) for value in scores[name].unique())
    if len(values) > 1:
        listed = ", ".join(values)
        raise XaibenchError(f"these scores have more than one {name} ({listed}): report each alone")
    return values[0]


def _notes(header: Header, as_published: bool | None) -> tuple[str, ...]:
    other = []
    if header.model not in _PAPER_MODELS:
        other.append("model")
    if header.weights:
        other.append("weights")
    if not is_imagenet(header.dataset):
        other.append("data")
    notes = []
    if other:
        what = " and ".join(other)
        verb = "differs" if other in (["model"], ["data"]) else "differ"
        notes.append(
            f"The paper's numbers are for ResNet-50 on {PAPER_IMAGES:,} ImageNet validation "
            f"images. The {what} {verb} here ({header.network}, {header.dataset}), so the "
            "differences are no errors of reproduction."
        )
    elif header.images < PAPER_IMAGES:
        notes.append(
            f"The paper's Tables 1-3 are means over {PAPER_IMAGES:,} images and its Table 4 over "
            f"1,000; here there are {header.images:,}."
        )
    if as_published is None:
        notes.append(
            f"The protocol here is called {header.protocol}; its values are not at hand. The "
            "paper's numbers come from what its code did; where definitions differ, so do the "
            "numbers."
        )
    elif not as_published:
        notes.append(
            f"The protocol here is {header.protocol}. The paper's numbers come from what its code "
            "did, the shipped protocol published, whose values differ from these; where "
            "definitions differ, so do the numbers."
        )
    return tuple(notes)


def of_passes(identity: Mapping[str, Any]) -> list[str]:
    """What a run's identity says of how the network's passes without gradients were computed."""
    ways = []
    if "dtype" in identity:
        ways.append(f"in {identity['dtype']}")
    if identity.get("compiled"):
        ways.append("by compiled code")
    what = "Forward passes without gradients were computed"
    return [f"{what} {' and '.join(ways)}; gradients in float32."] if ways else []


def is_imagenet(dataset: str) -> bool:
    """Say whether a dataset's name means the ImageNet ILSVRC2012 validation images."""
    return dataset.lower().translate(str.maketrans("", "", "-_ .:/")) in _PAPER_DATA
