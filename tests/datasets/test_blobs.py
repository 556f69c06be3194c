"""Where an image's bytes lie: what is opened is what lies there, and no more is read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xaibench.datasets.blobs import Blob, Cell, File, Span


def read(blob: Blob) -> bytes:
    with blob.open() as file:
        return file.read()


def test_a_file(tmp_path: Path) -> None:
    blob = File(tmp_path / "a.jpg")
    assert blob.size == -1
    blob.path.write_bytes(b"pixels")
    assert (blob.size, read(blob)) == (6, b"pixels")


def test_a_stretch_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"head|pixels|tail")
    assert read(Span(path, 5, 6)) == b"pixels"
    with pytest.raises(OSError, match=r"a\.tar ends inside this image"):
        read(Span(path, 12, 5))


def test_a_cell_of_a_row_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cells = [b"zero", b"one", None, b"three"]
    table = pa.table({"image": [{"bytes": c, "path": "x"} for c in cells], "raw": cells})
    pq.write_table(table, path, row_group_size=2)
    for column in ("image.bytes", "raw"):
        found = [read(Cell(path, column, row // 2, row % 2, 8)) for row in (0, 1, 3)]
        assert found == [b"zero", b"one", b"three"]
        with pytest.raises(OSError, match="no image bytes"):
            read(Cell(path, column, 1, 0, 8))


def test_they_travel_to_workers(tmp_path: Path) -> None:
    for blob in (File(tmp_path), Span(tmp_path, 1, 2), Cell(tmp_path, "a", 0, 1, 2)):
        assert pickle.loads(pickle.dumps(blob)) == blob
