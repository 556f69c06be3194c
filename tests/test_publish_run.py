"""A published folder holds what a run shows, no path of the machine, and the run itself."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from helpers import cli

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import publish_run

import xaibench

ASKED = ("--method", "fakecam,gradcam,iba", "--metric", "sparseness,average_drop")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the folder made of it."""
    place = tmp_path_factory.mktemp("published")
    run, folder = place / "run", place / "folder"
    assert cli("run", *ASKED, "--limit", "2", "--out", str(run))[0] == 0
    assert cli("report", str(run))[0] == 0
    publish_run.main(run, folder)
    return run, folder


def unpacked(folder: Path, into: Path) -> Path:
    """The run directory of a published folder."""
    with tarfile.open(folder / "run.tar.xz") as whole:
        whole.extractall(into, filter="data")
    return into


def test_the_run_itself(published: tuple[Path, Path], tmp_path: Path) -> None:
    run, folder = published
    again = unpacked(folder, tmp_path / "again")
    for path in (run / "scores").rglob("*.parquet"):
        assert (again / path.relative_to(run)).read_bytes() == path.read_bytes()
    publish_run.archive(run, publish_run.records_of(run), tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == (folder / "run.tar.xz").read_bytes()
    held = pd.read_parquet(folder / "scores.parquet")
    pd.testing.assert_frame_equal(xaibench.load_scores(again), held)


def test_it_goes_on(published: tuple[Path, Path], tmp_path: Path) -> None:
    again = unpacked(published[1], tmp_path / "again")
    code, out, err = cli("run", *ASKED, "--limit", "3", "--out", str(again))
    assert (code, "3 images, computed 1 predictions, 3 maps, 6 scores" in out) == (0, True), err
    whole = tmp_path / "whole"
    cli("run", *ASKED, "--limit", "3", "--out", str(whole))
    ours, theirs = map(xaibench.load_scores, (again, whole))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_no_path_of_this_machine(published: tuple[Path, Path], tmp_path: Path) -> None:
    run, folder = published
    again = unpacked(folder, tmp_path / "again")
    texts = [p for p in (*folder.glob("*.json"), *again.rglob("*.json"), *folder.glob("*.md"))]
    assert any("results/runs/run" in path.read_text() for path in texts)
    assert not [path for path in texts if str(run.parent) in path.read_text()]


def test_large_maps_are_left_out(published: tuple[Path, Path], tmp_path: Path) -> None:
    run, folder = published
    again = unpacked(folder, tmp_path / "again")
    held = {path.relative_to(again) for path in (again / "maps").rglob("*.safetensors")}
    all_maps = {path.relative_to(run): path for path in (run / "maps").rglob("*.safetensors")}
    assert held == {n for n, p in all_maps.items() if p.stat().st_size <= publish_run.LARGE}
    assert 0 < len(held) < len(all_maps)
