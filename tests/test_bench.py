"""scripts/bench.py: what it makes of measured pairs, and how it keeps them. Nothing is timed."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import bench
from benchmarks import ROWS, Row, row
from benchmarks.photographs import augmented
from benchmarks.setting import BURST, Between, Setting, against_raw

HERE = {
    "date": "2026-01-02 03:04",
    "machine": "a machine",
    "cores": 2,
    "threads": 2,
    "isa": "AVX2",
    "huge_pages": True,
    "python": "3.11",
    "versions": {"torch": "2.9"},
    "data": "photographs",
}


def some(name: str, **bounds: float | None) -> Row:
    bounds = {"at_least": None, "at_most": None} | bounds
    return Row(
        name, f"what {name} is", "a peer", "images/s", **bounds, pairs=3, file="f", measure=iter
    )


def test_the_ratio_is_the_median_of_the_pairs_ratios():
    pairs = [(1.0, 2.0), (3.0, 3.0), (2.0, 1.0), (9.0, 10.0), (8.0, 10.0)]
    found = bench.summary(some("a", at_least=0.9), pairs)
    assert (found["ratio"], found["quartiles"], found["kept"]) == (0.9, [0.8, 1.0], True)
    assert (found["ours_median"], found["other_median"]) == (3.0, 3.0)
    assert bench.summary(some("a", at_least=0.91), pairs)["kept"] is False


def test_a_value_without_another_is_its_own_ratio():
    found = bench.summary(some("a", at_most=0.5), [(0.4, None)])
    assert (found["ratio"], found["quartiles"], found["kept"]) == (0.4, [0.4, 0.4], True)
    assert bench.summary(some("a", at_most=0.3), [(0.4, None)])["kept"] is False


def test_a_row_that_is_stopped_keeps_its_pairs():
    def stopped(pairs):
        yield from pairs
        raise KeyboardInterrupt

    one = replace(some("a"), measure=lambda _: stopped([(1.0, 2.0)]))
    assert bench.measured(one, None, 3)["pairs"] == [[1.0, 2.0]]
    with pytest.raises(KeyboardInterrupt):
        bench.measured(replace(one, measure=lambda _: stopped([])), None, 3)


def test_rows_measured_at_several_times_are_in_one_table(tmp_path):
    first = [bench.summary(some(n, at_least=0.9), [(1.0, 1.0)]) | HERE for n in "ab"]
    again = (
        bench.summary(some("b", at_least=0.9), [(1.0, 2.0)]) | HERE | {"date": "2027-01-01 00:00"}
    )
    path = tmp_path / "cpu" / "score.json"
    bench.merge(path, first)
    bench.merge(path, [again])
    held = {one["name"]: one for one in json.loads(path.read_text())}
    assert held == {"a": first[0], "b": again}
    page = bench.table(tmp_path / "cpu", ["b", "a"]).splitlines()
    lines = [line for line in page if line.startswith("| what ")][1:]
    assert [line.split("|")[1].strip() for line in lines] == ["what b is", "what a is"]
    assert "**0.5** (0.5-0.5) | at least 0.9: **missed** | 1 | 2027-01-01 00:00" in lines[0]
    assert "**1** (1-1) | at least 0.9 | 1 | 2026-01-02 03:04" in lines[1]


def test_rows_are_found_by_name_pattern_and_file():
    rows = bench.found()
    assert {r.file for r in rows.values()} >= {"score", "explain", "whole", "peers"}
    assert [r.name for r in bench.chosen(rows, ["explain-rise"])] == ["explain-rise"]
    assert {r.file for r in bench.chosen(rows, ["score"])} == {"score"}
    with pytest.raises(SystemExit, match="no row is called nothing"):
        bench.chosen(rows, ["nothing"])
    name = next(iter(ROWS))
    with pytest.raises(ValueError, match="two rows"):
        row(name, "again")(lambda _: iter(()))


class Still(Setting):
    """A machine that takes 0.1 s for a bare pass, whatever it is."""

    def seconds(self, do):
        return 0.1 * len(do())

    def raw(self, needs, images):
        return 0.1 * sum(needs.values()) * images


def still():
    setting = Still(torch.device("cpu"), Path())
    vars(setting)["classifier"] = type("Network", (), {"rows": 16})()
    vars(setting)["ready"] = [torch.zeros(16)] * 8
    vars(setting)["passes"] = {"forward": len, "cam": len}
    return setting


def test_an_images_rate_is_the_difference_of_two_runs():
    """Start-up falls out; passes of another kind are added."""
    setting = still()
    found = against_raw(setting, lambda n: 100 + 2.0 * n, {"forward": 160, "cam": 2}, 8, 48)
    assert next(found) == pytest.approx((0.5, 1 / (10 * 0.1 + 2 * 0.1)))


def test_bare_passes_are_made_between_a_runs_own():
    """As many as these; a slower machine changes both and not the ratio."""
    setting = still()
    slow = iter([1.0, 1.0, 3.0, 1.0, 2.0])

    def run(images):
        factor = next(slow)
        setting.seconds = lambda do: 0.1 * factor * len(do())
        for _ in range(images):
            if setting.between:
                setting.between.after(None, (torch.zeros(16),), None)
                setting.between.after(None, (torch.zeros(1),), None)  # an example
        return 0.2 * factor * images

    found = against_raw(setting, run, {"forward": 16}, 8, 48)
    for _ in range(2):
        ours, bare = next(found)
        assert ours / bare == pytest.approx(0.5)


def test_bare_passes_are_scaled_to_what_was_asked(monkeypatch):
    setting = Setting(torch.device("cpu"), Path())
    network = type("Network", (), {"rows": 16})()
    made = []
    vars(setting)["classifier"], vars(setting)["ready"] = network, [torch.zeros(16)] * 8
    vars(setting)["passes"] = {"forward": lambda batch: made.append(len(batch))}
    monkeypatch.setattr(setting, "seconds", lambda do: (do(), 3.0)[1])
    assert setting.raw({"forward": 2.5}, 16) == pytest.approx(3.0 * 40 / 32)
    assert made == [16, 16]


def test_photographs_for_everybody(tmp_path):
    """Each is another, and all are the same every time; the class is the folder's name."""
    one, other = augmented(tmp_path / "a", 42), augmented(tmp_path / "b", 42)
    files = sorted(p.relative_to(one) for p in one.rglob("*.jpg"))
    assert len(files) == 42
    assert all((one / f).read_bytes() == (other / f).read_bytes() for f in islice(files, 4))
    assert len({(one / f).read_bytes() for f in files}) == 42


def test_bare_passes_of_a_copied_network_are_counted(tmp_path):
    """The tool folds and fuses copies: their bursts were counted in the run's own time once."""
    setting = Setting(torch.device("cpu"), tmp_path)
    setting.ready = [torch.zeros(2, 3, 4, 4)] * BURST
    setting.passes = {"forward": lambda batch: batch.sum()}
    setting.classifier = type("Classifier", (), {"rows": 2})()
    between = Between(setting, "forward")
    network = torch.nn.Identity()
    network.register_forward_hook(between.after)
    for _ in range(BURST):
        copy.deepcopy(network)(setting.ready[0])
    assert between.passes == BURST
    assert between.seconds > 0
