"""Other instruction sets round otherwise: the same numbers within 1e-5, as on another processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import SMALLER

import xaibench

# Grad-CAM at the head and RISE: between their logits and their maps lies no ReLU, whose kinks turn
# rounding into steps (see tests/methods/conftest.py).
RUN = ["--model", SMALLER, "--method", "gradcam,rise(n_masks=16)"]
RUN += ["--metric", "average_gain,sparseness,complexity"]
SETS = {
    "none": {},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of two photographs by process and instruction set."""
    folder = tmp_path_factory.mktemp("sets")
    plain = {k: v for k, v in os.environ.items() if k not in SETS["AVX2"]}
    for name, limits in SETS.items():
        words = ["run", *RUN, "--limit", "2", "--workers", "0", "--out", str(folder / name)]
        subprocess.run(
            [sys.executable, "-m", "xaibench", *words],
            env=plain | limits,
            check=True,
            capture_output=True,
        )
    return {name: folder / name for name in SETS}


@pytest.mark.parametrize("other", ["AVX2", "SSE4.1"])
def test_the_same_numbers_within_1e_5(runs: dict[str, Path], other: str) -> None:
    one, two = (xaibench.load_predictions(runs[name]) for name in ("none", other))
    assert one["argmax"].tolist() == two["argmax"].tolist()
    for target in ("ground_truth", "predicted", "least_probable"):
        logits = [frame[f"logit_{target}"] for frame in (one, two)]
        assert np.abs(logits[0] - logits[1]).max() < 1e-5 * np.abs(logits[0]).max()
        probabilities = [frame[f"probability_{target}"] for frame in (one, two)]
        assert np.abs(probabilities[0] - probabilities[1]).max() < 1e-5
    for method in ("gradcam", "rise(n_masks=16)"):
        maps = [xaibench.load_maps(runs[name], method)[1] for name in ("none", other)]
        assert np.abs(maps[0] - maps[1]).max() < 1e-5
    scores = [xaibench.load_scores(runs[name])["value"] for name in ("none", other)]
    assert np.allclose(*scores, rtol=1e-5, atol=1e-5)
