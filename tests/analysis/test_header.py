"""The header names the run and says when the paper's numbers are of something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xaibench.analysis.header import build_header, is_imagenet
from xaibench.config.declared import shipped
from xaibench.report.text import header_line


def test_the_papers_own_setting(make_frame) -> None:
    header = build_header(
        make_frame({"image": str(i)} for i in range(3)), replace(shipped(), as_published=True)
    )
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
        ({"protocol": "mine"}, "The protocol here is called mine; its values are not at hand"),
    ],
)
def test_differences_are_said(make_frame, run: dict[str, str], words: str) -> None:
    assert words in " ".join(build_header(make_frame([{}], **run)).notes)


def test_a_protocol_is_compared_by_its_values(make_frame) -> None:
    other = replace(shipped(), as_published=False)
    notes = " ".join(build_header(make_frame([{}], protocol="published"), other).notes)
    assert "whose values differ from these" in notes


def test_imagenet_names() -> None:
    assert is_imagenet("ILSVRC2012_val")
    assert is_imagenet("imagenet-val")
    assert not is_imagenet("imagenet-sample")
    assert not is_imagenet("samples")


@pytest.mark.parametrize(
    ("weights", "sha", "other"),
    [
        ("IMAGENET1K_V1", "ab", ""),
        ("IMAGENET1K_V2", "ab", "IMAGENET1K_V2"),
        ("random(seed=0)", "ab", "random(seed=0)"),
        ("file:mine.pth", "ab", "file:mine.pth"),
        ("file:resnet50-0676ba61.pth", "0676ba61b6795bbe", ""),  # torchvision's own file of V1
    ],
)
def test_weights_are_looked_for_in_the_manifest(
    make_frame, weights: str, sha: str, other: str
) -> None:
    """`resnet50@random` is called resnet50 in the scores."""
    identity = {"weights": weights, "weights_sha256": sha}
    header = build_header(make_frame([{}]), identity=identity)
    assert header.weights == other
    assert header.of_the_paper is not bool(other)
    said = f"The weights differ here (resnet50 with {other}, imagenet)"
    assert (said in " ".join(header.notes)) is bool(other)
    assert header_line(header).startswith(f"model resnet50{f' with {other}' if other else ''}, ")


def test_weights_of_another_network_are_not_spoken_of(make_frame) -> None:
    header = build_header(make_frame([{}], model="vgg16"), identity={"weights": "random(seed=0)"})
    assert (header.weights, header.network) == ("", "vgg16")
    assert "The model differs here (vgg16, imagenet)" in " ".join(header.notes)
