"""The images of a block: each decoded once, transformed group by group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_transforms
from xaibench.config.variations import UNTOUCHED, Variation, variations
from xaibench.datasets.base import Dataset
from xaibench.datasets.load import Decoded, Unreadable
from xaibench.datasets.subset import Subset
from xaibench.errors import XaibenchError
from xaibench.stages.images import Images, Sent

COUNT = 12


class Decoder:
    """Gives image p the value p everywhere; remembers what it was asked for."""

    def __init__(self, bad: Sequence[int] = ()) -> None:
        self.bad, self.asked = set(bad), []

    def __call__(self, places: Sequence[int]) -> Decoded:
        self.asked += places
        good = [p for p in places if p not in self.bad]
        tensors = [torch.full((3, 16, 16), float(p)) for p in good]
        images = torch.stack(tensors) if tensors else torch.empty(0, 3, 0, 0)
        failures = [Unreadable(f"{p}.png", "broken") for p in places if p in self.bad]
        return Decoded(good, images, failures, {})


def images(decode: Decoder, places: Sequence[int] = range(COUNT), **more: set[int]) -> Images:
    ids = tuple(f"{i}.png" for i in range(COUNT))
    dataset = Dataset("some", Path(), ids, (0,) * COUNT)
    return Images(Subset(dataset, tuple(places)), 0, decode, **more)


def variation(name: str) -> Variation:
    requests = resolve_transforms([name], load_protocol("published"))
    return variations(requests)[0]


def test_each_image_is_decoded_once() -> None:
    decode = Decoder()
    held = images(decode)
    assert held.inputs([3, 1]).mean((1, 2, 3)).tolist() == [3, 1]
    assert held.inputs([1, 4, 3]).mean((1, 2, 3)).tolist() == [1, 4, 3]
    assert sorted(decode.asked) == [1, 3, 4]


def test_failures_are_kept_too_and_said_where_an_image_is_needed() -> None:
    decode = Decoder(bad=[2])
    held = images(decode)
    good, tensors, failures = held.read([1, 2, 3])
    assert (good, len(tensors), [f.image for f in failures]) == ([1, 3], 2, ["2.png"])
    held.read([2])
    assert decode.asked == [1, 2, 3]
    with pytest.raises(XaibenchError, match=r"2\.png was readable when the run began"):
        held.inputs([2])


def test_a_group_is_of_the_subsets_order_without_lost_images() -> None:
    order = [7, 3, 11, 0, 5, 1, 2]
    held = images(Decoder(), order, lost={11})
    assert held.groups([5]) == [[7, 3, 0, 5]]
    assert held.groups([2, 7]) == [[7, 3, 0, 5], [1, 2]]


@pytest.mark.parametrize("transform", ["mixup", "crop", "rotation", "resize"])
def test_an_input_does_not_depend_on_what_else_is_asked(transform: str) -> None:
    view = variation(transform)
    whole = images(Decoder()).inputs(list(range(10)), view)
    for places in ([6], [8, 2], [9, 8, 7, 6, 5]):
        some = images(Decoder()).inputs(places, view)
        assert torch.equal(some, whole[places])


def test_mixup_needs_its_whole_group_and_a_rotation_the_image_alone() -> None:
    for transform, asked in (("mixup", [5, 6, 7, 8, 9]), ("rotation", [6])):
        decode = Decoder()
        images(decode).inputs([6], variation(transform))
        assert sorted(decode.asked) == asked


def test_inputs_are_sent_to_the_device_once_and_given_as_copies(device) -> None:
    asked: list[int] = []

    def make(places: Sequence[int], _: Variation) -> torch.Tensor:
        asked.extend(places)
        return torch.stack([torch.full((3, 2, 2), float(p)) for p in places])

    sent, view = Sent(device, make), variation("crop")
    sent.inputs([3, 1], UNTOUCHED).zero_()
    again = sent.inputs([1, 2, 3], UNTOUCHED)
    assert again.device.type == device.type
    assert again[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert asked == [3, 1, 2]
    sent.inputs([3], view)
    assert sent.inputs([3], UNTOUCHED)[0, 0, 0, 0] == 3
    assert asked == [3, 1, 2, 3, 3]  # those of one variation at a time
