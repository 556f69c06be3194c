"""Where the files of an uncompressed tar lie, found by its headers alone."""

from __future__ import annotations

import tarfile
from pathlib import Path

from xaibench.datasets.blobs import Span
from xaibench.errors import XaibenchError


def index(path: Path) -> dict[str, Span]:
    """The regular files of a tar by name, in its order.

    Raises XaibenchError where it is cut short, compressed or no tar, or has a name twice.
    """
    spans: dict[str, Span] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                name = member.name.removeprefix("./")
                if name in spans:
                    raise XaibenchError(f"{path} has {name} twice: repair it.")
                spans[name] = Span(path, member.offset_data, member.size)
    except (tarfile.TarError, EOFError):
        if not spans:
            raise XaibenchError(
                f"{path} is no uncompressed tar: unpack .gz, or copy or download it again."
            ) from None
        raise _cut(path, spans) from None
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check --data.") from None
    if any(span.offset + span.size > path.stat().st_size for span in list(spans.values())[-1:]):
        raise _cut(path, spans)
    return spans


def _cut(path: Path, spans: dict[str, Span]) -> XaibenchError:
    size = path.stat().st_size
    whole = sum(span.offset + span.size <= size for span in spans.values())
    return XaibenchError(f"{path} is cut short after {whole:,} files: copy or download it again.")
