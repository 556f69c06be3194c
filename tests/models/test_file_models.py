"""`file:MODULE.py:FUNCTION`: a network from the user's own file."""

import sys

import pandas as pd
import pytest
import torch
from helpers import cli

from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.models import weights as w
from xaibench.models.load import load_model

SOURCE = """
from torch import nn
from classes_beside import CLASSES
from xaibench.models.classifier import InputSpec, TorchClassifier

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 8), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

def build():
    return Net()

def small():
    spec = InputSpec(resize=72, crop=64, mean=(0.5,) * 3, std=(0.25,) * 3)
    return TorchClassifier("mine", Net(), spec, {"cam": "body.0"}, "x", "y")

def number():
    return 3

def broken():
    raise ValueError("first line\\nsecond")

def arguments(n):
    return Net()

class Pair(Net):
    def forward(self, x):
        return x, x

class Maps(Net):
    def forward(self, x):
        return self.body(x)

class Picky(Net):
    def forward(self, x):
        if x.shape[-1] != 96:
            raise RuntimeError("96 pixels only")

def empty():
    return nn.Identity()
"""


@pytest.fixture
def path(tmp_path):
    sys.modules.pop("classes_beside", None)  # of another test's folder
    (tmp_path / "classes_beside.py").write_text("CLASSES = 6\n")
    (tmp_path / "own net.py").write_text(SOURCE)
    return tmp_path / "own net.py"


def test_a_module_takes_imagenets_preprocessing(path):
    state = torch.get_rng_state()
    found = load_model(f"file:{path}:build")
    assert torch.equal(torch.get_rng_state(), state)
    assert (found.input.resize, found.input.crop, found.num_classes) == (256, 224, 6)
    assert found.roles == {"cam": "body"}
    assert found.name == "file:own net.py:build"
    assert found.weights_id == f"own net.py {w.file_sha256(path)}"
    assert found.weights_sha256 == w.state_sha256(found.module)
    assert not any(m.training for m in found.module.modules())
    assert not any(p.requires_grad for p in found.module.parameters())
    again = load_model(f"file:{path}:build")
    assert again.weights_sha256 == found.weights_sha256, "random weights are drawn from seed 0"
    assert load_model(f"file:{path}:Net").num_classes == 6, "a class is a function too"


def test_a_classifier_says_how_it_is_fed(path):
    found = load_model(f"file:{path}:small")
    assert (found.input.resize, found.input.crop, found.num_classes) == (72, 64, 6)
    assert found.roles == {"cam": "body.0"}
    assert found.name == "file:own net.py:small"
    assert len(found.weights_sha256) == 64


def test_weights_and_a_changed_file_are_another_identity(path, tmp_path):
    plain = load_model(f"file:{path}:build")
    state = {k: v + 1 for k, v in plain.module.state_dict().items()}
    torch.save(state, tmp_path / "own.pth")
    found = load_model(f"file:{path}:build", tmp_path / "own.pth")
    assert all(torch.equal(v, state[k]) for k, v in found.module.state_dict().items())
    assert found.weights_sha256 == w.file_sha256(tmp_path / "own.pth")
    assert found.weights_id.startswith("file:own.pth, own net.py ")
    path.write_text(SOURCE + "# changed\n")
    changed = load_model(f"file:{path}:build")
    assert changed.weights_sha256 == plain.weights_sha256
    assert changed.weights_id != plain.weights_id
    torch.save({"a": torch.zeros(1)}, tmp_path / "own.pth")
    with pytest.raises(XaibenchError, match=r"8 are missing|are missing, as body\.0\.weight"):
        load_model(f"file:{path}:build", tmp_path / "own.pth")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("biuld", UsageError, "unknown function in .*own net.py 'biuld': did you mean 'build'"),
        ("CLASSES", UsageError, "unknown function in"),
        ("number", XaibenchError, "returned int: it must return an nn.Module or a TorchClassifier"),
        ("broken", XaibenchError, r"failed \(ValueError: first line second\)"),
        ("arguments", XaibenchError, "called without arguments"),
        ("Pair", XaibenchError, r"returned tuple for one image: it must be logits \(1, K\)"),
        ("Maps", XaibenchError, r"returned \(1, 8, 28, 28\) for one image"),
        ("Picky", XaibenchError, r"cannot classify a 3x224x224 image \(RuntimeError: 96 pixels"),
        ("empty", XaibenchError, "has no parameters"),
    ],
)
def test_errors_name_the_remedy(path, function, error, message):
    with pytest.raises(error, match=message) as raised:
        load_model(f"file:{path}:{function}")
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("file:", UsageError, "write --model file:MODULE.py:FUNCTION"),
        ("file:net.py", UsageError, "write --model file:MODULE.py:FUNCTION"),
        ("file:absent.py:build", XaibenchError, r"absent\.py does not exist"),
    ],
)
def test_a_wrong_form(name, error, message):
    with pytest.raises(error, match=message):
        load_model(name)


def test_a_file_that_cannot_be_imported(tmp_path):
    (tmp_path / "net.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(XaibenchError, match=r"net\.py cannot be imported \(ModuleNotFoundError"):
        load_model(f"file:{tmp_path}/net.py:build")
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(UsageError, match="is not a Python file"):
        load_model(f"file:{tmp_path}/net.txt:build")


def test_from_the_command_line(path, tmp_path):
    """Six classes of its own: ImageNet's labels are refused, predicted classes are explained."""
    words = ["run", "--model", f"file:{path}:small", "--data", "samples", "--limit", "2"]
    words += ["--method", "gradcam", "--metric", "deletion", "--out", str(tmp_path / "run")]
    code, _, said = cli(*words)
    assert code == 2
    assert "has 6 classes of its own" in said
    assert "--target predicted" in said
    assert cli(*words, "--target", "predicted")[0] == 0
    frame = pd.read_parquet(tmp_path / "run" / "scores")
    assert set(frame["model"].astype(str)) == {"file:own net.py:small"}
    assert frame["class_index"].between(0, 5).all()
    path.write_text(SOURCE + "# changed\n")
    code, _, said = cli(*words, "--target", "predicted")
    assert code == 1
    assert "holds another run (weights: own net.py" in said


def test_folders_named_by_class_index_are_the_networks_own_classes(path, tmp_path):
    dataset = load_dataset("samples")
    for place, folder in enumerate(("0", "5", "6")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        (tmp_path / "data" / folder / "a.jpg").write_bytes(dataset.open(place).read())
    words = ["run", "--model", f"file:{path}:small", "--data", tmp_path / "data"]
    words += ["--method", "gradcam", "--metric", "deletion", "--out", tmp_path / "run"]
    code, _, said = cli(*words)
    assert code == 2
    assert "has 6 classes of its own, and the labels of data are not among them" in said
    (tmp_path / "data" / "6" / "a.jpg").unlink()
    assert cli(*words)[0] == 0
    frame = pd.read_parquet(tmp_path / "run" / "scores")
    assert sorted(frame["class_index"]) == [0, 5]


def test_files_with_imagenets_names_in_folders_of_the_networks_classes(path, tmp_path):
    """The folders say what the classes are, whatever the files are called."""
    dataset = load_dataset("samples")
    for place, folder in enumerate(("0", "5")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        name = f"ILSVRC2012_val_0000000{place + 1}.JPEG"
        (tmp_path / "data" / folder / name).write_bytes(dataset.open(place).read())
    words = ["run", "--model", f"file:{path}:small", "--data", tmp_path / "data"]
    words += ["--method", "gradcam", "--metric", "deletion", "--out", tmp_path / "run"]
    assert cli(*words)[0] == 0
    frame = pd.read_parquet(tmp_path / "run" / "scores")
    assert sorted(frame["class_index"]) == [0, 5]
