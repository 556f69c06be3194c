"""What the tables of bad inputs are made of: a row, and small files to begin from."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from networks import THOUSAND
from PIL import Image

TINY = ("--model", THOUSAND, "--device", "cpu", "--workers", 0, "--target", "predicted")
FAST = ("--metric", "insertion(rows_per_step=64)")
TO = ("--out", "out")


@dataclass(frozen=True)
class Row:
    """A bad input, the command that meets it, and the answer.

    make: puts the input into the working directory. words: the command's. line: a regular
    expression that the last line has to contain (stderr's; stdout's where the code is 0).
    """

    name: str
    make: Callable[[], object]
    words: tuple[object, ...]
    code: int
    line: str


def photo(shade: int = 0) -> bytes:
    """A small PNG; those of two shades differ."""
    file = io.BytesIO()
    image = Image.linear_gradient("L").resize((24, 24)).point(lambda v: (v + shade) % 256)
    image.convert("RGB").save(file, "PNG")
    return file.getvalue()


def put(path: str, content: bytes | str = b"") -> Path:
    """A file in the working directory, with its folders."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def files(*paths: str, **contents: bytes | str) -> Callable[[], object]:
    """Makes files: paths with a small photograph each, `name="text"` with a text."""

    def make() -> None:
        for shade, path in enumerate(paths):
            put(path, photo(shade))
        for path, content in contents.items():
            put(path, content)

    return make


def text(path: str, content: bytes | str) -> Callable[[], object]:
    """Makes one file."""
    return partial(put, path, content)


def both(*makes: Callable[[], object]) -> Callable[[], object]:
    """Makes several things, one after the other."""
    return lambda: [make() for make in makes]


def nothing() -> None:
    """Makes nothing: the input is the command's own words."""


def on_data(*more: object) -> tuple[object, ...]:
    """A run of the tiny network over the folder `data`."""
    return ("run", "--data", "data", *TINY, *FAST, *TO, *more)


def on_samples(*more: object) -> tuple[object, ...]:
    """A run of the tiny network over one embedded photograph."""
    return ("run", "--data", "samples", *TINY, *FAST, "--limit", 1, *TO, *more)


def dry(*more: object) -> tuple[object, ...]:
    """A run that only says what it would do."""
    return on_samples("--dry-run", *more)
