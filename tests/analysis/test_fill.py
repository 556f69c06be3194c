"""The command below a table: it names what is missing, and running it fills the table."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from frames import EXACT, RESIDUAL
from helpers import cli

import xaibench
from xaibench.analysis.fill import RunWords
from xaibench.analysis.tables import build_table, build_tables
from xaibench.published.tables import METHODS, TABLES
from xaibench.studies.words import run_words


def options(command: str) -> dict[str, list[str]]:
    words = shlex.split(command)
    assert words[:2] == ["xaibench", "run"]
    return dict(zip(words[2::2], (w.split(",") for w in words[3::2]), strict=True))


def without(scores: pd.DataFrame, **keys: str) -> pd.DataFrame:
    gone = pd.Series(True, index=scores.index)
    for name, value in keys.items():
        gone &= scores[name].astype(str) == value
    assert gone.any()
    return scores[~gone]


def test_a_whole_table_asks_for_nothing(full_study: pd.DataFrame) -> None:
    assert [t.fill for t in build_tables(full_study, resamples=2)] == [None] * 4


def test_one_missing_cell(full_study: pd.DataFrame) -> None:
    scores = without(full_study, method="iba", metric="insertion", target="predicted")
    fills = {t.number: t.fill for t in build_tables(scores, resamples=2)}
    assert {n: f and f.missing for n, f in fills.items()} == {1: None, 2: 1, 3: None, 4: None}
    found = options(fills[2].command)
    assert found == {"--method": ["iba"], "--target": ["predicted"], "--metric": ["insertion"]}


def test_a_missing_row_and_a_missing_column(full_study: pd.DataFrame) -> None:
    scores = without(without(full_study, method="lime"), metric="average_gain")
    fill = build_table(scores, 1, resamples=2).fill
    assert (fill.missing, fill.cells) == (6 + 9, 60)
    found = options(fill.command)
    assert found["--method"] == list(METHODS)
    assert found["--metric"] == list(TABLES[1].metrics)


def test_other_rows_are_filled_too(make_frame) -> None:
    spec = "rise(n_masks=2000,p=0.5)"
    rows = [{"method": spec}, {"method": spec, "metric": "deletion"}, {"method": "iba"}]
    fill = build_table(make_frame(rows), 1).fill
    assert (fill.missing, fill.cells) == (66 - 3, 66)
    assert f",{spec}' --target" in fill.command


def test_too_few_variations_count_as_missing(full_study: pd.DataFrame) -> None:
    scores = without(full_study, transform="rotation", variation="45", method="ig")
    found = options(build_table(scores, 4, resamples=2).fill.command)
    assert (found["--transform"], found["--method"]) == (["rotation"], ["ig"])


def test_images_without_classes_have_no_ground_truth(make_frame) -> None:
    fill = build_table(make_frame([{"target": "predicted", "label": -1}]), 2).fill
    assert fill.cells == 100
    assert options(fill.command)["--target"] == ["predicted", "least_probable"]


def test_residuals_of_completeness_have_no_column(make_frame) -> None:
    scores = make_frame([{"metric": "complexity"}], protocol="published")
    assert "completeness" not in build_table(scores, 3, catalog=RESIDUAL).fill.command
    assert "completeness" in build_table(scores, 3, catalog=EXACT).fill.command


def test_what_has_failed_is_left_alone(full_study: pd.DataFrame) -> None:
    """It would fail again: a method that never worked, a metric that works with no method."""
    scores = without(without(full_study, metric="deletion"), method="rise", metric="insertion")
    scores.loc[scores["method"] == "guidedbp", "status"] = "failed"
    scores.loc[scores["metric"] == "average_gain", "status"] = "failed"
    fill = build_table(scores, 1, resamples=2).fill
    words = shlex.split(fill.command)
    found = dict(zip(words[2::2], words[3::2], strict=False))
    assert "guidedbp" not in found["--method"]
    assert found["--metric"] == "insertion,deletion"
    assert fill.failed == ("guidedbp", "average_gain")
    assert fill.missing == 9 + 1
    assert "--no-retry-failed" not in words, "nothing that the command names has failed"


def test_single_failures_beside_missing_cells_are_not_tried_again(
    full_study: pd.DataFrame,
) -> None:
    scores = without(full_study, metric="deletion")
    scores.loc[(scores["method"] == "iba") & (scores["image"] == "0003.jpg"), "status"] = "failed"
    assert "--no-retry-failed" not in build_table(scores, 1, resamples=2).fill.command
    scores = without(scores, method="iba", metric="insertion")
    scores = without(scores, method="rise", metric="average_gain")
    assert "--no-retry-failed" in build_table(scores, 1, resamples=2).fill.command


def test_a_network_with_classes_of_its_own_is_not_asked_for_ground_truth(tmp_path: Path) -> None:
    """The photographs have labels, which are not among its ten classes: a run would refuse."""
    (tmp_path / "net.py").write_text("from networks import Tiny as build\n")
    words = ["--data", "samples", "--target", "predicted", "--limit", 1, "--out", tmp_path / "out"]
    words += ["--model", f"file:{tmp_path / 'net.py'}:build", "--metric", "average_drop"]
    code, _, err = cli("run", *words)
    assert code == 0, err
    code, said, err = cli("report", tmp_path / "out", "--table", 2)
    assert code == 0, err
    assert "least_probable" in said
    assert "ground_truth" not in said


def test_functions_of_a_file_are_named_by_its_path(make_frame) -> None:
    run = RunWords({False: [], True: []}, files={"my.py": "/home/me/my.py"})
    scores = make_frame([{"method": "file:my.py:bright(power=2)"}])
    (table,) = build_tables(scores, [1], run=run)
    assert "'--method" not in table.fill.command
    assert ",file:/home/me/my.py:bright(power=2)'" in table.fill.command


def write(root: Path, name: str, **config: object) -> None:
    (root / "manifests").mkdir(exist_ok=True)
    (root / "manifests" / f"run-{name}.json").write_text(json.dumps({"config": config}))


def test_the_options_of_a_run(tmp_path: Path) -> None:
    assert run_words(tmp_path) is None
    base = {"protocol": "published", "seed": 0, "out": "elsewhere", "metric": ["insertion"]}
    base |= {"strict": False, "workers": 8, "device": "cuda", "boxes": None, "batch_size": 4}
    write(tmp_path, "1", **base, limit=50, data="a b", cam_layer="layer4.2")
    write(tmp_path, "2", **base, limit=5, data="a b", cam_layer="layer4.2")
    expected = "--protocol published --data|a b|--cam-layer layer4.2 --limit 50"
    words = [w for part in expected.split("|") for w in ([part] if part == "a b" else part.split())]
    words_of = run_words(tmp_path)
    assert words_of is not None
    assert words_of[False] == words_of[True] == ["--out", str(tmp_path), *words]
    write(tmp_path, "0", **{**base, "seed": 3}, limit=None, data="a b")  # all images, long ago
    words_of = run_words(tmp_path)
    assert words_of is not None
    words = words_of[False]
    assert words[words.index("--seed") + 1] == "3"
    assert "--limit" not in words


def test_transformed_images_are_chosen_as_they_were(tmp_path: Path) -> None:
    """Whichever table ran last, Table 1 is filled on all images and Table 4 on one a class."""
    for name in ("12", "03"):
        for path in tmp_path.glob("manifests/*"):
            path.unlink()
        for last, transform, more in zip(
            name, (["none"], ["crop"]), ({}, {"per_class": 1}), strict=True
        ):
            write(tmp_path, last, transform=transform, **more)
        words_of = run_words(tmp_path)
        assert words_of is not None
        assert "--per-class" not in words_of[False]
        assert words_of[True][-2:] == ["--per-class", "1"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One photograph; Fake-CAM and gradient, not by the same metrics; no metric needs a network."""
    out = tmp_path / "it's a run"
    for method, metric in (("fakecam", "sparseness,complexity"), ("gradient", "complexity")):
        words = ["--method", method, "--metric", metric, "--limit", 1, "--out", out]
        assert cli("run", *words)[0] == 0
    return out


def test_the_printed_command_fills_exactly_the_missing_cells(small: Path) -> None:
    """With Table 3 cut down to what runs in seconds: the rest is the same code."""
    names = ("fakecam", "gradient")
    metrics = ("sparseness", "complexity", "effective_complexity")
    tables = {**TABLES, 3: replace(TABLES[3], metrics=metrics)}
    with (
        mock.patch("xaibench.analysis.fill.METHODS", names),
        mock.patch.dict("xaibench.published.tables.TABLES", tables),
    ):
        code, said, err = cli("report", small, "--table", 3)
        assert code == 0, err
        before = xaibench.load_scores(small)
        assert "3 of the table's 6 cells are missing" in said
        joined = said.replace("\\\n", "")  # as a shell does
        (line,) = [line for line in joined.splitlines() if line.startswith("xaibench run")]
        code, done, err = cli(*shlex.split(line)[1:])
        assert code == 0, err
        assert "computed 3 scores" in done, "nothing twice, nothing else"
        code, said, _ = cli("report", small, "--table", 3)
        assert "missing" not in said
    after = xaibench.load_scores(small)
    assert len(before) == 3
    assert sorted(zip(after.method, after.metric, strict=True)) == sorted(
        (method, metric) for method in names for metric in metrics
    )


def test_json_has_the_command(small: Path) -> None:
    assert cli("report", small, "--table", 3)[0] == 0
    (table,) = json.loads((small / "report" / "tables.json").read_text())["tables"]
    assert table["missing"] == 60 - 3
    assert options(table["fill"])["--out"] == [str(small)]
