"""Oracles of Table 4: transforms, the mirrored maps, groups of BatchNorm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import table4
from torchvision.models import resnet50
from torchvision.transforms import v2
from toys import lopsided


def test_gradient_maps_of_transformed_inputs_are_scored_mirrored(tmp_path) -> None:
    m = lopsided()
    assert not np.allclose(m, m.T)
    scored = table4.scored_gradient_map(m, True, tmp_path)
    assert scored.shape == (16, 16)
    assert scored.dtype == np.float32
    assert np.array_equal(scored, m.T)
    assert np.array_equal(table4.scored_gradient_map(m, False, tmp_path), m)
    signed = np.stack([-m, m / 2, 0 * m])
    assert np.array_equal(table4.scored_gradient_map(signed, True), m.T)
    assert table4.loaded_transformed(lopsided(16, 12)[None]).shape == (12, 16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_maps_are_scored_upright(dtype) -> None:
    m = lopsided().astype(dtype)
    assert np.array_equal(table4.scored_plain_map(m, True), m)
    assert np.array_equal(table4.scored_plain_map(m, False), m)
    assert table4.scored_plain_map(m, True).dtype == np.float32
    assert table4.scored_plain_map(m, False).dtype == dtype


def test_transformed_images_come_back_upright(x: torch.Tensor) -> None:
    assert torch.equal(table4.reloaded_image(x[0]), x[0])


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_rotation_is_the_formula(x: torch.Tensor, degrees: int) -> None:
    slow = table4.rotation_formula(x[0], degrees)
    assert (table4.rotation(x, degrees)[0] - slow).abs().max() < 1e-5


def test_rotation_turns_counter_clockwise() -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[..., 4, 8] = 1.0  # right of the centre
    assert table4.rotation(x, 90)[0, 0, 0, 4] == pytest.approx(1.0, abs=1e-5)  # above it


def test_fill_zero_fades_the_border_twice(x: torch.Tensor) -> None:
    bilinear = v2.InterpolationMode.BILINEAR
    twice = v2.functional.rotate(x, 45, interpolation=bilinear, fill=[0.0])
    assert (twice - table4.rotation(x, 45)).abs().max() > 1e-2


def test_mixup_is_torchvisions() -> None:
    xs = torch.randn(5, 3, 8, 8)
    mix = v2.MixUp(num_classes=7)
    torch.manual_seed(3)
    lam = float(mix._dist.sample(()))
    torch.manual_seed(3)
    mixed, _ = mix(xs, torch.arange(5))
    assert torch.allclose(table4.mixup_group(xs, lam), mixed, atol=1e-6)


def test_crop_has_one_box_for_a_batch() -> None:
    xs = torch.randn(5, 3, 40, 40)
    transform = v2.RandomResizedCrop(24, interpolation=v2.InterpolationMode.BILINEAR)
    torch.manual_seed(3)
    box = transform.make_params([xs])
    torch.manual_seed(3)
    place = (box["top"], box["left"], box["height"], box["width"])
    assert torch.equal(table4.crop(xs, place, 24), transform(xs))


def test_resize_takes_antialias_by_default(x: torch.Tensor) -> None:
    transform = v2.Resize((8, 8), interpolation=v2.InterpolationMode.BILINEAR)
    assert torch.equal(table4.resize(x, 8), transform(x))
    assert not torch.allclose(table4.resize(x, 8, antialias=False), transform(x), atol=1e-3)
    plain = table4.resize(x, 32, antialias=False)
    assert torch.allclose(table4.resize(x, 32), plain, atol=1e-5)


def test_groups_keep_the_order_of_the_list() -> None:
    assert table4.groups(["d", "a", "c"], 2) == [["d", "a"], ["c"]]


def test_batchnorm_groups() -> None:
    for transform, variations in {
        "mixup": (44, 55, 93, 32),
        "crop": (44, 55, 93, 32),
        "rotation": (45, 135, 225, 315),
        "resize": (32, 64, 128, 448),
    }.items():
        for variation in variations:
            assert table4.batchnorm_groups("gradient", transform, variation) == 5
            assert table4.batchnorm_groups("guidedbp", transform, variation) == 5
            many = transform == "mixup" or variation in (64, 128)
            assert table4.batchnorm_groups("ig", transform, variation) == (5 if many else 1)
    with pytest.raises(ValueError, match="eval"):
        table4.batchnorm_groups("gradcam", "crop", 44)


def test_one_image_of_32_pixels_cannot_pass_a_resnet_in_train_mode() -> None:
    network = resnet50(weights=None)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 3, 32, 32))
