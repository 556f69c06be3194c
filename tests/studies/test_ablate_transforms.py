"""Ablations on transformed inputs: against runs made by hand, and with maps taken from there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import cli, same_tensors
from networks import THOUSAND

import xaibench
from xaibench.analysis.effects import NOT_ALONE, Effect
from xaibench.config.protocol import load_protocol
from xaibench.config.run import RunConfig, load_config
from xaibench.report.pages.ablation import Ablation, page
from xaibench.store import maps as store
from xaibench.studies.ablate import ablate

DELETION = "deletion(rows_per_step=16)"
TRANSPOSE, GROUPS = "normalization.gradient.transpose", "batchnorm_groups.gradient"
SWITCHES = ("probability", TRANSPOSE, GROUPS, "crop.box")
METRICS = ["sparseness", DELETION]
IMAGES = 3


@pytest.fixture(scope="module")
def config() -> RunConfig:
    values = {"model": THOUSAND, "method": "gradient", "metric": METRICS, "limit": IMAGES}
    return load_config({**values, "transform": ["none", "resize", "crop"]})


@pytest.fixture(scope="module")
def done(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ablation]:
    out = tmp_path_factory.mktemp("ablation") / "out"
    found = ablate(config.model_copy(update={"out": out}), "reference", SWITCHES)
    assert found is not None
    return out, found


def effect(found: Ablation, metric: str, transform: str, switch: str) -> Effect:
    key = (metric, transform, switch)
    (one,) = [e for e in found.effects if (e.metric, e.transform, e.switch) == key]
    return one


def by_image(out: Path, metric: str, transform: str) -> np.ndarray:
    """Each image's mean over the variations, in the order of the images."""
    scores = xaibench.load_scores(out)
    kept = scores[(scores["metric"] == metric) & (scores["transform"] == transform)]
    return kept.groupby("image").value.mean().to_numpy()


@pytest.mark.parametrize(("switch", "value"), [(TRANSPOSE, False), (GROUPS, 1)])
def test_one_switch_equals_a_run_with_that_value(
    switch: str, value: int, config: RunConfig, done: tuple[Path, Ablation], tmp_path: Path
) -> None:
    protocol = load_protocol("published").model_dump()
    if switch == TRANSPOSE:
        protocol["normalization"]["gradient"]["transpose"] = value
    else:
        protocol["batchnorm_groups"]["gradient"] = {}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(protocol))
    update = {"transform": ("resize",), "protocol": str(tmp_path / "one.yaml")}
    xaibench.run(config.model_copy(update={**update, "out": tmp_path / "one"}))
    change = by_image(tmp_path / "one", DELETION, "resize") - by_image(
        done[0] / "published", DELETION, "resize"
    )
    found = effect(done[1], DELETION, "resize", switch)
    assert found.change == pytest.approx(change.mean(), abs=1e-9)
    assert found.n == IMAGES
    assert not found.note
    assert np.abs(change).min() > 1e-7, "or this test could not fail"


def test_transposed_maps_are_those_of_the_other_run_mirrored(done: tuple[Path, Ablation]) -> None:
    runs = (done[0] / "published", done[0] / f"published+{TRANSPOSE}=False")
    for name in ("32", "128"):
        (_, ours), (_, theirs) = (
            xaibench.load_maps(run, "gradient", transform="resize", variation=name) for run in runs
        )
        assert np.array_equal(ours, theirs.swapaxes(1, 2))
        assert not np.array_equal(ours, theirs)


def test_a_mirrored_map_is_as_sparse(done: tuple[Path, Ablation]) -> None:
    assert effect(done[1], "sparseness", "resize", TRANSPOSE).note == "unchanged"
    assert not effect(done[1], "sparseness", "resize", GROUPS).note


def test_only_cells_that_a_switch_reaches_have_an_effect(done: tuple[Path, Ablation]) -> None:
    held = {(e.transform, e.metric, e.switch) for e in done[1].effects if e.kind == "switch"}
    wanted = {("none", DELETION, "probability")}
    for transform in ("resize", "crop"):
        wanted.add((transform, DELETION, "probability"))
        wanted |= {(transform, m, s) for m in ("sparseness", DELETION) for s in (TRANSPOSE, GROUPS)}
    wanted |= {("crop", metric, "crop.box") for metric in ("sparseness", DELETION)}
    assert held == wanted
    assert {p.name for p in done[0].iterdir() if p.is_dir()} == {
        "published",
        "published+probability=float64",
        f"published+{TRANSPOSE}=False",
        f"published+{GROUPS}=1",
    }


def test_an_option_of_a_transform_is_a_spec_of_the_first_run(done: tuple[Path, Ablation]) -> None:
    scores = xaibench.load_scores(done[0] / "published")
    assert set(scores["transform"]) == {"none", "resize", "crop", "crop(box='image')"}
    found = effect(done[1], DELETION, "crop", "crop.box")
    other = by_image(done[0] / "published", DELETION, "crop(box='image')")
    change = other - by_image(done[0] / "published", DELETION, "crop")
    assert found.change == pytest.approx(change.mean(), abs=1e-9)
    assert abs(change.mean()) > 1e-7


@pytest.mark.parametrize("name", ["probability=float64", f"{TRANSPOSE}=False"])
def test_maps_that_cannot_differ_are_taken(name: str, done: tuple[Path, Ablation]) -> None:
    run, first = done[0] / f"published+{name}", done[0] / "published"
    counts: Counter[str] = Counter()
    for path in (run / "manifests").glob("run-*.json"):
        counts.update(json.loads(path.read_text())["counts"])
    assert counts["maps"] == 0
    assert counts["scores"] > 0
    assert counts["predictions"] > 0, "probabilities are the run's own"
    maps = [p.relative_to(run) for p in run.rglob("maps/**/*.safetensors")]
    assert {p.parts[3] for p in maps} >= {"resize", "crop"}
    subset = json.loads((run / "manifests" / "subset.json").read_text())["sha256"]
    for path in maps:
        assert same_tensors(run / path, first / path)
        untouched = path.parts[3] == "none"
        assert store.load(run / path).origin.subset == ("" if untouched else subset)


def test_probabilities_differ_in_their_last_bits_alone(done: tuple[Path, Ablation]) -> None:
    runs = (done[0] / "published", done[0] / "published+probability=float64")
    old, new = (xaibench.load_predictions(run).probability_ground_truth for run in runs)
    first = xaibench.load_predictions(runs[0])
    kept = first["transform"] != "crop(box='image')"  # of that run alone
    assert not np.array_equal(old[kept], new)
    assert np.allclose(old[kept], new, rtol=1e-5)
    assert effect(done[1], DELETION, "none", "probability").note == "unchanged"


def test_maps_in_groups_of_another_size_are_made_anew(
    done: tuple[Path, Ablation], tmp_path: Path
) -> None:
    """Of ig, groups differ for two of the four sizes: the maps of the others are copied."""
    values = {
        "model": THOUSAND,
        "method": "ig(steps=2)",
        "metric": "sparseness",
        "limit": 2,
        "transform": "resize",
    }
    config, only = load_config({**values, "out": tmp_path / "out"}), ["batchnorm_groups.ig"]
    lines: list[str] = []
    ablate(config.model_copy(update={"dry_run": True}), "reference", only, say=lines.append)
    assert lines[-1] == "  (its maps on resize 32, resize 448 are those of published: copied)"
    ablate(config, "reference", only)
    run, first = tmp_path / "out/published+batchnorm_groups.ig=1", tmp_path / "out/published"
    same = {
        p.parts[-2]: same_tensors(p, first / p.relative_to(run))
        for p in run.rglob("maps/**/*.safetensors")
    }
    assert same == {"32": True, "64": False, "128": False, "448": True}
    counts: Counter[str] = Counter()
    for path in (run / "manifests").glob("run-*.json"):
        counts.update(json.loads(path.read_text())["counts"])
    assert counts["maps"] == 2 * 2


def test_state_of_a_subset_is_taken_too(tmp_path: Path) -> None:
    names = [f"{i}\n" for i in xaibench_ids()[3:9]]
    (tmp_path / "list.txt").write_text("".join(reversed(names)))
    values = {
        "model": THOUSAND,
        "method": "iba(steps=2,samples=2)",
        "metric": METRICS,
        "transform": "rotation",
    }
    values |= {"limit": 1, "subset": str(tmp_path / "list.txt"), "out": tmp_path / "out"}
    found = ablate(load_config(values), "reference", ["probability", "iba.statistics_of"])
    assert found is not None
    run, first = (
        tmp_path / "out" / name for name in ("published+probability=float64", "published")
    )
    (state,) = (run / "state").glob("*.safetensors")
    assert "@" in state.name
    assert same_tensors(state, first / "state" / state.name)
    assert not list(run.glob("failures/*"))
    of = effect(found, "sparseness", "rotation", "iba.statistics_of")
    assert of.change


def xaibench_ids() -> list[str]:
    from xaibench.datasets.load import load_dataset

    return list(load_dataset("samples").ids)


def test_again_computes_nothing(config: RunConfig, done: tuple[Path, Ablation]) -> None:
    lines: list[str] = []
    mine = config.model_copy(update={"out": done[0]})
    assert ablate(mine, "reference", SWITCHES, say=lines.append) == done[1]
    said = [line for line in lines if " images, " in line]
    assert said
    assert all("nothing left to compute" in line for line in said)


def test_tables_have_the_switches_of_their_transform(done: tuple[Path, Ablation]) -> None:
    rows = {s.title: [row.label for row in s.blocks[0].rows] for s in page(done[1]).sections}
    name = "Gradient, ground-truth class"
    assert rows[name] == ["published", "probability"]
    assert set(rows[f"{name}, resize"]) == {"published", "probability", TRANSPOSE, GROUPS}
    assert set(rows[f"{name}, crop"]) == {"published", *SWITCHES}


def test_the_command_and_its_dry_run(done: tuple[Path, Ablation], tmp_path: Path) -> None:
    words = ["ablate", "--model", THOUSAND, "--metric", f"sparseness,{DELETION}"]
    words += ["--limit", IMAGES]
    words += ["--method", "gradient", "--transform", "none,resize,crop"]
    words += ["--switch", ",".join(SWITCHES)]
    code, said, err = cli(*words, "--dry-run", "--out", tmp_path / "dry")
    assert code == 0, err
    listed = [
        f"{GROUPS}: crop 5, mixup 5, resize 5, rotation 5 -> 1",
        f"  moves sparseness, {DELETION} of gradient (ground_truth) on resize, crop",
        "crop.box: group -> image",
        f"  moves sparseness, {DELETION} of gradient (ground_truth) on crop",
    ]
    assert "\n".join(listed) in said
    assert f"  moves {DELETION} of gradient (ground_truth) on none, resize, crop" in said
    assert not (tmp_path / "dry").exists()
    assert "(its maps are those of published: copied)" in said
    code, said, err = cli(*words, "--out", done[0])
    assert code == 0, err
    assert "Gradient, ground-truth class, resize" in said
    held = json.loads((done[0] / "ablation.json").read_text())
    assert held["transforms"] == ["none", "resize", "crop"]
    assert {row["transform"] for row in held["effects"]} == {"none", "resize", "crop"}
    assert "transform" in (done[0] / "ablation.csv").read_text().splitlines()[0].split(",")


def test_what_cannot_be_had_alone_is_said_and_all_of_them_can(tmp_path: Path) -> None:
    values = {
        "model": THOUSAND,
        "method": "gradient",
        "metric": "avg_sensitivity(draws=2)",
        "limit": 1,
    }
    values |= {"transform": "rotation", "out": tmp_path / "out"}
    found = ablate(load_config(values), "reference")
    assert found is not None
    held = {e.switch: e for e in found.effects}
    assert held["sensitivity.explanation"].note == NOT_ALONE
    assert held["all of them"].change
    assert "interaction" not in held
