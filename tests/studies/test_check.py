"""What a check runs, on which directories, and that its evidence is what these hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from networks import TEN
from PIL import Image
from scipy.stats import spearmanr

import xaibench
from xaibench.config.catalog import STOOD_IN
from xaibench.config.run import RunConfig, find_config, load_config
from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.store.health import findings
from xaibench.studies.check import Finished, check, finished
from xaibench.studies.check.asked import asked_for
from xaibench.studies.check.evidence import evidence_of
from xaibench.studies.check.record import kept
from xaibench.studies.check.turns import turns_of

INSERTION, SPARSENESS = "insertion(rows_per_step=56)", "sparseness"
CONTROLS = {"random", "center", "edges", "fakecam"}
IMAGES = 3
NOISE = "noise_correlation"
BROKEN = """
import torch
from xaibench.types import Explanation

def once(ctx, batch, state):
    if ctx.classifier.module.training or batch.originals is not None:
        raise RuntimeError("explains no other input")
    return Explanation(torch.arange(49.).view(1, 1, 7, 7).repeat(*batch.targets.shape, 1, 1))
"""

RAISES = """
import torch
from xaibench.types import Explanation

def once(ctx, batch, state):
    if "1/1.png" in batch.ids:
        raise ValueError("not this one")
    return Explanation(torch.arange(49.).view(1, 1, 7, 7).repeat(*batch.targets.shape, 1, 1))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    drawn = np.random.default_rng(0)
    for i in range(IMAGES):
        (folder / str(i)).mkdir()
        pixels = drawn.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((320, 260)).save(folder / str(i) / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def config(data: Path) -> Callable[..., RunConfig]:
    def made(**more: Any) -> RunConfig:
        values = {"model": TEN, "data": str(data), "workers": 0, **more}
        return load_config({"metric": [INSERTION, SPARSENESS], **values}, find_config("check"))

    return made


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("check") / "out"


@pytest.fixture(scope="module")
def done(config: Callable[..., RunConfig], out: Path) -> Finished:
    found = check(config(out=out), "gradcam", chosen=True)
    assert found is not None
    return found


def values(frame: pd.DataFrame, **keys: str) -> dict[str, float]:
    """Value by image of some rows."""
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    assert len(frame), keys
    return dict(zip(frame.image, frame.value, strict=True))


def test_the_method_stands_beside_every_control_and_the_standards(
    done: Finished, out: Path
) -> None:
    (record,) = kept(out)
    evidence = evidence_of(out, record)
    assert set(evidence.controls) == CONTROLS
    assert evidence.standards == ("gradient",)
    assert not done.failed
    assert done.judgement.images == IMAGES
    listed = {beside.other for beside in done.judgement.besides}
    assert listed == {*CONTROLS, "gradient"}
    assert evidence.constant == dict.fromkeys(("gradcam", *CONTROLS, "gradient"), 0)
    assert evidence.seconds.keys() == evidence.tied.keys() == evidence.constant.keys()
    assert evidence.tied["fakecam"] > 0.99 > evidence.tied["gradient"]


def test_its_scores_are_those_of_a_run(
    done: Finished, config: Callable[..., RunConfig], out: Path, tmp_path: Path
) -> None:
    (record,) = kept(out)
    evidence = evidence_of(out, record)
    kernel = "insertion(kernel=11,rows_per_step=56)"
    ties = "insertion(rows_per_step=56,ties='row_major')"
    direct = config(out=tmp_path / "run", method=["gradcam"], metric=[INSERTION, kernel, ties])
    xaibench.run(direct)
    scores = xaibench.load_scores(tmp_path / "run")
    mine = {"method": "gradcam", "metric": INSERTION}
    near = partial(pytest.approx, abs=1e-6)  # the tiny network rounds by place in the batch
    assert values(evidence.scores, **mine) == near(values(scores, **mine))
    switched = {"causal.kernel: 5 -> 11": kernel, "causal.ties: reverse -> row_major": ties}
    for label, metric in switched.items():
        found = values(evidence.switched, switch=label, **mine)
        assert found == near(values(scores, method="gradcam", metric=metric))
        assert found != near(values(evidence.scores, **mine)), "or this test could not fail"


def test_a_whole_protocol_of_one_switch_has_a_directory_of_its_own(
    done: Finished, out: Path
) -> None:
    (record,) = kept(out)
    switched = evidence_of(out, record).switched
    label = "preprocessing.resize: squash -> short_side"
    found = values(switched, switch=label, method="gradcam", metric=SPARSENESS)
    name = "published+preprocessing.resize=short_side"
    scores = xaibench.load_scores(out / "switches" / name)
    assert found == values(scores, method="gradcam", metric=SPARSENESS)
    moved = set(switched.switch[switched.metric == SPARSENESS])
    assert "probability: float32 -> float64" not in moved
    assert "probability: float32 -> float64" in set(switched.switch)


def test_the_sanity_tests_set_maps_beside_each_other(done: Finished, out: Path) -> None:
    (record,) = kept(out)
    sane = evidence_of(out, record).sanity
    ids, maps = xaibench.load_maps(out, "gradcam")
    others, least = xaibench.load_maps(out, "gradcam", target="least_probable")
    assert ids == others
    pairs = {i: (a.ravel(), b.ravel()) for i, a, b in zip(ids, maps, least, strict=True)}
    expected = {i: spearmanr(*p).statistic for i, p in pairs.items() if all(map(np.ptp, p))}
    found = values(sane, test="class", method="gradcam")
    assert found == pytest.approx(expected, abs=1e-9)
    scores = xaibench.load_scores(out)
    for test, metric in record.sanity.items():
        assert values(sane, test=test, method="gradient") == values(
            scores, method="gradient", metric=metric
        )
    for method in ("random", "center", "fakecam"):  # they see neither image nor network
        for test in ("weights", "class", "noise"):
            found = values(sane, test=test, method=method)
            assert found == pytest.approx(dict.fromkeys(ids, 1.0))


def test_the_same_command_computes_nothing_again(
    done: Finished, config: Callable[..., RunConfig], out: Path
) -> None:
    def state() -> dict[Path, int]:
        files = (p for p in out.rglob("*") if p.is_file())
        return {p: p.stat().st_mtime_ns for p in files if p.suffix in (".parquet", ".safetensors")}

    before = state()
    said: list[str] = []
    again = check(config(out=out), "gradcam", chosen=True, say=said.append)
    assert again is not None
    assert state() == before
    assert again.judgement == done.judgement
    assert finished(out) == [done.judgement]
    ran = [line for line in said if " images, " in line and " s" in line and "passes" not in line]
    assert ran
    assert all("nothing left to compute" in line for line in ran)


def test_dear_switches_are_left_out_unless_they_are_named(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    asked = asked_for(config(out=tmp_path, metric=["insertion"]), "gradcam", (), True)
    left = dict(turns_of(asked, None, (), False).left_out)
    label = "causal.rows_per_step: 8 -> 1"
    assert "--switch causal.rows_per_step takes it" in left[label]
    usual = {turn.label for turn in turns_of(asked, None, (), False).all}
    assert "normalization.gradcam.native_minmax: True -> False" in usual
    beside = "gradient.batchnorm: train -> eval"  # no option of the judged method
    assert beside not in usual
    named = turns_of(asked, None, ("causal.rows_per_step",), False)
    assert {turn.label for turn in named.all} == {label}
    assert "switches that --switch does not name" in dict(named.left_out)
    every = {turn.label for turn in turns_of(asked, None, ("all",), False).all}
    assert {label, beside} < every
    assert "causal.ties: reverse -> random" in every
    assert not turns_of(asked, None, (), True).all
    with pytest.raises(UsageError, match=r"unknown switch 'causal.kernal'.*causal.kernel"):
        turns_of(asked, None, ("causal.kernal",), False)


def test_from_the_other_protocol_the_switches_go_back(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    asked = asked_for(config(out=tmp_path, protocol="reference"), "gradcam", (), True)
    labels = {turn.label for turn in turns_of(asked, None, (), False).all}
    assert "causal.kernel: 11 -> 5" in labels


def test_metrics_that_cost_much_are_left_out_and_said(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    usual = config(out=tmp_path, metric=None)
    published = asked_for(usual, "gradcam", (), False)
    assert {"insertion", "deletion", "average_drop", SPARSENESS} <= set(published.metrics)
    assert "--metric all, or its name, takes it" in dict(published.left_out)["monotonicity"]
    assert "--boxes" in dict(published.left_out)["pointing_game"]
    dear = asked_for(usual.model_copy(update={"protocol": "reference"}), "rise", (), False)
    assert "passes an image" in dict(dear.left_out)["max_sensitivity"]
    assert dict(published.left_out)["max_sensitivity"] == STOOD_IN
    asked = asked_for(config(out=tmp_path, metric=["max_sensitivity"]), "gradcam", (), True)
    assert asked.metrics == ("max_sensitivity",)


@pytest.mark.parametrize("method", ["fakecam", "gradient", "gradient(reduction='minmax_max')"])
def test_a_method_is_never_beside_itself(
    method: str, config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    asked = asked_for(config(out=tmp_path), method, ("gradient", "rise"), True)
    assert len(set(asked.methods)) == len(asked.methods)
    assert asked.method not in (*asked.controls, *asked.standards)
    assert {"gradcam", "rise", *CONTROLS} <= set(asked.methods)


def test_what_fails_is_untested_and_the_rest_is_judged(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(BROKEN)
    one = config(out=tmp_path / "out", limit=2, metric=[SPARSENESS])
    found = check(one, f"file:{tmp_path}/mine.py:once", chosen=True, skip=("switches",))
    assert found is not None
    assert found.judgement.method == "file:mine.py:once"
    assert "explains no other input" in str(found.failed[0])
    assert "sanity: noise" in dict(found.judgement.untested)
    assert "sanity: class" not in dict(found.judgement.untested)
    assert {b.other for b in found.judgement.besides} == {*CONTROLS, "gradcam", "gradient"}


def test_an_image_that_it_raises_for_is_untested_and_the_others_are_judged(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(RAISES)
    one = config(out=tmp_path / "out", metric=[SPARSENESS])
    call = f"file:{tmp_path}/mine.py:once"
    found = check(one, call, chosen=True, skip=("switches", "sanity"))
    assert found is not None
    assert found.judgement.images == IMAGES - 1
    said = dict(found.judgement.untested)[f"1 of {IMAGES} images"]
    assert said.startswith("ValueError: not this one (mine.py:7), on 1 of 3 images, first 1/1.png")


def test_images_are_listed_once(
    config: Callable[..., RunConfig], done: Finished, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check itself: each of its runs lists for itself."""
    listed: list[str] = []
    monkeypatch.setattr("xaibench.studies.check.asked.load_dataset", partial(keep, listed))
    monkeypatch.setattr("xaibench.studies.check.runs.run", mock.MagicMock())
    check(config(out=out), "gradcam", chosen=True, skip=("switches",))
    assert len(listed) == 1


def keep(listed: list[str], source: str, *more: Any) -> Any:
    listed.append(source)
    return load_dataset(source, *more)


def test_maps_made_elsewhere_are_judged_on_the_images_that_have_one(
    done: Finished, config: Callable[..., RunConfig], out: Path, tmp_path: Path
) -> None:
    ids, maps = xaibench.load_maps(out, "gradcam")
    np.savez(tmp_path / "maps.npz", ids=np.array(ids[1:]), maps=maps[1:])
    one = config(out=tmp_path / "out", maps=tmp_path / "maps.npz", name="mine")
    found = check(one, None, chosen=True)
    assert found is not None
    assert not found.failed
    (record,) = kept(tmp_path / "out")
    evidence = evidence_of(tmp_path / "out", record)
    assert set(evidence.scores.image) == set(ids[1:])
    assert set(evidence.seconds) == {"gradcam", "gradient", *CONTROLS}, "nobody knows the others"
    assert set(evidence.scores.method) == {"mine", "gradcam", "gradient", *CONTROLS}
    kernel = {"switch": "causal.kernel: 5 -> 11", "metric": INSERTION}
    mine, theirs = (values(evidence.switched, method=m, **kernel) for m in ("mine", "gradcam"))
    assert mine == pytest.approx(theirs, abs=1e-6)
    assert evidence.sanity.empty
    assert not set(evidence.switched.switch) & {"preprocessing.resize: squash -> short_side"}
    assert dict(evidence.untested)["preprocessing.resize: squash -> short_side"] == (
        "there are maps alone"
    )


def test_maps_that_are_not_there_are_refused_before_anything_is_run(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    one = config(out=tmp_path / "out", maps=tmp_path / "gone.npz", name="mine")
    with pytest.raises(XaibenchError, match=r"gone\.npz does not exist"):
        check(one, None, chosen=True)
    assert not (tmp_path / "out" / "scores").exists()


def test_the_doctor_knows_what_a_check_keeps(done: Finished, out: Path) -> None:
    (out / "switches" / "notes.txt").write_text("mine")
    assert [(one.kind, one.path.name) for one in findings(out)] == [("unknown", "notes.txt")]
    (out / "switches" / "notes.txt").unlink()


def test_a_method_that_could_not_be_run_is_not_beside_it(done: Finished, out: Path) -> None:
    (record,) = kept(out)
    evidence = evidence_of(out, record.model_copy(update={"standards": ("gradient", "rise")}))
    assert evidence.standards == ("gradient",)
    assert "nothing was scored" in dict(evidence.untested)["beside rise"]


def test_noise_is_untested_where_weights_are(done: Finished, out: Path) -> None:
    (record,) = kept(out)
    evidence = evidence_of(out, record.model_copy(update={"sanity": {"noise": NOISE}}))
    assert "held against other weights" in dict(evidence.untested)["sanity: noise"]


def test_maps_alone_need_a_metric_that_explains_nothing(
    config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    one = config(maps=tmp_path / "m.npz", protocol="reference", metric=["max_sensitivity"])
    with pytest.raises(UsageError, match=r"max_sensitivity cannot be taken .* another --metric"):
        asked_for(one, None, (), True)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report" / "check" / "rise.json"
    path.parent.mkdir(parents=True)
    for text in ("{", '{"method": "rise"}'):
        path.write_text(text)
        with pytest.raises(XaibenchError, match=r"rise\.json is damaged"):
            finished(tmp_path)


def test_a_value_that_is_not_finite_is_no_map_that_is_not(
    done: Finished, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A similarity is lost where the other map is constant; the method's own map is there."""
    (record,) = kept(out)
    image = xaibench.load_scores(out)["image"].iloc[0]

    def lost(metrics: Any) -> Callable[[Path], pd.DataFrame]:
        def load(directory: Path) -> pd.DataFrame:
            found = xaibench.load_scores(directory).astype({"status": str, "metric": str})
            of = found["image"].eq(image) & found["metric"].isin(metrics)
            return found.assign(status=found["status"].mask(of, "nonfinite"))

        return load

    place = "xaibench.studies.check.evidence.load_scores"
    monkeypatch.setattr(place, lost(set(record.sanity.values())))
    assert set(evidence_of(out, record).nonfinite.values()) == {0}
    monkeypatch.setattr(place, lost(set(record.metrics)))
    assert set(evidence_of(out, record).nonfinite.values()) == {1}
