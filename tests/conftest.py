"""What tests share: the embedded network and photographs, devices, the optional photographs."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from xaibench.config import yamls
from xaibench.datasets.load import load_dataset, read_images
from xaibench.models.classifier import TorchClassifier
from xaibench.models.load import load_model
from xaibench.types import Batch, Context

sys.path.insert(0, str(Path(__file__).parent))
# xdist runs one worker a core; `make portable` tries two threads as well
torch.set_num_threads(int(os.environ.get("XAIBENCH_TEST_THREADS", "1")))
DEVICES = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


os.environ.pop("COLUMNS", None)  # of the processes that tests are spread over: it folds lines


@pytest.fixture(scope="session", autouse=True)
def _latest_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave the user's record of the latest runs alone."""
    place = tmp_path_factory.mktemp("cache") / "latest.json"
    with mock.patch("xaibench.store.latest.place", return_value=place):
        yield


@pytest.fixture(scope="session", autouse=True)
def _workers_at_once() -> Iterator[None]:
    """Worker processes read all images that they are asked for, also the first few."""
    with mock.patch("xaibench.datasets.pixels.START", 0.0):
        yield


@pytest.fixture(scope="session", autouse=True)
def _yaml_is_parsed_once() -> Iterator[None]:
    """The same texts, protocols above all, are read thousands of times, at 20 ms each."""
    parse, known = yamls.load, {}

    def load(text: str) -> Any:
        if text not in known:
            known[text] = parse(text)
        return copy.deepcopy(known[text])

    with mock.patch.object(yamls, "load", load):
        yield


@pytest.fixture(autouse=True)
def own_shared_memory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The doctor finds nothing that other tests leave in shared memory when they are killed."""
    if request.path.stem == "test_killed_workers":  # about just that
        yield
        return
    with mock.patch("xaibench.store.health.SHARED_MEMORY", tmp_path_factory.getbasetemp() / "none"):
        yield


@pytest.fixture(scope="session", params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(scope="session")
def classifier(device: torch.device) -> TorchClassifier:
    return load_model("efficientnet_lite0").to(device)


@pytest.fixture(scope="session")
def whole() -> Batch:
    """The 20 embedded photographs with the published preprocessing, on the CPU."""
    dataset = load_dataset("samples")
    network = load_model("efficientnet_lite0")
    places, images, failed, _ = read_images(dataset, range(20), network, "squash", 0)
    assert not failed
    labels = torch.tensor(dataset.labels)
    return Batch(dataset.ids, images, labels, labels[:, None], ("ground_truth",), tuple(places))


@pytest.fixture(scope="session")
def photographs(whole: Batch) -> Batch:
    """The same; the tests of methods and metrics have them at half their size (`sizes.py`)."""
    return whole


@pytest.fixture(scope="session")
def context(classifier: TorchClassifier, device: torch.device) -> Context:
    return Context(classifier, device, seed=0, batch_size=16)


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """A hundred ImageNet photographs that are not part of the project."""
    folder = Path(__file__).parents[2] / "shared" / "images" / "imagenet-sample"
    if not folder.is_dir():
        pytest.skip("the hundred photographs are not here")
    return folder
