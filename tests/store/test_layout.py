"""Names in a run directory: read back as they were, and never a way out of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from xaibench.store import layout


@pytest.mark.parametrize("name", [".", "..", "...", "a/../b", "rise(n_masks=16)", "ü %2F=", "a.b"])
def test_a_name_is_one_folder_of_its_own(name: str) -> None:
    folder = layout.maps(Path("run"), name, "predicted")
    assert len(folder.parts) == 6
    assert not {".", ".."} & set(folder.parts)
    assert unquote(folder.parts[2]) == name


@pytest.mark.parametrize(
    ("place", "ours"),
    [
        ("scores/method=a/target=b/transform=c/variation=d/metric=e/00000-ab12.parquet", True),
        ("scores/method=a/target=b/transform=c/variation=d/metric=e/failed-00000-a.parquet", True),
        ("scores/method=a/target=b/transform=c/variation=d/metric=e/part-0.parquet", False),
        ("scores/notes.txt", False),
        ("maps/a/b/c/d/00001-ab12.safetensors", True),
        ("maps/a/b/c/00001-ab12.safetensors", False),
        ("manifests/identity.json", True),
        ("manifests/mine.json", False),
        ("nohup.out", False),
        ("report/tables.md", True),
        ("state/.tmp-xyz.safetensors", True),
        (".lock", True),
    ],
)
def test_what_a_run_makes_is_known_from_what_others_put_there(place: str, ours: bool) -> None:
    assert layout.ours(Path("run"), Path("run") / place) is ours


def test_only_files_of_results_are_listed(tmp_path: Path) -> None:
    for name in ("00001-b.parquet", "00000-a.parquet", "failed-00000-a.parquet", "part-0.parquet"):
        (tmp_path / name).touch()
    (tmp_path / ".tmp-00000-a.parquet").touch()
    assert [p.name for p in layout.results(tmp_path)] == ["00000-a.parquet", "00001-b.parquet"]
    assert layout.results(tmp_path / "none") == []
