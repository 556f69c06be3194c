"""The same directory again: nothing twice, growth keeps what is there, interruptions heal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.stages import block

MODEL = ["--model", THOUSAND]
FAST = ["--metric", "insertion(rows_per_step=32)", *MODEL]
State = dict[str, tuple[int, bytes]]


def run(out: Path, *words: object) -> str:
    """The last line of a run that must succeed."""
    code, said, err = cli("run", *FAST, "--out", out, *words)
    assert code == 0, err
    return said.splitlines()[-1]


def state(out: Path) -> State:
    """Time of change and content of every result file."""
    files = [p for p in out.rglob("*") if p.is_file() and "manifests" not in p.parts]
    return {p.relative_to(out).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def kept(before: State, after: State) -> bool:
    """Whether every file of before is still there, untouched."""
    return before.items() <= after.items()


def added(before: State, after: State) -> list[str]:
    """Top folders of the new files, sorted, one a file."""
    return sorted(name.split("/")[0] for name in after.keys() - before.keys())


def assert_same_results(left: Path, right: Path) -> None:
    pd.testing.assert_frame_equal(
        xaibench.load_scores(left), xaibench.load_scores(right), check_exact=True
    )
    ids, maps = xaibench.load_maps(left, "gradcam")
    other_ids, other_maps = xaibench.load_maps(right, "gradcam")
    rows = [other_ids.index(i) for i in ids]
    assert sorted(ids) == sorted(other_ids)
    np.testing.assert_array_equal(maps, other_maps[rows])


@pytest.fixture(scope="module", autouse=True)
def _blocks_of_five() -> Iterator[None]:
    """Two blocks of seven photographs, as thousands have many."""
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seven photographs, two blocks; tests work on copies."""
    out = tmp_path_factory.mktemp("rerun") / "base"
    assert "computed 7 predictions, 7 maps, 7 scores" in run(out, "--limit", 7)
    return out


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    """A copy of the run to change."""
    return Path(shutil.copytree(base, tmp_path / "copy"))


def test_same_command_computes_nothing(tmp_path: Path) -> None:
    """Of the embedded network, which is known: one from a file is tried when it is loaded."""
    words = ("--model", "efficientnet_lite0", "--limit", 1)
    run(tmp_path, *words)
    before = state(tmp_path)
    with mock.patch("xaibench.models.classifier.TorchClassifier.__call__") as forward:
        line = run(tmp_path, *words)
    assert "nothing left to compute" in line
    assert forward.call_count == 0
    assert state(tmp_path) == before


def test_two_fresh_runs_are_byte_identical(base: Path, tmp_path: Path) -> None:
    run(tmp_path / "again", "--limit", 7)
    parquet = {k: v[1] for k, v in state(base).items() if k.endswith(".parquet")}
    again = {k: v[1] for k, v in state(tmp_path / "again").items() if k.endswith(".parquet")}
    assert len(parquet) == 4
    assert parquet == again
    assert_same_results(base, tmp_path / "again")


def test_larger_limit_adds_and_equals_a_fresh_run(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "grown"
    run(out, "--limit", 2)
    before, scores = state(out), xaibench.load_scores(out)
    assert "computed 5 predictions, 5 maps, 5 scores" in run(out, "--limit", 7)
    after, grown = state(out), xaibench.load_scores(out)
    old = grown[grown.image.isin(scores.image)].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, scores, check_exact=True)
    assert added(before, after) == ["maps"] * 2 + ["predictions"] * 2 + ["scores"] * 2
    assert added(after, before) == ["maps", "predictions", "scores"], "one file a block again"
    assert_same_results(base, out)


def test_smaller_limit_keeps_everything(copy: Path) -> None:
    before = state(copy)
    assert "1 images, nothing left to compute" in run(copy, "--limit", 1)
    assert state(copy) == before


def test_another_metric_adds_scores_alone(copy: Path) -> None:
    before = state(copy)
    words = ("--limit", 2, "--metric", "deletion(rows_per_step=32)")
    assert "computed 2 scores" in run(copy, *words)
    after = state(copy)
    assert kept(before, after)
    assert added(before, after) == ["scores"]


def test_the_same_metric_with_other_values_is_another(copy: Path) -> None:
    run(copy, "--limit", 2, "--metric", "insertion(rows_per_step=16)")
    scores = xaibench.load_scores(copy)
    assert dict(scores.metric.value_counts()) == {
        "insertion(rows_per_step=32)": 7,
        "insertion(rows_per_step=16)": 2,
    }


@pytest.mark.parametrize("limit", [1, 2])
def test_other_targets_add_maps_and_scores(copy: Path, limit: int) -> None:
    before = state(copy)
    line = run(copy, "--limit", limit, "--target", "predicted,least-probable")
    assert f"computed {2 * limit} maps, {2 * limit} scores" in line
    after = state(copy)
    assert kept(before, after)
    assert added(before, after) == ["maps"] * 2 + ["scores"] * 2
    scores = xaibench.load_scores(copy)
    assert set(scores.target) == {"ground_truth", "predicted", "least_probable"}
    assert (scores.class_index == scores.explained_index).all()
    least = scores[scores.target == "least_probable"]
    assert (least.class_index != least.label).all()


def test_all_targets_at_once_equal_one_after_the_other(tmp_path: Path) -> None:
    targets = ("ground_truth", "predicted", "least_probable")
    run(tmp_path / "at_once", "--limit", 2, "--target", ",".join(targets))
    for target in targets:
        run(tmp_path / "in_turn", "--limit", 2, "--target", target)
    pd.testing.assert_frame_equal(
        xaibench.load_scores(tmp_path / "at_once"),
        xaibench.load_scores(tmp_path / "in_turn"),
        check_exact=True,
    )


@pytest.mark.parametrize("block", ["00000", "00001"])
def test_a_lost_block_of_scores_comes_back_alone(base: Path, copy: Path, block: str) -> None:
    (lost,) = (copy / "scores").rglob(f"{block}-*.parquet")
    content = lost.read_bytes()
    lost.unlink()
    before = state(copy)
    assert f"computed {5 if block == '00000' else 2} scores" in run(copy, "--limit", 7)
    after = state(copy)
    assert kept(before, after)
    assert added(before, after) == ["scores"]
    assert lost.read_bytes() == content
    assert_same_results(base, copy)


def test_a_lost_block_of_maps_comes_back_with_explain(base: Path, copy: Path) -> None:
    (lost,) = (copy / "maps").rglob("00000-*.safetensors")
    lost.unlink()
    before = state(copy)
    assert "nothing left to compute" in run(copy, "--limit", 7), "its scores are there"
    assert cli("explain", *MODEL, "--out", copy, "--limit", 7)[1].count("computed 5 maps") == 1
    after = state(copy)
    assert kept(before, after)
    assert added(before, after) == ["maps"]
    assert lost.exists()
    assert_same_results(base, copy)


@pytest.mark.parametrize("step", ["predict", "explain_unit", "score_unit"])
def test_an_interrupted_run_goes_on(base: Path, tmp_path: Path, step: str) -> None:
    real, calls = getattr(block, step), []

    def second_call_dies(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    out = tmp_path / "out"
    with mock.patch.object(block, step, second_call_dies):
        assert cli("run", *FAST, "--out", out, "--limit", 7)[0] == 130
    before = state(out)
    assert any(name.startswith("scores/") for name in before)
    assert "2 scores" in run(out, "--limit", 7)
    assert kept(before, state(out))
    assert not [name for name in state(out) if ".tmp-" in name]
    assert_same_results(base, out)


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with mock.patch("xaibench.store.maps.save_file", side_effect=OSError(28, "No space left")):
        code, _, err = cli("run", *FAST, "--out", out, "--limit", 1)
    assert code == 1
    assert "No space left" in err
    assert not [p for p in out.rglob("*") if p.is_file() and "maps" in p.parts]


def test_explain_then_score_equals_run(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli("explain", *MODEL, "--out", out, "--limit", 7)[0] == 0
    assert not (out / "scores").exists()
    code, said, _ = cli("score", *FAST, "--out", out, "--limit", 7)
    assert code == 0
    assert "computed 7 scores" in said
    assert_same_results(base, out)


def test_a_resumed_run_keeps_its_batch_size(copy: Path) -> None:
    import json

    run(copy, "--limit", 8, "--batch-size", 3)
    sizes = {json.loads(p.read_text())["batch_size"] for p in copy.glob("manifests/run-*.json")}
    assert sizes == {16}


def test_overwrite_starts_anew(copy: Path) -> None:
    assert "computed 1 predictions, 1 maps, 1 scores" in run(copy, "--limit", 1, "--overwrite")
    assert len(xaibench.load_scores(copy)) == 1


def test_clean_shows_asks_and_deletes(copy: Path) -> None:
    _, said, _ = cli("clean", copy)
    assert "nothing deleted" in said
    assert {line.split()[0] for line in said.splitlines()[1:-1]} == {
        "maps",
        "predictions",
        "scores",
        "manifests",
    }
    assert cli("clean", copy, "--maps")[0] == 1, "without a terminal nobody can say yes"
    assert (copy / "maps").exists()
    assert cli("clean", copy, "--maps", "--yes")[0] == 0
    assert not (copy / "maps").exists()
    assert "nothing left to compute" in run(copy, "--limit", 7)
    assert cli("clean", copy, "--scores", "--yes")[0] == 0
    assert "computed 7 maps, 7 scores" in run(copy, "--limit", 7)


def test_report_and_normalize_of_a_run(copy: Path) -> None:
    code, said, _ = cli("report", copy)
    assert code == 0
    assert "insertion(rows_per_step=32)" in said
    suffixes = {p.suffix for p in (copy / "report").iterdir()}
    assert {".md", ".csv", ".tex", ".json"} <= suffixes
    code, said, _ = cli("normalize", copy, "--target", "ground-truth")
    assert code == 0
    (file,) = (copy / "normalized").rglob("*.npy")
    ids, maps = xaibench.load_maps(copy, "gradcam")
    np.testing.assert_array_equal(np.load(file), maps)
    assert f"{file}: {len(ids)} maps" in said
