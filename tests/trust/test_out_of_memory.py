"""Out of memory: the batch is halved, said and stored; values stay within 1e-5."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from networks import tiny
from torch import Tensor, nn
from units import (
    COUNT,
    KEYS,
    METHOD,
    METRIC,
    files,
    held,
    run,
)

import xaibench
from xaibench.errors import XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.store.ledger import contents
from xaibench.store.lock import Held
from xaibench.store.state import load as load_state

pytestmark = pytest.mark.usefixtures("little_to_collect")


def cuda() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


def cpu() -> Exception:
    return RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 2 bytes")


class Tight(nn.Module):
    """A network that has no memory for more than so many rows."""

    def __init__(self, inner: nn.Module, most: int, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.inner, self.most, self.error = inner, most, error

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error()
        return self.inner(images)


def tight(most: int, error: Callable[[], Exception] = cuda) -> TorchClassifier:
    import dataclasses

    found = tiny(classes=1000)
    layers = {role: f"inner.{name}" for role, name in found.layers.items()}
    return dataclasses.replace(found, module=Tight(found.module, most, error), layers=layers)


def line(*sizes: int) -> list[str]:
    """What is said while batches become smaller."""
    pairs = itertools.pairwise(sizes)
    return [f"out of memory at batch size {old}: going on with {new}" for old, new in pairs]


def batches(out: Path, kind: str, method: str = "gradient") -> set[int]:
    """The batch sizes that files say."""
    return {contents(path)[1].batch for path in files(out, kind, method)}


@pytest.mark.parametrize(
    ("most", "asked", "error", "expected"),
    [
        (8, "auto", cuda, line(16, 8)),
        (8, "auto", cpu, line(16, 8)),
        (8, "auto", MemoryError, line(16, 8)),
        (1, "auto", cuda, line(16, 8, 4, 2, 1)),
        (32, 64, cuda, line(64, 32)),
        (16, 100, cuda, line(100, 50, 25, 12)),
    ],
)
def test_a_network_that_is_too_large_goes_on_in_smaller_batches(
    noise: Path,
    undisturbed: Path,
    tmp_path: Path,
    most: int,
    asked: str | int,
    error: Callable[[], Exception],
    expected: list[str],
) -> None:
    methods = "gradient,fakecam,gradcam"
    _, said = run(noise, tmp_path, tight(most, error), batch_size=asked, method=methods, limit=18)
    assert [one for one in said if "memory" in one] == expected
    fitted = int(expected[-1].split()[-1])
    assert batches(tmp_path, "predictions") == batches(tmp_path, "maps") == {fitted}
    assert batches(tmp_path, "maps", "gradcam") == {fitted}
    assert batches(tmp_path, "maps", "fakecam") == {0}  # needs no network
    assert batches(tmp_path, "scores") == {0, fitted}  # sparseness needs none
    ours, theirs = xaibench.load_scores(tmp_path), xaibench.load_scores(undisturbed)
    ours = ours[ours.method != "gradcam"].reset_index(drop=True)
    theirs = theirs[theirs.image.isin(ours.image)].reset_index(drop=True)
    assert set(ours.status) == {"ok"}
    assert ours[KEYS].equals(theirs[KEYS])
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)


def test_whole_groups_stay_together(noise: Path, tmp_path: Path) -> None:
    """BatchNorm over five images: fewer are no batch of theirs."""
    more = {"transform": "mixup", "method": "gradient", "metric": "average_drop", "limit": 7}
    _, said = run(noise, tmp_path / "small", tight(8), **more)
    run(noise, tmp_path / "large", **more)
    assert said == [*line(16, 8), *line(8, 5)]
    assert batches(tmp_path / "small", "maps") == {5}
    ours, theirs = (xaibench.load_scores(tmp_path / name) for name in ("small", "large"))
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)
    with pytest.raises(XaibenchError, match=r"gradient failed: out of memory at batch size 5, the"):
        run(noise, tmp_path / "none", tight(4), **more)


def test_what_a_method_prepares(noise: Path, tmp_path: Path) -> None:
    more = {"method": "iba(steps=2,samples=2)", "metric": "sparseness", "limit": 3}
    _, said = run(noise, tmp_path, tight(8), **more)
    assert said == line(16, 8)
    (path,) = (tmp_path / "state").glob("*.safetensors")
    assert load_state(path).origin.batch == 8


def test_a_network_that_does_not_fit_at_all_is_one_line(noise: Path, tmp_path: Path) -> None:
    with pytest.raises(XaibenchError) as error:
        run(noise, tmp_path, tight(0))
    text = str(error.value)
    assert "tiny: out of memory at batch size 1, the smallest: OutOfMemoryError: CUDA" in text
    assert "\n" not in text


def short_of_memory(where: str, most: int, error: Callable[[], Exception], of: Callable[..., int]):
    """A function that has no memory for more than so many images."""
    module, _, name = where.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)

    def function(*given: Any, **more: Any) -> Any:
        if of(*given) > most:
            raise error()
        return real(*given, **more)

    return mock.patch(where, side_effect=function)


def images_of_method(_ctx: Any, batch: Any, *_: Any) -> int:
    return len(batch)


def images_of_metric(maps: Tensor, *_: Any) -> int:
    return len(maps)


PLACES = {"maps": (METHOD, images_of_method), "scores": (METRIC, images_of_metric)}


@pytest.mark.parametrize("error", [cuda, cpu, MemoryError])
@pytest.mark.parametrize("kind", list(PLACES))
def test_a_methods_or_metrics_own_tensors(
    noise: Path, undisturbed: Path, tmp_path: Path, kind: str, error: Callable[[], Exception]
) -> None:
    """Fewer images at a time; nothing else goes in smaller batches, and the values stay."""
    where, of = PLACES[kind]
    with short_of_memory(where, 5, error, of):
        computed, said = run(noise, tmp_path)
    assert said == line(16, 8, 4)
    assert "failed" not in computed
    assert batches(tmp_path, kind) == ({4} if kind == "maps" else {0, 4})
    assert batches(tmp_path, kind, "average_drop") <= {0}
    assert batches(tmp_path, "predictions") == {0}
    ours, theirs = xaibench.load_scores(tmp_path), xaibench.load_scores(undisturbed)
    assert ours[KEYS].equals(theirs[KEYS])
    assert np.allclose(ours.value, theirs.value, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("maps", "54 failed: gradient failed: out of memory at batch size 1, the smallest: Out"),
        ("scores", "sparseness of gradient failed: out of memory at batch size 1, the smallest"),
    ],
)
def test_a_batch_of_one_that_fails_is_a_failed_unit(
    noise: Path, tmp_path: Path, kind: str, expected: str
) -> None:
    where, of = PLACES[kind]
    with short_of_memory(where, 0, cuda, of), pytest.raises(XaibenchError, match=expected) as error:
        run(noise, tmp_path, limit=18)
    assert "\n" not in str(error.value)
    scores = xaibench.load_scores(tmp_path)
    good = scores[(scores.method == "fakecam") & (scores.metric != "sparseness")]
    assert set(good.status) == {"ok"}
    assert held(tmp_path, "maps") == (0 if kind == "maps" else 18)
    assert held(tmp_path, "scores", "sparseness") == (18 if kind == "maps" else 0)


@pytest.mark.parametrize("kind", list(PLACES))
def test_no_other_error_is_tried_again(noise: Path, tmp_path: Path, kind: str) -> None:
    where, _ = PLACES[kind]
    with mock.patch(where, side_effect=RuntimeError("out of luck")) as calls:
        with pytest.raises(XaibenchError, match="out of luck"):
            run(noise, tmp_path, limit=5, method="gradient")
    # a method for each of five images, a metric once more, by itself; both in the same batches
    assert calls.call_count == (1 + 5 if kind == "maps" else 2)


def test_a_run_that_waited_says_so_too(noise: Path, tmp_path: Path) -> None:
    """After another process was at work in its directory, what a run knew is looked up anew."""
    held = contextlib.nullcontext(Held(tmp_path, waited=True))
    with (
        mock.patch("xaibench.store.lock.writing", return_value=held),
        short_of_memory(METHOD, 8, cuda, images_of_method),
    ):
        _, said = run(noise, tmp_path, method="gradient", wait=True)
    assert said == line(16, 8)


def test_the_smaller_batch_stays(noise: Path, tmp_path: Path) -> None:
    """Of four batches the first alone runs out of memory."""
    with short_of_memory(METHOD, 8, cuda, images_of_method) as calls:
        run(noise, tmp_path, method="gradient")
    assert calls.call_count == 1 + -(-COUNT // 8)
