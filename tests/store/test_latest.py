"""Which run `report` takes when none is named."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from xaibench.errors import XaibenchError
from xaibench.store import latest


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of its own, and a working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cache" / "latest.json"
    monkeypatch.setattr(latest, "place", lambda: path)
    return path


def begun(root: Path, stamp: str) -> Path:
    (root / "manifests").mkdir(parents=True)
    (root / f"manifests/run-{stamp}-1.json").write_text("{}")
    return root


def test_the_latest_below_a_folder(tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="xaibench run"):
        latest.latest_run(tmp_path / "runs")
    for name, stamp in (("old", "20250101T000000"), ("new", "20260101T000000")):
        begun(tmp_path / "runs" / name, stamp)
    assert latest.latest_run(tmp_path / "runs") == tmp_path / "runs" / "new"


def test_a_run_that_was_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path / "runs" / "old", "20250101T000000")
    begun(Path("else/where"), "20260101T000000")
    assert latest.latest_run(Path("runs")) == Path("runs/old")
    latest.remember(Path("else/where"))
    assert latest.latest_run(Path("runs")) == Path("else/where")
    begun(tmp_path / "runs" / "new", "20270101T000000")
    assert latest.latest_run(Path("runs")) == Path("runs/new")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")  # another folder's runs are its own
    with pytest.raises(XaibenchError, match="no run below runs"):
        latest.latest_run(Path("runs"))


def test_a_run_that_is_gone_and_a_record_that_is_damaged(tmp_path: Path, place: Path) -> None:
    latest.remember(Path("gone"))
    begun(tmp_path / "runs" / "old", "20250101T000000")
    assert latest.latest_run(Path("runs")) == Path("runs/old")
    place.write_text("{")
    assert latest.latest_run(Path("runs")) == Path("runs/old")
    latest.remember(Path("x"))
    assert place.read_text() != "{"


def test_only_so_many_folders_are_kept(tmp_path: Path, place: Path) -> None:
    with mock.patch.object(latest, "KEPT", 2):
        for name in "abc":
            with mock.patch.object(Path, "cwd", return_value=tmp_path / name):
                latest.remember(Path("run"))
    assert f"{tmp_path}/a" not in place.read_text()
    assert f"{tmp_path}/c" in place.read_text()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, place: Path) -> None:
    place.parent.write_text("a file")
    latest.remember(Path("run"))
