"""The header names the run and says when the paper's numbers are of something else."""

from __future__ import annotations

import pytest

from xaibench.report.header import build_header, is_imagenet


def test_the_papers_own_setting(make_frame) -> None:
    header = build_header(make_frame({"image": str(i)} for i in range(3)))
    assert (header.model, header.dataset, header.protocol) == ("resnet50", "imagenet", "published")
    assert header.images == 3
    assert len(header.notes) == 1
    assert "here there are 3" in header.notes[0]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"model": "efficientnet_lite0", "dataset": "samples"}, "The model and data differ here"),
        ({"model": "torchvision:resnet50@IMAGENET1K_V2"}, "The model differs here"),
        ({"dataset": "pets"}, "The data differs here"),
        ({"protocol": "reference"}, "The protocol here is reference"),
    ],
)
def test_differences_are_said(make_frame, run: dict[str, str], words: str) -> None:
    assert words in " ".join(build_header(make_frame([{}], **run)).notes)


def test_imagenet_names() -> None:
    assert is_imagenet("ILSVRC2012_val")
    assert is_imagenet("imagenet-val")
    assert not is_imagenet("imagenet-sample")
    assert not is_imagenet("samples")
