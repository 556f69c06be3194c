"""Options as Typer has them; every one also reads XAIBENCH_<OPTION>."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Optional

import typer

from xaibench.config.options import OPTIONS, help_text, typed


def variable(name: str) -> str:
    """The environment variable of an option."""
    return "XAIBENCH_" + name.upper().replace("-", "_")


def option(name: str, text: str, **more: Any) -> Any:
    """A Typer option with its environment variable; `also`: another name that a variable has."""
    also = more.pop("also", "")
    variables = [variable(name), variable(also)] if also else variable(name)
    names = [f"--{name}/--no-{name}"] if more.pop("switch", False) else [f"--{name}"]
    return typer.Option(*names, envvar=variables, help=text, show_default=False, **more)


def of_run(name: str) -> Any:
    """The annotation of a run's option."""
    path = typed(name) is Path  # as it was written: '' would be the folder that one is in
    more = {"metavar": "PATH"} if path else {}
    flag = OPTIONS[name].flag or name.replace("_", "-")
    also = name if OPTIONS[name].flag else ""
    made = option(flag, help_text(name), switch=OPTIONS[name].switch, also=also, **more)
    return Annotated[Optional[str if path else typed(name)], made]


Method, Target, Metric = of_run("method"), of_run("target"), of_run("metric")
Json = Annotated[
    Optional[bool], option("json", "One JSON document on stdout; lines for people go to stderr.")
]


def command(
    function: Callable[[dict[str, Any]], None],
    without: Collection[str] = (),
    more: Mapping[str, Any] = MappingProxyType({}),
    before: str = "method",
) -> Callable[..., None]:
    """A command whose parameters are a run's options; the function gets their values.

    without: options that it does not take. more: annotations of others, which stand before one of
    a run's, or in the place of the one that they are called like.
    """

    def called(**values: Any) -> None:
        function(values)

    hints: dict[str, Any] = {}
    for name in OPTIONS:
        if name == before:
            hints |= {k: v for k, v in more.items() if k not in OPTIONS}
        if name not in without:
            hints[name] = more.get(name) or of_run(name)
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(k, kind, default=None, annotation=v) for k, v in hints.items()]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = hints
    called.__doc__ = function.__doc__
    return called
