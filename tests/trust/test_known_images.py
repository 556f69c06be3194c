"""What a run keeps of its images, and what it costs to compare them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from helpers import cli
from pictures import BASE, GOOD, GROUPS, IDS, OTHER, assert_the_same, rows, run, write

import xaibench
from xaibench.config.files import digest
from xaibench.datasets import blobs
from xaibench.errors import Failed
from xaibench.store import images as known
from xaibench.store import layout, tables
from xaibench.store.manifest import identity_of

B = IDS[1]


def test_only_suspicious_files_are_read_and_only_once(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    read: list[str] = []
    real = blobs.read

    def told(blob: blobs.Blob) -> tuple[bytes, blobs.Content]:
        read.append(blob.path.name)
        return real(blob)

    with mock.patch.object(blobs, "read", told):
        run(data, tmp_path / "out", BASE)
        assert read == []
        write(data, B, GOOD[1])
        run(data, tmp_path / "out", BASE)
        assert read == [Path(B).name]
        run(data, tmp_path / "out", BASE)
        assert read == [Path(B).name], "its time is known now"


def test_a_file_that_cannot_be_read_now_loses_nothing(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    write(data, B, GOOD[1])
    with mock.patch.object(blobs.File, "open", side_effect=OSError("the network is away")):
        assert run(data, tmp_path / "out", BASE)[0] == ""
    assert len(rows(tmp_path / "out")) == 6


def cleaned(out: Path) -> None:
    assert cli("clean", out, "--maps", "--yes")[0] == 0


def states_gone(out: Path) -> None:
    shutil.rmtree(out / "state")


@pytest.mark.parametrize("lose", [cleaned, states_gone])
@pytest.mark.parametrize("transform", ["none", "none,rotation"])
def test_a_state_that_is_gone_and_another_image_of_those_it_was_of(
    data: Path, tmp_path: Path, lose: Callable[[Path], None], transform: str
) -> None:
    """The image is none of those asked for: the state alone rests on it."""
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    method = "iba(samples=2,steps=2)"
    config = {**BASE, "method": f"{method},gradient", "limit": 3, "transform": transform}
    run(data, out, config)
    lose(out)
    write(data, IDS[6], OTHER)
    more = {**config, "metric": "sparseness,complexity"}
    assert f"all results of {method} are computed anew" in run(data, out, more)[0]
    run(data, fresh, more)
    pd.testing.assert_frame_equal(rows(out), rows(fresh), check_exact=True)


def test_maps_that_were_cleaned_cost_no_scores(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = {**BASE, "method": "iba(samples=2,steps=2),rise(n_masks=4)"}
    run(data, out, config)
    cleaned(out)
    said, end = run(data, out, config)
    assert (said, "nothing left to compute" in end) == ("", True)
    said, end = run(data, out, {**config, "metric": "complexity"})
    assert (said, "computed 12 maps, 12 scores" in end) == ("", True)


def test_rows_that_failed_rest_on_no_state(data: Path, tmp_path: Path) -> None:
    config = {**BASE, "method": "iba(samples=2,steps=2)"}
    with mock.patch("xaibench.stages.prepare.prepare", side_effect=Failed("no state")):
        run(data, tmp_path / "out", config)
        assert set(rows(tmp_path / "out").status) == {"failed"}
        said, end = run(data, tmp_path / "out", {**config, "retry_failed": False})
    assert (said, "6 that failed before left alone" in end) == ("", True)
    assert len(rows(tmp_path / "out")) == 6


def test_files_of_earlier_versions_say_nothing_of_images(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, BASE)
    for path in (out / "predictions").rglob("*.parquet"):
        table = tables.read(path).drop_columns(list(tables.CONTENT))
        tables.save(
            path, table.to_pydict(), table.schema.remove_metadata(), tables.read_origin(path)
        )
    write(data, B, OTHER)
    said, end = run(data, out, BASE)
    assert (said, "nothing left to compute" in end) == ("", True)


def test_predictions_of_another_run_say_nothing_of_images(data: Path, tmp_path: Path) -> None:
    """In the place of the run's own, and of another picture: no result is forgotten for them."""
    out, other = tmp_path / "out", tmp_path / "other"
    run(data, out, BASE)
    write(data, B, OTHER)
    run(data, other, {**BASE, "seed": 1})
    write(data, B, GOOD[1], later=-5)
    for path in (other / "predictions").rglob("*.parquet"):
        (out / path.relative_to(other)).write_bytes(path.read_bytes())
    said, end = run(data, out, BASE)
    assert "foreign" in said
    assert "changed" not in said
    assert "computed 6 predictions in" in end


@pytest.mark.parametrize("harm", ["missing", "empty", "cut"])
def test_a_state_of_unknown_images_is_prepared_again(harm: str, data: Path, tmp_path: Path) -> None:
    config = {**BASE, "method": "iba(samples=2,steps=2)", "limit": 2}
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(data, out, config)
    (beside,) = (out / "state").glob("*.parquet")
    held = beside.read_bytes()
    if "missing" in harm:
        path = beside if harm == "missing" else beside.with_suffix(layout.MAPS)
        path.unlink()
    else:
        beside.write_bytes(held[: -9 if harm == "cut" else 0])
    write(data, IDS[6], OTHER)
    run(data, out, {**config, "limit": 3})
    assert beside.read_bytes() != held
    run(data, fresh, {**config, "limit": 3})
    assert_the_same(out, fresh)


def test_hash_and_time_are_kept_beside_the_predictions_and_not_shown(
    data: Path, tmp_path: Path
) -> None:
    import hashlib

    out = tmp_path / "out"
    run(data, out, GROUPS)
    identity = digest(identity_of(out))
    held = known.read(known.beside_predictions(out, [0, 1]), identity)
    assert held.keys() == set(IDS)  # the group of five of the sixth has the seventh
    for image, content in zip(IDS, GOOD, strict=True):
        expected = hashlib.sha256(content).hexdigest(), (data / image).stat().st_mtime_ns
        assert held[image] == {blobs.Content(*expected)}
    for path in (out / "predictions" / "mixup").rglob("*.parquet"):
        assert tables.read(path)["sha256"].null_count == len(tables.read(path))
    assert not {"sha256", "modified"} & set(xaibench.load_predictions(out).columns)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"images": 3}', b"", b"\xff"])
def test_a_damaged_note_of_changed_images_is_dropped(
    content: bytes, data: Path, tmp_path: Path
) -> None:
    run(data, tmp_path / "out", BASE)
    path = layout.manifest(tmp_path / "out", "changed")
    path.write_bytes(content)
    assert "nothing left to compute" in run(data, tmp_path / "out", BASE)[1]
    assert not path.exists()
