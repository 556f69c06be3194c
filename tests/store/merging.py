"""Directories to be merged, in blocks of five, and what merging them says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli
from shards import shards


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards in directories of their own."""
    out = tmp_path_factory.mktemp("parts")
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        shards(out, (3, 1, 2), apart=True)
    return out


@pytest.fixture
def pair(parts: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of two of them, to be changed."""
    return tuple(shutil.copytree(parts / n, tmp_path / n) for n in ("1", "2"))  # type: ignore[return-value]


def merge(*words: object) -> tuple[int, str, str]:
    return cli("merge", *words)


def refused(tmp_path: Path, *words: object, code: int = 1, **instead: object) -> str:
    """The one line of a merge that makes nothing."""
    out = tmp_path / "merged" / "run"
    ended, _, err = merge(*words, "--out", instead.get("out", out))
    assert (ended, err.count("\n")) == (code, 1), err
    assert not out.exists()
    assert not list(out.parent.glob(".*")) if out.parent.exists() else True
    return err
