"""A method that raises for some images: the others have the bits of an undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from units import COUNT, METHOD, held, run, same

import xaibench
from xaibench.errors import XaibenchError
from xaibench.types import Batch

BAD = (3, 20, 49)
"""In the first batch, in the second, and one of the two images of the last."""


@contextmanager
def raises_for(bad: set[str], where: str = METHOD) -> Iterator[mock.Mock]:
    """The method raises for batches with one of these images; the mock counts calls."""
    from xaibench.methods import gradient

    real = gradient.gradient_maps

    def function(ctx: Any, batch: Batch, *given: Any, **more: Any) -> Any:
        for image in batch.ids:
            if image in bad:
                raise ValueError(f"cannot explain {image}")
        return real(ctx, batch, *given, **more)

    with mock.patch(where, side_effect=function) as calls:
        yield calls


def rows_of(out: Path, bad: set[str]) -> Any:
    """The scores of the method's good images."""
    scores = xaibench.load_scores(out)
    return scores[(scores.method == "gradient") & ~scores.image.isin(bad)].reset_index(drop=True)


@pytest.fixture(scope="module")
def ids(undisturbed: Path) -> tuple[str, ...]:
    return xaibench.load_maps(undisturbed, "gradient", "predicted")[0]


@pytest.mark.parametrize("keep", ["keep", "none"])
def test_the_other_images_of_its_batch_are_those_of_an_undisturbed_run(
    noise: Path, undisturbed: Path, tmp_path: Path, ids: tuple[str, ...], keep: str
) -> None:
    bad = {ids[place] for place in BAD}
    with raises_for(bad), pytest.raises(XaibenchError) as error:
        run(noise, tmp_path, keep_maps=keep)
    said = f"9 failed: gradient failed: ValueError: cannot explain {ids[3]}, on 3 of 50 images"
    assert said in str(error.value)
    assert f"first {ids[3]}" in str(error.value)
    ours, theirs = rows_of(tmp_path, bad), rows_of(undisturbed, bad)
    assert len(ours) == 3 * (COUNT - len(bad))
    assert ours.equals(theirs)
    lost = xaibench.load_scores(tmp_path).query("status == 'failed'")
    assert set(lost.image) == bad
    assert len(lost) == 9
    (path,) = (tmp_path / "failures" / "units").rglob("*.json")
    record = json.loads(path.read_text())
    assert record["images"] == sorted(bad)
    assert record["reasons"] == {i: f"ValueError: cannot explain {i}" for i in sorted(bad)}
    if keep == "none":
        return
    stored, maps = xaibench.load_maps(tmp_path, "gradient", "predicted")
    all_maps = xaibench.load_maps(undisturbed, "gradient", "predicted")[1]
    assert list(stored) == [image for image in ids if image not in bad]
    assert np.array_equal(maps, all_maps[[ids.index(image) for image in stored]])


def test_a_batch_of_the_others_is_as_large_as_it_was(
    noise: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    """For methods that ask the module itself, which fills nothing up."""
    with raises_for({ids[3], ids[4]}) as calls, pytest.raises(XaibenchError):
        run(noise, tmp_path, limit=16)
    sizes = [len(call.args[1]) for call in calls.call_args_list]
    assert sizes == [16, *[1] * 16, 16]


def test_the_next_run_makes_the_rest(
    noise: Path, undisturbed: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    bad = {ids[place] for place in BAD}
    with raises_for(bad), pytest.raises(XaibenchError):
        run(noise, tmp_path)
    with raises_for(bad) as calls:
        computed, _ = run(noise, tmp_path, retry_failed=False)
    assert calls.call_count == 0
    assert computed == {"predictions": 0, "maps": 0, "scores": 0, "left": 9}
    with raises_for({ids[20]}), pytest.raises(XaibenchError, match="on 1 of 3 images"):
        run(noise, tmp_path)
    assert held(tmp_path, "maps") == COUNT - 1
    assert run(noise, tmp_path)[0] == {"predictions": 0, "maps": 1, "scores": 3}
    same(tmp_path, undisturbed)
    assert not list((tmp_path / "failures").rglob("*.json"))


def test_images_that_share_statistics_are_lost_together(
    noise: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    """Statistics of a group are of all its images: the other groups are what they were."""
    more = {"method": "gradient", "metric": "sparseness", "limit": 15, "transform": "crop"}
    run(noise, tmp_path / "undisturbed", **more)
    lost = set(ids[5:10])
    with raises_for({ids[6]}), pytest.raises(XaibenchError, match="on 5 of 15 images"):
        run(noise, tmp_path / "run", **more)
    ours, theirs = (xaibench.load_scores(tmp_path / one) for one in ("run", "undisturbed"))
    assert set(ours[ours.status == "failed"].image) == lost
    kept = [frame[~frame.image.isin(lost)].reset_index(drop=True) for frame in (ours, theirs)]
    assert kept[0].equals(kept[1])


def test_one_that_raises_for_all_is_asked_about_one_batch_by_image(
    noise: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    with raises_for(set(ids)) as calls, pytest.raises(XaibenchError, match="150 failed: gradient"):
        run(noise, tmp_path)
    assert calls.call_count == 4 + 16
    assert held(tmp_path, "maps") == 0


def test_one_that_takes_no_two_images_at_once_fails(
    noise: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    """It is no image's fault; maps made otherwise than in batches are not what was asked for."""
    from xaibench.methods import gradient

    real = gradient.gradient_maps

    def function(ctx: Any, batch: Batch, *given: Any) -> Any:
        if len(batch) > 1:
            raise ValueError("one at a time")
        return real(ctx, batch, *given)

    with mock.patch(METHOD, function), pytest.raises(XaibenchError, match="12 failed: gradient"):
        run(noise, tmp_path, limit=4)
    assert held(tmp_path, "maps") == 0
