"""Weights of timm's classifiers: files, caches, the hub; skipped without timm."""

import http.server
import socket
import threading
import time

import pytest
import torch
from safetensors.torch import save_file

from xaibench.errors import UsageError, XaibenchError
from xaibench.models import timm as module
from xaibench.models import weights as w
from xaibench.models.load import load_model

library = pytest.importorskip("timm")


SMALL = "mobilenetv4_conv_small_035"


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


def test_a_silent_hub_fails_after_a_few_seconds(cache, silent, monkeypatch):
    import huggingface_hub.constants as constants

    place = f"{silent}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(XaibenchError, match=r"cannot be downloaded \(timed out\).*go online once"):
        load_model("timm:resnet18")
    assert time.monotonic() - began < 4


def test_a_file_contradicts_random(tmp_path):
    with pytest.raises(UsageError, match="drop @random or --weights"):
        load_model("timm:resnet18@random", tmp_path / "x.pth")
