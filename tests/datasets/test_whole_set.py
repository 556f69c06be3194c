"""When a dataset is ImageNet's validation set: whole, smaller on purpose, or a broken copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from layouts import WNIDS
from refusals import FULL, NAMES

from xaibench.datasets import ilsvrc
from xaibench.errors import XaibenchError


def named(names: list[str], labels: list[int]) -> str:
    return ilsvrc.dataset_name(Path("/somewhere/val"), names, labels)


def test_the_whole_set_is_imagenet_whatever_its_folder() -> None:
    assert named(NAMES, FULL) == "imagenet"
    assert named([f"{WNIDS[c]}/{n}" for n, c in zip(NAMES, FULL, strict=True)], FULL) == "imagenet"
    assert named([f"shard/{i:06d}" for i in range(50_000)], FULL) == "imagenet"
    train = [f"{WNIDS[c]}/{WNIDS[c]}_{i}.JPEG" for i, c in enumerate(FULL)]
    assert named(train, FULL) == "val", "as many images of the training set are another dataset"


def test_a_set_is_smaller_on_purpose_or_a_broken_copy() -> None:
    for count in (1, 1000, 10_000, 48_238):
        assert named(NAMES[:count], FULL[:count]) == "val"
    for names in (NAMES, [f"s/{i}" for i in range(50_000)]):
        keep = [i for i in range(50_000) if i not in (122, 40_007)]
        with pytest.raises(XaibenchError, match="49,998 of ImageNet's 50,000") as found:
            named([names[i] for i in keep], [FULL[i] for i in keep])
        first = {NAMES[0]: "first missing: ILSVRC2012_val_00000123"}.get(names[0])
        assert (first or f"class {WNIDS[7]} has 49 of 50") in str(found.value)


def test_all_images_with_wrong_labels() -> None:
    labels = list(np.roll(FULL, 0))
    labels[0] = 5
    with pytest.raises(XaibenchError, match=r"class 0 \(n01440764\) has 49 images, not 50"):
        named(NAMES, labels)
