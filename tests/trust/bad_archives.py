"""Bad archives: WebDataset shards with members that are no files, and damaged ones."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import layouts
from bad import Row, on_data, photo, put

TAR = Path("data/v-000.tar")
GOOD = (("a.png", photo()), ("a.cls", b"1"), ("b.png", photo(9)), ("b.cls", b"2"))
CUT = r"v-000\.tar is cut short after {} files, or damaged there: copy or download it again"
SPECIAL = r"c\.png in .* is no regular file: pack the image itself"
Member = tuple[str, bytes] | tarfile.TarInfo


def web(*members: Member) -> None:
    """A shard of two good samples and other members."""
    TAR.parent.mkdir()
    with tarfile.open(TAR, "w") as archive:
        for member in (*GOOD, *members):
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                about = tarfile.TarInfo(member[0])
                about.size = len(member[1])
                archive.addfile(about, io.BytesIO(member[1]))


def member(kind: bytes, to: str = "", name: str = "c.png") -> tarfile.TarInfo:
    """A member that is something else than a file."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, to
    return made


def changed(change: Callable[[bytearray], bytes | bytearray], *members: Member) -> None:
    """The shard with its bytes changed."""
    web(*members)
    TAR.write_bytes(change(bytearray(TAR.read_bytes())))


def says(size: int, data: bytearray) -> bytearray:
    """The header of the last member says another size."""
    at = data.rindex(b"last\0")
    data[at + 124 : at + 136] = size.to_bytes(12, "big", signed=True)
    data[at + 124] |= 0x80
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return data


def good(name: str, images: int, *members: Member) -> Row:
    line = rf"^out: {images} images, computed {images} predictions"
    return Row(f"archive: {name}", partial(web, *members), on_data(), 0, line)


def bad(name: str, line: str, *members: Member) -> Row:
    return Row(f"archive: {name}", partial(web, *members), on_data(), 1, line)


def label(name: str, content: bytes, line: str, kind: str = "cls") -> Row:
    return bad(f"label {name}", line, ("c.png", photo()), (f"c.{kind}", content))


def damaged(
    name: str, line: str, change: Callable[[bytearray], bytes | bytearray], *members: Member
) -> Row:
    return Row(f"archive: {name}", partial(changed, change, *members), on_data(), 1, line)


def squeezed() -> None:
    TAR.parent.mkdir()
    layouts.pack(TAR, GOOD, "w:gz")


CLS = ("c.cls", b"3")
NO_LABEL = r"c\.json in .* has no label: one of label, cls, class"
BYTE = "\udcff"

ROWS = [
    good("hard link", 3, member(tarfile.LNKTYPE, "a.png"), CLS),
    good("symbolic link", 3, member(tarfile.SYMTYPE, "b.png"), CLS),
    bad(
        "hard link to nothing",
        r"c\.png in .* is a link to z\.png, which is no file in it: pack the image itself",
        member(tarfile.LNKTYPE, "z.png"),
        CLS,
    ),
    bad("hard link to itself", r"a link to c\.png", member(tarfile.LNKTYPE, "c.png"), CLS),
    bad("link out", r"link to \.\./\.\./a\.png", member(tarfile.SYMTYPE, "../../a.png"), CLS),
    bad("device", SPECIAL, member(tarfile.CHRTYPE), CLS),
    bad("pipe", SPECIAL, member(tarfile.FIFOTYPE), CLS),
    bad("sparse", SPECIAL, member(tarfile.GNUTYPE_SPARSE), CLS),
    good("folder", 2, member(tarfile.DIRTYPE), CLS),
    good("absolute name", 3, ("/c.png", photo()), ("/c.cls", b"3")),
    good("name that leads out", 3, ("../c.png", photo()), ("../c.cls", b"3")),
    bad("name twice", r"has a\.png twice: repair it", ("a.png", photo(5))),
    bad("name twice, one with ./", r"has a\.png twice: repair it", ("./a.png", photo(5))),
    bad("name twice, one in capitals", r"a\.PNG comes twice in", ("a.PNG", photo(5))),
    bad("two images of a key", r"has two images \(\.png and \.jpg\): keep one", ("a.jpg", b"x")),
    bad("no label", r"c in .* has no label \(\.cls or \.json\)", ("c.png", photo())),
    bad(
        "name not UTF-8",
        r"'\\udcff\.png' in .* is not UTF-8: rename it",
        (f"{BYTE}.png", photo()),
        (f"{BYTE}.cls", b"3"),
    ),
    label("a word", b"cat", r"'cat' in data is none of ImageNet's 1,000 classes"),
    label("with 5,000 digits", b"1" * 5000, r"'1{60}' in data is none of ImageNet's 1,000"),
    label("of 50 MB", b"1" * 50_000_000, r"c\.cls in .* is no label: it has 50,000,000 bytes"),
    label("1_0", b"1_0", r"'1_0' in data is none of ImageNet's 1,000 classes"),
    label("of deep JSON", b"[" * 100_000, NO_LABEL, "json"),
    label("of a JSON list", b'["label"]', NO_LABEL, "json"),
    label("null in JSON", b'{"label": null}', r"'None' in data is none of ImageNet's", "json"),
    Row(
        "archive: empty image",
        partial(web, ("c.png", b""), CLS),
        on_data(),
        0,
        r"^out: 3 images, computed 2 predictions.*; 1 unreadable images skipped",
    ),
    damaged("cut in a header", CUT.format(2), lambda data: data[:2360]),
    damaged("cut between two files", CUT.format(2), lambda data: data[:2048]),
    damaged("cut in a file", CUT.format(0), lambda data: data[:530]),
    damaged("wrong checksum", CUT.format(2), lambda data: data.replace(b"b.png", b"x.png")),
    damaged("larger than it says", CUT.format(5), partial(says, 64), ("last", b"x" * 2000)),
    damaged("smaller than it says", CUT.format(4), partial(says, 99_999), ("last", b"x")),
    # what follows this header is the header itself, for ever
    damaged("negative size", CUT.format(4), partial(says, -512), member(b"Z", name="last")),
    damaged("two in one", r"goes on after its end, as if two archives were", lambda d: d + d),
    damaged("compressed", r"is no uncompressed tar: unpack \.gz", lambda _: b"\x1f\x8b\x08" * 99),
    Row("archive: gz", squeezed, on_data(), 1, r"is no uncompressed tar: unpack \.gz"),
    Row("archive: empty", partial(put, str(TAR)), on_data(), 1, r"is no uncompressed tar"),
]
