"""What a run records about itself, and how it knows itself again."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from unittest import mock

import pytest

import xaibench
from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.store.identity import claim

METRIC = "insertion(rows_per_step=112)"
LITE0 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def quiet(_line: str) -> None:
    """Says nothing."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one photograph."""
    place = tmp_path_factory.mktemp("manifest") / "run"
    with mock.patch.object(sys, "argv", ["xaibench", "run", "--seed", "3"]):
        xaibench.run({"metric": METRIC, "limit": 1, "seed": 3, "out": place, "device": "cpu"})
    return place


@pytest.fixture(scope="module")
def record(out: Path) -> dict:
    (path,) = (out / "manifests").glob("run-*.json")
    return json.loads(path.read_text())


def test_command_seed_and_device(record: dict) -> None:
    assert record["command"] == ["xaibench", "run", "--seed", "3"]
    assert record["seed"] == 3
    assert record["device"].startswith("cpu")
    assert record["batch_size"] == 16


def test_configuration_and_its_hash(record: dict) -> None:
    assert record["config"]["metric"] == [METRIC]
    resolved = record["resolved"]
    assert resolved["metrics"][METRIC]["rows_per_step"] == 112
    assert resolved["metrics"][METRIC]["kernel"] == 5, "the protocol's value"
    assert resolved["methods"] == {"gradcam": {"layer": "cam"}}
    assert resolved["targets"] == ["ground_truth"]
    assert resolved["protocol"]["preprocessing"] == {"resize": "squash"}
    assert record["resolved_sha256"] == digest(resolved)


def test_versions(record: dict) -> None:
    versions = record["versions"]
    for name in ("torch", "torchvision", "numpy", "pandas", "pyarrow", "pillow", "safetensors"):
        assert versions[name] == metadata.version(name)
    assert versions["xaibench"] == xaibench.__version__
    assert versions["python"] == sys.version.split()[0]
    assert versions["platform"]


def test_git_revision(record: dict) -> None:
    revision = record["git_revision"]
    assert revision is None or len(revision.removesuffix("+changes")) == 40


def test_weights_and_data(record: dict) -> None:
    identity = record["identity"]
    assert identity["model"] == "efficientnet_lite0"
    assert "57934424" in identity["weights"]
    assert identity["weights_sha256"] == LITE0
    assert identity["layers"]["cam"] == "features"
    assert identity["dataset"] == "samples"
    assert len(identity["data_fingerprint"]) == 64
    assert identity["protocol"] == "published"
    assert identity["seed"] == 3


def test_start_end_and_counts(record: dict) -> None:
    started, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
    assert started.tzinfo is not None
    assert started < ended
    assert record["counts"] == {
        "images": 1,
        "unreadable": 0,
        "predictions": 1,
        "maps": 1,
        "scores": 1,
    }


def test_a_run_that_dies_has_no_end(tmp_path: Path) -> None:
    with (
        mock.patch("xaibench.stages.block.score_unit", side_effect=RuntimeError("died")),
        pytest.raises(RuntimeError, match="died"),
    ):
        xaibench.run({"metric": METRIC, "limit": 1, "out": tmp_path})
    (path,) = (tmp_path / "manifests").glob("run-*.json")
    record = json.loads(path.read_text())
    assert record["started"]
    assert record["ended"] is None


def test_every_process_writes_its_own(out: Path) -> None:
    before = {p: p.read_text() for p in (out / "manifests").iterdir()}
    xaibench.run({"metric": METRIC, "limit": 1, "seed": 3, "out": out})
    after = {p: p.read_text() for p in (out / "manifests").iterdir()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1


def test_identity_is_claimed_once(tmp_path: Path) -> None:
    claim(tmp_path, {"model": "a", "seed": 0}, quiet)
    claim(tmp_path, {"seed": 0, "model": "a"}, quiet)
    with pytest.raises(XaibenchError, match="seed: 0 there, 1 asked for") as error:
        claim(tmp_path, {"model": "a", "seed": 1}, quiet)
    assert "model" not in str(error.value).split("(")[1]
    with pytest.raises(XaibenchError, match="layer: None there"):
        claim(tmp_path, {"model": "a", "seed": 0, "layer": "x"}, quiet)


def drifted(place: Path) -> None:
    for path in (place / "manifests").glob("run-*.json"):
        path.write_text(path.read_text().replace('"numpy": "', '"numpy": "0.'))


def test_other_versions_are_a_warning_and_strict_refuses(tmp_path: Path) -> None:
    config = {"metric": METRIC, "limit": 1, "out": tmp_path / "run"}
    xaibench.run(config)
    drifted(tmp_path / "run")
    said: list[str] = []
    xaibench.run(config, say=said.append)
    assert [line for line in said if "warning" in line and "numpy 0." in line]
    with pytest.raises(XaibenchError, match=r"numpy 0\..*--strict"):
        xaibench.run(config | {"strict": True})
