"""`ablate`: one protocol difference at a time."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import document, next_is, telling, written
from xaibench.errors import UsageError

From = Annotated[
    Optional[str],
    o.option("from", "The protocol to start from: a name or a YAML file. [default: published]"),
]
To = Annotated[
    Optional[str],
    o.option(
        "to", "The protocol whose values are switched on. [default: the counterpart of --from]"
    ),
]
Switches = Annotated[
    Optional[list[str]],
    o.option(
        "switch", "Only these differences, repeatable; --dry-run lists them, e.g. causal.kernel."
    ),
]
Out = Annotated[
    Optional[str],
    o.option(
        "out",
        "Directory of the ablation, a run directory a protocol in it. "
        "[default: results/ablations/DATA-MODEL-FROM-to-TO]",
        metavar="PATH",
    ),
]
MORE = {"from_": From, "to": To, "switch": Switches, "out": Out, "json": o.Json}


WITHOUT = (
    "metric_backend",
    "protocol",
    "overwrite",
    "keep_stale",
    "keep_maps",
    "keep_curves",
    "maps",
    "name",
    "order",
    "until",
    "profile",
    "shard",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "ablate",
        epilog="Examples:\n\n  xaibench ablate --method gradcam --metric insertion --dry-run\n\n"
        "  xaibench ablate --from published --to reference --method gradcam,rise --limit 5\n\n"
        "  xaibench ablate --switch causal.kernel --limit 5\n\n"
        "  xaibench ablate --method gradient --transform resize --limit 5",
    )(o.command(ablate, WITHOUT, MORE))


def ablate(values: dict[str, Any]) -> None:
    """Switch one difference between two protocols at a time and report what each moves."""
    after, only = values.pop("to"), values.pop("switch") or []
    as_json = bool(values.pop("json"))
    values["protocol"] = values.pop("from_")
    from xaibench.config.protocol import load_protocol
    from xaibench.config.run import load_config
    from xaibench.config.specs import split_all
    from xaibench.config.urls import url_of

    config = load_config(values)
    if config.out and url_of(config.out):
        raise UsageError("ablate writes a run a protocol: give a directory as --out, no URL.")
    after = after or load_protocol(config.protocol).counterpart
    from xaibench.studies.ablate import ablate as ablate_config

    tell, said = telling(as_json)
    study = ablate_config(config, after, split_all(only), say=tell)
    if study is None:
        if as_json:
            document({"lines": said})
        return
    from rich.console import Console

    from xaibench.report import write_page
    from xaibench.report.pages.ablation import page
    from xaibench.report.runs import with_runs
    from xaibench.store.accuracy import accuracy_in
    from xaibench.studies.ablation import directory, directory_name

    folder = directory(config, after)
    first = folder / directory_name(study.before)
    made = with_runs(page(study), {str(folder): accuracy_in(first)})
    paths = write_page(made, folder, Console(quiet=as_json))
    if as_json:
        document(made.content)
    tell(written(paths, folder) + next_is("report", first))
