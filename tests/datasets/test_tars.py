"""The index of an uncompressed tar, against reading it whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from xaibench.datasets.tars import index
from xaibench.errors import XaibenchError


def pack(path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_spans_are_the_files_in_their_order(tmp_path: Path) -> None:
    members = [("./b.jpg", b"x" * 700), ("folder/a.jpg", b""), ("n" * 150, b"yz")]
    found = index(pack(tmp_path / "a.tar", members))
    assert list(found) == ["b.jpg", "folder/a.jpg", "n" * 150]
    assert [span.open().read() for span in found.values()] == [data for _, data in members]


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, to in [
            ("s/up.jpg", tarfile.SYMTYPE, "../a.jpg"),
            ("a.jpg", tarfile.REGTYPE, ""),
            ("hard.jpg", tarfile.LNKTYPE, "./a.jpg"),
            ("s/twice.jpg", tarfile.SYMTYPE, "up.jpg"),
            ("s/readme", tarfile.SYMTYPE, "/etc/motd"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, to, 0 if to else 3
            archive.addfile(info, io.BytesIO(b"abc"))
    found = index(path)
    assert list(found) == ["s/up.jpg", "a.jpg", "hard.jpg", "s/twice.jpg"]
    assert {span.open().read() for span in found.values()} == {b"abc"}


def test_refused(tmp_path: Path) -> None:
    twice = pack(tmp_path / "twice.tar", [("a", b"1"), ("./a", b"2")])
    with pytest.raises(XaibenchError, match=r"has a twice: repair it"):
        index(twice)
    packed = pack(tmp_path / "a.tar.gz", [("a", b"1")], "w:gz")
    with pytest.raises(XaibenchError, match="no uncompressed tar: unpack"):
        index(packed)
    with pytest.raises(XaibenchError, match=r"cannot read .*check --data"):
        index(tmp_path / "none.tar")


def test_cut_short_after_its_whole_files(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", [("a", b"1" * 600), ("b", b"2" * 600)])
    path.write_bytes(path.read_bytes()[: index(path)["b"].offset + 10])
    with pytest.raises(XaibenchError, match="cut short after 1 files"):
        index(path)
