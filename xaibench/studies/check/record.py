"""What a finished check was of: kept in the run's report, so that it is read without running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import damaged, read_json, write

FOLDER = "check"


class Turned(BaseModel):
    """Scores of a method by a metric under one switch: in which directory, under which specs."""

    label: str
    method: str
    metric: str
    directory: str
    stored: tuple[str, str]


class Record(BaseModel):
    """A check. Specs are those that results are stored under; directories lie in the run's.

    images: those that it is about, all that the directory holds where none are named. sanity:
    metrics by test. alike: by method and image, how alike the maps of two classes are,
    `target` and `other`. untested: (what, why).
    """

    method: str
    controls: tuple[str, ...]
    standards: tuple[str, ...]
    metrics: tuple[str, ...]
    target: str
    other: str
    seed: int
    images: tuple[str, ...] = ()
    sanity: dict[str, str] = {}
    alike: dict[str, dict[str, float]] = {}
    turns: tuple[Turned, ...] = ()
    untested: tuple[tuple[str, str], ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """All, the judged one first."""
        return (self.method, *self.controls, *self.standards)


def keep(root: Path, record: Record) -> None:
    """Store the record of a check in the run's report."""
    path = layout.report(root) / FOLDER / f"{layout.encode(record.method)}.json"
    write(path, lambda file: file.write_text(record.model_dump_json() + "\n", encoding="utf-8"))


def kept(root: Path) -> Iterator[Record]:
    """The records of a run's checks, by method. Raises XaibenchError for a damaged one."""
    for path in sorted((layout.report(root) / FOLDER).glob("*.json")):
        try:
            yield Record.model_validate(read_json(path))
        except (ValidationError, XaibenchError):
            raise damaged(path) from None
