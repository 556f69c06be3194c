"""Transformed inputs belong to the ordered subset that their groups are formed of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from networks import THOUSAND
from oracles.table4 import batchnorm_groups

import xaibench
from xaibench.config.protocol import load_protocol
from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError
from xaibench.registry import entries, get
from xaibench.store import maps as store

IDS = load_dataset("samples").ids
COMMON = {
    "model": THOUSAND,
    "method": "gradient,iba(steps=2)",
    "metric": "sparseness",
    "transform": "mixup",
}


def listed(path: Path, places: list[int]) -> str:
    path.write_text("\n".join(IDS[p] for p in places))
    return str(path)


def test_another_subset_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = listed(tmp_path / "a", [4, 2, 9, 7, 0, 1])
    xaibench.run({**COMMON, "subset": chosen, "limit": 2, "out": out})
    xaibench.run({**COMMON, "subset": chosen, "limit": 3, "out": out})
    record = json.loads((out / "manifests" / "subset.json").read_text())
    assert record["images"] == 6
    turned = listed(tmp_path / "b", [2, 4, 9, 7, 0, 1])
    for more in ({"subset": turned}, {}, {"per_class": 1}):
        with pytest.raises(XaibenchError, match=r"groups of another subset: 6 images \(--subset"):
            xaibench.run({**COMMON, **more, "limit": 2, "out": out})
        with pytest.raises(XaibenchError, match="another subset"):
            xaibench.run({**COMMON, **more, "limit": 2, "out": out, "dry_run": True})
    plain = {**COMMON, "transform": "none", "limit": 2, "out": out}
    assert xaibench.run(plain).computed["maps"] == 4, "untouched images have no groups"


def test_results_and_state_carry_the_subset(tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = listed(tmp_path / "a", [4, 2, 9, 7, 0, 1])
    xaibench.run({**COMMON, "transform": "none,mixup", "subset": chosen, "out": out})
    sha = json.loads((out / "manifests" / "subset.json").read_text())["sha256"]
    for path in (out / "maps").rglob("*.safetensors"):
        assert store.load(path).origin.subset == ("" if "none" in path.parts else sha)
    states = {path.name for path in (out / "state").glob("iba*.safetensors")}
    assert len(states) == 2, "of the whole dataset for untouched images, else of the subset"
    assert any(sha[:16] in name for name in states)


def test_a_map_of_another_subset_is_not_scored(tmp_path: Path) -> None:
    """Its shard under the name that this run would look for."""
    for name, places in (("a", [4, 2, 9, 7, 0]), ("b", [2, 4, 9, 7, 0])):
        chosen = listed(tmp_path / f"{name}.txt", places)
        xaibench.run({**COMMON, "subset": chosen, "out": tmp_path / name})
    ours = sorted((tmp_path / "a" / "maps").rglob("*.safetensors"))
    for path in sorted((tmp_path / "b" / "maps").rglob("*.safetensors")):
        mine = next(p for p in ours if p.parent.parts[-4:] == path.parent.parts[-4:])
        mine.write_bytes(path.read_bytes())
    again = {**COMMON, "metric": "complexity", "subset": str(tmp_path / "a.txt")}
    said: list[str] = []
    with pytest.raises(XaibenchError, match="scores need maps that are not there"):
        xaibench.run({**again, "out": tmp_path / "a"}, stages={"score"}, say=said.append)
    assert any(line.startswith("foreign: ") and "set aside" in line for line in said)
    assert xaibench.load_scores(tmp_path / "a").metric.nunique() == 1
    xaibench.run({**again, "out": tmp_path / "a"})
    assert xaibench.load_scores(tmp_path / "a").metric.nunique() == 2


def test_groups_follow_the_lists_order(tmp_path: Path) -> None:
    """The same five images in another order: other partners, so other maps."""
    maps = []
    for name, places in (("a", [4, 2, 9, 7, 0]), ("b", [2, 4, 9, 7, 0]), ("c", [4, 2, 9, 7, 0])):
        chosen = listed(tmp_path / f"{name}.txt", places)
        xaibench.run({**COMMON, "subset": chosen, "out": tmp_path / name})
        ids, found = xaibench.load_maps(
            tmp_path / name, "gradient", transform="mixup", variation="44"
        )
        assert list(ids) == [IDS[p] for p in places]
        maps.append(found[ids.index(IDS[9])])
    assert np.array_equal(maps[0], maps[2])
    assert not np.allclose(maps[0], maps[1])


@pytest.mark.parametrize("transform", list(entries("transforms")))
@pytest.mark.parametrize("method", ["gradient", "guidedbp", "ig"])
def test_published_groups_are_the_scripts(method: str, transform: str) -> None:
    published, reference = load_protocol("published"), load_protocol("reference")
    for variation in get("transforms", transform).metadata["variations"]:
        wanted = batchnorm_groups(method, transform, variation)
        assert published.batchnorm_group(method, transform, variation) == wanted
        assert reference.batchnorm_group(method, transform, variation) == 1
