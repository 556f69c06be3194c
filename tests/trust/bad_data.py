"""Bad data: images and folders, labels, Parquet, boxes."""

from __future__ import annotations

import json
import os
import socket
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bad_archives
import layouts
import pyarrow as pa
import pyarrow.parquet as pq
from bad import FAST, TINY, Row, both, files, nothing, on_data, on_samples, photo, put, text

A, B, C = (layouts.official(place) for place in range(3))
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SKIPPED = r"^out: 2 images, computed 1 predictions.*; 1 unreadable images skipped"


def image(name: str, make: Callable[[str], object]) -> Row:
    """Beside a good photograph: one that is skipped and counted."""
    beside = both(files("data/good.png"), partial(make, "data/x.png"))
    return Row(f"image: {name}", beside, on_data(), 0, SKIPPED)


def link(target: str) -> Callable[[str], object]:
    return lambda path: Path(path).symlink_to(target)


def listen(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def vast(path: str) -> None:
    """A PNG that says that it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes = b"") -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    put(path, b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND"))


def folder(name: str, path: str, target: str, images: int) -> Row:
    """A link beside data/a/1.png and other/2.png, and how many images there are then."""

    def make() -> None:
        files("data/a/1.png", "other/2.png")()
        Path(path).symlink_to(target)

    line = rf"^out: {images} images, computed {images} predictions"
    return Row(f"folder: {name}", make, on_data(), 0, line)


def tree(name: str, make: Callable[[], object], line: str, data: str = "data") -> Row:
    words = ("run", "--data", data, *TINY, *FAST, "--out", "out")
    return Row(f"folder: {name}", make, words, 1, line)


def fifo(path: str) -> Callable[[], object]:
    return both(partial(os.makedirs, Path(path).parent, exist_ok=True), partial(os.mkfifo, path))


def parquet(name: str, columns: dict[str, object], line: str, features: object = None) -> Row:
    def make() -> None:
        Path("data").mkdir()
        table = pa.table(columns)
        if features is not None:
            about = features if isinstance(features, str) else json.dumps(features)
            table = table.replace_schema_metadata({"huggingface": about})
        # a name of its own, because what is read of a file is kept by its path
        pq.write_table(table, f"data/{name.replace(' ', '-')}.parquet")

    return Row(f"parquet: {name}", make, on_data(), 1, line)


def cell(path: object = "a.png", data: object = b"x") -> pa.Array:
    return pa.array([{"bytes": data, "path": path}])


def classes(names: object) -> object:
    return {"info": {"features": {"label": {"names": names}}}}


def boxes(name: str, make: Callable[[], object], line: str) -> Row:
    words = on_samples("--boxes", "boxes", "--metric", "pointing_game")
    return Row(f"boxes: {name}", make, words, 1, line)


def voc(content: str, folder: str = "boxes") -> Callable[[], object]:
    return text(f"{folder}/imagenet_00_243.xml", content)


def sized(side: object, inside: str = "") -> str:
    size = f"<size><width>{side}</width><height>{side}</height></size>"
    return f"<annotation>{size}{inside}</annotation>"


def box(edge: object) -> str:
    rest = "<ymin>0</ymin><xmax>9</xmax><ymax>9</ymax>"
    return sized(9, f"<object><bndbox><xmin>{edge}</xmin>{rest}</bndbox></object>")


PAIRS = zip("abcdefgh", "bcdefghi", strict=True)
LAUGHS = "".join(f"<!ENTITY {new} '{f'&{old};' * 20}'>" for old, new in PAIRS)
LAUGHS = f"<!DOCTYPE x [<!ENTITY a '{'a' * 20}'>{LAUGHS}]><x>&i;</x>"


def labels(name: str, content: bytes | str, line: str) -> Row:
    make = both(files(f"data/{A}", f"data/{B}"), text("data/labels.csv", content))
    return Row(f"labels: {name}", make, on_data(), 1, line)


def devkit(name: str, truth: bytes, line: str, packed: bool = False) -> Row:
    def make() -> None:
        files(f"data/{A}", f"data/{B}")()
        if packed:
            members = [("d/meta.mat", layouts.meta_mat()), (f"d/{TRUTH}", truth)]
            layouts.pack(Path("data/ILSVRC2012_devkit_t12.tar.gz"), members, "w:gz")
        else:
            put("data/meta.mat", layouts.meta_mat())
            put(f"data/{TRUTH}", truth)

    return Row(f"devkit: {name}", make, on_data(), 1, line)


NOT_LABELS = r"has 2 of ImageNet's validation images but not their labels: put ILSVRC2012_devkit"

ROWS = [
    image("pipe", os.mkfifo),
    image("socket", listen),
    image("device", link("/dev/zero")),
    image("link to nothing", link("nowhere")),
    image("link to itself", link("x.png")),
    image("link to a pipe", lambda path: (os.mkfifo("pipe"), link("../pipe")(path))),
    image("empty", put),
    image("cut", lambda path: put(path, photo()[:60])),
    image("text", lambda path: put(path, "hello")),
    image("60,000 pixels a side", vast),
    Row(
        "image: pipe under --strict",
        both(files("data/good.png"), fifo("data/x.png")),
        on_data("--strict"),
        1,
        r"1 images cannot be read \(of 2\), first x\.png: OSError: it is no regular file",
    ),
    tree(
        "not UTF-8", files("data/\udcff.png"), r"'\\udcff\.png' below data is not UTF-8: rename it"
    ),
    folder("link to ..", "data/a/up", "..", 1),
    folder("link to .", "data/a/me", ".", 1),
    folder("link elsewhere", "data/b", "../other", 2),
    folder("link to a sibling", "data/b", "a", 2),
    tree("a file", text("data", "x"), r"data folder data is not a folder; check --data"),
    tree("empty", partial(os.mkdir, "data"), r"no images below data; looked for"),
    tree("pipe", fifo("data"), r"data folder data is not a folder; check --data"),
    tree("pipe named tar", fifo("d.tar"), r"d\.tar is not a folder; check --data", "d.tar"),
    tree("device", nothing, r"/dev/zero is not a folder; check --data", "/dev/zero"),
    tree("pipe for a shard", fifo("data/v.tar"), r"v\.tar is no regular file: take it out of data"),
    tree("pipe for Parquet", fifo("data/v.parquet"), r"v\.parquet is no regular file: take it out"),
    parquet("path a number", {"image": cell(5), "label": [1]}, r"cannot read .* \(TypeError"),
    parquet("bytes a number", {"image": cell("a", 5), "label": [1]}, r"1 images cannot be read"),
    parquet("label a word", {"image": cell(), "label": ["cat"]}, r"'cat' in data is none of Image"),
    parquet("label a list", {"image": cell(), "label": [[1]]}, r"'\[1\]' in data is none of Image"),
    parquet("label NaN", {"image": cell(), "label": [float("nan")]}, r"'nan' in data is none of"),
    parquet("names a number", {"image": cell(), "label": [1]}, r"cannot read", classes(5)),
    parquet("names numbers", {"image": cell(), "label": [1]}, r"cannot read", classes([1, 2])),
    parquet("label above", {"image": cell(), "label": [3]}, r"cannot rea", classes(["n01440764"])),
    parquet("names cut", {"image": cell(), "label": [1]}, r"cannot read .*JSONDecodeError", "{"),
    parquet("names a list", {"image": cell(), "label": [1]}, r"cannot read .*AttributeError", "[]"),
    tree("no Parquet", text("data/v.parquet", "PAR1 no PAR1"), r"cannot read data/v.parquet"),
    tree("empty Parquet", text("data/v.parquet", ""), r"v\.parquet \(.*file size is 0 bytes"),
    boxes("none", voc("<annotation/>"), r"\(<size/width> is missing\); it must be VOC XML"),
    boxes("cut", voc("<annotation>"), r"\(no element found: .*\); it must be VOC XML"),
    boxes("no width", voc(sized(0)), r"\(<size> is 0 x 0\); it must be VOC XML"),
    boxes("width -5", voc(sized(-5)), r"\(<size> is -5 x -5\); it must be VOC XML"),
    boxes("width a word", voc(sized("x")), r"\(invalid literal for int.*\); it must be VOC XML"),
    boxes("edge NaN", voc(box("nan")), r"\(<xmin> is nan\); it must be VOC XML"),
    boxes("edge a word", voc(box("x")), r"\(could not convert string to float: 'x'\); it must"),
    boxes("entity bomb", voc(LAUGHS), r"\(limit on input amplification factor.*\); it must be"),
    boxes("encoding", voc("<?xml version='1.0' encoding='no'?><a/>"), r"unknown encoding: no"),
    boxes("pipe", fifo("boxes/imagenet_00_243.xml"), r"\(it is no regular file\); it must be"),
    boxes("folder", partial(os.makedirs, "boxes/imagenet_00_243.xml"), r"it is no regular file"),
    boxes("two", both(voc("", "boxes/a"), voc("", "boxes/b")), r"are of one image: keep one of"),
    labels("none", "", NOT_LABELS),
    labels("header alone", "name,label\n", NOT_LABELS),
    labels("UTF-16", f"{A},1\n{B},2\n".encode("utf-16"), NOT_LABELS),
    labels("one long line", " ," * 300_000, NOT_LABELS),
    labels("a long line", f"{A},1\n{' ,' * 300_000}", r"line 2 of .* is no `name,label`"),
    labels("negative", f"{A},-1\n{B},3\n", r"label -1 in .* is no class index of ImageNet"),
    labels("5,000 digits", f"{A},{'1' * 5000}\n{B},3\n", r"1 of 2 images .* have no label in"),
    labels("counted from 1", f"{A},1000\n{B},3\n", r"look 1-based \(1 to 1000, none is 0\)"),
    labels("unknown class", f"{A},n99999999\n{B},3\n", r"'n99999999' in .* is none of ImageNet's"),
    labels("two of one image", f"{A},1\n{A},2\n{B},3\n", r"has two labels for .*: 1 and 2"),
    labels("one missing", f"{A},1\n", r"1 of 2 images in data have no label .*give a list of all"),
    labels("one more", f"{A},1\n{B},2\n{C},3\n", r"2 of 3 images that .* lists are in data"),
    labels("late noise", f"{A},1\n".encode() + b"x\n" * 9000 + b"\xff", r"labels\.csv is not text"),
    Row(
        "labels: pipe",
        both(files(f"data/{A}", f"data/{B}"), fifo("data/labels.csv")),
        on_data(),
        1,
        NOT_LABELS,
    ),
    devkit("superscript", "2\n\N{SUPERSCRIPT TWO}\n".encode(), r"line 2 .*no ILSVRC2012 ID of a c"),
    devkit("5,000 digits", b"2\n" + b"1" * 5000, r"line 2 of .* is '1{60}', no ILSVRC2012 ID"),
    devkit("not UTF-8", b"2\n\xff\n", r"is not text: give the devkit's ILSVRC2012_validation"),
    devkit("one too many", b"2\n3\n4\n", r"2 of 3 images are in data \(first missing: ILSVRC"),
    devkit("packed, not UTF-8", b"2\n\xff\n", r"cannot read .*can't decode byte 0xff", True),
    devkit("packed bomb", b"2\n" * 10_000_000, r"cannot read .* more than 16,777,216 byte", True),
    *bad_archives.ROWS,
]
