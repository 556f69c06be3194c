import pytest
import torch

from xaibench.errors import UsageError, XaibenchError
from xaibench.models.load import load_model


@pytest.mark.parametrize(
    ("name", "weights", "layer", "error", "message"),
    [
        ("efficientnet_lite", None, None, UsageError, "did you mean 'efficientnet_lite0'"),
        ("torchvision:resnet5", None, None, UsageError, "unknown torchvision model 'resnet5'"),
        ("torchvision:resnet18@IMAGENET", None, None, UsageError, "did you mean"),
        ("torchvision:resnet18@random", None, "layer9", UsageError, "unknown layer of resnet18"),
        ("resnet50", "absent.pth", None, XaibenchError, "does not exist; check --weights"),
    ],
)
def test_errors_name_the_remedy(tmp_path, name, weights, layer, error, message):
    with pytest.raises(error, match=message) as raised:
        load_model(name, tmp_path / weights if weights else None, layer)
    assert "\n" not in str(raised.value)


def test_weights_that_are_none(tmp_path):
    path = tmp_path / "noise.pth"
    path.write_bytes(b"not a state dict")
    with pytest.raises(XaibenchError, match="cannot read weights"):
        load_model("torchvision:resnet18", path)
    torch.save([1, 2], path)
    with pytest.raises(XaibenchError, match="holds no state dict"):
        load_model("torchvision:resnet18", path)


def test_weights_of_another_network(tmp_path):
    path = tmp_path / "small.pth"
    torch.save(load_model("torchvision:squeezenet1_1@random").module.state_dict(), path)
    with pytest.raises(XaibenchError, match="do not fit the network"):
        load_model("torchvision:resnet18", path)


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
    assert classifier.layers.get("cam") == cam
    assert classifier.layers.get("iba") == iba
    seen = []
    handle = classifier.layer("cam").register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.no_grad():
        classifier(torch.zeros(1, 3, 224, 224))
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


def test_a_missing_cam_layer_is_an_error_only_where_it_is_asked_for():
    network = load_model("torchvision:shufflenet_v2_x0_5@random")
    for role, remedy in (("cam", "--cam-layer"), ("iba", "iba")):
        with pytest.raises(XaibenchError, match=remedy):
            network.layer(role)
