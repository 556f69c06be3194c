"""No room, no permission, no file handles: one line, and the same command goes on afterwards."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forked import METHODS, RUN, WORDS, assert_same
from forks import Ended, Forks
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.datasets import pixels
from xaibench.datasets.blobs import File
from xaibench.errors import XaibenchError

MODEL = ("--model", THOUSAND, "--workers", 0, "--limit", 3)
ABLATE = ("ablate", *MODEL, "--method", "rise(n_masks=16)", "--metric", "average_drop")


def assert_whole(out: Path) -> None:
    """Nothing half-written lies there: not even what the doctor would remove."""
    if (out / "manifests").is_dir():
        code, said, _ = cli("doctor", out)
        assert code == 0, said


def assert_full(ended: Ended, path: Path) -> None:
    assert ended.code == 1, ended
    assert f"cannot write {path}" in ended.line
    assert ended.line.endswith("choose another --out or free space.")


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))]
)
def test_no_room_from_some_moment_on(server: Forks, base: Path, tmp_path: Path, part: int) -> None:
    """Before each fourth of all changes that need room, one after the other."""
    for at in range(1 + part, 200, 4):
        out = tmp_path / f"full-{at}"
        ended = server.run(*RUN, out, errno="ENOSPC", at=at)
        if ended.code == 0:
            assert at > 20
            break
        assert_full(ended, out)
        assert "No space left on device" in ended.line
        assert_whole(out)
        if at % 8 < 4:  # half of them, to save time
            assert server.run(*RUN, out).code == 0
            assert_same(out, base, *METHODS)
    else:
        raise AssertionError("it never ends")


SIZES = [0, 1, 300, 1000, 2000, 3000, 4500, 6000, 8000, 12_000, 20_000]


@pytest.mark.parametrize("size", SIZES)
def test_files_of_a_run_that_may_not_grow(
    server: Forks, base: Path, tmp_path: Path, size: int
) -> None:
    out = tmp_path / "run"
    ended = server.run(*RUN, out, limits={"FSIZE": size})
    assert_full(ended, out)
    assert_whole(out)
    assert server.run(*RUN, out).code == 0
    assert_same(out, base, *METHODS)


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_files_of_a_report_that_may_not_grow(
    server: Forks, base: Path, tmp_path: Path, size: int
) -> None:
    out = Path(shutil.copytree(base, tmp_path / "run"))
    words = ("report", out, "--table", 1)
    assert_full(server.run(*words, limits={"FSIZE": size}), out / "report")
    assert_whole(out)
    assert server.run(*words).code == 0
    after = {path.name: path.read_text() for path in (out / "report").iterdir()}
    shutil.rmtree(out / "report")
    assert server.run(*words).code == 0
    assert after == {path.name: path.read_text() for path in (out / "report").iterdir()}


@pytest.mark.parametrize("size", [0, 100, 30_000])
def test_normalized_maps_that_may_not_grow(
    server: Forks, base: Path, tmp_path: Path, size: int
) -> None:
    out = Path(shutil.copytree(base, tmp_path / "run"))
    assert_full(server.run("normalize", out, limits={"FSIZE": size}), out / "normalized")
    assert_whole(out)
    assert not list((out / "normalized").rglob("*.json")) or size
    assert server.run("normalize", out).code == 0
    arrays = sorted((out / "normalized").rglob("*.npy"))
    assert len(arrays) == 2
    for path, method in zip(arrays, ("gradcam", "rise(n_masks=16)"), strict=True):
        assert np.array_equal(np.load(path), xaibench.load_maps(base, method)[1])


@pytest.mark.parametrize("size", [0, 2000, 3500, 6000])
def test_files_of_an_ablation_that_may_not_grow(server: Forks, tmp_path: Path, size: int) -> None:
    words = (*ABLATE, "--switch", "probability", "--out")
    out, whole = tmp_path / "run", tmp_path / "whole"
    assert server.run(*words, out).code == 0
    out.rename(whole)  # pages say where they were written
    assert_full(server.run(*words, out, limits={"FSIZE": size}), out)
    ended = server.run(*words, out)
    assert ended.code == 0, ended.err
    for run in ("published", "published+probability=float64"):
        assert_whole(out / run)
        pd.testing.assert_frame_equal(
            xaibench.load_scores(out / run), xaibench.load_scores(whole / run), check_exact=True
        )
    pages = sorted(path for path in whole.iterdir() if path.is_file())
    assert pages
    for path in pages:
        assert (out / path.name).read_text() == path.read_text()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory that is mounted, or mounted again, with options."""
    folder, mounted = tmp_path / "small", False
    folder.mkdir()

    def mount(options: str) -> Path:
        nonlocal mounted
        again = f"remount,{options}" if mounted else options
        words = ["mount", "-t", "tmpfs", "-o", again, "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    if shutil.which("mount") is None:
        pytest.skip("no file system can be mounted here: there is no mount")
    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("pages", [1, 3, 5, 8, 11, 14, 17, 20, 23])
def test_a_full_disk(server: Forks, base: Path, small: Callable[[str], Path], pages: int) -> None:
    out = small(f"size={pages * 4}k") / "run"
    ended = server.run(*RUN, out)
    assert_full(ended, out)
    assert_whole(out)
    small("size=30m")
    assert server.run(*RUN, out).code == 0
    assert_same(out, base, *METHODS)
    taken = sum(path.stat().st_blocks * 512 for path in out.rglob("*") if path.is_file())
    small(f"size={taken // 1024 + 8}k")
    assert_full(server.run("normalize", out), out / "normalized")
    ended = server.run("report", out)
    assert ended.code == 0 or assert_full(ended, out / "report") is None
    assert_whole(out)
    small("size=30m")
    assert server.run("normalize", out).code == server.run("report", out).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("run", *WORDS, "--metric", "effective_complexity", "--out"),
        ("report",),
        ("normalize",),
        ("clean", "--maps", "--yes"),
        ("doctor", "--fix"),
    ],
    ids=lambda words: words[0],
)
def test_a_disk_that_may_only_be_read(
    server: Forks, base: Path, small: Callable[[str], Path], words: tuple[object, ...]
) -> None:
    out = small("size=30m") / "run"
    shutil.copytree(base, out)
    shutil.rmtree(out / "report", ignore_errors=True)
    small("ro")
    ended = server.run(*words, out)
    assert ended.code == 1
    assert "Read-only file system" in ended.line
    assert xaibench.load_scores(out).equals(xaibench.load_scores(base))
    assert server.run("doctor", out).code == 0


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("most", [8, 12, 16, 20, 24, 32, 48, 64])
def test_few_file_handles(
    server: Forks, place: Path, tmp_path: Path, most: int, workers: int
) -> None:
    """It works, or says in a line that it does not; no image is taken for unreadable."""
    out, whole = tmp_path / "run", place / "twenty"
    words = ("run", "--model", THOUSAND, "--metric", "sparseness", "--limit", 20)
    if not whole.exists():
        assert server.run(*words, "--workers", 0, "--out", whole).code == 0
    words = (*words, "--workers", workers, "--out")
    ended = server.run(*words, out, limits={"NOFILE": most})
    assert ended.code == 0 or ended.line
    assert list(out.glob("failures/*")) == []
    assert server.run(*words, out).code == 0
    assert xaibench.load_scores(out).equals(xaibench.load_scores(whole))


def test_an_image_is_not_unreadable_for_want_of_handles(
    server: Forks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: File) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(self.path))

    words = ("run", *MODEL, "--metric", "sparseness", "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(File, "open", full)
        code, _, err = cli(*words)
    assert code == 1
    assert "Too many open files: raise the number of open files (ulimit -n)" in err
    assert list((tmp_path / "run").glob("failures/*")) == []
    assert cli(*words)[0] == 0


def test_no_room_for_the_images_of_workers(
    monkeypatch: pytest.MonkeyPatch, small: Callable[[str], Path]
) -> None:
    folder = small("size=64k")
    monkeypatch.setattr(pixels, "_SHARED", folder)
    monkeypatch.setattr(pixels.tempfile, "tempdir", str(folder))
    with pytest.raises(XaibenchError, match=r"no room for .* KB of images .*--workers 0"):
        xaibench.run({"model": THOUSAND, "out": folder / "run", "workers": 2})
    assert not list(folder.glob("xaibench-*"))


LONG = "x" * 255
PLACES = {
    "not UTF-8": b"run-\xff\xfe",
    "a name of 255 characters": LONG.encode(),
    "a name of 256 characters": (LONG + "x").encode(),
    "a path of 5000 characters": "/".join([LONG] * 20).encode(),
    "a line break": b"run\n",
    "a control sequence": b"run\x1b[31m",
    "blanks and quotes": b" run 'a' \"b\" {c} [d] %e",
}


@pytest.mark.parametrize("name", PLACES)
def test_where_a_run_may_lie(server: Forks, base: Path, tmp_path: Path, name: str) -> None:
    """Every command works there, or says in a line why it does not."""
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + PLACES[name]))
    ended = server.run(*RUN, out)
    if ended.code:
        assert ended.code in (1, 2)
        remedies = "choose another --out|a shorter name|shorten it|give at most|is not UTF-8"
        assert re.search(remedies, ended.line)
        for words in (("report", out), ("doctor", out), ("clean", out), ("normalize", out)):
            ended = server.run(*words)
            assert ended.code in (1, 2)
            assert ended.line
        return
    assert_same(out, base, *METHODS)
    for words in (("report", out), ("doctor", out), ("clean", out), ("normalize", out)):
        ended = server.run(*words)
        assert ended.code == 0, ended.err


def test_a_spec_whose_folder_has_too_long_a_name(server: Forks, tmp_path: Path) -> None:
    ended = server.run(*RUN, tmp_path / "run", "--method", f"rise(n_masks={'9' * 250})")
    assert ended.code in (1, 2)
    assert ended.line
