"""`report --compare`, `--claims`, `--across`, `load_predictions`: on runs made by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import cli

import xaibench
from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.store import layout, tables
from xaibench.store.atomic import write_json
from xaibench.store.manifest import identity_of
from xaibench.store.origin import Origin

IMAGES = [f"{i:02d}.jpg" for i in range(12)]
METHODS = ("fakecam", "gradcam", "gradcampp", "scorecam", "rise")


def save_predictions(place: Path, images: list[str], probability: np.ndarray, run: str) -> None:
    columns: dict[str, object] = {"image": images, "label": 3, "argmax": 4, "argmin": 5}
    for target in ("ground_truth", "predicted", "least_probable"):
        columns |= {f"logit_{target}": 1.5, f"probability_{target}": probability}
    columns |= dict.fromkeys(tables.CONTENT) | tables.RANK
    count = len(images)
    wide = {k: v if isinstance(v, list | np.ndarray) else [v] * count for k, v in columns.items()}
    tables.save(place, wide, tables.PREDICTIONS, Origin(run=run))


def of_run(root: Path) -> str:
    """The hash of a run's identity."""
    return digest(identity_of(root))


def make_run(root: Path, protocol: str, started: str, shift: float = 0.0, **identity: object):
    """A finished run of twelve images: insertion, deletion and average gain of five methods."""
    known = {"model": "tiny", "dataset": "some", "protocol": protocol, "seed": 0, **identity}
    write_json(root / "manifests" / "identity.json", known)
    write_json(root / "manifests" / f"run-{started}-1.json", {})
    run = digest(known)
    probability = np.linspace(0.1, 0.9, len(IMAGES))
    save_predictions(
        root / "predictions" / "none" / "none" / "00000-a.parquet", IMAGES, probability, run
    )
    for place, method in enumerate(METHODS):
        for metric in ("insertion", "deletion", "average_gain"):
            folder = layout.scores(
                root,
                method=method,
                target="ground_truth",
                transform="none",
                variation="none",
                metric=metric,
            )
            values = probability * 0.5 + 0.05 * place + shift * (method == "rise")
            rows = {"image": IMAGES, "value": values}
            rows |= {"status": "ok", "model": "tiny", "dataset": "some", "protocol": protocol}
            rows |= {"label": 3, "class_index": 3, "explained_index": 3}
            wide = {k: v if k in ("image", "value") else [v] * 12 for k, v in rows.items()}
            tables.save(folder / "00000-a.parquet", wide, tables.SCORES, Origin(run=run))
    return root


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two protocols of one study, one of another model, and an older one; `later` is the latest."""
    monkeypatch.chdir(tmp_path)
    base = Path("results/runs")
    make_run(base / "old", "reference", "20260101T0")
    make_run(base / "new", "reference", "20260102T0", shift=0.2)
    make_run(base / "other", "reference", "20260103T0", model="big")
    make_run(base / "later", "published", "20260104T0")
    return base


@pytest.mark.parametrize("words", [("--compare",), ()])
def test_two_runs_side_by_side(runs: Path, words: tuple[str, ...]) -> None:
    code, said, error = cli("report", runs / "later", *words, runs / "new")
    assert (code, error) == (0, "")
    assert "3 of 15 differ" in said
    assert "written: results/runs/later/report/{compare.md,compare.csv,compare.json}" in said
    records = json.loads((runs / "later/report/compare.json").read_text())["comparisons"]
    different = {(r["method"], r["metric"]) for r in records if r["differs"]}
    assert different == {("rise", m) for m in ("insertion", "deletion_bar", "average_gain")}
    (rise,) = [r for r in records if (r["method"], r["metric"]) == ("rise", "insertion")]
    assert rise["difference"] == pytest.approx(20)
    assert rise["p"] == pytest.approx(2**-11)
    assert rise["p_holm"] == pytest.approx(15 * 2**-11)


def test_compare_alone_is_with_the_latest_run(runs: Path) -> None:
    assert cli("report", "--compare", runs / "old")[0] == 0
    assert (runs / "later" / "report" / "compare.md").exists()


def test_claims_of_the_latest_run_and_its_other_protocol(runs: Path) -> None:
    code, said, error = cli("report", "--claims")
    assert (code, error) == (0, "")
    content = json.loads((runs / "later/report/claims.json").read_text())
    names = [(part["name"], part["protocol"]) for part in content["evidence"]]
    # The newest of each other protocol, of the same model alone.
    assert names[1:] == [("results/runs/later", "published"), ("results/runs/new", "reference")]
    parts = [part for claim in content["claims"] for part in claim["parts"]]
    verdicts = {part["key"]: [f["verdict"] for f in part["findings"]] for part in parts}
    unknown = "not measurable here"
    assert verdicts["ag_i_not_fooled"] == ["holds", "holds", "holds"]
    assert verdicts["i_d_positive"] == [unknown, "holds", "holds"]
    assert verdicts["gradient_weak"] == ["holds", unknown, unknown]
    assert "Which of the paper's claims hold" in said


def test_claims_of_named_runs(runs: Path) -> None:
    assert cli("report", "--claims", runs / "old")[0] == 0
    content = json.loads((runs / "old/report/claims.json").read_text())
    assert len(content["evidence"]) == 2
    assert cli("report", "--claims", runs / "old", runs / "new", runs / "later")[0] == 0


def test_rankings_across_runs(runs: Path) -> None:
    three = [runs / name for name in ("later", "new", "other")]
    code, said, error = cli("report", *three, "--across")
    assert (code, error) == (0, "")
    assert "Does the ranking hold?" in said
    assert "written: results/runs/later/report/{across.md,across.csv,across.json" in said
    content = json.loads((runs / "later/report/across.json").read_text())
    ranks = {(r["metric"], r["run"], r["method"]): r["rank"] for r in content["ranks"]}
    assert ranks["insertion", "results/runs/new", "rise"] == 1
    assert ranks["deletion", "results/runs/new", "rise"] == 5
    taus = {(t["metric"], t["first"], t["second"]): t["tau"] for t in content["taus"]}
    assert taus["insertion", "A", "B"] == 1
    assert ("insertion", "C", "paper") in taus
    assert {p["everywhere"] for p in content["pairs"] if p["metric"] == "insertion"} == {-1}
    code, said, _ = cli("report", *three, "--across", "--no-paper", "--method", "rise,gradcam")
    assert code == 0
    content = json.loads((runs / "later/report/across.json").read_text())
    assert {(r["run"], r["method"]) for r in content["ranks"]} == {
        (str(run), method) for run in three for method in ("rise", "gradcam")
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *(
            (["old", "new", "--across", *more], "--across is a page of its own")
            for more in (
                ["--table", 1],
                ["--claims"],
                ["--choose"],
                ["--power"],
                ["--figures"],
                ["--agreement"],
                ["--page", "time"],
                ["--html"],
                ["--compare", "later"],
            )
        ),
        (["old", "--across"], "--across takes two runs or more"),
        (["--across"], "--across takes two runs or more"),
        (["old", "new", "old", "--across"], "given twice"),
        (["old", "new", "later"], "side by side go two"),
        (["old", "--compare", "old"], "given twice"),
        (["old", "new", "--table", 1], "--agreement and --page go with one run"),
        (["--claims", "--table", 1], "--agreement and --page go with one run"),
    ],
)
def test_wrong_usage(runs: Path, words: list[object], said: str) -> None:
    code, _, error = cli(
        "report", *(runs / str(w) if (runs / str(w)).is_dir() else w for w in words)
    )
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_nothing_in_common(runs: Path) -> None:
    for path in (runs / "old" / "scores").rglob("method=rise/**/*.parquet"):
        table, made = tables.load(path)
        lime = Path(str(path).replace("method=rise", "method=lime"))
        tables.save(lime, table.to_pydict(), tables.SCORES, made)
    shutil.rmtree(runs / "old" / "scores" / "method=rise")
    for path in (runs / "old" / "scores").glob("method=[fgs]*"):
        path.rename(runs / path.name)
    code, _, error = cli("report", runs / "old", runs / "new")
    assert code == 1
    assert "share no cell on the same images" in error


def test_predictions(runs: Path) -> None:
    moved = runs / "new" / "predictions" / "resize" / "64" / "00001-a.parquet"
    save_predictions(moved, ["b.jpg", "a.jpg"], np.array([0.25, np.nan]), of_run(runs / "new"))
    frame = xaibench.load_predictions(runs / "new")
    assert len(frame) == len(IMAGES) + 2
    kinds = [f"{k}_{t}" for t in ("ground_truth", "predicted", "least_probable")
             for k in ("logit", "probability")]  # fmt: skip
    expected = ["image", "label", "argmax", "argmin", *kinds, "rank", "classes"]
    expected += ["transform", "variation"]
    assert list(frame.columns) == expected
    assert frame["image"].tolist() == [*IMAGES, "a.jpg", "b.jpg"]
    assert frame["transform"].tolist() == ["none"] * len(IMAGES) + ["resize"] * 2
    assert frame["variation"].tolist() == ["none"] * len(IMAGES) + ["64"] * 2
    assert frame["probability_ground_truth"].tolist()[-1] == 0.25
    assert np.isnan(frame["probability_ground_truth"].tolist()[-2])
    assert frame["label"].dtype == frame["argmin"].dtype == np.int64
    assert frame["logit_predicted"].dtype == np.float32
    assert pd.api.types.is_string_dtype(frame["image"])


def test_predictions_that_are_not_there_or_damaged(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="no predictions in"):
        xaibench.load_predictions(tmp_path)
    (file,) = (runs / "new" / "predictions").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(XaibenchError, match="is damaged"):
        xaibench.load_predictions(runs / "new")


def test_predictions_claims_and_comparisons_need_no_torch(runs: Path) -> None:
    code = (
        "import sys, xaibench; xaibench.load_predictions('results/runs/new');"
        "sys.argv = ['xaibench', 'report', '--claims'];"
        "from xaibench.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 False"
