"""`show`: image files and their maps on one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import aside, document, echo, next_is
from xaibench.config.options import OPTIONS
from xaibench.errors import UsageError, XaibenchError

if TYPE_CHECKING:
    from xaibench.config.run import RunConfig

TAKEN = (
    "method metric model weights cam_layer classes target protocol device batch_size dtype seed out"
).split()
MORE: dict[str, Any] = {
    "images": Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    "method": Annotated[
        Optional[list[str]],
        o.option(
            "method",
            "As for run. [default: those of at most 50 passes an image, without controls]",
        ),
    ],
    "target": Annotated[
        Optional[str],
        o.option(
            "target",
            "The class explained, by name or index: 'tabby cat', 281; predicted or least_probable. "
            "[default: predicted]",
        ),
    ],
    "out": Annotated[
        Optional[str],
        o.option("out", "A PNG file. [default: show-NAME.png here]", metavar="FILE"),
    ],
    "json": o.Json,
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    without = [name for name in OPTIONS if name not in TAKEN]
    app.command(
        "show",
        epilog="Examples:\n\n  xaibench show cat.jpg\n\n"
        "  xaibench show cat.jpg dog.png --method gradcam,rise --target 'tabby cat' --out both.png",
    )(o.command(show, without, MORE))


def show(values: dict[str, Any]) -> None:
    """Draw image files with their maps: original, map, overlay and scores, side by side."""
    images, target, out = values.pop("images"), values.pop("target"), values.pop("out")
    as_json = bool(values.pop("json"))
    say = aside if as_json else echo
    path = _place(images, out)
    from xaibench.config.early import check_asked
    from xaibench.config.run import load_config

    config = load_config(values)
    check_asked(config)
    _check_files(images, path)
    if config.model is None:
        say("embedded model: EfficientNet-Lite0 with ImageNet's classes; choose with --model")
    from xaibench.registry.files import located
    from xaibench.studies.show import show as show_images

    found = show_images(images, config, target, path, say)
    words = ["--data", str(images[0].parent), *_same(config)]
    words += ["--method", ",".join(located(spec, config.files) for spec in found.methods)]
    if as_json:
        document({"sheet": path, "methods": found.methods, "images": found.images})
    counts = f"{_count(images, 'image')}, {_count(found.methods, 'method')}"
    say(f"written: {path} ({counts}){next_is('run', *words)}")
    if found.failed and "method" in config.model_fields_set:
        raise XaibenchError(f"{path} lacks {next(iter(found.failed.values()))}: leave it out.")


def _same(config: RunConfig) -> list[str]:
    """The options under which `run` computes what the sheet shows."""
    words = ["--model", config.model_name]
    for name in ("weights", "cam_layer", "classes", "protocol", "metric"):
        value = getattr(config, name)
        if value is not None and name in config.model_fields_set:
            many = value if name == "metric" else [value]
            words += [f"--{name.replace('_', '-')}", ",".join(map(str, many))]
    return words


def _count(things: Any, what: str) -> str:
    return f"{len(things)} {what}{'s' * (len(things) != 1)}"


def _place(images: list[Path], out: str | None) -> Path:
    """The file to write; UsageError where it is no PNG."""
    one = f"show-{images[0].stem}.png" if len(images) == 1 else f"show-{len(images)}-images.png"
    path = Path(one if out is None else out)
    if out is not None and path.is_dir():
        path = path / one
    if path.suffix.lower() != ".png":
        raise UsageError(f"out '{path}': a sheet is a PNG, give a name that ends in .png.")
    return path


def _check_files(images: list[Path], path: Path) -> None:
    """UsageError for what is no image file, and where the sheet would replace one."""
    for image in images:
        if image.is_dir():
            raise UsageError(f"{image} is a folder: give image files, {image}/*.jpg.")
        if not image.exists():
            raise UsageError(f"{image} does not exist: check the path.")
        if path.exists() and path.samefile(image):
            raise UsageError(f"{path} is one of the images: choose another --out.")
    if len(set(images)) < len(images):
        raise UsageError("an image is given twice: give each once.")
