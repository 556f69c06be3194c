import pytest
import torch
from PIL import Image
from torchvision import models

from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.load import load_model
from xaibench.models.torchvision import _input as input_of
from xaibench.models.torchvision import _weights_entry


@pytest.fixture
def photograph():
    with Image.open(load_dataset("samples").open(3)) as image:
        return image.convert("RGB")


@pytest.mark.parametrize(
    ("name", "weights", "layer", "error", "message"),
    [
        ("efficientnet_lite", None, None, UsageError, "did you mean 'efficientnet_lite2'?"),
        ("torchvision:resnet5", None, None, UsageError, "unknown torchvision model 'resnet5'"),
        ("resnt50", None, None, UsageError, "unknown model 'resnt50': did you mean 'resnet50'"),
        ("vgg16@rndom", None, None, UsageError, "unknown weights of vgg16 'rndom': did you mean"),
        ("vit_h_14", None, None, UsageError, "choose torchvision:vit_h_14@IMAGENET1K_SWAG_E2E"),
        ("torchvison:vgg16", None, None, UsageError, "did you mean 'torchvision'"),
        ("torchvision:resnet18@IMAGENET", None, None, UsageError, "did you mean"),
        ("torchvision:resnet18@random", None, "layer9", UsageError, "unknown layer of resnet18"),
        ("resnet50", "absent.pth", None, XaibenchError, "does not exist; check --weights"),
    ],
)
def test_errors_name_the_remedy(tmp_path, name, weights, layer, error, message):
    with pytest.raises(error, match=message) as raised:
        load_model(name, tmp_path / weights if weights else None, layer)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "cam", "iba", "channels"),
    [
        ("torchvision:resnet18@random", "layer4.1", "layer2", 512),
        ("torchvision:resnet50@random", "layer4.2", "layer2", 2048),
        ("torchvision:squeezenet1_1@random", "features.12", None, 512),
        ("efficientnet_lite0", "features", "features.network._blocks.4", 1280),
    ],
)
def test_layers(name, cam, iba, channels):
    check_layers(load_model(name), cam, iba, channels)


@pytest.mark.slow  # half a gigabyte of weights
def test_layers_of_vgg16():
    """conv4_1 is the eighth convolution."""
    check_layers(load_model("torchvision:vgg16@random"), "features.30", "features.17", 512)


def check_layers(classifier, cam, iba, channels):
    assert classifier.roles.get("cam") == cam
    assert classifier.roles.get("iba") == iba
    seen = []
    handle = classifier.layer("cam").register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.no_grad():
        classifier.module(torch.zeros(1, 3, 224, 224))
    handle.remove()
    assert [tuple(s.shape[:2]) for s in seen] == [(1, channels)]


def test_random_weights_are_the_same_every_time():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = load_model("torchvision:resnet18@random")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    two = load_model("torchvision:resnet18@random")
    assert one.weights_sha256 == two.weights_sha256
    assert one.weights_id == "random(seed=0)"
    assert not any(m.training for m in one.module.modules())
    assert not any(p.requires_grad for p in one.module.parameters())


def test_a_named_cam_layer_takes_its_role():
    named = load_model("torchvision:shufflenet_v2_x0_5@random", cam_layer="conv5")
    assert named.layer("cam") is named.module.conv5


def test_a_missing_layer_is_an_error_only_where_it_is_asked_for():
    with pytest.raises(XaibenchError, match=r"iba\(layer=NAME\)"):
        load_model("torchvision:shufflenet_v2_x0_5@random").layer("iba")


def test_bare_names_are_torchvisions():
    one = load_model("ShuffleNet-V2-x0-5@random")
    assert one.name == "shufflenet_v2_x0_5"
    assert one.weights_sha256 == load_model("torchvision:shufflenet_v2_x0_5@random").weights_sha256


@pytest.mark.parametrize("name", ["efficientnet_b1", "swin_t", "resnet50", "shufflenet_v2_x1_5"])
@pytest.mark.parametrize("suffix", ["", "@DEFAULT"])
def test_preprocessing_is_that_of_the_weights(photograph, name, suffix):
    """Torchvision's own transform of the same weights, up to the rounding of x / 255."""
    entries = models.get_model_weights(name)
    entry = entries["DEFAULT" if suffix else "IMAGENET1K_V1"]
    ours = input_of(_weights_entry(name, suffix.removeprefix("@"), False))
    found, expected = ours.preprocess("short_side")(photograph), entry.transforms()(photograph)
    assert (found - expected).abs().max() < 1e-6
