"""timm's classifiers, against timm's own loading and preprocessing; skipped without timm."""

import http.server
import socket
import threading
import time

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from test_cam_layers import at, check_the_classifier_reads_only

from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models import weights as w
from xaibench.models.batchnorm import with_group_statistics
from xaibench.models.load import load_model
from xaibench.models.timm import _check, _config, _input

library = pytest.importorskip("timm")
SMALL = "mobilenetv4_conv_small_035"
slow = pytest.mark.slow


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Empty caches of torch and of the hub; the hub is a closed port of this machine."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    place = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
    return tmp_path


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
def test_preprocessing_is_timms_own(name, monkeypatch):
    """At the same rounding: timm divides by 255 and we multiply."""
    monkeypatch.setattr("xaibench.models.timm._trained", lambda *_: Named(1000))
    monkeypatch.setattr("xaibench.models.timm._file", lambda *_: None)
    monkeypatch.setattr("xaibench.models.timm.load_state", lambda _: {})
    ours = load_model(f"timm:{name}").input
    config = library.data.resolve_data_config(
        pretrained_cfg=library.get_pretrained_cfg(name).to_dict()
    )
    theirs = library.data.create_transform(**config, is_training=False)
    with Image.open(load_dataset("samples").open(3)) as image:
        photograph = image.convert("RGB")
    found, expected = ours.preprocess("short_side")(photograph), theirs(photograph)
    assert found.shape == expected.shape == config["input_size"]
    assert (found - expected).abs().max() < 1e-6


class Named(torch.nn.Linear):
    def __init__(self, num_classes):
        super().__init__(1, 1)
        self.num_classes = num_classes


def test_random_weights_are_the_same_every_time():
    one, two = (load_model(f"timm:{SMALL}@random") for _ in range(2))
    assert one.weights_sha256 == two.weights_sha256
    assert (one.weights_id, one.name) == ("random(seed=0)", f"timm:{SMALL}")
    assert not one.module.training


def test_a_local_file_is_loaded_and_hashed(tmp_path):
    state = library.create_model(SMALL, num_classes=7).state_dict()
    save_file(state, tmp_path / "own.safetensors")
    found = load_model(f"timm:{SMALL}", tmp_path / "own.safetensors")
    assert all(torch.equal(v, state[k]) for k, v in found.module.state_dict().items())
    assert found.weights_sha256 == w.file_sha256(tmp_path / "own.safetensors")
    assert found.weights_id.startswith(f"file:own.safetensors as {SMALL}")
    assert found.num_classes == 7
    with torch.no_grad():
        assert found(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_weights_of_another_network_are_counted(tmp_path):
    state = library.create_model(SMALL).state_dict()
    del state["conv_stem.weight"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(XaibenchError, match=r"1 are missing, as conv_stem\.weight") as raised:
        load_model(f"timm:{SMALL}", tmp_path / "other.pth")
    assert "\n" not in str(raised.value)


def test_older_names_are_timms_business(tmp_path):
    """ConvNeXt's original files; timm's own conversion is used for --weights as well."""
    state = library.create_model("convnext_atto").state_dict()
    old = {
        k.replace("stages.0.blocks.", "stages.0.")
        .replace("mlp.fc1", "pwconv1")
        .replace("mlp.fc2", "pwconv2")
        .replace("conv_dw", "dwconv")
        .replace("stem.", "downsample_layers.0.")
        .replace("head.norm", "norm")
        .replace("head.fc", "head"): v
        for k, v in state.items()
    }
    for stage in (1, 2, 3):
        old = {
            k.replace(f"stages.{stage}.downsample.", f"downsample_layers.{stage}.").replace(
                f"stages.{stage}.blocks.", f"stages.{stage}."
            ): v
            for k, v in old.items()
        }
    torch.save({"model": old}, tmp_path / "original.pth")
    found = load_model("timm:convnext_atto", tmp_path / "original.pth").module.state_dict()
    assert all(torch.equal(v, state[k].reshape(v.shape)) for k, v in found.items())


@pytest.mark.parametrize("place", ["torch", "hub"])
def test_cached_weights_need_no_network(cache, place):
    state = library.create_model("resnet18").state_dict()
    if place == "torch":
        path = cache / "torch" / "hub" / "checkpoints" / "resnet18.a1_in1k.safetensors"
    else:
        folder = cache / "hub" / "models--timm--resnet18.a1_in1k"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0123")
        path = folder / "snapshots" / "0123" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file(state, path)
    found = load_model("timm:resnet18")
    assert all(torch.equal(v, state[k]) for k, v in found.module.state_dict().items())
    assert found.weights_id == "resnet18.a1_in1k"
    assert found.weights_sha256 == w.state_sha256(found.module)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_the_hub_is_asked_once_and_its_file_kept(cache, monkeypatch, file):
    """From a server on this machine that answers as the hub does."""
    import huggingface_hub.constants as constants

    state = library.create_model("resnet18").state_dict()
    save_file(state, cache / "model.safetensors")
    torch.save(state, cache / "pytorch_model.bin")
    content = (cache / file).read_bytes()

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            found = self.path.endswith(f"/timm/resnet18.a1_in1k/resolve/main/{file}")
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", "0" * 40)
            if not found:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", base)
        place = f"{base}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
        try:
            first = load_model("timm:resnet18")
        finally:
            server.shutdown()
    again = load_model("timm:resnet18")
    assert first.weights_sha256 == again.weights_sha256
    assert all(torch.equal(v, state[k]) for k, v in again.module.state_dict().items())


def test_without_a_network_it_fails_at_once_with_three_remedies(cache):
    began = time.monotonic()
    with pytest.raises(XaibenchError) as raised:
        load_model("timm:resnet18")
    assert time.monotonic() - began < 5
    said = str(raised.value)
    for part in (
        "the weights resnet18.a1_in1k are not cached and cannot be downloaded",
        "go online once",
        "save model.safetensors of the hub's timm/resnet18.a1_in1k as",
        str(cache / "torch" / "hub" / "checkpoints" / "resnet18.a1_in1k.safetensors"),
        "--weights FILE",
    ):
        assert part in said
    assert "\n" not in said


def test_weights_that_are_not_on_the_hub_are_looked_for_at_their_address(cache, monkeypatch):
    monkeypatch.setattr(w, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))
    file = library.get_pretrained_cfg("legacy_xception").url.split("/")[-1]
    with pytest.raises(XaibenchError, match=rf"no route.*save {file} as .*{file}"):
        load_model("timm:legacy_xception")


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


def test_a_silent_hub_fails_after_a_few_seconds(cache, silent, monkeypatch):
    import huggingface_hub.constants as constants

    place = f"{silent}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    monkeypatch.setattr("xaibench.models.timm.CONNECT_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(XaibenchError, match=r"cannot be downloaded \(timed out\).*go online once"):
        load_model("timm:resnet18")
    assert time.monotonic() - began < 4


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


def test_a_file_contradicts_random(tmp_path):
    with pytest.raises(UsageError, match="drop @random or --weights"):
        load_model("timm:resnet18@random", tmp_path / "x.pth")


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
