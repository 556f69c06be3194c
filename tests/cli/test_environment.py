"""Where options come from: the command line, XAIBENCH_*, a file; and runs that only say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import typer
import yaml
from helpers import cli

from xaibench.cli import HUGE_PAGES, app, main
from xaibench.config.options import OPTIONS
from xaibench.config.run import RunConfig
from xaibench.config.shipped import config_files

FAST = ["--metric", "insertion(rows_per_step=112)"]
VALUES = {
    "method": ("gradcam(layer=features)", ("gradcam(layer=features)",)),
    "metric": ("insertion,deletion", ("insertion", "deletion")),
    "model": ("resnet50", "resnet50"),
    "weights": ("w.pth", Path("w.pth")),
    "cam_layer": ("features", "features"),
    "data": ("photos", "photos"),
    "classes": ("classes.txt", Path("classes.txt")),
    "boxes": ("boxes", Path("boxes")),
    "metric_backend": ("quantus", "quantus"),
    "target": ("predicted,least-probable", ("predicted", "least_probable")),
    "protocol": ("reference", "reference"),
    "limit": ("3", 3),
    "order": ("drawn", "drawn"),
    "until": ("2.5", 2.5),
    "subset": ("list.csv", Path("list.csv")),
    "per_class": ("2", 2),
    "device": ("cpu", "cpu"),
    "batch_size": ("7", 7),
    "dtype": ("bfloat16", "bfloat16"),
    "compile": ("auto", "auto"),
    "workers": ("1", 1),
    "processes": ("2", 2),
    "devices": ("all", "all"),
    "executor": ("ray", "ray"),
    "ray_address": ("auto", "auto"),
    "seed": ("5", 5),
    "out": ("somewhere", Path("somewhere")),
    "shard": ("2/3", "2/3"),
    "keep_maps": ("none", "none"),
    "keep_curves": ("1", True),
    "strict": ("1", True),
    "overwrite": ("true", True),
    "keep_stale": ("1", True),
    "retry_failed": ("no", False),
    "wait": ("1", True),
    "dry_run": ("yes", True),
    "profile": ("yes", True),
}
CHECKED = {
    "against": ("rise,lime", ["rise", "lime"]),
    "to": ("reference", "reference"),
    "switch": ("causal.kernel", ["causal.kernel"]),
    "skip": ("sanity", ["sanity"]),
}
CALLED = {"to": "after", "switch": "switches"}
FLAGS = ("keep_curves", "strict", "overwrite", "keep_stale", "wait", "dry_run", "profile")


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("XAIBENCH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def asked() -> Iterator[mock.Mock]:
    """`xaibench.api.run` replaced, so that only the configuration is made."""
    with mock.patch("xaibench.api.run", return_value=mock.Mock(line="done")) as run:
        yield run


@pytest.fixture
def checked() -> Iterator[mock.Mock]:
    """`xaibench.studies.check.check` replaced, as by a dry run."""
    with mock.patch("xaibench.studies.check.check", return_value=None) as check:
        yield check


def config_of(asked: mock.Mock, *words: object) -> RunConfig:
    """The configuration that a command line ends as."""
    code, _, err = cli(*words)
    assert code == 0, err
    config = asked.call_args.args[0]
    assert isinstance(config, RunConfig)
    return config


def test_the_values_cover_every_option() -> None:
    command = typer.main.get_command(app).commands["run"]
    options = {p.name for p in command.params} - {"help", "config", "json"}
    assert options <= VALUES.keys() | {"transform"}
    assert VALUES.keys() <= RunConfig.model_fields.keys()


@pytest.mark.parametrize(
    "name", ["run", "explain", "score", "show", "report", "normalize", "clean", "check"]
)
def test_every_option_names_its_variable(name: str) -> None:
    command = typer.main.get_command(app).commands[name]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    assert options or name == "report"
    for option in options:
        long = next(o for o in option.opts if o.startswith("--"))
        first = option.envvar if isinstance(option.envvar, str) else option.envvar[0]
        assert first == "XAIBENCH_" + long[2:].upper().replace("-", "_")


@pytest.mark.parametrize("name", VALUES)
def test_every_option_reads_the_environment(
    name: str, asked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(f"XAIBENCH_{(OPTIONS[name].flag or name).upper()}", text)
    config = config_of(asked, "run")
    assert getattr(config, name) == value
    brought = {"until": {"order"}}.get(name, set())  # images in a drawn order
    others = RunConfig.model_fields.keys() - {name} - brought
    assert {o: getattr(config, o) for o in others} == {o: getattr(RunConfig(), o) for o in others}


@pytest.mark.parametrize("name", CHECKED)
def test_every_option_of_check_reads_both(
    name: str, checked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = CHECKED[name]
    assert cli("check", "gradcam", f"--{name}", text)[0] == 0
    assert checked.call_args.kwargs[CALLED.get(name, name)] == value
    monkeypatch.setenv(f"XAIBENCH_{name.upper()}", text)
    assert cli("check", "gradcam")[0] == 0
    assert checked.call_args.kwargs[CALLED.get(name, name)] == value


@pytest.mark.parametrize("name", ["metric", "limit", "out", "device", "dry_run", "maps"])
def test_check_takes_the_options_of_a_run(
    name: str, checked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = {"maps": ("m.npz", Path("m.npz")), **VALUES}[name]
    monkeypatch.setenv(f"XAIBENCH_{name.upper()}", text)
    assert cli("check")[0] == 0
    assert getattr(checked.call_args.args[0], name) == value
    assert checked.call_args.kwargs["chosen"] is (name == "metric")


def test_an_option_reads_the_name_that_it_has_in_a_file_too(
    asked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keep_maps` is --maps on the command line."""
    monkeypatch.setenv("XAIBENCH_KEEP_MAPS", "small")
    assert config_of(asked, "run").keep_maps == "small"
    assert config_of(asked, "score").maps is None


@pytest.mark.parametrize("name", VALUES)
def test_every_option_reads_the_command_line(name: str, asked: mock.Mock) -> None:
    text, value = VALUES[name]
    words = [f"--{OPTIONS[name].flag or name.replace('_', '-')}"] + (
        [] if name in FLAGS else [text]
    )
    words = ["--no-retry-failed"] if name == "retry_failed" else words
    assert getattr(config_of(asked, "run", *words), name) == value


@pytest.mark.parametrize("name", VALUES)
def test_every_option_reads_the_file(name: str, asked: mock.Mock) -> None:
    text, value = VALUES[name]
    Path("mine.yaml").write_text(yaml.safe_dump({name.replace("_", "-"): yaml.safe_load(text)}))
    assert getattr(config_of(asked, "run", "--config", "mine.yaml"), name) == value


def test_a_variable_may_hold_a_spec_with_several_values(
    asked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAIBENCH_METRIC", "insertion(kernel=5, sigma=2.0), deletion")
    assert config_of(asked, "run").metric == ("insertion(kernel=5, sigma=2.0)", "deletion")


def test_command_line_beats_environment_beats_file(
    asked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.yaml").write_text("limit: 1\nseed: 1\nworkers: 1\nmetric: [deletion]\n")
    monkeypatch.setenv("XAIBENCH_CONFIG", "mine.yaml")
    monkeypatch.setenv("XAIBENCH_SEED", "2")
    monkeypatch.setenv("XAIBENCH_WORKERS", "2")
    config = config_of(asked, "run", "--workers", 3)
    assert (config.limit, config.seed, config.workers) == (1, 2, 3)
    assert config.metric == ("deletion",)


def test_a_false_variable_beats_a_true_file(
    asked: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.yaml").write_text("strict: true\n")
    monkeypatch.setenv("XAIBENCH_STRICT", "0")
    assert config_of(asked, "run", "--config", "mine.yaml").strict is False


def test_repeats_and_comma_lists_are_the_same(asked: mock.Mock) -> None:
    one = config_of(asked, "run", "--metric", "insertion,deletion(kernel=3,sigma=1.0)")
    two = config_of(
        asked, "run", "--metric", "insertion", "--metric", "deletion(kernel=3,sigma=1.0)"
    )
    assert one == two
    assert one.metric == ("insertion", "deletion(kernel=3,sigma=1.0)")


@pytest.mark.parametrize(
    "name", sorted(config_files().keys() - {"paper", "verify"})
)  # include others
def test_shipped_configurations_load(name: str, asked: mock.Mock) -> None:
    held = yaml.safe_load(config_files()[name].read_text())
    config = config_of(asked, "run", "--config", name)
    assert set(held) == config.model_fields_set
    assert config == config_of(asked, "run", "--config", f"configs/{name}.yaml")


def test_the_help_names_every_shipped_configuration() -> None:
    said = " ".join(cli("run", "--help")[1].split())
    assert f"a shipped one: {', '.join(sorted(config_files()))}." in said


def test_the_stages_of_each_command(asked: mock.Mock) -> None:
    for command, stages in {
        "run": {"explain", "score"},
        "explain": {"explain"},
        "score": {"score"},
    }.items():
        config_of(asked, command)
        assert asked.call_args.kwargs["stages"] == stages


@pytest.mark.parametrize(
    "words",
    [
        ["--target", "ground-truth"],
        ["--target", "GROUND_TRUTH"],
        ["--protocol", "Published"],
        ["--method", "GradCAM"],
        ["--model", "efficientnet-lite0"],
        ["--metric", "Insertion"],
    ],
)
def test_dashes_and_case_do_not_matter_in_names(words: list[str]) -> None:
    code, said, err = cli("run", "--dry-run", "--limit", 1, *words)
    assert code == 0, err
    assert "would write" in said


def test_all_is_every_registered_one() -> None:
    from xaibench.registry import entries

    code, said, err = cli("run", "--dry-run", "--method", "all", "--metric", "all")
    assert code == 0, err
    for kind in ("methods", "metrics"):
        for key, entry in entries(kind).items():
            named = f"  {kind[:-1]} {key}:" in said
            assert named or entry.metadata.get("opt_in")


def test_dry_run_writes_nothing_and_says_what() -> None:
    code, said, _ = cli("run", *FAST, "--limit", 2, "--dry-run")
    assert code == 0
    assert "2 predictions, 2 maps, 2 scores" in said
    assert "insertion(rows_per_step=112)" in said
    assert "'rows_per_step': 112" in said
    assert "results/runs/samples-efficientnet_lite0-published" in said
    assert list(Path().rglob("*")) == []


def test_dry_run_after_and_before_overwriting() -> None:
    assert cli("run", *FAST, "--limit", 1, "--out", "out")[0] == 0
    before = {p: p.stat().st_mtime_ns for p in Path("out").rglob("*")}
    words = ("run", *FAST, "--out", "out", "--dry-run")
    assert "0 predictions, 0 maps, 0 scores" in cli(*words, "--limit", 1)[1]
    assert "1 predictions, 1 maps, 1 scores" in cli(*words, "--limit", 2)[1]
    assert "1 predictions, 1 maps, 1 scores" in cli(*words, "--limit", 1, "--overwrite")[1]
    assert {p: p.stat().st_mtime_ns for p in Path("out").rglob("*")} == before


def test_the_embedded_default_says_so_first() -> None:
    first = cli("run", *FAST, "--dry-run")[1].splitlines()[0]
    for word in ("EfficientNet-Lite0", "20 ImageNet photographs", "PyPI", "--data", "--model"):
        assert word in first
    assert "embedded" not in cli("run", *FAST, "--dry-run", "--data", "samples")[1]


def test_the_default_directory_and_the_latest_run() -> None:
    assert cli("run", *FAST, "--limit", 1)[0] == 0
    place = Path("results/runs/samples-efficientnet_lite0-published")
    assert (place / "scores").is_dir()
    code, said, _ = cli("report")
    assert code == 0
    assert f"{place}/report" in said


@pytest.mark.parametrize(("given", "found"), [({}, "1"), ({HUGE_PAGES: "0"}, "0")])
def test_huge_pages_are_asked_for_unless_the_user_says_otherwise(
    given: dict[str, str], found: str
) -> None:
    rest = {k: v for k, v in os.environ.items() if k != HUGE_PAGES}
    with (
        mock.patch.dict(os.environ, rest | given, clear=True),
        mock.patch("sys.argv", ["xaibench", "--version"]),
    ):
        with pytest.raises(SystemExit):
            main()
        assert os.environ[HUGE_PAGES] == found
