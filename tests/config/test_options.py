"""The one list of options: configurations, commands and their help are made from it."""

from __future__ import annotations

from pathlib import Path

import typer

from xaibench.cli import app
from xaibench.config.options import OPTIONS, help_text, typed
from xaibench.config.run import RunConfig

COMMANDS = typer.main.get_command(app).commands


def test_a_configuration_has_the_options_and_no_others() -> None:
    assert list(RunConfig.model_fields) == list(OPTIONS) == list(RunConfig().model_dump())


def test_the_commands_have_them_in_this_order_and_say_the_same() -> None:
    made = {"maps", "name"}
    left_out = {
        "run": made,
        "score": {"keep_maps"},
        "explain": {"metric", "metric_backend", "boxes", "until", "keep_maps", "keep_curves"}
        | made,
        "ablate": {
            *("metric_backend", "protocol", "overwrite", "keep_stale", "keep_maps"),
            *("keep_curves", "order", "until", "profile", "shard"),
        }
        | made,
        "check": {
            *("metric_backend", "transform", "order", "until", "overwrite", "keep_stale"),
            *("keep_maps", "keep_curves", "profile", "shard"),
        },
    }
    own = {("ablate", "out"), *(("check", name) for name in ("method", "metric", "limit", "out"))}
    for command, without in left_out.items():
        params = {p.name: p for p in COMMANDS[command].params if p.name in OPTIONS}
        assert list(params) == [name for name in OPTIONS if name not in without]
        for name, param in params.items():
            assert param.default is None, "what is not given is left to the configuration file"
            if (command, name) not in own:
                assert param.help == help_text(name)


def test_the_help_says_the_default_that_holds() -> None:
    assert help_text("metric").endswith("file:PATH.py:NAME. [default: insertion,deletion]")
    assert help_text("seed") == "Seed of everything random. [default: 0]"
    assert help_text("transform").endswith(" [default: none]")
    assert "[" not in help_text("strict") + help_text("limit") + help_text("batch_size")


def test_types_on_the_command_line() -> None:
    kinds = {name: typed(name) for name in OPTIONS}
    assert (kinds["method"], kinds["limit"], kinds["strict"]) == (list[str], int, bool)
    assert kinds["until"] is float
    assert (kinds["subset"], kinds["batch_size"], kinds["metric_backend"]) == (Path, str, str)


def test_what_a_run_is() -> None:
    of_run = "boxes model weights cam_layer data classes protocol order subset per_class dtype seed"
    assert [name for name, option in OPTIONS.items() if option.of_run] == of_run.split()
