"""A third-party package registers a method through the `xaibench.methods` entry point."""

import pytest
import torch

import xaibench
from xaibench.errors import XaibenchError
from xaibench.registry import entries, get

MODULE = '''
"""A method from elsewhere."""
from xaibench.registry import method
from xaibench.types import Cost, Explanation

@method(family="gradient", cost=lambda **_: Cost())
def redness(ctx, batch, state, *, power: int = 1) -> Explanation:
    """How red each pixel is."""
    red = ctx.classifier.to_pixels(batch.images)[:, 0] ** power
    return Explanation(red[:, None].expand(-1, batch.targets.shape[1], -1, -1))
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with one entry point on the path, and forget it afterwards."""

    def add(point):
        (tmp_path / "xaibench_redness.py").write_text(MODULE)
        info = tmp_path / "xaibench_redness-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: xaibench-redness\nVersion: 1\n"
        )
        (info / "entry_points.txt").write_text(f"[xaibench.methods]\n{point}\n")
        monkeypatch.syspath_prepend(tmp_path)
        entries.cache_clear()

    yield add
    monkeypatch.undo()
    entries.cache_clear()


def test_is_listed_and_runs(install, tmp_path):
    install("redness = xaibench_redness:redness")
    entry = entries("methods")["redness"]
    assert entry.source == "xaibench-redness"
    assert entry.doc == "How red each pixel is. (plug-in from xaibench-redness)"
    assert get("methods", "Redness").key == "redness"
    out = tmp_path / "run"
    xaibench.run(
        {"method": ["redness(power=2)"], "metric": ["deletion"], "limit": 2, "out": str(out)}
    )
    frame = xaibench.load_scores(out)
    assert set(frame["method"]) == {"redness(power=2)"}
    assert list(frame["status"]) == ["ok", "ok"]
    ids, maps = xaibench.load_maps(out, method="redness(power=2)")
    assert len(ids) == 2
    assert torch.as_tensor(maps).amax() == 1


def test_a_taken_name_is_refused(install):
    install("Grad-CAM = xaibench_redness:redness\ngradcam = xaibench_redness:redness")
    with pytest.raises(XaibenchError, match="'xaibench-redness' registers method 'gradcam'"):
        entries("methods")


def test_what_is_no_method_is_refused(install):
    install("redness = xaibench_redness:Cost")
    with pytest.raises(XaibenchError, match=r"is not decorated with xaibench\.registry\.method"):
        get("methods", "redness")
