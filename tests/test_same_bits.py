"""A value depends on the image and the configuration alone: to the bit, for all that is registered.

Not on --limit, resuming, the order of work, what is computed beside it, workers or threads. The
embedded network on photographs, since other shapes of real convolutions are what rounds otherwise;
fed 96 pixels, so that a run of everything takes seconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import on, prepared, request

import xaibench
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import resolve_methods, resolve_metrics
from xaibench.registry import entries
from xaibench.store.read import KEYS

FEW = {
    "steps": 3,
    "samples": 3,
    "n_masks": 18,
    "n_samples": 18,
    "rows_per_step": 56,
    "draws": 2,
    "stages": 1,
    "layer": "features.network._blocks.0",
}
"""Small values, so that a run of everything takes seconds; 18 is no multiple of a batch."""
SMALLER = """
from dataclasses import replace

from xaibench.models.classifier import InputSpec
from xaibench.models.efficientnet_lite import efficientnet_lite0


def build():
    return replace(efficientnet_lite0("efficientnet_lite0"), input=InputSpec(resize=110, crop=96))
"""
COLUMNS = ["status", "class_index", "explained_index", "value"]
NEEDS_BOXES = ("pointing_game", "energy_pointing_game")


def specs(kind: str, protocol: str) -> list[str]:
    """Everything registered, with small values of the options that it has."""
    resolve = {"methods": resolve_methods, "metrics": resolve_metrics}[kind]
    found = []
    for name in entries(kind):
        if name in NEEDS_BOXES or name.startswith("quantus_"):
            continue
        options = resolve([name], load_protocol(protocol))[0].options
        few = {
            k: v for k, v in FEW.items() if k in options and (k != "layer" or name == "scorecam")
        }
        if name in ("max_sensitivity", "avg_sensitivity"):
            few.pop("rows_per_step", None)
        if name == "noise_correlation":  # every draw explains anew
            few["draws"] = 1
        found.append(f"{name}({','.join(f'{k}={v!r}' for k, v in few.items())})" if few else name)
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    held = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(held)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory, protocol: str) -> dict[str, object]:
    """Options of every run."""
    path = tmp_path_factory.mktemp("model") / "smaller.py"
    path.write_text(SMALLER)
    model = {"model": f"file:{path}:build", "data": "samples"}
    return {**model, "protocol": protocol, "workers": 0}


def everything(common: dict[str, object], out: Path, **more: object) -> None:
    protocol = str(common["protocol"])
    asked = {"method": specs("methods", protocol), "metric": specs("metrics", protocol)}
    xaibench.run({**common, **asked, "out": out, **more})


def results(out: Path) -> tuple[pd.DataFrame, dict[tuple[str, ...], np.ndarray]]:
    """Scores by their keys, and stored maps by folder and image."""
    from xaibench.store.maps import load

    maps = {}
    for path in sorted((out / "maps").rglob("*.safetensors")):
        shard = load(path)
        for image, one in zip(shard.ids, shard.maps, strict=True):
            maps[(*path.relative_to(out / "maps").parts[:-1], image)] = one.numpy()
    return xaibench.load_scores(out).set_index(KEYS)[COLUMNS].sort_index(), maps


def assert_same(one: Path, other: Path, part: bool = False) -> None:
    """Equal to the bit; part: where `other` has more, on what `one` has."""
    (scores, maps), (theirs, their_maps) = results(one), results(other)
    assert len(scores)
    assert len(maps)
    if part:
        theirs = theirs.loc[scores.index]
        their_maps = {key: their_maps[key] for key in maps}
    differing = [key for key in maps if not np.array_equal(maps[key], their_maps[key], True)]
    assert not differing
    assert maps.keys() == their_maps.keys()
    assert differing_rows(scores, theirs) == []


def differing_rows(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Keys of the rows that are not equal to the bit."""
    assert one.index.equals(other.index)
    same = (one == other) | (one.isna() & other.isna())
    return [f"{key}: {one.value[key]} {other.value[key]}" for key in one.index[~same.all(axis=1)]]


@pytest.fixture(scope="module", params=["published", "reference"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, common: dict[str, object]) -> Path:
    """Three photographs at once, in one thread."""
    out = tmp_path_factory.mktemp("bits") / "base"
    everything(common, out, limit=3)
    return out


MOSTLY_PUBLISHED = pytest.mark.parametrize(
    "protocol",
    ["published", pytest.param("reference", marks=pytest.mark.slow)],
    indirect=True,
    scope="module",
)
"""Runs of several minutes together: by reference, `make test` turns the batches alone."""


@MOSTLY_PUBLISHED
def test_a_grown_run_in_two_threads_equals_one_at_once(base, common, tmp_path):
    """One image alone, then the others, with worker processes, in twice the threads."""
    everything(common, tmp_path, limit=1, workers=1)
    with threads(2):
        everything(common, tmp_path, limit=3, workers=2)
    assert_same(base, tmp_path)


@MOSTLY_PUBLISHED
def test_any_order_and_one_thing_at_a_time(base, common, protocol, tmp_path):
    """Other targets beside, methods and metrics in turn and in reverse, another image first."""
    chosen = tmp_path / "list.txt"
    ids = xaibench.load_predictions(base)["image"].tolist()
    chosen.write_text("\n".join([ids[2], ids[0]]))
    metrics = specs("metrics", protocol)
    for place, method in enumerate(reversed(specs("methods", protocol))):
        beside = ("predicted", "ground_truth")[place % 2 :]
        for some in (metrics[::-2], metrics):
            xaibench.run(
                {
                    **common,
                    "method": method,
                    "metric": some,
                    "target": ",".join(beside),
                    "subset": chosen,
                    "out": tmp_path / "out",
                }
            )
    scores, _ = results(tmp_path / "out")
    assert set(scores.index.get_level_values("target")) == {"ground_truth", "predicted"}
    for folder in (tmp_path / "out" / "maps").glob("*/predicted"):
        for path in folder.rglob("*.safetensors"):
            path.unlink()
    ours, maps = results(tmp_path / "out")
    theirs, their_maps = results(base)
    ours = ours.xs("ground_truth", level="target", drop_level=False)
    assert len(maps) == 2 * len(specs("methods", protocol))
    assert not [k for k in maps if not np.array_equal(maps[k], their_maps[k], True)]
    assert differing_rows(ours, theirs.loc[ours.index]) == []


@pytest.mark.slow  # in every round runs grow, and trust/ kills and resumes them
def test_a_resumed_run_equals_an_undisturbed_one(base, common, tmp_path):
    """Files of any stage are lost; what is computed again is what was there."""
    everything(common, tmp_path, limit=2)
    for folder in ("predictions", "maps", "scores", "state"):
        for path in sorted(p for p in (tmp_path / folder).rglob("*") if p.is_file())[::3]:
            path.unlink()
    everything(common, tmp_path, limit=3)
    assert_same(base, tmp_path)


GROUPED = "gradient,ig(steps=2),iba(steps=2,samples=3)"
TRANSFORMS = "mixup"


def transformed(common: dict[str, object], out: Path, **more: object) -> None:
    asked = {"method": GROUPED, "metric": "average_gain,sparseness", "transform": TRANSFORMS}
    xaibench.run({**common, **asked, "out": out, **more})


@MOSTLY_PUBLISHED
def test_transformed_inputs_do_not_depend_on_the_limit_or_threads(common, tmp_path):
    """Seven images: a whole group and a part of one, whose others are read too."""
    transformed(common, tmp_path / "once", limit=7)
    transformed(common, tmp_path / "grown", limit=2)
    with threads(2):
        transformed(common, tmp_path / "grown", limit=7)
    assert_same(tmp_path / "once", tmp_path / "grown")


@pytest.mark.parametrize("name", list(entries("methods")))
def test_a_map_does_not_depend_on_the_batch(context, photographs, device, protocol, name):
    """As a run feeds it: one image, a remainder of one after sixteen, in inference mode too."""
    spec = next(s for s in specs("methods", protocol) if s.partition("(")[0] == name)
    batch = on(photographs.rows(0, 17), device)
    batch = dataclasses.replace(batch, images=F.interpolate(batch.images, (96, 96)))
    method = request(spec, protocol)
    state = prepared(context, batch, method)

    def maps(start: int, stop: int, layout: torch.memory_format) -> torch.Tensor:
        part = batch.rows(start, stop)
        part = dataclasses.replace(part, images=part.images.clone(memory_format=layout))
        return method.entry(context, part, state, **method.options).maps

    plain, last = torch.contiguous_format, torch.channels_last
    many = maps(0, 16, plain)
    with threads(2):
        rest = maps(16, 17, plain)
        alone = maps(3, 4, last)
    assert torch.equal(alone[0], many[3])
    assert torch.equal(maps(15, 17, last)[:1], many[15:])
    assert torch.equal(maps(15, 17, plain)[1:], rest)
