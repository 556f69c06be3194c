"""The plan: what a directory lacks, by block, variation, method, target and metric."""

from __future__ import annotations

import itertools
from pathlib import Path
from unittest import mock

import pytest
from networks import THOUSAND

import xaibench
from xaibench.config.run import load_config
from xaibench.execution.plan import Plan, plan
from xaibench.stages.run import resolve
from xaibench.store import layout

COMMON = {
    "model": THOUSAND,
    "method": "gradient,fakecam",
    "metric": "sparseness,average_drop",
    "target": "ground_truth,predicted",
}
ALL = frozenset({"explain", "score"})
COUNTS = ("predictions", "maps", "scores")


def planned(out: Path, stages: frozenset[str] = ALL, **more: object) -> Plan:
    return plan(resolve(load_config({**COMMON, "out": out, **more})), stages)


def counted(found: Plan) -> dict[str, int]:
    return {what: found.count(what) for what in COUNTS}


def test_an_empty_directory_lacks_everything(tmp_path: Path) -> None:
    found = planned(tmp_path, limit=3)
    assert counted(found) == {"predictions": 3, "maps": 12, "scores": 24}
    (block,) = found.blocks
    assert (block.number, block.places, block.companions) == (0, (0, 1, 2), (0, 1, 2))
    assert not found.preparations
    assert not any(found.stale.values())


@pytest.mark.parametrize("transform", ["none", "none,mixup", "mixup"])
@pytest.mark.parametrize("steps", [(2, 5), (5, 2), (3, 3)])
def test_what_is_planned_is_what_is_made(
    tmp_path: Path, steps: tuple[int, int], transform: str
) -> None:
    for limit in steps:
        more = {"transform": transform, "limit": limit}
        expected = counted(planned(tmp_path, **more))
        made = xaibench.run({**COMMON, "out": tmp_path, **more}).computed
        assert made == expected
        assert counted(planned(tmp_path, **more)) == dict.fromkeys(COUNTS, 0)


def test_groups_bring_the_images_that_they_need(tmp_path: Path) -> None:
    """mixup's partner is another image of its five: it needs a prediction and nothing more."""
    found = planned(tmp_path, transform="mixup", limit=2)
    untouched, transformed = found.blocks
    assert (untouched.places, untouched.companions) == ((0, 1), (0, 1, 2, 3, 4))
    assert untouched.predictions == 5
    assert untouched.maps == untouched.scores == 0
    assert transformed.places == (0, 1)
    assert transformed.companions == (0, 1, 2, 3, 4)
    assert transformed.predictions == 2 * 4


@pytest.mark.parametrize("stages", [{"explain"}, {"score"}, set()])
def test_a_stage_is_planned_alone(tmp_path: Path, stages: set[str]) -> None:
    found = counted(planned(tmp_path, frozenset(stages), limit=3))
    assert found["maps"] == (12 if "explain" in stages else 0)
    assert found["scores"] == (24 if "score" in stages else 0)


def test_a_map_that_no_score_needs_is_not_made_again(tmp_path: Path) -> None:
    xaibench.run({**COMMON, "out": tmp_path, "limit": 3})
    for path in (tmp_path / "maps").rglob(f"*{layout.MAPS}"):
        path.unlink()
    assert counted(planned(tmp_path, limit=3)) == dict.fromkeys(COUNTS, 0)
    new = counted(planned(tmp_path, limit=3, metric="complexity", method="fakecam"))
    assert new == {"predictions": 0, "maps": 6, "scores": 6}


def test_every_folder_is_looked_into_once(tmp_path: Path) -> None:
    more = {"transform": "none,mixup", "limit": 7}
    xaibench.run({**COMMON, "out": tmp_path, **more})
    real, seen = Path.glob, []

    def glob(self: Path, pattern: str):
        seen.append(self)
        return real(self, pattern)

    with mock.patch.object(Path, "glob", glob):
        planned(tmp_path, **more)
    inside = sorted(path for path in seen if path.is_relative_to(tmp_path))
    assert [path for path, same in itertools.groupby(inside) if len(list(same)) > 1] == []


def test_stale_results_that_are_not_asked_for_are_not_counted(tmp_path: Path) -> None:
    """Of a run on a transform alone, the untouched images' maps and scores are none of its work."""
    more = {"transform": "none,rotation", "limit": 2, "method": "fakecam"}
    xaibench.run({**COMMON, "out": tmp_path, **more})
    with mock.patch("xaibench.execution.plan.code_of_scores", return_value="other"):
        found = planned(tmp_path, **{**more, "transform": "rotation"})
    assert found.count("scores") == 2 * 4 * 2 * 2
    assert found.stale["fakecam"] == found.count("scores")


def test_images_known_to_be_unreadable_are_left_out(tmp_path: Path) -> None:
    from PIL import Image

    data = tmp_path / "data"
    data.mkdir()
    for i in range(4):
        Image.new("RGB", (64, 64), (60 * i, 0, 0)).save(data / f"{i}.png")
    (data / "1.png").write_bytes(b"no picture")
    more = {"data": str(data), "target": "predicted"}
    before = counted(planned(tmp_path / "out", **more))
    assert before == {"predictions": 4, "maps": 8, "scores": 16}
    xaibench.run({**COMMON, "out": tmp_path / "out", **more})
    assert counted(planned(tmp_path / "out", **more)) == dict.fromkeys(COUNTS, 0)
    assert len(set(xaibench.load_scores(tmp_path / "out").image)) == 3
