"""Where the files of an uncompressed tar lie, found by its headers alone."""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path

from xaibench.datasets.base import check_utf8, is_image
from xaibench.datasets.blobs import Span
from xaibench.errors import XaibenchError

LINKS = 40  # so many lead to a file at most, as in a file system
CHUNK = 1 << 20


def index(path: Path) -> dict[str, Span]:
    """The regular files of a tar by name, in its order; links in it are the files they lead to.

    Raises XaibenchError where it is cut short, damaged, compressed or no tar, has a name twice, or
    where an image in it is a device or a link that leads to no file of it.
    """
    held: dict[str, Span | str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            last = -1
            for member in archive:
                if member.offset <= last:  # a negative size leads back for ever
                    raise _damaged(path, held)
                last = member.offset
                _take(held, member, path)
        end = archive.offset
    except (tarfile.TarError, EOFError, ValueError, RecursionError):
        if not held:
            raise XaibenchError(
                f"{path} is no uncompressed tar: unpack .gz, or copy or download it again."
            ) from None
        raise _damaged(path, held) from None
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check --data.") from None
    _check_end(path, end, held)
    check_utf8(held, f"in {path}")
    return {name: span for name in held if (span := _followed(held, name, path))}


def _take(held: dict[str, Span | str], member: tarfile.TarInfo, path: Path) -> None:
    """Note where a member lies, or the name that it is a link to."""
    name = member.name.removeprefix("./")
    found: Span | str
    if member.isdir():
        return
    if member.issym():
        found = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    elif member.islnk():
        found = member.linkname.removeprefix("./")
    elif member.isreg() and not member.issparse():
        found = Span(path, member.offset_data, member.size)
    elif is_image(name):
        raise XaibenchError(f"{name} in {path} is no regular file: pack the image itself.")
    else:
        return
    if name in held:
        raise XaibenchError(f"{path} has {name} twice: repair it.")
    held[name] = found


def _followed(held: dict[str, Span | str], name: str, path: Path) -> Span | None:
    """The bytes of a name; None for a link that is no image's and leads to no file."""
    found: Span | str | None = held[name]
    for _ in range(LINKS):
        if not isinstance(found, str):
            break
        found = held.get(found)
    if isinstance(found, Span):
        return found
    if is_image(name):
        raise XaibenchError(
            f"{name} in {path} is a link to {held[name]}, which is no file in it: pack the image "
            "itself."
        )
    return None


def _check_end(path: Path, end: int, held: dict[str, Span | str]) -> None:
    """XaibenchError unless the archive's last block, of zeros, comes next, and no more after it."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE or any(block):
            raise _damaged(path, held)
        while block := file.read(CHUNK):
            if block.count(0) < len(block):
                raise XaibenchError(
                    f"{path} goes on after its end, as if two archives were joined: pack them anew."
                )


def _damaged(path: Path, held: dict[str, Span | str]) -> XaibenchError:
    size = path.stat().st_size
    spans = [span for span in held.values() if isinstance(span, Span)]
    whole = sum(span.offset + span.size <= size for span in spans)
    return XaibenchError(
        f"{path} is cut short after {whole:,} files, or damaged there: copy or download it again."
    )
