"""Images that changed after shards made results of them: each forgets its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pictures import BASE, IDS, OTHER, assert_the_same, run, write

from xaibench.config.shard import Shard
from xaibench.store import lock
from xaibench.store.lock import Held

CHANGED = f"changed since the run began: {IDS[6]}: its results are computed anew"
WHOLE = {**BASE, "limit": 7}
"""Two blocks, and so two shards."""


def at_work(out: Path, shard: Shard) -> AbstractContextManager[Held]:
    """Another shard's lock."""
    return lock.writing(out, shard=shard)


def test_a_shard_forgets_what_is_its_own_beside_others(data: Path, tmp_path: Path) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    shards = [{**WHOLE, "shard": f"{n}/2"} for n in (1, 2)]
    for shard in shards:
        run(data, out, shard)
    write(data, IDS[6], OTHER)
    with at_work(out, Shard(1, 2)) as held:
        held.begun()
        said, end = run(data, out, shards[1])
    assert CHANGED in said
    assert "computed 1 predictions, 1 maps, 1 scores" in end
    assert "nothing left to compute" in run(data, out, shards[0])[1]
    run(data, fresh, WHOLE)
    assert_the_same(out, fresh)


@pytest.mark.parametrize(
    "method", [pytest.param("iba(samples=2,steps=2)", marks=pytest.mark.slow), "gradient"]
)
def test_a_shard_leaves_alone_what_others_at_work_rest_on(
    method: str, data: Path, tmp_path: Path
) -> None:
    """Statistics of all images, and groups of a list in another order than the dataset's."""
    out, fresh, listed = tmp_path / "out", tmp_path / "fresh", tmp_path / "list"
    listed.write_text("\n".join([*IDS[3:], *IDS[:3]]))
    config = {**WHOLE, "method": method}
    config |= {} if method != "gradient" else {"transform": "mixup", "subset": listed}
    shards = [{**config, "shard": f"{n}/2"} for n in (1, 2)]
    for shard in shards:
        run(data, out, shard)
    write(data, IDS[6], OTHER)
    with at_work(out, Shard(1, 2)) as held:
        held.begun()
        _, end = run(data, out, shards[1])
        assert f"{out} is in use by shard 1/2, process " in end
        assert "images have changed since the run began" in end
        assert "\n" not in end
    for shard in shards[::-1]:
        run(data, out, shard)
    run(data, fresh, config)
    assert_the_same(out, fresh)
    assert "nothing left to compute" in run(data, out, config)[1]
