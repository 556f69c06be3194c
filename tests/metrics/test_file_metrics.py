"""`--metric file:PATH.py:NAME`: a metric from the user's own file, without a package."""

from __future__ import annotations

import pickle
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from networks import THOUSAND

import xaibench
from xaibench import registry
from xaibench.config.declared import of_protocol, of_run
from xaibench.config.names import check_names
from xaibench.config.protocol import load_protocol
from xaibench.config.requests import MetricRequest, resolve_metrics
from xaibench.config.run import load_config
from xaibench.errors import UsageError

DECORATED = '''
import torch
from xaibench.registry import method, metric
from xaibench.types import Forwards

@metric(keys={"kept": {"direction": "higher"}, "lost": {}}, needs=("forwards",))
def halves(scoring, *, share: float = 0.5):
    """Probability of the class with only the brighter or darker part of the map."""
    bright = scoring.maps > share
    images = scoring.batch.images
    masks = [m for m, k in ((bright, "kept"), (~bright, "lost")) if k in scoring.wanted]
    rows = torch.arange(len(images), device=images.device)
    answer = yield Forwards((images * mask[:, None], rows) for mask in masks)
    wanted = [k for k in ("kept", "lost") if k in scoring.wanted]
    parts = answer.probability.double().split(len(images))
    return dict(zip(wanted, parts, strict=True))

@metric(keys={"area": {}})
def named_otherwise(scoring, *, over: float = 0.5):
    """Share of bright pixels."""
    return {"area": (scoring.maps > over).double().mean((1, 2))}

@method()
def no_metric(ctx, batch, state):
    """A method."""
'''
PLAIN = """
import torch
from xaibench.types import Forwards

def kept(scoring, share=0.5):
    images = scoring.batch.images
    rows = torch.arange(len(images), device=images.device)
    answer = yield Forwards([(images * (scoring.maps > share)[:, None], rows)])
    return answer.probability.double()

def area(scoring, *, over: float = 0.5):
    return (scoring.maps > over).double().mean((1, 2))

def brightness(scoring):
    return {"brightness": scoring.batch.images.double().mean((1, 2, 3))}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`file:` and a decorated file; plain.py lies beside it."""
    (tmp_path / "my own.py").write_text(DECORATED)
    (tmp_path / "plain.py").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    return f"file:{tmp_path}/my own.py"


def resolved(*specs: str) -> list[MetricRequest]:
    return resolve_metrics(load_config({"metric": list(specs)}).metric, load_protocol("published"))


def test_a_function_stands_for_its_keys_and_a_key_for_itself(files: str) -> None:
    specs = ["file:my own.py:kept", "file:my own.py:lost", "file:my own.py:area"]
    assert [m.spec for m in resolved(f"{files}:halves,{files}:named_otherwise")] == specs
    assert [m.key for m in resolved(f"{files}:halves")] == ["kept", "lost"]
    both = resolved(f"{files}:lost(share=.25)", f"{files}:halves(share=0.25)")
    assert [m.spec for m in both] == [f"{spec}(share=0.25)" for spec in (specs[1], specs[0])]
    assert both[0].entry == both[1].entry, "one call for both"
    assert pickle.loads(pickle.dumps(both)) == both


def test_the_same_bits_as_a_plug_in(files: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("xaibench_halves.py").write_text(DECORATED)
    monkeypatch.syspath_prepend(Path.cwd())
    points = [
        EntryPoint("kept", "xaibench_halves:halves", "xaibench.metrics"),
        EntryPoint("lost", "xaibench_halves:halves", "xaibench.metrics"),
        EntryPoint("area", "xaibench_halves:named_otherwise", "xaibench.metrics"),
    ]
    monkeypatch.setattr(
        registry.metadata, "entry_points", lambda group: [p for p in points if p.group == group]
    )
    registry.entries.cache_clear()
    metrics = ["kept,lost,area", f"{files}:halves,{files}:area"]
    metrics += ["file:plain.py:kept,file:plain.py:area", "file:plain.py:brightness"]
    try:
        xaibench.run({"model": THOUSAND, "metric": metrics, "limit": 2, "out": "out"})
    finally:
        registry.entries.cache_clear()
    frame = xaibench.load_scores("out")
    assert set(frame["status"]) == {"ok"}
    values = {metric: rows["value"].to_numpy() for metric, rows in frame.groupby("metric")}
    assert len(values) == 9
    for key in ("kept", "lost", "area"):
        assert np.array_equal(values[key], values[f"file:my own.py:{key}"])
    for key in ("kept", "area"):
        assert np.array_equal(values[key], values[f"file:plain.py:{key}"])
    assert len({*values["kept"], *values["lost"]}) == 4
    assert np.abs(values["file:plain.py:brightness"]).min() > 0, "a plain metric sees the images"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("halfs", "did you mean 'halves'"),
        ("losst", "did you mean 'lost'"),
        ("no_metric", "declared as one of methods, not of metrics"),
        ("lost(share=all)", "share must be float"),
    ],
)
def test_errors_are_one_line_with_the_remedy(files: str, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        resolved(f"{files}:{name}")
    assert "\n" not in str(raised.value)


def test_names_are_checked_before_a_run(files: str) -> None:
    check_names("metrics", [f"{files}:halves", "deletion"])
    with pytest.raises(UsageError, match=r"write it as file:PATH\.py:NAME"):
        check_names("metrics", ["file:plain.py"])


def test_what_a_file_declares_is_known_under_its_own_spec(files: str) -> None:
    """A key may be called as a shipped metric is, and a file's name may have brackets."""
    Path("my(1).py").write_text(
        DECORATED.replace('"lost": {}', '"insertion": {"direction": "lower"}')
    )
    requests = resolved(f"{files}:halves", "file:my(1).py:halves(share=0.25)")
    catalog = of_run([], requests, load_protocol("published").model_dump(mode="json"))
    over = catalog.over(of_protocol(load_protocol("published").model_dump(mode="json")))
    assert over.metric("file:my own.py:kept").direction == "higher"
    assert over.metric("file:my(1).py:kept(share=0.25)").direction == "higher"
    assert over.metric("file:my(1).py:insertion(share=0.25)").direction == "lower"
    assert over.metric("insertion").direction == "higher"
