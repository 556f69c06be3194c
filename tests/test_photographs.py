"""The study's photographs are put together by name and content, wherever they lie."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import link_photographs

from xaibench.published import imagenet_wnids

NAMES = [f"{w}_x.JPEG" for w in imagenet_wnids()[:2]]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flat folder of two photographs, both listed, and one more."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in (*NAMES, "n00000000_other.JPEG"):
        (folder / name).write_bytes(name.encode())
    lines = (f"{hashlib.sha256(n.encode()).hexdigest()} {n}\n" for n in NAMES)
    (tmp_path / "list.txt").write_text("".join(lines))
    monkeypatch.setattr(link_photographs, "LIST", tmp_path / "list.txt")
    return folder


def test_the_listed_and_the_embedded(clone: Path, tmp_path: Path) -> None:
    link_photographs.main(clone, tmp_path / "made")
    made = sorted(p.name for p in (tmp_path / "made").rglob("*.*"))
    assert (len(made), set(NAMES) <= set(made)) == (22, True)
    assert (tmp_path / "made" / NAMES[0][:9] / NAMES[0]).read_bytes() == NAMES[0].encode()


def test_another_photograph_is_refused(clone: Path, tmp_path: Path) -> None:
    (clone / NAMES[1]).write_bytes(b"resized")
    with pytest.raises(SystemExit, match="its SHA-256 differs"):
        link_photographs.main(clone, tmp_path / "made")
    (clone / NAMES[1]).unlink()
    with pytest.raises(SystemExit, match=r"is not below .*: is it a clone of"):
        link_photographs.main(clone, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_studys_list() -> None:
    rows = [line.split() for line in link_photographs.LIST.read_text().splitlines()]
    assert len({digest for digest, _ in rows}) == len({name[:9] for _, name in rows}) == 100
    assert {name[:9] for _, name in rows} < set(imagenet_wnids())
