"""RunConfig and Protocol: defaults, merging, names, hashes, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xaibench.config.files import digest, read_yaml
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.run import RunConfig, find_config, load_config, load_configs
from xaibench.config.shipped import config_files, protocol_files
from xaibench.errors import UsageError, XaibenchError

MINIMAL: dict[str, Any] = {
    "name": "mine",
    "description": "x",
    "preprocessing": {"resize": "squash"},
}


def test_defaults() -> None:
    config = RunConfig()
    assert config.method == ("gradcam",)
    assert config.metric == ("insertion", "deletion")
    assert config.target == ()
    assert config.protocol == "published"
    assert config.seed == 0
    assert config.limit is None
    assert config.batch_size == "auto"
    assert (config.data_name, config.model_name) == ("samples", "efficientnet_lite0")
    assert config.embedded


@pytest.mark.parametrize(
    ("values", "model", "embedded"),
    [
        ({"data": "samples"}, "efficientnet_lite0", False),
        ({"data": "/photos"}, "resnet50", False),
        ({"data": "/photos", "model": "efficientnet_lite0"}, "efficientnet_lite0", False),
        ({"model": "resnet50"}, "resnet50", False),
        ({"limit": 3}, "efficientnet_lite0", True),
    ],
)
def test_model_goes_with_the_data(values: dict[str, Any], model: str, embedded: bool) -> None:
    config = load_config(values)
    assert config.model_name == model
    assert config.embedded is embedded


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({}, "results/runs/samples-efficientnet_lite0-published"),
        ({"data": "/photos/val/"}, "results/runs/val-resnet50-published"),
        ({"protocol": "reference"}, "results/runs/samples-efficientnet_lite0-reference"),
        (
            {"model": "torchvision:vgg16@IMAGENET1K_V1"},
            "results/runs/samples-torchvision_vgg16_IMAGENET1K_V1-published",
        ),
        ({"protocol": "some/mine.yaml"}, "results/runs/samples-efficientnet_lite0-mine"),
        ({"out": "elsewhere", "data": "/photos"}, "elsewhere"),
    ],
)
def test_directory(values: dict[str, Any], place: str) -> None:
    assert load_config(values).directory == Path(place)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"protocol": "Published"}, {"protocol": "published"}),
        ({"model": "efficientnet-lite0"}, {"model": "efficientnet_lite0"}),
    ],
)
def test_the_same_names_have_the_same_directory(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert load_config(one).directory == load_config(other).directory


def test_lists_come_as_text_or_lists() -> None:
    for value in ("a,b(x=1,y=2)", ["a", "b(x=1,y=2)"], ["a,b(x=1,y=2)", "a"]):
        assert load_config({"method": value}).method == ("a", "b(x=1,y=2)")


def test_values_overlay_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("limit: 2\nbatch-size: 4\nMethod: [a, b]\nseed: 3\n")
    config = load_config({"limit": 5, "seed": None, "method": []}, file)
    assert (config.limit, config.batch_size, config.seed) == (5, 4, 3)
    assert config.method == ("a", "b")


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(ValidationError):
        RunConfig().limit = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"limt": 3}, "'limit'"),
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"seed": -1}, "seed"),
        ({"workers": -1}, "workers"),
        ({"batch_size": "big"}, "batch-size 'big'"),
        ({"batch_size": 0}, "batch-size '0'"),
        ({"target": ["predcted"]}, "'predicted'"),
        ({"method": 5}, "method"),
        ({"metric": [5]}, "metric"),
    ],
)
def test_bad_values(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        load_config(values)
    assert "\n" not in str(error.value)


def test_the_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("limt: 3")
    with pytest.raises(UsageError, match=r"wrong\.yaml"):
        load_config({}, file)


@pytest.mark.parametrize(("text", "kind"), [("a: [", UsageError), ("- a", UsageError)])
def test_bad_yaml(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(kind, match=r"x\.yaml"):
        read_yaml(tmp_path / "x.yaml")


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0\x00")
    with pytest.raises(XaibenchError, match=r"photo\.yaml"):
        read_yaml(tmp_path / "photo.yaml")


def test_find_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("smoke") == find_config("Smoke") == config_files()["smoke"]
    assert find_config("configs/smoke.yaml") == config_files()["smoke"]
    Path("smoke.yaml").write_text("limit: 1")
    assert find_config("smoke.yaml") == Path("smoke.yaml")
    with pytest.raises(UsageError, match="'smoke'"):
        find_config("smok")


def test_digest_is_canonical_and_pinned() -> None:
    assert digest({"a": 1, "b": [2, None]}) == digest({"b": [2, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_shipped_protocols() -> None:
    assert set(protocol_files()) == {"published", "reference"}
    published, reference = load_protocol("published"), load_protocol("Reference")
    assert (published.name, reference.name) == ("published", "reference")
    assert published.preprocessing.resize == "squash"
    assert reference.preprocessing.resize == "short_side"
    causal = published.metrics["causal"]
    assert (causal["rows_per_step"], causal["kernel"]) == (8, 5)
    causal = reference.metrics["causal"]
    assert (causal["rows_per_step"], causal["kernel"]) == (1, 11)
    assert published.normalization["gradcam"]["native_minmax"] is True
    assert not reference.normalization["gradcam"]["native_minmax"]


@pytest.mark.parametrize("name", ["published", "reference"])
def test_every_entry_of_a_shipped_protocol_exists_and_resolves(name: str) -> None:
    from xaibench.config.requests import resolve_methods, resolve_metrics
    from xaibench.registry import entries, get

    protocol = load_protocol(name)
    for kind, held in (("methods", protocol.methods), ("metrics", protocol.metrics)):
        functions = {get(kind, key).key for key in entries(kind)}
        assert held.keys() <= functions
    assert protocol.normalization.keys() <= entries("methods").keys()
    assert {m.spec for m in resolve_methods(["all"], protocol)} <= entries("methods").keys()
    assert {m.spec for m in resolve_metrics(["all"], protocol)} <= entries("metrics").keys()


def test_protocol_hash_is_of_what_is_computed() -> None:
    base = Protocol.model_validate(MINIMAL)
    assert Protocol.model_validate(MINIMAL | {"description": "y"}).sha256 == base.sha256
    for change in (
        {"name": "other"},
        {"preprocessing": {"resize": "short_side"}},
        {"metrics": {"causal": {"kernel": 3}}},
        {"normalization": {"gradcam": {"native_minmax": True}}},
    ):
        assert Protocol.model_validate(MINIMAL | change).sha256 != base.sha256


def test_protocol_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndescription: x\npreprocessing: {resize: squash}\n")
    assert load_protocol(str(file)) == Protocol.model_validate(MINIMAL)
    file.write_text("name: mine\ndescription: x\npreprocessing: {resize: stretch}\n")
    with pytest.raises(UsageError, match="resize"):
        load_protocol(str(file))
    with pytest.raises(UsageError, match="'published'"):
        load_protocol("publishd")


def test_the_papers_configurations_are_its_tables() -> None:
    from xaibench.published.tables import METHODS, TABLES

    found = load_configs({"limit": 3, "protocol": "reference"}, find_config("paper"))
    assert [c.limit for c in found] == [3] * 4
    assert found[0].target == TABLES[2].targets, "all targets at once, before one of them alone"
    for number, config in zip((2, 1, 3, 4), found, strict=True):
        spec = TABLES[number]
        assert set(config.method) == set(METHODS)
        assert set(config.metric) == set(spec.metrics)
        assert config.target == spec.targets
        assert config.transform == spec.transforms
        assert config.protocol == "reference"


def test_verify_is_the_papers_network_on_drawn_images_of_tables_1_and_3() -> None:
    first, third = load_configs({}, find_config("verify"))
    for config in (first, third):
        assert (config.limit, config.order, config.protocol) == (200, "drawn", "published")
        assert config.model_name == "torchvision:resnet50@IMAGENET1K_V1"
        assert config.directory == first.directory
    tables = [load_config({}, find_config(name)) for name in ("table1", "table3")]
    assert [(c.method, c.metric) for c in (first, third)] == [(c.method, c.metric) for c in tables]
    values = {"model": "resnet50@random", "limit": 2}
    assert load_configs(values, find_config("verify"))[1].model_name == "resnet50@random"


def test_include_takes_files_beside_it_and_values_over_them(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("method: ig\nlimit: 7\n")
    both = tmp_path / "both.yaml"
    both.write_text("include: [one.yaml, smoke]\nseed: 5\n")
    first, second = load_configs({"limit": 2}, both)
    assert (first.method, first.limit, first.seed) == (("ig",), 2, 5)
    assert (second.method, second.limit, second.seed) == (("gradcam",), 2, 5)


@pytest.mark.parametrize(
    "text", ["include: []", "include: smoke", "include: [smok]", "include: [paper]", "include: [1]"]
)
def test_bad_includes_are_usage_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UsageError):
        load_configs({}, file)


def test_maps_none_in_a_file_is_another_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("maps: none\n")
    with pytest.raises(UsageError, match="keep_maps in a file"):
        load_config({}, file)
