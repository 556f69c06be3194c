"""Table 4's transforms: what they do, on whole groups of the dataset's full order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from oracles.table4 import mixup_group
from oracles.table4 import rotation as script_rotation
from torchvision.transforms import v2

from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_transforms
from xaibench.config.variations import Variation, cut, variations
from xaibench.datasets.base import Dataset
from xaibench.datasets.load import Decoded
from xaibench.datasets.subset import Subset
from xaibench.seeds import derive
from xaibench.stages.images import Images

N = 13


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(N, 3, 40, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return Dataset("toy", tmp_path, tuple(f"i{n}" for n in range(N)), tuple(range(N)))


def reader(
    dataset: Dataset, pictures: torch.Tensor, seed: int = 3, order: Sequence[int] = ()
) -> Images:
    read = lambda places: Decoded(list(places), pictures[list(places)], [], {})  # noqa: E731
    return Images(Subset(dataset, tuple(order or range(N))), seed, read)


def of(spec: str, name: str, protocol: str = "published") -> Variation:
    found = variations(resolve_transforms([spec], load_protocol(protocol)))
    return next(v for v in found if v.name == name)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("mixup", "44 55 93 32"),
        ("resize", "32 64 128 448"),
        ("rotation", "45 135 225 315"),
        ("crop", "44 55 93 32"),
    ],
)
def test_four_variations_each(spec: str, names: str) -> None:
    found = variations(resolve_transforms([spec], load_protocol("published")))
    assert [v.name for v in found] == names.split()


def test_all_is_none_and_the_four() -> None:
    found = resolve_transforms(["all"], load_protocol("published"))
    assert list(found) == ["none", "crop", "mixup", "resize", "rotation"]


@pytest.mark.parametrize("seed", [3, 4])
def test_mixup_blends_with_the_one_before_in_the_group(dataset, pictures, seed) -> None:
    images = reader(dataset, pictures, seed)
    found = images.inputs([5, 6, 9, 10, 12], of("mixup", "55"))
    for place, got in zip([5, 6, 9, 10, 12], found, strict=True):
        group = place // 5
        members = list(range(5 * group, min(5 * group + 5, N)))
        stream = np.random.default_rng(derive(seed, f"group {group}", "mixup 55"))
        lam = stream.beta(1, 1)
        partner = members[members.index(place) - 1]
        expected = lam * pictures[place] + (1 - lam) * pictures[partner]
        assert torch.allclose(got, expected, atol=1e-6)


def test_groups_are_consecutive_in_the_subsets_own_order(dataset, pictures) -> None:
    order = [7, 2, 11, 0, 9, 4, 12]
    images = reader(dataset, pictures, order=order)
    found = images.inputs([2, 4], of("mixup", "44"))
    expected = []
    for place, group, members in ((2, 0, order[:5]), (4, 1, order[5:])):
        lam = np.random.default_rng(derive(3, f"group {group}", "mixup 44")).beta(1, 1)
        batch = mixup_group(pictures[members], lam)
        expected.append(batch[members.index(place)])
    assert torch.allclose(found, torch.stack(expected), atol=1e-6)
    assert images.groups([12, 9]) == [order[:5], order[5:]]


@pytest.mark.parametrize("name", ["32", "64", "128", "448"])
def test_resize(dataset, pictures, name) -> None:
    found = reader(dataset, pictures).inputs([1, 7], of("resize", name))
    expected = v2.Resize([int(name)] * 2, antialias=True)(pictures[[1, 7]])
    assert torch.equal(found, expected)


def test_antialias_is_a_switch(dataset, pictures) -> None:
    images = reader(dataset, pictures)
    with_, without = (
        images.inputs([0], of(s, "32")) for s in ("resize", "resize(antialias=False)")
    )
    assert not torch.equal(with_, without)


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_rotation_is_counter_clockwise_and_filled_with_zero(dataset, pictures, degrees) -> None:
    from scipy.ndimage import rotate

    found = reader(dataset, pictures).inputs([2], of("rotation", str(degrees)))[0]
    expected = rotate(
        pictures[2].double().numpy(), degrees, axes=(2, 1), reshape=False, order=1, cval=0
    )
    inner = np.s_[:, 12:28, 12:28]  # scipy treats the border in another way
    assert np.allclose(found.numpy()[inner], expected[inner], atol=1e-3)
    assert (found[:, 0, 0] == 0).all()


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_rotation_weighs_the_border_once_as_the_script(dataset, pictures, degrees) -> None:
    images = reader(dataset, pictures)
    found = images.inputs([2], of("rotation", str(degrees)))[0]
    assert torch.equal(found, script_rotation(pictures[2], degrees))
    twice = images.inputs([2], of("rotation(fill=true)", str(degrees)))[0]
    assert (twice - found).abs().max() > 0.05


def test_crop_of_a_group_is_one_box_and_of_an_image_its_own(dataset, pictures) -> None:
    ramp = torch.arange(40.0).expand(N, 3, 40, 40).contiguous()
    published, reference = (
        reader(dataset, ramp).inputs(range(10), of("crop", "93", name))
        for name in ("published", "reference")
    )
    assert all(torch.equal(published[0], published[i]) for i in range(5))
    assert not torch.equal(published[0], published[5])
    assert len({tuple(image[0, 0].tolist()) for image in reference}) == 10
    assert published.shape == reference.shape == (10, 3, 40, 40)


@pytest.mark.parametrize("spec", ["mixup", "resize", "rotation", "crop", "crop(box=image)"])
def test_an_image_does_not_depend_on_its_companions_in_the_request(dataset, pictures, spec) -> None:
    view = variations(resolve_transforms([spec], load_protocol("published")))[1]
    whole = reader(dataset, pictures).inputs(range(N), view)
    state = torch.random.get_rng_state()
    for places in ([3], [11, 12], [12, 4, 0]):
        assert torch.equal(reader(dataset, pictures).inputs(places, view), whole[places])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_streams_differ_by_name_and_seed(dataset, pictures) -> None:
    views = [of("mixup", n) for n in ("44", "55")]
    found = [reader(dataset, pictures, s).inputs([0], v) for s in (0, 1) for v in views]
    assert len({f.sum().item() for f in found}) == 4


def test_batches_are_whole_groups_and_a_short_one_ends_its_batch() -> None:
    groups = [[0, 1], [2, 3], [4], [6, 7], [8, 9], [10, 11]]
    assert cut(groups, 2, 6) == [[0, 1, 2, 3, 4], [6, 7, 8, 9, 10, 11]]
    assert cut(groups, 2, 1) == groups
    assert cut([[4], [5], [6]], 2, 8) == [[4], [5], [6]]
    assert cut([[p] for p in range(5)], 1, 2) == [[0, 1], [2, 3], [4]]
    assert cut([], 5, 16) == []
