"""The oracles themselves: against their sources' libraries, and where they must be awkward."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import cam, causal, complexity, confidence, gradients, iba, monotonicity, table4
from scipy.ndimage import gaussian_filter
from torch import nn
from torchvision.models import resnet50
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Net(nn.Module):
    """A strided network whose `cam` layer is 1/4 of the input's size; (B, 3, H, W) -> (B, 6)."""

    def __init__(self, stride: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU())
        self.cam = nn.Sequential(nn.Conv2d(6, 5, 3, stride, 1), nn.ReLU())
        self.head = nn.Linear(5, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.cam(self.stem(images)).mean(dim=(2, 3)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    network = Net().eval()
    for parameter in network.parameters():
        parameter.data.mul_(3.0)
        parameter.requires_grad_(False)
    return network


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def lopsided(height: int = 16, width: int = 16) -> np.ndarray:
    """A map in [0, 1] that is unlike its transpose and has ties."""
    rows, columns = np.mgrid[:height, :width]
    return ((2 * rows + columns // 3) % 11 / 10).astype(np.float32)


# --- causal and confidence ---


def test_reverse_is_the_flipped_stable_sort() -> None:
    for m in (lopsided(), np.ones((5, 7)), np.random.default_rng(0).random((9, 4))):
        assert causal.ranking(m) == causal.ranking_flip(m).tolist()
        assert causal.ranking(m) == causal.ranking(m, "reverse")
    assert causal.ranking(np.ones((1, 3))) == [2, 1, 0]
    assert causal.ranking(np.ones((1, 3)), "row_major") == [0, 1, 2]


@pytest.mark.parametrize("size", [5, 11])
def test_blur_kernel_is_scipys(size: int) -> None:
    delta = np.zeros((size, size))
    delta[size // 2, size // 2] = 1
    assert np.allclose(causal.blur_kernel(size), gaussian_filter(delta, 5), rtol=0, atol=1e-15)


def test_the_scripts_area(net: Net, x: torch.Tensor) -> None:
    curve = causal.deletion_curve(net, x[0], lopsided(), 2, 2, precision="float32")
    assert len(curve) == 9
    assert causal.auc_script(curve) == pytest.approx(causal.auc(curve), abs=2e-7)


def test_float32_probabilities_saturate() -> None:
    """At 1 - p near 2e-8 float32 sees no gain, float64 does."""
    logits = torch.tensor([18.0, 0.0, 0.0])
    higher = torch.tensor([18.5, 0.0, 0.0])
    single = confidence.confidence_from_logits(logits, higher, 0, "float32")
    double = confidence.confidence_from_logits(logits, higher, 0, "float64")
    assert single == {"average_drop": 0.0, "average_increase": 0.0, "average_gain": 0.0}
    assert double["average_increase"] == 1.0
    assert double["average_gain"] == pytest.approx(1 - math.exp(-0.5), rel=1e-6)
    with pytest.raises(ValueError, match="precision"):
        causal.target_probability(logits, 0, "float16")


def test_float32_in_the_tensors_of_the_script() -> None:
    """object_recognition.py's types: p float64 from JSON, q float32, e in the divisors."""
    p32, q32 = torch.softmax(torch.randn(2, 50, 9), dim=-1)[..., 3]
    p = torch.tensor([float(v) for v in p32], dtype=torch.float64)
    e = np.finfo(float).eps
    drop, gain = (p - q32).clamp(min=0) / (p + e), (q32 - p).clamp(min=0) / (1 - p + e)
    assert drop.dtype == torch.float64
    for i in range(50):
        found = confidence.confidence_of(p32[i].item(), q32[i].item(), "float32")
        assert found["average_drop"] == drop[i].item()
        assert found["average_gain"] == gain[i].item()
        assert found["average_increase"] == float(q32[i] > p32[i])


def test_the_two_masked_images_agree(x: torch.Tensor) -> None:
    ours = confidence.masked_image(x[0], lopsided(), MEAN, STD)
    script = confidence.masked_image_script(x[0], lopsided(), MEAN, STD)
    assert (ours - script).abs().max() < 2e-6
    assert (confidence.masked_image(x[0], np.ones((16, 16)), MEAN, STD) == x[0]).all()


def test_monotonicity_of_a_sure_network_has_ties_in_float32() -> None:
    class Sure(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = images.mean(dim=(1, 2, 3))
            return torch.stack([25 + total, 0 * total], dim=1)

    x, draws_ = torch.zeros(3, 16, 16), np.random.default_rng(0).random((8, 4, 3))
    arguments = (Sure(), x, lopsided(), 0, 2, draws_)
    assert math.isnan(monotonicity.monotonicity(*arguments, precision="float32"))
    assert -1 <= monotonicity.monotonicity(*arguments) <= 1


# --- cams ---


def test_gradcampp_without_epsilon(net: Net, x: torch.Tensor) -> None:
    """Where g > 0 equation 19 is 1 / (2 + S g), and so is the weight's term g / (2 + S g)."""
    activations, gradients_ = cam._activations_and_gradients(net, net.cam, x, 1)
    total = activations.sum(dim=(1, 2), keepdim=True).double()
    g = gradients_.double().clamp(min=0)
    weights = (g / (2 + total * g)).sum(dim=(1, 2), keepdim=True)
    expected = (weights * activations.double()).sum(dim=0)
    found = cam.gradcampp_paper(net, net.cam, x, 1)
    assert np.allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, cam.gradcampp_formula(net, net.cam, x, 1), rtol=1e-3)
    mean = cam.gradcampp_paper(net, net.cam, x, 1, normalized_alphas=True)
    assert not np.allclose(mean / mean.max(), found / found.max(), rtol=1e-3)


def test_gradcampp_of_a_layer_without_gradient(net: Net, x: torch.Tensor) -> None:
    net.head.weight.zero_()
    assert (cam.gradcampp_paper(net, net.cam, x, 1) == 0).all()


def test_scorecam_with_align_corners_is_the_librarys(net: Net, x: torch.Tensor) -> None:
    native = cam.scorecam_formula(net, net.cam, x, 1, align_corners=True)
    low, high = native.min(), native.max()
    library = cam.scorecam_library(net, net.cam, x, 1)
    enlarged = nn.functional.interpolate(
        torch.from_numpy((native - low) / (high - low))[None, None], size=(16, 16), mode="bilinear"
    )[0, 0].numpy()
    enlarged = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
    assert np.abs(enlarged - library).max() < 1e-5


def test_scorecam_variants_differ_and_skip_constant_channels(net: Net, x: torch.Tensor) -> None:
    net.cam[0].weight[0] = 0.0
    net.cam[0].bias[0] = 2.0
    activations, _ = cam._activations_and_gradients(net, net.cam, x, 1)
    assert (activations[0] == 2.0).all()
    paper = cam.scorecam_formula(net, net.cam, x, 1)
    library_way = cam.scorecam_formula(net, net.cam, x, 1, align_corners=True)
    repository = cam.scorecam_formula(net, net.cam, x, 1, weights="probability")
    assert not np.allclose(paper, library_way)
    rest = torch.zeros(4, 4, dtype=torch.float64)
    for channel in activations[1:]:
        mask = nn.functional.interpolate(channel[None, None], size=(16, 16), mode="bilinear")[0, 0]
        if mask.max() > mask.min():
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            rest += torch.softmax(net(x * mask)[0], dim=0)[1] * channel
    assert np.allclose(repository, rest, rtol=1e-4)
    with pytest.raises(ValueError, match="weights"):
        cam.scorecam_formula(net, net.cam, x, 1, weights="logit")


# --- effective complexity by loss ---


def test_effective_complexity_of_a_network_that_reads_one_row() -> None:
    """Keeping the row that the network reads is enough; a map that ranks it last needs all."""

    class Row(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = images[:, :, 2].sum(dim=(1, 2))
            return torch.stack([total, torch.zeros_like(total)], dim=1)

    x = torch.full((3, 8, 8), 1.0)
    fills = np.random.default_rng(0).random((8, 10, 3)) - 1.0
    first, last = np.zeros((8, 8)), np.zeros((8, 8))
    first[2], last[2] = 1.0, -1.0
    assert complexity.effective_complexity_loss(Row(), x, first, 0, fills, steps=8) == 8
    assert complexity.effective_complexity_loss(Row(), x, last, 0, fills, steps=8) == 64
    losses = complexity.effective_complexity_losses(Row(), x, first, 0, fills, steps=8)
    assert losses[0] > 0.05**2
    assert losses[1:] == [0.0] * 7


def test_effective_complexity_of_a_network_that_reads_nothing() -> None:
    class Blind(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 4)

    x, m, fills = torch.zeros(3, 8, 8), lopsided(8, 8), np.zeros((10, 3))
    assert complexity.effective_complexity_loss(Blind(), x, m, 0, fills, steps=8) == 8
    assert complexity.effective_complexity_loss(Blind(), x, m, 0, fills, steps=8, first=0) == 0


def test_effective_complexity_is_the_smallest_step_that_qualifies() -> None:
    """Tied pixels are kept by index descending; that the loss rises again does not count."""

    class Corner(nn.Module):
        """Sees its class with the last pixel kept, unless pixel 8 is kept without pixel 0."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            flat = images[:, 0].flatten(1)
            score = 9 * flat[:, 15] * (1 - flat[:, 8] * (1 - flat[:, 0]))
            return torch.stack([score, torch.zeros_like(score)], dim=1)

    x, m, fills = torch.ones(3, 4, 4), np.ones((4, 4)), np.zeros((1, 3))
    losses = complexity.effective_complexity_losses(Corner(), x, m, 0, fills, 4)
    assert losses[1] == 0.0
    assert min(losses[2:]) > 0.05**2
    assert complexity.effective_complexity_loss(Corner(), x, m, 0, fills, 4) == 4
    upwards = {"ties": "row_major"}
    assert complexity.effective_complexity_loss(Corner(), x, m, 0, fills, 4, **upwards) == 16


# --- table 4 ---


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


# --- the bottleneck on inputs of another size ---


def statistics(c: int, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    mean = torch.rand(c, h, w, generator=generator, dtype=torch.float64)
    std = torch.rand(c, h, w, generator=generator, dtype=torch.float64)
    std[0, 0] = 0.0  # to be clamped, before it is resized
    return mean, std, torch.rand(c, h, w, generator=generator) > 0.3


def draws(*shape: int) -> torch.Tensor:
    return torch.randn(
        3, 2, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )


def test_iba_of_the_same_size_is_the_untransformed_one(net: Net, x: torch.Tensor) -> None:
    net.double()
    mean, std, active = statistics(5, 4, 4)
    arguments = (net, net.cam, x.double(), 2, mean, std, active, draws(5, 4, 4))
    one = iba.information_bottleneck(*arguments)
    assert np.allclose(iba.iba_transformed(*arguments), one, rtol=1e-12)


def test_iba_by_the_scripts_own_tries(net: Net) -> None:
    """Against the control flow of lib/IBA.py: compute, and resize where torch raises."""
    net.double()
    mean, std, active = statistics(5, 4, 4)
    for pixels, shape in ((8, (5, 2, 2)), (32, (5, 8, 8)), (4, (5, 1, 1))):
        image = torch.randn(1, 3, pixels, pixels, dtype=torch.float64)
        noise = draws(*shape)
        found = iba.iba_transformed(net, net.cam, image, 2, mean, std, active, noise)
        expected, seen = tries(net, image, mean, std, active, noise)
        size = (4, 4) if shape[1] == 1 else shape[1:]
        assert found.shape == (5, *size)
        assert seen == size  # what the rest of the network gets
        assert np.allclose(found, expected, rtol=1e-9)
        assert iba.information_map(found, pixels).shape == (pixels, pixels)


def tries(net, image, mean, std, active, noise):
    """One image through the bottleneck as the script runs it; capacity and the size passed on."""
    state = {"mean": mean, "std": std.clamp(min=0.01), "active": active.double(), "size": None}
    alpha = torch.full(mean.shape, 5.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=1.0)

    def enlarge(values, size):
        return nn.functional.interpolate(values, size=size, mode="bilinear")

    def divergence(r, opening):
        variance = (1 - opening) ** 2
        mu = opening * ((r - state["mean"]) / state["std"])
        return -0.5 * (1 + variance.log() - mu**2 - variance)

    for eps in noise:

        def hook(module, inputs, r, eps=eps):
            opening = torch.stack([iba._smooth(torch.sigmoid(alpha), 1.0, 5)] * len(r))
            try:
                held = divergence(r, opening)
            except RuntimeError:
                for key in ("mean", "std"):
                    state[key] = enlarge(state[key][None], r.shape[-2:])[0]
                opening = enlarge(opening, r.shape[-2:])
                held = divergence(r, opening)
            try:
                held = held * state["active"]
            except RuntimeError:
                state["active"] = enlarge(state["active"][None], r.shape[-2:])[0]
                held = held * state["active"]
            state["capacity"] = held.mean(dim=0)
            z = opening * r + (1 - opening) * (state["std"] * eps + state["mean"])
            state["size"] = tuple(z.shape[-2:])
            return z * state["active"]

        handle = net.cam.register_forward_hook(hook)
        logits = net(image.expand(2, -1, -1, -1))
        handle.remove()
        loss = -torch.log_softmax(logits, dim=1)[:, 2].mean() + 10 * state["capacity"].mean()
        (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimiser.step()
    return state["capacity"].detach().numpy(), state["size"]


def test_feature_statistics_count_strictly_above_the_threshold() -> None:
    features = torch.zeros(100, 1, 1, 2)
    features[0, 0, 0, 0] = 1.0
    features[:2, 0, 0, 1] = 1.0
    mean, std, active = iba.feature_statistics(features.split(30))
    assert active[0, 0].tolist() == [False, True]
    assert mean[0, 0, 1] == pytest.approx(0.02)
    assert std[0, 0, 1] == pytest.approx(features[:, 0, 0, 1].std().item())


# --- gradients ---


def test_integrated_gradients_by_hand_are_captums(net: Net, x: torch.Tensor) -> None:
    for baseline in (0.0, torch.tensor([-2.0, -1.0, 0.5])):
        ours = gradients.integrated_gradients_formula(net, x, 1, baseline, 20)
        captum = gradients.integrated_gradients_captum(net, x, 1, baseline, 20)
        assert np.abs(ours - captum).max() < 1e-5 * np.abs(captum).max()
