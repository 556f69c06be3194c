"""What a section of the page is given, and what it gives back."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import mimetypes
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from xaibench.analysis.compare import Source
from xaibench.analysis.fill import RunWords
from xaibench.analysis.ties import Tied
from xaibench.errors import shown
from xaibench.report.document import Block, Document, Figure
from xaibench.report.text import minus
from xaibench.store.atomic import write

HERE = Path(__file__).parent
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class SectionHtml:
    """What a section brings.

    Attributes:
        body: its HTML, without a heading.
        data: what its script reads by `xaibench.data(key)`; None for nothing.
        styles, scripts: files of `static/`, each put into the page once.
        lead: one sentence under the heading.
    """

    body: Markup
    data: Any = None
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    lead: str = ""


@dataclass(frozen=True)
class Failure:
    """An image that could not be read, or a method or metric that raised; why; on which images."""

    what: str
    why: str
    images: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """One run of the page: a name that no other has, its results, and what its processes left.

    `folder` is its directory, None for results that have none; `words` are the options that name
    it, for commands that fill what is missing; `tied` the shares of tied pixels; `failures` what
    could not be computed.
    """

    name: str
    source: Source
    folder: Path | None = None
    records: Sequence[Mapping[str, Any]] = ()
    words: RunWords | None = None
    tied: Tied | None = None
    failures: Sequence[Failure] = ()

    def again(self, *options: object) -> str:
        """The command that reports on it with these options, as a shell takes it."""
        folder = [self.folder] if self.folder else []
        return shlex.join(map(str, ["xaibench", "report", *folder, *options]))

    @property
    def report(self) -> Path | None:
        """The folder of what `xaibench report` wrote of it, where there is one."""
        made = self.folder / "report" if self.folder else None
        return made if made and made.is_dir() else None


@dataclass(frozen=True)
class View:
    """The page that is being made.

    Attributes:
        runs: runs and protocols given together, at least one.
        folder: of `index.html`; files beside it are written by `asset` and `chunk` alone.
        single_file: whether all goes into one file.
        options: of the command, by name.
        prepared: what a section needs that no module of the report may read (images, maps), by the
            section's key.
        written: the files beside `index.html`, by path below `folder`; filled as they are written.
        chunks: what `chunk` holds in a single file; filled likewise.
    """

    runs: Sequence[Run]
    folder: Path
    single_file: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    prepared: Mapping[str, Any] = field(default_factory=dict)
    written: dict[str, Path] = field(default_factory=dict)
    chunks: dict[str, str] = field(default_factory=dict)

    @property
    def paper(self) -> bool:
        """Whether the paper stands beside the runs."""
        return bool(self.options.get("paper", True))

    def asset(self, name: str, content: bytes | Path) -> str:
        """Put a file beside the page, or into it where it is one file; returns what `src` takes.

        name: its path below `assets/`, of letters, digits, `-`, `_` and dots; its ending says what
        it is. Not an image's id, which can be anything. A digest of the content goes into it, so
        that an older page never shows what is a newer one's.
        """
        _check(f"assets/{name}")
        held = content.read_bytes() if isinstance(content, Path) else content
        if self.single_file:
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return f"data:{kind};base64,{base64.b64encode(held).decode('ascii')}"
        stem, dot, ending = name.rpartition(".")
        return self._beside(f"assets/{stem}-{_digest(held)}{dot}{ending}", held)

    def chunk(self, name: str, value: Any) -> str:
        """Data that is wanted later, if ever; returns what `xaibench.load(...)` takes.

        A page from disk may fetch no JSON but load scripts: `data/NAME.js` calls `xaibench.hold`.
        """
        text = to_json(value)
        name = f"{name}-{_digest(text.encode())}"
        if self.single_file:
            self.chunks[name] = text
            return name
        script = f'xaibench.hold("{name}", {text});\n'
        return self._beside(f"data/{name}.js", script.encode())

    def render(self, template: str, **values: Any) -> Markup:
        """A file of `templates/` with `view` and these values in it, all escaped."""
        return Markup(environment().get_template(template).render(view=self, **values))

    def document(self, page: Document, folder: Path | None = None) -> Markup:
        """A page of the report as part of this one; folder: where its pictures lie."""
        sections = [replace(s, blocks=self._pictured(s.blocks, folder)) for s in page.sections]
        return self.render("document.html.j2", page=replace(page, sections=sections))

    def _pictured(self, blocks: Sequence[Block], folder: Path | None) -> list[Block]:
        """Blocks with pictures where this page has them; those that are not there left out."""
        found: list[Block] = []
        for block in blocks:
            if not isinstance(block, Figure):
                found.append(block)
            elif folder and (folder / block.file).is_file():
                url = self.asset(block.file, folder / block.file)
                found.append(replace(block, file=url))
        return found

    def panels(self, bodies: Sequence[Markup | None]) -> Markup:
        """One part a run, None where there is nothing: the reader switches between them."""
        return self.render("panels.html.j2", bodies=bodies)

    def _beside(self, place: str, content: bytes) -> str:
        _check(place)
        if place not in self.written:
            self.written[place] = self.folder / place
            write(self.written[place], partial(Path.write_bytes, data=content))
        return place


def _check(place: str) -> None:
    if not _NAME.fullmatch(place):
        raise ValueError(f"{place} is no plain name for a file of the page")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def environment() -> Environment:
    """The templates: everything escaped, nothing undefined, control characters made visible."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda v: shown(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
    )
    made.filters["minus"] = minus
    made.filters["json"] = lambda value: Markup(to_json(value))
    return made


def to_json(value: Any) -> str:
    """JSON that may stand in a script element: no `<`, `>` or `&`; NaN and infinity are null."""
    try:
        return str(htmlsafe_json_dumps(value, dumps=_dumps))
    except ValueError:
        return str(htmlsafe_json_dumps(_finite(value), dumps=_dumps))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return list(map(_finite, value)) if isinstance(value, list | tuple) else value
