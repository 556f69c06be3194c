"""The command line: parse, call, print. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys

import typer

from xaibench import __version__
from xaibench.cli import inspect_, results, runs
from xaibench.errors import XaibenchError

app = typer.Typer(
    name="xaibench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DEBUG = {"on": False}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"xaibench {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Examples:\n\n  xaibench run --method gradcam --metric insertion\n\n"
    "  xaibench report\n\n  xaibench list methods"
)
def _options(
    debug: bool = typer.Option(
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
    DEBUG["on"] = debug


for module in (runs, results, inspect_):
    module.add_to(app)


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong usage."""
    try:
        app()
    except XaibenchError as error:
        if DEBUG["on"]:
            raise
        typer.echo(f"xaibench: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("xaibench: interrupted; the same command goes on from here.", err=True)
        sys.exit(130)
    except Exception as error:
        if DEBUG["on"]:
            raise
        text = str(error).strip().split("\n")[0]
        typer.echo(
            f"xaibench: unexpected {type(error).__name__}: {text} (--debug shows where)", err=True
        )
        sys.exit(1)
