"""Weights: local files, contradictions, caches, and what is said where there is no network."""

import socket
import threading
import time

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from xaibench.errors import UsageError, XaibenchError
from xaibench.models import weights as w
from xaibench.models.load import load_model

SMALL = "shufflenet_v2_x0_5"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty torch cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_safetensors_of_a_network_with_versions(tmp_path):
    state = load_model("mnasnet0_5@random").module.state_dict()
    save_file(dict(state), tmp_path / "own.safetensors")
    found = load_model("mnasnet0_5", tmp_path / "own.safetensors").module.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in found.items())


@pytest.mark.parametrize("name", [SMALL, f"torchvision:{SMALL}", f"torchvision:{SMALL}@DEFAULT"])
@pytest.mark.parametrize("form", ["safetensors", "pth", "wrapped", "parallel"])
def test_a_local_file_is_loaded_and_hashed(tmp_path, name, form):
    state = {k: v + 1 for k, v in load_model(f"{SMALL}@random").module.state_dict().items()}
    path = tmp_path / ("own.safetensors" if form == "safetensors" else "own.pth")
    if form == "safetensors":
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    elif form == "wrapped":
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        prefix = "module." if form == "parallel" else ""
        torch.save({prefix + k: v for k, v in state.items()}, path)
    found = load_model(name, path)
    assert all(torch.equal(v, state[k]) for k, v in found.module.state_dict().items())
    assert found.weights_sha256 == w.file_sha256(path)
    assert found.weights_id.removesuffix(" as IMAGENET1K_V1") == f"file:{path.name}"
    assert found.num_classes == 1000


def test_a_network_has_as_many_classes_as_its_weights(tmp_path):
    for name in (SMALL, "squeezenet1_1"):  # the head of one is linear, of the other a convolution
        torch.save(models.get_model(name, num_classes=7).state_dict(), tmp_path / "seven.pth")
        found = load_model(name, tmp_path / "seven.pth")
        assert found.num_classes == 7
        with torch.no_grad():
            assert found(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a state dict", "cannot read weights from .*give a state dict"),
        ([1, 2], "holds no state dict"),
        ({"a": 1}, "holds no state dict"),
        (Evil(), r"cannot read weights from .*UnpicklingError"),
    ],
    ids=["noise", "list", "numbers", "code"],
)
def test_what_is_no_state_dict_is_refused(tmp_path, capsys, content, message):
    path = tmp_path / "noise.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(XaibenchError, match=message):
        load_model(SMALL, path)
    assert "run" not in capsys.readouterr().out


def test_noise_called_safetensors_is_refused(tmp_path):
    (tmp_path / "noise.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(XaibenchError, match="cannot read weights"):
        load_model(SMALL, tmp_path / "noise.safetensors")
    with pytest.raises(XaibenchError, match="is not a file"):
        load_model(SMALL, tmp_path)


def test_weights_of_another_network_are_counted_and_named(tmp_path):
    state = load_model(f"{SMALL}@random").module.state_dict()
    state["conv1.0.weight"] = state["conv1.0.weight"][:, :1]
    state["extra"] = state.pop("conv5.0.weight")
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(XaibenchError) as raised:
        load_model(SMALL, tmp_path / "other.pth")
    said = str(raised.value)
    for part in (
        "1 are missing, as conv5.0.weight",
        "1 are not the network's, as extra",
        "1 have another shape, as conv1.0.weight (24, 1, 3, 3)",
        "--model and --weights belong together",
    ):
        assert part in said
    assert "\n" not in said


def test_random_and_a_file_contradict_each_other(tmp_path):
    with pytest.raises(UsageError, match="drop @random or --weights"):
        load_model(f"{SMALL}@random", tmp_path / "x.pth")
    with pytest.raises(UsageError, match="embedded weights alone"):
        load_model("efficientnet_lite0@random")


def test_a_name_beside_a_file_chooses_the_preprocessing(tmp_path):
    torch.save(models.get_model("mobilenet_v2").state_dict(), tmp_path / "own.pth")
    first = load_model("mobilenet_v2", tmp_path / "own.pth")
    second = load_model("torchvision:mobilenet_v2@imagenet1k_v2", tmp_path / "own.pth")
    assert (first.input.resize, second.input.resize) == (256, 232)
    assert first.weights_id == "file:own.pth"
    assert second.weights_id == "file:own.pth as IMAGENET1K_V2", "another identity"


@pytest.mark.parametrize(
    "name",
    [
        "densenet121",
        "mnasnet0_5",
        "regnet_x_400mf",
        pytest.param("googlenet", marks=pytest.mark.slow),
        pytest.param("inception_v3", marks=pytest.mark.slow),
    ],
)
def test_files_of_torchvision_load_as_torchvision_loads_them(home, tmp_path, name):
    """A file in torchvision's cache, read by its own builder and by --weights: equal logits."""
    entry = models.get_model_weights(name)["IMAGENET1K_V1"]
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    state = models.get_model(name, **options).state_dict()
    if name == "densenet121":  # as the file really is
        names = {k: k.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") for k in state}
        state = {names[k]: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    home.mkdir(parents=True)
    path = home / entry.url.split("/")[-1]
    torch.save(state, path)
    theirs = models.get_model(name, weights=entry).eval()
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(load_model(name, path).module(image), theirs(image))


def test_a_damaged_file_in_the_cache_is_named(home):
    home.mkdir(parents=True)
    url = models.get_model_weights(SMALL)["IMAGENET1K_V1"].url
    (home / url.split("/")[-1]).write_bytes(b"half a download")
    with pytest.raises(XaibenchError, match=r"is damaged or another file.*delete it"):
        load_model(SMALL)


def check_remedies(raised, *words):
    said = str(raised.value)
    for part in ("not cached and cannot be downloaded", "go online once", "--weights FILE", *words):
        assert part in said
    assert "\n" not in said


def test_without_a_network_there_are_three_remedies(home, monkeypatch, capsys):
    monkeypatch.setattr(w, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))
    with pytest.raises(XaibenchError) as raised:
        load_model(SMALL)
    url = models.get_model_weights(SMALL)["IMAGENET1K_V1"].url
    check_remedies(raised, "IMAGENET1K_V1 of shufflenet_v2_x0_5", "no route", f"{home}/")
    assert url.split("/")[-1] in str(raised.value)
    assert raised.value.exit_code == 1
    assert capsys.readouterr() == ("", "")


def test_a_refused_connection_fails_at_once(home):
    began = time.monotonic()
    with pytest.raises(XaibenchError) as raised:
        w.cached("of a test", f"http://127.0.0.1:{closed_port()}/net-0123abcd.pth")
    check_remedies(raised, str(home / "net-0123abcd.pth"), "refused")
    assert time.monotonic() - began < 2


def test_a_silent_network_fails_after_a_few_seconds(home, silent, monkeypatch):
    assert w.CONNECT_SECONDS <= 5
    monkeypatch.setattr(w, "CONNECT_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(XaibenchError) as raised:
        w.cached("of a test", f"{silent}/net-0123abcd.pth")
    check_remedies(raised, "timed out")
    assert time.monotonic() - began < 3
    assert not list(home.glob("*"))


def test_a_download_is_kept_and_checked(home, tmp_path):
    """From a server on this machine: the second call needs it no more."""
    import functools
    import hashlib
    import http.server

    content = b"weights" * 1000
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / name).write_bytes(content)
    (tmp_path / "served" / "net-00000000.pth").write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        try:
            assert w.cached("of a test", f"{base}/{name}").read_bytes() == content
            with pytest.raises(XaibenchError) as wrong:
                w.cached("of a test", f"{base}/net-00000000.pth")
            check_remedies(wrong, "invalid hash value")
            with pytest.raises(XaibenchError) as missing:
                w.cached("of a test", f"{base}/absent.pth")
            check_remedies(missing, "404")
        finally:
            server.shutdown()
    assert w.cached("of a test", f"{base}/{name}").read_bytes() == content
    assert [p.name for p in home.iterdir()] == [name]
