"""The CAM layer found from the network, for every family of torchvision."""

from dataclasses import replace

import pytest
import torch
from networks import with_random_state
from torch import nn

from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.layers import find_cam_layer
from xaibench.models.load import load_model
from xaibench.probes.hooks import activations, activations_and_gradients, replaced_output


def check_the_classifier_reads_only(classifier, layer, channels, side):
    """Maps of a fixed value there make the logits the same for all images; gradients reach them."""
    assert classifier.roles["cam"] == layer
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 3, side, side, generator=generator)
    maps, gradients = activations_and_gradients(classifier, "cam", images, torch.tensor([[0], [1]]))
    assert maps.shape[1] == channels
    assert maps.shape[2] > 1
    assert gradients.abs().sum() > 0
    with torch.no_grad():
        assert not torch.equal(*classifier(images))
        with replaced_output(classifier.layer("cam"), lambda out: torch.full_like(out, 0.5)):
            one, other = classifier(images)
    assert torch.allclose(one, other, atol=1e-6)


def at(name, side):
    """With weights that let the input through: at GoogLeNet's own random ones no bit of it does."""
    found = load_model(name)
    module = with_random_state(found.module)
    return replace(found, module=module, input=replace(found.input, crop=side))


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("densenet121", "features.norm5", 1024),
        ("efficientnet_b0", "features.8", 1280),
        ("mnasnet0_5", "layers", 1280),
        ("mobilenet_v2", "features.18", 1280),
        ("mobilenet_v3_small", "features.12", 576),
        ("regnet_y_400mf", "trunk_output", 440),
        ("resnet18", "layer4.1", 512),
        ("shufflenet_v2_x0_5", "conv5", 1024),
        ("squeezenet1_1", "features.12", 512),
        ("googlenet", "inception5b", 1024),
        pytest.param("convnext_tiny", "features.7", 768, marks=slow),
        pytest.param("resnext50_32x4d", "layer4.2", 2048, marks=slow),
        pytest.param("swin_t", "permute", 768, marks=slow),
        pytest.param("efficientnet_v2_s", "features.7", 1280, marks=slow),
    ],
)
def test_of_torchvision(name, layer, channels):
    check_the_classifier_reads_only(at(f"{name}@random", 64), layer, channels, 64)


@slow
@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("alexnet", "features.12", 256),
        ("inception_v3", "Mixed_7c", 2048),
        ("maxvit_t", "blocks.3", 512),
        ("vgg11_bn", "features.28", 512),
    ],
)
def test_of_torchvision_at_its_own_size(name, layer, channels):
    side = 299 if name == "inception_v3" else 224
    check_the_classifier_reads_only(at(f"{name}@random", side), layer, channels, side)


class Tokens(nn.Module):
    """A patch embedding, then a sequence or maps with channels last, as in transformers."""

    def __init__(self, last):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 8, 8)
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 5)
        self.last = last

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        x = self.norm(x if self.last else x.flatten(1, 2))
        return self.head(x.flatten(1, -2).mean(1))


def of(module, side=32, **layers):
    return TorchClassifier("own", freeze(module), InputSpec(crop=side), layers, "", "", 5)


@pytest.mark.parametrize("last", [False, True])
def test_tokens_have_none(last):
    network = of(Tokens(last))
    assert network.roles == {}
    with pytest.raises(UsageError, match=r"own has no layer with maps .*--cam-layer NAME"):
        network.layer("cam")
    images = torch.zeros(1, 3, 32, 32)
    with pytest.raises(XaibenchError, match=r"layer 'norm' gives .* no maps"):
        activations(network, "norm", images)
    assert activations(network, "patches", images).shape == (1, 6, 4, 4)


@slow
def test_a_vision_transformer_has_none():
    with pytest.raises(UsageError, match="CAM methods do not apply"):
        load_model("vit_b_32@random").layer("cam")


class Reused(nn.Module):
    """One ReLU for all, whose second use ends the maps; a Sequential around the rest."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.Sequential(nn.Conv2d(4, 6, 1)))
        self.keep = nn.Identity()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)

    def forward(self, x):
        x = self.keep(self.body(self.relu(x.clone())))
        return self.head(self.pool(self.relu(x)).flatten(1))


def test_modules_used_twice_are_passed_over():
    """The outermost of those that hand on the same tensor, and of these the last."""
    assert find_cam_layer(Reused().eval(), torch.zeros(1, 3, 32, 32)) == "keep"


def test_loading_runs_nothing_and_the_search_runs_once():
    calls = []
    module = Tokens(False)
    module.register_forward_hook(lambda *_: calls.append(1))
    network = of(module)
    assert not calls
    _ = (network.roles, network.roles)
    assert calls == [1]
    assert of(module, cam="patches").roles == {"cam": "patches"}
    assert calls == [1]


def test_a_view_keeps_the_layer():
    network = load_model("shufflenet_v2_x0_5@random")
    view = network.view(batchnorm_groups=1)
    assert view.layers == network.roles == {"cam": "conv5"}
