"""Wrong usage: exit 2, one line on stderr, the nearest name; nothing is written."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli

from xaibench.cli import DEBUG, main
from xaibench.errors import UsageError

PROTOCOL = "name: mine\ndescription: x\npreprocessing: {resize: squash}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(*words: object) -> str:
    """The line of a command that must end with exit code 2 and leave the folder untouched."""
    before = sorted(Path().rglob("*"))
    code, _, err = cli(*words)
    assert code == 2, err
    assert err.count("\n") == 1, err
    assert err.endswith("\n")
    assert err.startswith("xaibench: ")
    assert "xaibench: unexpected " not in err
    assert len(err) < 600
    assert sorted(Path().rglob("*")) == before
    return err


@pytest.mark.parametrize(
    ("words", "wrong", "nearest"),
    [
        (["--method", "gradcm"], "'gradcm'", "'gradcam'"),
        (["--method", "gradcam,gradkam"], "'gradkam'", "'gradcam'"),
        (["--metric", "insertoin"], "'insertoin'", "'insertion'"),
        (["--metric", "insertion", "--metric", "delettion"], "'delettion'", "'deletion'"),
        (["--target", "predicte"], "'predicte'", "'predicted'"),
        (["--target", "least-probabel"], "'least_probabel'", "'least_probable'"),
        (["--protocol", "publishd"], "'publishd'", "'published'"),
        (["--config", "smok"], "'smok'", "'smoke'"),
        (["--model", "resnet5"], "'resnet5'", "'resnet50'"),
        (["--model", "eficientnet_lite0"], "'eficientnet_lite0'", "'efficientnet_lite0'"),
        (["--model", "torchvision:resnet5O"], "'resnet5O'", "'resnet50'"),
        (["--model", "torchvision:resnet18@IMAGNET1K_V1"], "'IMAGNET1K_V1'", "'IMAGENET1K_V1'"),
        (["--cam-layer", "featurs"], "'featurs'", "'features'"),
        (["--method", "gradcam(layr=cam)"], "'layr'", "'layer'"),
        (["--metric", "insertion(ties=revers)"], "'revers'", "'reverse'"),
        (["--metric", "deletion(row_per_step=4)"], "'row_per_step'", "'rows_per_step'"),
    ],
)
def test_unknown_name_gives_the_nearest(words: list[str], wrong: str, nearest: str) -> None:
    line = refused("run", "--limit", 1, "--out", "out", *words)
    assert wrong in line
    assert nearest in line


def test_a_name_near_to_none_gives_the_known_ones() -> None:
    line = refused("run", "--target", "zzzz")
    assert "known: ground_truth, least_probable, predicted" in line


def test_unknown_layer_of_a_spec_is_refused_before_anything_is_written() -> None:
    line = refused("run", "--limit", 1, "--out", "out", "--method", "gradcam(layer=nolayer)")
    assert "nolayer" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "insertion(rows_per_step=abc)"], "rows_per_step must be int"),
        (["--metric", "insertion(rows_per_step=True)"], "rows_per_step must be int"),
        (["--metric", "insertion(rows_per_step=8.5)"], "rows_per_step must be int"),
        (["--metric", "insertion(sigma=wide)"], "sigma must be float"),
        (["--metric", "insertion(rows_per_step=0)"], "rows_per_step"),
        (["--metric", "insertion(rows_per_step=-3)"], "rows_per_step"),
        (["--metric", "insertion(kernel=0)"], "kernel"),
        (["--metric", "insertion(kernel=4)"], "kernel"),
        (["--metric", "insertion(sigma=-1)"], "sigma"),
    ],
)
def test_wrong_option_value(words: list[str], said: str) -> None:
    line = refused("run", "--limit", 1, "--out", "out", *words)
    assert said in line


def test_an_option_error_names_the_metric_that_was_typed() -> None:
    line = refused("run", "--metric", "insertion(ties=revers)")
    assert "insertion(" in line


@pytest.mark.parametrize(
    "spec", ["insertion(", "insertion(3)", "insertion(rows_per_step=4+4)", "insertion(4) deletion"]
)
def test_malformed_spec_shows_the_form(spec: str) -> None:
    line = refused("run", "--metric", spec)
    assert spec in line
    assert "name(option=value, ...)" in line


@pytest.mark.parametrize("option", ["--method", "--metric", "--target"])
@pytest.mark.parametrize("nothing", ["", " , "])
def test_naming_nothing_is_no_request(option: str, nothing: str) -> None:
    assert option.strip("-") in refused("run", "--dry-run", option, nothing)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "0"], "limit"),
        (["--limit", "-1"], "limit"),
        (["--limit", "two"], "--limit"),
        (["--batch-size", "0"], "batch-size '0'"),
        (["--batch-size", "-4"], "batch-size '-4'"),
        (["--batch-size", "many"], "batch-size 'many'"),
        (["--batch-size", "1.5"], "batch-size '1.5'"),
        (["--device", "gpu"], "device 'gpu'"),
        (["--device", "meta"], "device 'meta'"),
        (["--workers", "-1"], "workers"),
        (["--seed", "-1"], "seed"),
        (["--seed", "x"], "--seed"),
        (["--limit"], "--limit"),
        (["--metod", "gradcam"], "--method"),
        (["something"], "something"),
    ],
)
def test_wrong_value_of_an_option(words: list[str], said: str) -> None:
    assert said in refused("run", *words)


def test_unknown_command_gives_the_nearest() -> None:
    assert "'run'" in refused("runn")


@pytest.mark.parametrize(
    ("table", "said"), [(0, "unknown table 0"), (5, "unknown table 5"), ("x", "--table")]
)
def test_unknown_table(table: object, said: str) -> None:
    assert said in refused("report", "--table", table)


@pytest.mark.parametrize(
    ("kind", "said"), [("metods", "'methods'"), ("wombats", "known: "), ("modells", "'models'")]
)
def test_unknown_list(kind: str, said: str) -> None:
    assert said in refused("list", kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metod: gradcam", "'method'"),
        ("batchsize: 3", "'batch_size'"),
        ("method: [gradcm]", "'gradcam'"),
        ("limit: many", "limit"),
        ("strict: perhaps", "strict"),
        ("batch_size: [1]", "batch-size"),
        ("method: 5", "method"),
        ("method: [5]", "method"),
        ("method:", "method"),
        ("- gradcam", "key: value"),
        ("", "key: value"),
        ("method: [gradcam", "not valid YAML"),
        ("transform: rotatoin", "transform"),
    ],
)
def test_wrong_config_file(text: str, said: str) -> None:
    Path("wrong.yaml").write_text(text)
    line = refused("run", "--dry-run", "--config", "wrong.yaml")
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metods: {}", "'methods'"),
        ("methods: {gradcm: {layer: cam}}", "'gradcam'"),
        ("methods: {gradcam: {layr: cam}}", "'layer'"),
        ("metrics: {casual: {kernel: 5}}", "'causal'"),
        ("metrics: {causal: {kernle: 5}}", "'kernel'"),
        ("metrics: {causal: {kernel: five}}", "kernel"),
        ("normalization: {gradcm: {rectify: relu}}", "'gradcam'"),
        ("normalization: {gradcam: {rectfy: relu}}", "'rectify'"),
        ("normalization: {gradcam: {rectify: rleu}}", "'relu'"),
        ("normalization: {gradcam: {border: clmap}}", "'clamp'"),
    ],
)
def test_wrong_protocol_file(text: str, said: str) -> None:
    Path("mine.yaml").write_text(PROTOCOL + text)
    assert said in refused("run", "--dry-run", "--protocol", "mine.yaml")


def test_a_protocols_values_under_a_metrics_own_key_count_or_are_refused() -> None:
    Path("mine.yaml").write_text(PROTOCOL + "metrics: {insertion: {rows_per_step: 4}}")
    code, out, err = cli("run", "--dry-run", "--metric", "insertion", "--protocol", "mine.yaml")
    assert (code == 0 and "'rows_per_step': 4" in out) or (code == 2 and "insertion" in err)


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "resnet5"],
        ["--model", "torchvision:resnet5O"],
        ["--protocol", "publishd"],
        ["--method", "gradcm"],
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(words: list[str]) -> None:
    assert words[1].removeprefix("torchvision:") in refused("run", "--dry-run", *words)


@pytest.mark.parametrize("variable", ["", "1"])
def test_debug_shows_the_traceback(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIBENCH_DEBUG", variable)
    words = ["xaibench", *([] if variable else ["--debug"]), "run", "--method", "gradcm"]
    with (
        mock.patch.dict(DEBUG),
        mock.patch.object(sys, "argv", words),
        pytest.raises(UsageError),
    ):
        main()


def test_debug_that_is_off_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIBENCH_DEBUG", "0")
    with mock.patch.dict(DEBUG):
        refused("run", "--method", "gradcm")
