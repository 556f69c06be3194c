"""Ablations that run: against direct runs, resumed, interrupted, and from the command line."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import torch
import yaml
from helpers import cli, same_tensors
from networks import TEN
from PIL import Image

import xaibench
from xaibench.config.protocol import load_protocol
from xaibench.config.run import RunConfig, load_config
from xaibench.report.pages.ablation import Ablation
from xaibench.studies.ablate import ablate

METRICS = ["insertion(rows_per_step=16)", "sparseness"]
SWITCHES = [
    "preprocessing.resize",
    "probability",
    "normalization.gradcam.native_minmax",
    "causal.kernel",
]
IMAGES = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are no squares, so that the preprocessing matters."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(3)
    for i in range(IMAGES):
        (folder / str(i)).mkdir()
        small = (torch.rand(5, 8, 3, generator=generator) * 255).to(torch.uint8).numpy()
        Image.fromarray(small).resize((420, 260)).save(folder / str(i) / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def config(data: Path) -> RunConfig:
    values: dict[str, Any] = {
        "model": TEN,
        "data": str(data),
        "method": "gradcam",
        "metric": METRICS,
    }
    return load_config(values)


@pytest.fixture(scope="module")
def done(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ablation]:
    out = tmp_path_factory.mktemp("ablation") / "out"
    found = ablate(config.model_copy(update={"out": out}), "reference")
    assert found is not None
    return out, found


def effect(found: Ablation, metric: str, switch: str) -> Any:
    (one,) = [e for e in found.effects if (e.metric, e.switch) == (metric, switch)]
    return one


def values(out: Path, metric: str) -> pd.Series:
    scores = xaibench.load_scores(out)
    return scores[scores.metric == metric].set_index("image").value


def state(out: Path) -> dict[str, int]:
    """Time of change of every result file."""
    files = [p for p in out.glob("*/**/*") if p.is_file() and "manifests" not in p.parts]
    return {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in files}


def of_runs(lines: list[str]) -> list[str]:
    """The last lines of the runs, without what each says of the network's accuracy."""
    return [line for line in lines if f": {IMAGES} images, " in line]


def test_one_switch_equals_a_run_with_that_value(
    config: RunConfig, done: tuple[Path, Ablation], tmp_path: Path
) -> None:
    protocol = load_protocol("published").model_dump()
    protocol["preprocessing"]["resize"] = "short_side"
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(protocol))
    spec = "insertion(kernel=11,rows_per_step=16)"
    direct = {
        "base": {},
        "causal.kernel": {"metric": (spec,)},
        "preprocessing.resize": {"protocol": str(tmp_path / "short.yaml")},
        "all of them": {"protocol": "reference"},
    }
    found = {}
    for name, update in direct.items():
        out = tmp_path / name
        xaibench.run(config.model_copy(update={**update, "out": out}))
        found[name] = values(out, spec if name == "causal.kernel" else METRICS[0])
    for name in list(direct)[1:]:
        one = effect(done[1], METRICS[0], name)
        change = (found[name] - found["base"]).mean()
        assert one.change == pytest.approx(change, abs=1e-6)
        assert one.mean == pytest.approx(found[name].mean(), abs=1e-6)
        assert one.n == IMAGES
        assert abs(one.change) > 1e-4, "or this test could not fail"


def test_a_switch_that_cannot_move_a_cell_has_no_effect_there(done: tuple[Path, Ablation]) -> None:
    held = {e.switch for e in done[1].effects if e.metric == "sparseness"}
    assert held == {"from", SWITCHES[0], SWITCHES[2], "all of them", "interaction"}
    scores = xaibench.load_scores(done[0] / "published")
    assert set(scores.metric) == {*METRICS, "insertion(kernel=11,rows_per_step=16)"}


def test_normalisation_alone_takes_the_maps_that_are_there(done: tuple[Path, Ablation]) -> None:
    name = "published+normalization.gradcam.native_minmax=False"
    counts = Counter()
    for path in (done[0] / name / "manifests").glob("run-*.json"):
        counts.update(json.loads(path.read_text())["counts"])
    assert counts["maps"] == 0
    assert counts["scores"] == IMAGES * len(METRICS)
    maps = [p.relative_to(done[0] / name) for p in (done[0] / name).rglob("*.safetensors")]
    assert maps
    for path in maps:
        assert same_tensors(done[0] / name / path, done[0] / "published" / path)


def test_again_computes_nothing(config: RunConfig, done: tuple[Path, Ablation]) -> None:
    before, lines = state(done[0]), []
    found = ablate(config.model_copy(update={"out": done[0]}), "reference", say=lines.append)
    ran = of_runs(lines)
    assert len(ran) == 5
    assert all("nothing left to compute" in line for line in ran)
    assert state(done[0]) == before
    assert found == done[1]


def test_an_interrupted_ablation_goes_on(
    config: RunConfig, done: tuple[Path, Ablation], tmp_path: Path
) -> None:
    from xaibench.studies import ablate as module

    out, real, calls = tmp_path / "out", module.run, []

    def third_call_dies(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given, **named)

    mine = config.model_copy(update={"out": out})
    with mock.patch.object(module, "run", third_call_dies), pytest.raises(KeyboardInterrupt):
        ablate(mine, "reference")
    before = state(out)
    assert any("scores" in name for name in before)
    assert ablate(mine, "reference") == done[1]
    assert before.items() <= state(out).items(), "what was there is left as it was"


def test_lost_scores_come_back_alone(
    config: RunConfig, done: tuple[Path, Ablation], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(done[0], tmp_path / "copy"))
    shutil.rmtree(out / "reference" / "scores")
    before, lines = state(out), []
    found = ablate(config.model_copy(update={"out": out}), "reference", say=lines.append)
    assert [line for line in of_runs(lines) if "nothing left" not in line] == [lines[-1]]
    assert "computed 6 scores" in lines[-1]
    assert before.items() <= state(out).items()
    assert found == done[1]


def words(config: RunConfig, out: Path) -> list[object]:
    metrics = [word for metric in METRICS for word in ("--metric", metric)]
    return ["--model", TEN, "--data", config.data, *metrics, "--out", out]


def test_the_command(config: RunConfig, done: tuple[Path, Ablation]) -> None:
    code, said, err = cli("ablate", *words(config, done[0]))
    assert code == 0, err
    assert "Ablation published -> reference" in said
    for name in (*SWITCHES, "all of them", "interaction"):
        assert name in said
    assert {p.name for p in done[0].glob("ablation.*")} == {
        "ablation.md",
        "ablation.csv",
        "ablation.json",
    }
    held = json.loads((done[0] / "ablation.json").read_text())
    assert (held["from"], held["to"], held["images"]) == ("published", "reference", IMAGES)
    assert [s["name"] for s in held["switches"]] == SWITCHES


def test_one_switch_by_name(config: RunConfig, done: tuple[Path, Ablation], tmp_path: Path) -> None:
    out = Path(shutil.copytree(done[0], tmp_path / "copy"))
    code, said, _ = cli("ablate", "--switch", "causal.kernel", *words(config, out))
    assert code == 0
    assert "5 -> 11" in said
    assert "preprocessing" not in said
    assert "all of them" not in said


def test_a_dry_run_lists_and_writes_nothing(config: RunConfig, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, _ = cli("ablate", "--dry-run", *words(config, out))
    assert code == 0
    assert "causal.kernel: 5 -> 11\n  moves insertion(rows_per_step=16) of gradcam" in said
    assert f"would write to {out}/published: 3 predictions, 3 maps, 9 scores" in said
    assert f"would write to {out}/reference: 3 predictions, 3 maps, 6 scores" in said
    assert not out.exists()


def test_no_differences(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, _ = cli("ablate", "--from", "published", "--to", "published", "--out", out)
    assert code == 0
    assert "no differences between published and published" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "near"),
    [
        (["--switch", "causal.kernl"], "'causal.kernel'"),
        (["--to", "referenc"], "'reference'"),
        (["--method", "gradcm"], "'gradcam'"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(given: list[str], near: str) -> None:
    code, _, err = cli("ablate", *given)
    assert code == 2
    assert f"did you mean {near}?" in err
    assert err.count("\n") == 1


def test_help_shows_examples() -> None:
    code, said, _ = cli("ablate", "--help")
    assert code == 0
    assert "xaibench ablate --from published --to reference" in said
