"""timm's classifiers, against timm's own loading and preprocessing; skipped without timm."""

import pytest
import torch
from PIL import Image
from test_cam_layers import at, check_the_classifier_reads_only

from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.batchnorm import with_group_statistics
from xaibench.models.load import load_model
from xaibench.models.timm import _check, _config, _input

library = pytest.importorskip("timm")
slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("resnet18", "layer4.1", 512),
        ("efficientnet_b0", "bn2", 1280),
        ("mobilenetv3_small_050", "blocks", 288),
        ("convnext_atto", "norm_pre", 320),
        ("regnety_002", "final_conv", 368),
        pytest.param("densenet121", "features.norm5", 1024, marks=slow),
        pytest.param("dla34", "level5", 512, marks=slow),
        pytest.param("resnetv2_50", "norm", 2048, marks=slow),
        pytest.param("legacy_xception", "act4", 2048, marks=slow),
        pytest.param("poolformer_s12", "stages", 512, marks=slow),
    ],
)
def test_the_cam_layer_is_found(name, layer, channels):
    check_the_classifier_reads_only(at(f"timm:{name}@random", 64), layer, channels, 64)


def test_transformers_have_none():
    network = load_model("timm:vit_tiny_patch16_224@random")
    assert network.roles == {}
    with pytest.raises(UsageError, match=r"timm:vit_tiny_patch16_224 has no layer with maps"):
        network.layer("cam")


@slow
@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "mixer_s16_224", "levit_128s"])
def test_others_without_maps_have_none(name):
    assert load_model(f"timm:{name}@random").roles == {}


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet18.tv_in1k", "tf_efficientnetv2_b0", "convnext_atto", "vgg11"]
)
def test_preprocessing_is_timms_own(name):
    """At the same rounding: timm divides by 255 and we multiply."""
    ours = _input(f"timm:{name}", _config(name))
    config = library.data.resolve_data_config(
        pretrained_cfg=library.get_pretrained_cfg(name).to_dict()
    )
    theirs = library.data.create_transform(**config, is_training=False)
    with Image.open(load_dataset("samples").open(3)) as image:
        photograph = image.convert("RGB")
    found, expected = ours.preprocess("short_side")(photograph), theirs(photograph)
    assert found.shape == expected.shape == config["input_size"]
    assert (found - expected).abs().max() < 1e-6


def test_the_network_is_fed_by_the_configuration_of_its_weights():
    one, other = (load_model(f"timm:resnet18.{tag}@random").input for tag in ("tv_in1k", "a1_in1k"))
    assert one == _input("timm:resnet18", _config("resnet18.tv_in1k"))
    assert one != other


def test_every_configuration_is_understood():
    """All pretrained weights of timm: classifiers with an input, or refused in one line."""
    kinds = {"fed": 0, "refused": 0}
    for name in library.list_pretrained():
        config = _config(name)
        try:
            _check(name, config)
            assert _input(name, config).crop >= 64
            kinds["fed"] += 1
        except UsageError:
            kinds["refused"] += 1
    assert kinds["fed"] > 1000
    assert kinds["refused"] > 100


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnt18", "unknown timm model 'resnt18': did you mean 'resnet18'"),
        ("timm:resnet18.tv_in1", "unknown weights of timm:resnet18 'tv_in1': did you mean"),
        ("timm:resnet18@tv_in1k", r"write timm:resnet18\.TAG, or @random"),
        ("timm:vit_small_patch14_dinov2", "puts out features, not classes"),
        ("timm:resnet50_clip@random", "puts out an embedding of 1024 values, not classes"),
        ("mobilenetv4_conv_small", "did you mean 'timm:mobilenetv4_conv_small'"),
        ("mobilenetv4_conv_small.e2400_r224_in1k", "did you mean 'timm:mobilenetv4_conv_small.e2"),
    ],
)
def test_errors_name_the_remedy(name, message):
    with pytest.raises(UsageError, match=message) as raised:
        load_model(name)
    assert "\n" not in str(raised.value)


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(XaibenchError, match=r"pip install 'xaibench\[timm\]'"):
        load_model("timm:resnet18")


@pytest.fixture(scope="module")
def fused():
    """An EfficientNet: its BatchNorm modules go on with the activation."""
    return at("timm:efficientnet_b0@random", 64)


def test_folding_keeps_the_activations(fused):
    images = torch.randn(2, 3, 64, 64)
    norms = [m for m in fused.inference.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not norms
    with torch.no_grad():
        plain, quick = fused(images), fused.inference(images)
    assert (plain - quick).abs().max() < 1e-4 * (plain.max() - plain.min())


def test_group_statistics_keep_the_activations(fused):
    """Equal to timm's own train mode of BatchNorm, a group at a time."""
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    module = load_model("timm:efficientnet_b0@random").module.double()
    variant = with_group_statistics(module, 2)
    assert type(variant.bn2.act) is type(module.bn2.act)
    with torch.no_grad():
        found = variant(images)
        for child in module.modules():
            if isinstance(child, torch.nn.BatchNorm2d):
                child.training = True
        expected = torch.cat([module(images[:2]), module(images[2:])])
    assert torch.allclose(found, expected)
