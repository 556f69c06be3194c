"""Where the seconds go, by clocks that the tests hold; and the traces of a run."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from networks import tiny

import xaibench
from xaibench.config.shard import Shard
from xaibench.execution import profile as subject
from xaibench.execution.profile import Profile, profiling
from xaibench.stages.steps import Step
from xaibench.store import layout
from xaibench.store.clean import holdings
from xaibench.store.health import findings

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Clock:
    """Seconds that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Stream:
    """A device's stream: events are reached when the test says so; elapsed times in ms."""

    def __init__(self) -> None:
        self.now, self.reached = 0.0, 0.0

    def event(self) -> Stream.Event:
        return Stream.Event(self)

    class Event:
        """As torch.cuda.Event."""

        def __init__(self, stream: Stream) -> None:
            self.stream = stream

        def record(self) -> None:
            self.at = self.stream.now

        def query(self) -> bool:
            return self.at <= self.stream.reached

        def synchronize(self) -> None:
            self.stream.reached = max(self.stream.reached, self.at)

        def elapsed_time(self, other: Stream.Event) -> float:
            return 1000 * (other.at - self.at)


def test_a_phase_has_its_own_seconds_without_those_of_phases_inside_it(tmp_path: Path) -> None:
    clock = Clock()
    one = Profile(tmp_path, clock)
    with one.phase("inputs"):
        clock.now += 2
        with one.phase("ranking"):
            clock.now += 3
        clock.now += 5
    clock.now += 10
    one.end()
    assert (one.seconds["inputs"], one.seconds["ranking"], one.total) == (7, 3, 20)
    assert f"{'other':<28}{10:>10.2f}{0.5:>8.1%}" in one.lines
    assert all(len(line) <= 80 for line in one.lines)


def test_phases_of_other_threads_add_no_seconds(tmp_path: Path) -> None:
    clock = Clock()
    one = Profile(tmp_path, clock)

    def work() -> None:
        with one.phase("decode"):
            clock.now += 4

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert one.seconds["decode"] == 0


def test_a_device_is_not_waited_for_before_the_end(tmp_path: Path) -> None:
    stream = Stream()
    one = Profile(tmp_path, Clock(), stream.event)
    with one.phase("inputs"):
        stream.now += 1
        with one.phase("forward"):
            stream.now += 4
        stream.now += 2
    assert stream.reached == 0
    one.end()
    assert (one.device["inputs"], one.device["forward"]) == (3, 4)
    assert one.lines[0].endswith("on device")
    assert all(len(line) <= 80 for line in one.lines)


@pytest.mark.parametrize("device", DEVICES)
def test_backward_passes_are_a_phase_whoever_asks_for_them(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(subject, "record_function", lambda name: seen.append(name) or nullcontext())
    grad, backward = torch.autograd.grad, torch.autograd.backward
    with profiling(True, tmp_path, torch.device(device), lambda _line: None):
        x = torch.rand(3, device=device, requires_grad=True)
        torch.autograd.grad(x.sum(), x)
        x.sum().backward()
    assert seen == ["backward"] * 2
    assert (torch.autograd.grad, torch.autograd.backward) == (grad, backward)


def test_a_trace_ends_after_its_passes_and_each_work_is_traced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "TRACED", 2)
    one = Profile(tmp_path)
    for _ in range(2):
        one.step(Step("explain rise", ahead={("maps", "rise", ""): 1}))
        for _ in range(5):
            with one.phase("forward"):
                torch.ones(2)
    one.end()
    (path,) = tmp_path.iterdir()
    names = [event["name"] for event in json.loads(path.read_text())["traceEvents"]]
    assert path.name == "explain-rise.json"
    assert 1 <= names.count("forward") <= 2


def test_traces_of_shards_lie_beside_each_other(tmp_path: Path) -> None:
    for number in (1, 2):
        cpu, part = torch.device("cpu"), Shard(number, 2)
        with profiling(True, tmp_path, cpu, lambda _line: None, part) as tick:
            tick(Step("explain rise", ahead={("maps", "rise", ""): 1}))
    names = sorted(path.name for path in layout.profile(tmp_path).iterdir())
    assert names == ["explain-rise-shard-1-2.json", "explain-rise-shard-2-2.json"]
    assert all(layout.ours(tmp_path, path) for path in layout.profile(tmp_path).iterdir())


def test_a_profiled_run_says_where_its_seconds_went_and_keeps_traces(tmp_path: Path) -> None:
    said: list[str] = []
    options = {"method": "gradient,rise(n_masks=4)", "metric": "insertion", "limit": 1}
    network = tiny(classes=1000)
    xaibench.run(
        {**options, "out": tmp_path / "a", "profile": True}, say=said.append, network=network
    )
    xaibench.run({**options, "out": tmp_path / "b"}, network=network)
    heads = {line[:28].strip() for line in said}
    assert heads >= {*subject.TITLES.values(), "other", "all"}
    names = set()
    for path in (tmp_path / "a" / "profile").iterdir():
        names |= {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert names >= {"forward", "backward", "inputs", "ranking", "decode"}
    assert not [f for f in findings(tmp_path / "a") if f.path.is_relative_to(tmp_path)]
    assert "profile" in {held.name for held in holdings(tmp_path / "a")}
    assert not (tmp_path / "b" / "profile").exists()
    for path in (tmp_path / "b").rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "a" / path.relative_to(tmp_path / "b")).read_bytes()
