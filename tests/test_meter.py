"""Counters of passes, and the phases that somebody may record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from xaibench import meter
from xaibench.meter import Counts, Phase
from xaibench.models.classifier import InputSpec, TorchClassifier
from xaibench.models.device import resolve_device
from xaibench.probes.gradients import input_gradients
from xaibench.types import Context

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def network(device: str = "cpu") -> TorchClassifier:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = module.eval().requires_grad_(False).to(device)
    return TorchClassifier("small", module, InputSpec(resize=8, crop=8), rows=16)


def since(before: Counts) -> Counts:
    return meter.counts() - before


@pytest.mark.parametrize("device", DEVICES)
def test_every_forward_and_backward_is_counted_wherever_the_gradient_is_taken(device: str) -> None:
    images = torch.rand(20, 3, 8, 8, device=device).requires_grad_()
    before = meter.counts()
    with torch.enable_grad():
        logits = network(device)(images)
        logits.sum().backward(retain_graph=True)
        input_gradients(logits, images, torch.zeros(20, 2, dtype=torch.long, device=device))
    assert since(before) == Counts(forwards=20, rows=32, backwards=60)


@pytest.mark.parametrize("device", DEVICES)
def test_a_stream_counts_inputs_and_the_rows_that_fill_up_its_passes(device: str) -> None:
    ctx = Context(network(device), resolve_device(device), 0, 16)
    before = meter.counts()
    list(ctx.stream(torch.rand(n, 3, 8, 8, device=device) for n in (5, 30, 1)))
    assert since(before) == Counts(forwards=36, rows=48)


@pytest.mark.parametrize(("images", "rows"), [(10, 20), (3, 18), (23, 38)])
def test_groups_count_the_whole_ones_and_what_fills_up_the_last(images: int, rows: int) -> None:
    before = meter.counts()
    network().view(batchnorm_groups=5)(torch.rand(images, 3, 8, 8))
    assert since(before) == Counts(forwards=images, rows=rows)


def test_nothing_is_opened_unless_somebody_records() -> None:
    with meter.phase("decode") as nothing:
        assert nothing is None
    assert meter.phase("decode") is meter.phase("io")


@contextmanager
def noted(into: list[str], name: Phase) -> Iterator[None]:
    into.append(name)
    yield
    into.append(f"/{name}")


def test_a_recorder_sees_the_phases_of_a_stream_and_of_its_inputs() -> None:
    ctx, seen = Context(network(), torch.device("cpu"), 0, 16), list[str]()

    def chunks() -> Iterator[Tensor]:
        with meter.phase("ranking"):
            images = torch.rand(16, 3, 8, 8)
        yield images

    with meter.recording(lambda name: noted(seen, name)):
        list(ctx.stream(chunks()))
    first = ["inputs", "ranking", "/ranking", "/inputs", "forward", "/forward"]
    assert seen == [*first, "inputs", "/inputs"]
    with meter.phase("io"):
        assert len(seen) == 8


def test_a_watcher_is_called_after_each_pass_and_not_after_it_has_gone() -> None:
    ctx, calls = Context(network(), torch.device("cpu"), 0, 16), list[int]()
    with meter.watching(lambda: calls.append(meter.counts().forwards)):
        before = meter.counts().forwards
        list(ctx.stream([torch.rand(40, 3, 8, 8)]))
        meter.decoded(3)  # another thread may have
    assert [n - before for n in calls] == [16, 32, 40]
    list(ctx.stream([torch.rand(1, 3, 8, 8)]))
    assert len(calls) == 3
