"""Which files are a dataset's shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from xaibench.datasets.shards import find
from xaibench.errors import XaibenchError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b.tar", "a.tar", "notes.txt"], ["a.tar", "b.tar"]),
        (["x/y/z/a.tar", "x/y/z/deep/b.tar"], ["x/y/z/a.tar"]),
        (["train-0.tar", "val-0.tar", "interval.tar"], ["val-0.tar"]),
        (["train/0.tar", "validation/0.tar"], ["validation/0.tar"]),
        ([".hidden.tar", ".cache/0.tar", "n01440764/0.tar", "a.tar"], ["a.tar"]),
        (["a.tar", "photo.jpg"], []),
        (["a.tar", "inner/photo.jpg"], ["a.tar"]),
        (["v-00000-of-00002.tar", "v-00001-of-00002.tar"],) * 2,
    ],
)
def test_found(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    root = tree(tmp_path, *names)
    assert [p.relative_to(root).as_posix() for p in find(root, ".tar")] == expected


def test_a_file_is_itself(tmp_path: Path) -> None:
    path = tree(tmp_path, "a.tar") / "a.tar"
    assert find(path, ".tar") == [path]
    assert find(path, ".parquet") == []


def test_numbered_shards_are_complete_or_refused(tmp_path: Path) -> None:
    tree(tmp_path, "v-00000-of-00003.tar", "v-00002-of-00003.tar")
    with pytest.raises(XaibenchError, match=r"2 of 3 .*missing: v-00001-of-00003\.tar"):
        find(tmp_path, ".tar")
