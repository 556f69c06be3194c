"""`check`: may this method be believed?"""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.runs import writing
from xaibench.cli.screen import console, document, next_is, telling, written
from xaibench.errors import XaibenchError, unknown

METHOD = typer.Argument(
    help=(
        "A saliency method, as --method of `run` takes it: a name, a spec with values, a plug-in, "
        "file:PATH.py:NAME. [none with --maps]"
    ),
    show_default=False,
    metavar="METHOD",
)
MORE: dict[str, Any] = {
    "method": Annotated[Optional[str], METHOD],
    "metric": Annotated[
        Optional[list[str]],
        o.option("metric", "Metrics, repeatable. [default: all that take few passes]"),
    ],
    "limit": Annotated[
        Optional[int], o.option("limit", "The first N images of the order. [default: 20]")
    ],
    "out": Annotated[
        Optional[str],
        o.option(
            "out",
            "Run directory, shared by all checks of a network, data and protocol. "
            "[default: results/checks/DATA-MODEL-PROTOCOL]",
            metavar="PATH",
        ),
    ],
    "against": Annotated[
        Optional[list[str]],
        o.option(
            "against", "More methods to set it beside than Grad-CAM and Gradient; repeatable."
        ),
    ],
    "to": Annotated[
        Optional[str],
        o.option(
            "to",
            "The protocol whose values are switched on. [default: its counterpart]",
        ),
    ],
    "switch": Annotated[
        Optional[list[str]],
        o.option(
            "switch",
            "Protocol differences to switch, whatever they cost, repeatable: a name such as "
            "causal.kernel, ties, or all. [default: those that cost no more than the check itself]",
        ),
    ],
    "skip": Annotated[
        Optional[list[str]], o.option("skip", "What to leave out: sanity, switches; repeatable.")
    ],
    "json": o.Json,
}
WITHOUT = (
    *("metric_backend", "transform", "order", "until", "overwrite", "keep_stale"),
    *("keep_maps", "keep_curves"),
    "profile",
    "shard",
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "check",
        epilog="Examples:\n\n  xaibench check gradcam\n\n"
        "  xaibench check file:mine.py:saliency --data photos --model resnet50\n\n"
        "  xaibench check --maps maps.npz --name mine\n\n"
        "  xaibench check rise --switch rise.n_masks --limit 5",
    )(o.command(check, WITHOUT, MORE, before="model"))


def check(values: dict[str, Any]) -> None:
    """May this method be believed? Controls, sanity tests, and what would turn the verdict.

    One page: is it better than noise, a centred blob, edges and Fake-CAM by each metric; does the
    map follow weights, class and noise as it should; which values of the protocol decide.
    """
    method, skip = values.pop("method"), values.pop("skip") or []
    against, switches, after = (values.pop(name) for name in ("against", "switch", "to"))
    as_json = bool(values.pop("json"))
    from xaibench.config.early import check_early
    from xaibench.config.run import load_config
    from xaibench.config.shipped import config_files
    from xaibench.config.specs import split_all
    from xaibench.studies import check as checks

    for part in (skip := split_all(skip)):
        if part not in checks.PARTS:
            raise unknown("part", part, checks.PARTS)
    chosen = bool(values.get("metric"))
    config = load_config(values, config_files()["check"])
    asked = (*([method] if method else []), *split_all(against or []))
    check_early(config.model_copy(update={"method": (*asked, *config.method)}))
    if config.out is None:
        out = checks.FOLDER / config.directory.name
        config = config.model_copy(update={"out": out})
    tell, said = telling(as_json)
    with writing(config, tell):
        done = checks.check(
            config,
            method,
            against=split_all(against or []),
            chosen=chosen,
            after=after,
            switches=split_all(switches or []),
            skip=skip,
            say=tell,
        )
    if done is None:
        if as_json:
            document({"lines": said})
        return
    from xaibench.report import write_page
    from xaibench.report.pages.check import page
    from xaibench.report.runs import with_runs
    from xaibench.store.accuracy import accuracy_in
    from xaibench.store.remote import place

    folder = done.root / "report"
    made = with_runs(page(done.judgement), {place(done.root): accuracy_in(done.root)})
    paths = write_page(made, folder, console(quiet=as_json))
    if as_json:
        document(made.content)
    tell(written(paths, folder) + next_is("report", place(done.root), "--html"))
    if done.failed:
        raise XaibenchError(
            f"{len(done.failed)} parts failed, first: {str(done.failed[0]).rstrip('.')}."
        )
