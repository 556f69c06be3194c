"""`run`, `explain`, `score`: compute what a run directory lacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import command, document, next_is, telling
from xaibench.config.shipped import config_files

if TYPE_CHECKING:
    from xaibench.config.run import RunConfig

Config = Annotated[
    Optional[list[Path]],  # of which a variable holds several as PATH does
    o.option(
        "config",
        f"A YAML file of these options, or the name of a shipped one: {', '.join(config_files())}. "
        "Of several, one after the other.",
        metavar="PATH",
    ),
]
EXAMPLES = {
    "run": "Examples:\n\n  xaibench run\n\n"
    "  xaibench run --method gradcam --metric insertion,deletion --limit 5\n\n"
    "  xaibench run --data /data/imagenet/val --model resnet50 --protocol reference",
    "explain": "Example:\n\n  xaibench explain --method gradcam --target predicted",
    "score": "Examples:\n\n  xaibench score --method gradcam --metric 'insertion(ties=reverse)'"
    "\n\n  xaibench score --maps maps.npz --name mine --metric insertion,deletion",
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    made = ("maps", "name")
    unscored = ("metric", "metric_backend", "boxes", "until", "keep_maps", "keep_curves", *made)
    for function, without in ((run, made), (explain, unscored), (score, ("keep_maps",))):
        name = function.__name__
        command = o.command(function, without, {"config": Config, "json": o.Json}, before="model")
        app.command(name, epilog=EXAMPLES[name])(command)


def configs_of(values: dict[str, Any]) -> list[RunConfig]:
    """The configurations that a command line asks for."""
    from xaibench.config.run import find_config, load_configs

    files: list[Path | None] = [find_config(str(name)) for name in values.pop("config", None) or ()]
    return [one for file in files or [None] for one in load_configs(values, file)]


def go(values: dict[str, Any], stages: set[str]) -> None:
    """Build the configurations, run the stages of each, print its last line."""
    as_json = bool(values.pop("json"))
    configs = configs_of(values)
    from xaibench.api import run_configs

    tell, said = telling(as_json)
    then = _next(configs[-1], stages)
    done = run_configs(configs, stages=frozenset(stages), say=tell, then=then)
    if as_json and configs[-1].dry_run:
        document({"lines": said})
    elif as_json:
        document([asdict(result) for result in done])


def writing(config: RunConfig, say: Callable[[str], None]) -> AbstractContextManager[None]:
    """The time in which a command writes what a configuration asks for, in several runs."""
    from xaibench.store.remote import fetched, written

    if config.dry_run and config.out:
        fetched(config.out, new=True)
        return nullcontext()
    return written(config.out, wait=config.wait, say=say)


def _next(config: RunConfig, stages: set[str]) -> str:
    """What to run after it: the report; after maps alone, their scores."""
    if "score" in stages and config.part:
        report = command("report", config.place)
        return f"; next, once all {config.part.of} shards are done: {report}"
    if "score" in stages:
        return next_is("report", config.place)
    words = [word for word in sys.argv[1:] if word not in ("--debug", "--overwrite")]
    return next_is(*("score" if word == "explain" else word for word in words))


def run(values: dict[str, Any]) -> None:
    """Explain, normalize and score: computes what the run directory lacks, nothing twice."""
    go(values, {"explain", "score"})


def explain(values: dict[str, Any]) -> None:
    """Compute and store saliency maps only (native size, safetensors shards)."""
    go(values, {"explain"})


def score(values: dict[str, Any]) -> None:
    """Score stored maps, or maps made elsewhere; says so where maps are missing."""
    go(values, {"explain", "score"} if values.get("maps") else {"score"})
