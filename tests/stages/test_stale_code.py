"""A changed method, metric or plug-in makes its results stale: said, and computed again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import cli

import xaibench
from xaibench.config import code
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_methods, resolve_metrics
from xaibench.config.run import load_config
from xaibench.config.variations import UNTOUCHED
from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError
from xaibench.models.load import loader
from xaibench.stages.unit import (
    code_of_maps,
    code_of_predictions,
    code_of_scores,
    code_of_state,
)
from xaibench.store import tables
from xaibench.studies.ablate import ablate
from xaibench.studies.audit import audit

MODEL = """from networks import tiny


def build():
    return tiny(classes=1000)
"""
METHOD = """import torch

from xaibench.types import Explanation


def mine(ctx, batch, state):
    # a comment
    maps = batch.images.mean(1) * {factor}
    return Explanation(maps[:, None].expand(-1, batch.targets.shape[1], -1, -1))
"""
METRIC = """def peak(scoring):
    return scoring.maps.flatten(1).mean(1).double() + {offset}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    write(tmp_path)
    return tmp_path


def write(folder: Path, factor: str = "1.0", offset: str = "0.0") -> None:
    (folder / "my.py").write_text(METHOD.format(factor=factor))
    (folder / "own.py").write_text(METRIC.format(offset=offset))


def run(folder: Path, limit: int, **more: object) -> tuple[dict[str, int], list[str]]:
    lines: list[str] = []
    config = {
        "model": f"file:{folder}/net.py:build",
        "method": f"file:{folder}/my.py:mine,fakecam",
        "metric": f"file:{folder}/own.py:peak,sparseness",
        "limit": limit,
        "out": folder / "out",
        **more,
    }
    found = xaibench.run(config, say=lines.append)
    return found.computed, [line for line in lines if line.startswith("stale")]


def values(folder: Path, method: str, metric: str) -> pd.Series:
    scores = xaibench.load_scores(folder / "out")
    rows = scores[scores.method.str.endswith(method) & scores.metric.str.endswith(metric)]
    assert not rows.image.duplicated().any()
    return rows.set_index("image").value


NOTHING = {"predictions": 0, "maps": 0, "scores": 0}


def test_a_changed_method_is_computed_again_and_no_other(files: Path) -> None:
    assert run(files, 4)[0] == {"predictions": 4, "maps": 8, "scores": 16}
    old = values(files, "mine", "peak")
    write(files, factor="-1.0")
    made, said = run(files, 4)
    assert made == {"predictions": 0, "maps": 4, "scores": 8}
    assert said == [
        "stale, since what made them has changed: 12 of file:my.py:mine; computed anew "
        "(--keep-stale keeps)"
    ]
    new = values(files, "mine", "peak")
    assert len(new) == 4
    assert (new != old).all()
    assert run(files, 4) == (NOTHING, [])


def test_a_comment_changes_nothing(files: Path) -> None:
    run(files, 2)
    text = (files / "my.py").read_text()
    (files / "my.py").write_text(text.replace("# a comment", "# another"))
    assert run(files, 2) == (NOTHING, [])


def test_a_changed_metric_keeps_the_maps(files: Path) -> None:
    run(files, 3)
    write(files, offset="1.0")
    assert run(files, 3)[0] == {"predictions": 0, "maps": 0, "scores": 6}
    assert (values(files, "mine", "peak") >= 1).all()


def test_the_report_says_that_stale_scores_are_among_current_ones(files: Path) -> None:
    run(files, 3)
    code, said, err = cli("report", files / "out")
    assert code == 0, err
    assert "Stale scores" not in said
    write(files, factor="-1.0")
    run(files, 2)
    code, said, err = cli("report", files / "out")
    assert code == 0, err
    assert "Stale scores stand among current ones" in " ".join(said.split())
    assert "sparseness of file:my.py:mine" in " ".join(said.split())
    page = (files / "out" / "report" / "tables.md").read_text()
    assert "Stale scores stand among current ones" in page


def test_scores_of_transformed_images_are_no_stale_ones(files: Path) -> None:
    """A transform is code of its own, so that the hash of such scores is another."""
    run(files, 2, metric="average_drop,deletion", transform="none,rotation,crop")
    assert "Stale" not in cli("report", files / "out")[1]
    write(files, factor="-1.0")
    run(files, 1, metric="average_drop", transform="crop")
    said = " ".join(cli("report", files / "out")[1].split())
    named = said.partition("made by different code or maps: ")[2].partition(". Run all")[0]
    assert named == "average_drop of file:my.py:mine, deletion of file:my.py:mine"  # maps of both


def test_a_report_says_what_is_stale_before_anything_is_run_again(files: Path) -> None:
    run(files, 2)
    cli("report", files / "out", "--html", "--gallery", 0)
    page = files / "out" / "report" / "html" / "index.html"
    assert "Stale" not in page.read_text()
    write(files, offset="1.0")
    said = "Stale scores, made before their code changed: file:own.py:peak of fakecam, "
    said += "file:own.py:peak of file:my.py:mine. The command that made them makes them anew."
    code, told, err = cli("report", files / "out")
    assert code == 0, err
    assert said in " ".join(told.split())
    assert said in (files / "out" / "report" / "tables.md").read_text()
    cli("report", files / "out", "--html", "--gallery", 0)
    assert said in page.read_text()


def test_a_report_says_where_metrics_rest_on_maps_of_different_code(files: Path) -> None:
    run(files, 3, metric="sparseness")
    write(files, factor="-1.0")
    run(files, 3, metric="complexity")
    code, said, err = cli("report", files / "out")
    assert code == 0, err
    flat = " ".join(said.split())
    assert "Stale scores stand among current ones" in flat
    assert "complexity of file:my.py:mine, sparseness of file:my.py:mine." in flat
    assert "fakecam" not in flat.partition("Stale scores")[2].partition("Run all")[0]
    run(files, 3, metric="sparseness")
    assert "Stale scores" not in cli("report", files / "out")[1]


def test_a_report_says_where_metrics_rest_on_different_maps_made_elsewhere(files: Path) -> None:
    ids = load_dataset("samples").ids[:3]
    config = {"model": f"file:{files}/net.py:build", "name": "mine", "out": files / "out"}
    for seed, metric in enumerate(("sparseness", "complexity")):
        maps = np.random.default_rng(seed).random((3, 7, 7))
        np.savez(files / "maps.npz", ids=ids, maps=maps)
        xaibench.run({**config, "maps": files / "maps.npz", "metric": metric})
    said = " ".join(cli("report", files / "out")[1].split())
    assert "Stale scores stand among current ones" in said
    assert "sparseness of mine" in said


def test_the_audit_says_what_is_stale(files: Path) -> None:
    (files / "net.py").write_text(MODEL)
    run(files, 2, method="fakecam", metric="sparseness,complexity")
    said: list[str] = []
    assert all(line.good for line in audit(files / "out", 1.0, say=said.append))
    assert said == []
    for path in (files / "out" / "scores").rglob("*.parquet"):
        if "complexity" in str(path):
            table, made = tables.load(path)
            tables.save(path, table.to_pydict(), tables.SCORES, replace(made, code="other"))
    assert all(line.good for line in audit(files / "out", 1.0, say=said.append))
    assert said == ["stale: other code than is here made 2 scores: complexity of fakecam"]


def test_keep_stale_keeps_them(files: Path) -> None:
    run(files, 3)
    old = values(files, "mine", "peak")
    write(files, factor="-1.0")
    assert run(files, 3, keep_stale=True) == (NOTHING, [])
    assert values(files, "mine", "peak").equals(old)


def test_what_is_made_beside_kept_results_is_made_anew_without_them(files: Path) -> None:
    run(files, 3, metric="sparseness")
    write(files, factor="-1.0")
    run(files, 4, keep_stale=True)  # peak of three old maps, and of a new one
    run(files, 4)
    kept = values(files, "mine", "peak")
    run(files, 4, overwrite=True)
    assert values(files, "mine", "peak").equals(kept)


def test_kept_maps_of_another_form_are_in_nobodys_way(files: Path) -> None:
    run(files, 2)
    path = files / "my.py"
    path.write_text(path.read_text().replace("maps[:, None]", "maps[:, None, ::2, ::2]"))
    assert run(files, 3, keep_stale=True)[0]["maps"] == 2  # mine and fakecam of one image
    with pytest.raises(XaibenchError, match="differ in form: run without --keep-stale"):
        run(files, 3, keep_stale=True, metric="complexity")
    assert run(files, 3, metric="complexity")[0]["scores"] == 6


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        ("models/efficientnet_lite.py", "predictions state maps scores"),
        ("stages/predict.py", "predictions maps scores"),
        ("stages/prepare.py", "state maps scores"),
        ("stages/explain.py", "maps scores"),
        ("stages/score.py", "scores"),
        ("methods/rise.py", "state maps scores"),
        ("metrics/causal.py", "scores"),
        ("config/options.py", ""),
        ("methods/lime.py", ""),
    ],
)
def test_what_rests_on_stale_results_is_stale(
    edited: str, stale: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A score is of maps and predictions, a map of predicted classes and what was prepared."""
    protocol = load_protocol("published")
    rise = resolve_methods(["rise"], protocol)[0]
    insertion = resolve_metrics(["insertion"], protocol)[0]
    network = loader("efficientnet_lite0")

    def codes() -> dict[str, str]:
        return {
            "predictions": code_of_predictions(network, UNTOUCHED),
            "state": code_of_state(network, rise),
            "maps": code_of_maps(network, rise, UNTOUCHED),
            "scores": code_of_scores(network, rise, UNTOUCHED, insertion),
        }

    before, digest = codes(), code._digest
    code._lines.cache_clear()
    request.addfinalizer(code._lines.cache_clear)
    monkeypatch.setattr(
        code, "_digest", lambda path, at: "" if path.match(edited) else digest(path, at)
    )
    assert {what for what, hash_ in codes().items() if hash_ != before[what]} == set(stale.split())


def test_some_images_of_a_stale_block_leave_the_others_there_once(files: Path) -> None:
    run(files, 5)
    old = values(files, "mine", "peak")
    write(files, factor="-1.0")
    assert run(files, 2)[0] == {"predictions": 0, "maps": 2, "scores": 4}
    mixed = values(files, "mine", "peak")
    assert (mixed != old).tolist() == [True, True, False, False, False]
    ids, _ = xaibench.load_maps(files / "out", f"file:{files}/my.py:mine")
    assert len(set(ids)) == len(ids) == 5
    assert run(files, 5)[0] == {"predictions": 0, "maps": 3, "scores": 6}
    assert (values(files, "mine", "peak") != old).all()


def test_stale_maps_are_not_scored(files: Path) -> None:
    run(files, 2, metric="sparseness")
    write(files, factor="-1.0")
    with pytest.raises(XaibenchError, match="2 scores need maps"):
        xaibench.run(
            {
                "model": f"file:{files}/net.py:build",
                "method": f"file:{files}/my.py:mine",
                "metric": "complexity",
                "limit": 2,
                "out": files / "out",
            },
            stages=frozenset({"score"}),
        )


def test_an_ablations_copied_maps_stand_beside_no_stale_ones(files: Path) -> None:
    mine = f"file:{files}/my.py:mine"
    config = {"method": mine, "metric": "insertion", "limit": 2, "out": files / "ablation"}
    config = load_config({"model": f"file:{files}/net.py:build", **config})
    ablate(config, "reference", ["probability"])  # whose maps are the first protocol's
    write(files, factor="-1.0")
    ablate(config, "reference", ["probability"])
    for name in ("published", "published+probability=float64"):
        ids, maps = xaibench.load_maps(files / "ablation" / name, mine)
        assert len(set(ids)) == len(ids) == 2
        first = xaibench.load_maps(files / "ablation" / "published", mine)[1]
        assert (maps == first).all()
