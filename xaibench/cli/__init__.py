"""The command line: parse, call, print. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from xaibench import __version__
from xaibench.cli import ablate, check, inspect_, merge, normalized, plan, results, runs, show
from xaibench.cli.screen import echo, give_up_output, take_any_character
from xaibench.errors import XaibenchError, of_system
from xaibench.registry.foreign import ended

app = typer.Typer(
    name="xaibench",
    no_args_is_help=True,
    rich_markup_mode=None,  # whose tables cut what is too long for a column
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DEBUG = {"on": False}
QUIET_TRACES = "KINETO_LOG_LEVEL"  # of --profile: a machine without a GPU is no error
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch reads it before its first tensor


def _version(value: bool) -> None:
    if value:
        echo(f"xaibench {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Examples:\n\n  xaibench run --method gradcam --metric insertion\n\n"
    "  xaibench report\n\n  xaibench list methods"
)
def _options(
    _debug: bool = typer.Option(
        False, "--debug", envvar="XAIBENCH_DEBUG", help="Show the traceback of an error."
    ),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Saliency methods x metrics for image classifiers, beside the numbers of the paper.

    Zhang, Torres and Hermanns, "Saliency Maps Give a False Sense of Explanability to Image
    Classifiers", ACML 2024.
    """


for module in (runs, show, plan, results, normalized, check, ablate, merge, inspect_):
    module.add_to(app)
for info in app.registered_commands:  # one that is not said is cut
    info.short_help = " ".join((inspect.getdoc(info.callback) or "").split("\n\n")[0].split())


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong usage; errors are one line."""
    os.environ.setdefault(HUGE_PAGES, "1")  # fewer page faults: activations are large on a CPU
    os.environ.setdefault(QUIET_TRACES, "99")
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    DEBUG["on"] = len(arguments) < len(sys.argv) - 1 or (
        os.environ.get("XAIBENCH_DEBUG", "").lower() in ("1", "true", "yes", "on")
    )
    take_any_character()
    try:
        with _tracebacks():
            code = app(arguments or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        if DEBUG["on"]:
            raise
        line, code = _describe(error)
        echo(f"xaibench: {line}", err=True)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:  # of a method, metric or model: Typer ends with codes
        closed = isinstance(error.__context__, BrokenPipeError)  # of which Typer makes an exit
        if DEBUG["on"] or "_XAIBENCH_COMPLETE" in os.environ:
            raise
        if closed:
            give_up_output()
        what = "output closed" if closed else f"a method, metric or model failed: {ended(error)}."
        echo(f"xaibench: {what}", err=True)
        code = 1
    if code == 130:
        echo("xaibench: interrupted; the same command goes on from here.", err=True)
    sys.exit(code or 0)


@contextmanager
def _tracebacks() -> Iterator[None]:
    """With --debug, those of the errors that are kept as a failed unit's reason too."""
    log, handler = logging.getLogger("xaibench"), logging.StreamHandler()
    if DEBUG["on"]:
        log.setLevel(logging.DEBUG)
        log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _describe(error: Exception) -> tuple[str, int]:
    """One line for an error, and the exit code."""
    if isinstance(error, XaibenchError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        give_up_output()
    if isinstance(error, BrokenPipeError):
        return "output closed", 1
    if isinstance(error, OSError) and (line := of_system(error)):
        return line, 1
    if isinstance(error, typer.Abort):
        return "aborted", 1
    if hasattr(error, "format_message"):
        return f"{error.format_message()} (xaibench --help shows what there is)", 2
    text = str(error).strip().split("\n")[0]
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)", 1
