"""--shard: shares of the blocks, in any order and at the same time, give what one process does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import THOUSAND
from shards import COMMON, DRAWN, ORDERS, run, same, shards

import xaibench
from xaibench.config.run import load_config
from xaibench.config.shard import Shard, parse
from xaibench.datasets.load import load_dataset
from xaibench.errors import UsageError
from xaibench.execution.plan import plan
from xaibench.stages.run import resolve
from xaibench.stages.share import share
from xaibench.stages.steps import PREDICTIONS

IDS = load_dataset("samples").ids


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out)
    return out


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "run"
    run(out, **DRAWN)
    return out


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6), st.randoms())
def test_every_block_is_of_one_shard(of: int, block: int, draw: random.Random) -> None:
    numbers = draw.sample(range(1, of + 1), of)
    assert [Shard(number, of).has(block) for number in numbers].count(True) == 1
    assert [str(parse(f" {n}/{of} ")) for n in numbers] == [f"{n}/{of}" for n in numbers]


@pytest.mark.parametrize("text", ["2", "0/3", "4/3", "1/0", "-1/3", "1/3/3", "a/b", "1.0/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give i/n with i from 1 to n, as 1/4") as refused:
        load_config({"shard": text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[-1]])
def test_shards_in_any_order_make_what_one_process_makes(
    order: tuple[int, ...], whole: Path, tmp_path: Path
) -> None:
    shards(tmp_path / "run", order)
    same(tmp_path / "run", whole)
    assert "nothing left to compute" in run(tmp_path / "run")[0].line


@pytest.mark.parametrize("order", [ORDERS[4], pytest.param(ORDERS[1], marks=pytest.mark.slow)])
def test_groups_of_images_of_several_shards(
    order: tuple[int, ...], drawn: Path, tmp_path: Path
) -> None:
    shards(tmp_path / "run", order, **DRAWN)
    same(tmp_path / "run", drawn)


@pytest.mark.parametrize("more", [COMMON, DRAWN, {**DRAWN, "limit": 7}])
@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_plans_of_shards_are_disjoint_and_complete(more, of: int, tmp_path: Path) -> None:
    def works(shard: str | None):
        config = load_config({**COMMON, **more, "out": tmp_path, "shard": shard})
        held = resolve(config)
        return share(held), plan(held, frozenset({"explain", "score"})).works

    images, whole = works(None)
    found = [works(f"{n}/{of}") for n in range(1, of + 1)]
    assert set(images) == {place for places, _ in found for place in places}
    for work in whole:
        made = sum(of_one[work] for _, of_one in found)
        assert made == whole[work] or (work == PREDICTIONS and made > whole[work])


def test_more_shards_than_blocks(tmp_path: Path) -> None:
    code, out, err = cli(
        *("run", "--model", THOUSAND, "--limit", 7, "--method", "gradient", "--workers", 0),
        *("--metric", "sparseness", "--out", tmp_path / "run", "--shard", "4/5"),
    )
    assert code == 0, err
    assert "shard 4/5: 0 of 7 images, in 0 of 2 blocks; shards 3 to 5 have nothing to do" in out
    assert out.splitlines()[-1].startswith(f"{tmp_path / 'run'}: shard 4/5, 0 images, nothing left")


def test_the_last_line_says_which_shard(tmp_path: Path) -> None:
    found, said = run(tmp_path / "run", "2/3", method="gradient", metric="sparseness")
    assert "shard 2/3: 5 of 20 images, in 1 of 4 blocks" in said
    assert found.line.startswith(f"{tmp_path / 'run'}: shard 2/3, 5 images, computed 5 predictions")
    assert xaibench.load_scores(tmp_path / "run").image.tolist() == list(IDS[5:10])
    code, out, _ = cli("report", tmp_path / "run")
    assert code == 0
    assert "5 images" in out


REFUSED = {
    "until": ({"until": 1.0}, "drop --until or --shard"),
    "overwrite": ({"overwrite": True}, "overwrite would delete what other shards have made"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_with_shards(case: str) -> None:
    more, expected = REFUSED[case]
    with pytest.raises(UsageError, match=expected) as refused:
        load_config({**more, "shard": "1/2"})
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_dry_run_shows_the_share(tmp_path: Path) -> None:
    found, said = run(tmp_path / "run", "1/2", dry_run=True)
    assert "shard 1/2: 10 of 20 images, in 2 of 4 blocks" in said
    assert "10 predictions, 20 maps, 40 scores" in said
    assert found.images == 10
    assert not (tmp_path / "run").exists()
