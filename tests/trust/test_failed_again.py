"""A unit that failed: nothing of it stays, and it is left alone where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from networks import tiny
from units import (
    COUNT,
    METHOD,
    METRIC,
    files,
    held,
    run,
    same,
)

import xaibench
from xaibench.errors import XaibenchError
from xaibench.stages import chunks
from xaibench.types import Explanation

NONSENSE = {
    "no explanation": torch.zeros(16, 1, 4, 4),
    "another shape": Explanation(torch.zeros(3, 1, 4, 4)),
    "a refusal": XaibenchError("no such layer"),
}


@pytest.mark.parametrize("what", list(NONSENSE))
def test_nothing_of_a_failed_unit_stays(
    noise: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """In the third batch, after two were written; the others go on, and the next run makes it."""
    monkeypatch.setattr(chunks, "EVERY", 0.0)
    from xaibench.methods import gradient

    answers = iter([gradient.gradient_maps] * 2)

    def function(*given: Any) -> Any:
        real = next(answers, None)
        if real:
            return real(*given)
        if isinstance(NONSENSE[what], Exception):
            raise NONSENSE[what]
        return NONSENSE[what]

    with mock.patch(METHOD, function), pytest.raises(XaibenchError, match="gradient failed"):
        run(noise, tmp_path)
    assert files(tmp_path, "maps") == files(tmp_path, "scores") == []
    assert held(tmp_path, "maps", "fakecam") == COUNT
    run(noise, tmp_path)
    same(tmp_path, undisturbed)


def luckless(where: str = METHOD) -> Any:
    return mock.patch(where, side_effect=RuntimeError("out of luck"))


LEFT = "that failed before left alone (--no-retry-failed)"


@pytest.mark.parametrize(("where", "left"), [(METHOD, 30), (METRIC, 20)])
def test_what_failed_is_left_alone_if_asked(
    noise: Path, tmp_path: Path, where: str, left: int
) -> None:
    """Of ten images and three metrics; the count is of scores."""
    with luckless(where), pytest.raises(XaibenchError):
        run(noise, tmp_path, limit=10)
    with luckless(where) as calls:
        computed, _ = run(noise, tmp_path, limit=10, retry_failed=False)
    assert calls.call_count == 0
    assert computed == {"predictions": 0, "maps": 0, "scores": 0, "left": left}
    scores = xaibench.load_scores(tmp_path)
    assert (scores.status == "failed").sum() == left
    result = xaibench.api.RunResult(tmp_path, 10, computed, 0, 1.0)
    assert result.line.endswith(f"computed nothing in 1.0 s; {left} {LEFT}")
    with pytest.raises(XaibenchError, match=r"left alone.*leave out --strict"):
        run(noise, tmp_path, limit=10, retry_failed=False, strict=True)
    computed, _ = run(noise, tmp_path, limit=10)
    assert computed["scores"] == left
    assert not list((tmp_path / "failures").rglob("*.json"))


def test_maps_alone_are_left_too(noise: Path, tmp_path: Path) -> None:
    explain = frozenset({"explain"})
    config = {"data": str(noise), "target": "predicted", "method": "gradient", "out": tmp_path}
    network = tiny(classes=1000)
    with luckless(), pytest.raises(XaibenchError):
        xaibench.run({**config, "limit": 4}, network=network, stages=explain)
    found = xaibench.run(
        {**config, "limit": 9, "retry_failed": False}, network=network, stages=explain
    )
    assert found.computed == {"predictions": 5, "maps": 5, "scores": 0, "left": 4}
    found = xaibench.run(
        {**config, "limit": 9, "retry_failed": False}, network=network, stages=explain
    )
    assert found.computed == {"predictions": 0, "maps": 0, "scores": 0, "left": 4}


def edit(record: dict[str, Any], **more: Any) -> str:
    return json.dumps(record | more)


@pytest.mark.parametrize(
    "changed",
    [
        lambda record: edit(record, code="of another time"),
        lambda record: edit(record, code=""),
        lambda record: edit(record, images="all"),
        lambda record: edit(record, images=["none/of/these.png", 7]),
        lambda _: "[]",
        lambda _: "{",
        lambda _: "",
        None,
    ],
)
def test_a_record_of_other_code_or_none_is_no_reason_to_leave_it(
    noise: Path, tmp_path: Path, changed: Callable[[dict[str, Any]], str] | None
) -> None:
    with luckless(), pytest.raises(XaibenchError):
        run(noise, tmp_path, limit=4)
    (path,) = (tmp_path / "failures" / "units").rglob("*.json")
    path.write_text(changed(json.loads(path.read_text()))) if changed else path.unlink()
    computed, _ = run(noise, tmp_path, limit=4, retry_failed=False)
    assert computed == {"predictions": 0, "maps": 4, "scores": 12}
    assert not path.exists()


def test_images_that_were_not_tried_are(noise: Path, tmp_path: Path) -> None:
    with luckless(), pytest.raises(XaibenchError):
        run(noise, tmp_path, limit=4)
    computed, _ = run(noise, tmp_path, limit=6, retry_failed=False)
    assert computed == {"predictions": 2, "maps": 2 + 2, "scores": 6 + 6, "left": 12}
    assert run(noise, tmp_path, limit=6, retry_failed=False)[0]["left"] == 12
    assert list((tmp_path / "failures" / "units").rglob("*.json"))


def test_what_fails_beside_what_was_left_is_left_with_it(noise: Path, tmp_path: Path) -> None:
    with luckless(), pytest.raises(XaibenchError):
        run(noise, tmp_path, limit=4)
    with luckless(), pytest.raises(XaibenchError, match="6 failed; 12 that failed before left"):
        run(noise, tmp_path, limit=6, retry_failed=False)
    with luckless() as calls:
        assert run(noise, tmp_path, limit=6, retry_failed=False)[0]["left"] == 18
    assert calls.call_count == 0


def test_the_maps_that_another_target_has_are_scored(noise: Path, tmp_path: Path) -> None:
    """Maps of the predicted class alone could not be had."""
    more = {"method": "gradient", "metric": "sparseness", "limit": 4}
    run(noise, tmp_path, target="least_probable", **more)
    both = "least_probable,predicted"
    with luckless(), pytest.raises(XaibenchError, match="4 failed: gradient failed"):
        run(noise, tmp_path, target=both, **more)
    more["metric"] = "sparseness,complexity"
    computed, _ = run(noise, tmp_path, target=both, retry_failed=False, **more)
    assert computed == {"predictions": 0, "maps": 0, "scores": 4, "left": 8}


def test_a_target_that_was_not_tried_is(noise: Path, tmp_path: Path) -> None:
    """A metric that failed for one class was never asked about another."""
    more = {"method": "gradient", "metric": "sparseness", "limit": 4, "retry_failed": False}
    with luckless(METRIC), pytest.raises(XaibenchError):
        run(noise, tmp_path, **more)
    computed, _ = run(noise, tmp_path, **more, target="least_probable")
    assert (computed["scores"], computed.get("left", 0)) == (4, 0)
    computed, _ = run(noise, tmp_path, **more)
    assert (computed["scores"], computed["left"]) == (0, 4)
