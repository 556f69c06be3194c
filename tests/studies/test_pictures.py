"""Maps as pictures: `normalize --png`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import cli
from PIL import Image

import xaibench
from xaibench.report.figures.picture import tint
from xaibench.store import layout
from xaibench.studies.pictures import write_pngs

MODEL = "from networks import tiny\n\n\ndef build():\n    return tiny(classes=1000)\n"


def test_the_pictures_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)
    model = {"model": "file:net.py:build", "data": "samples", "limit": 2}
    xaibench.run({**model, "metric": "sparseness", "method": "gradcam", "out": "run"})
    code, said, err = cli("normalize", "run", "--png")
    assert code == 0, err
    folder = Path("run/normalized/gradcam/ground_truth/none/none")
    assert said.splitlines()[:-1] == [
        f"{folder}.npy: 2 maps",
        f"{folder}: 2 PNG files in colours; values are in none.npy alone",
    ]
    ids, maps = xaibench.load_maps("run", "gradcam")
    for image, values in zip(ids, maps, strict=True):
        with Image.open(folder / f"{image}.png") as picture:
            shown = np.asarray(picture)
        assert shown.shape == (64, 64, 3)
        assert np.abs(shown / 255 - tint(values)).max() <= 0.5 / 255 + 1e-9
    made = [path for path in Path("run/normalized").rglob("*") if path.is_file()]
    assert len(made) == 4
    assert all(layout.ours(Path("run"), path) for path in made)  # `clean` finds them


@pytest.mark.parametrize("name", ["a/b.jpg", "../../up.jpg", "/root.jpg", "%2E\u202e .jpg", ".."])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    maps = tmp_path / "in" / "none.npy"
    maps.parent.mkdir()
    np.save(maps, np.zeros((1, 4, 4), dtype=np.float32))
    maps.with_suffix(".json").write_text(json.dumps([name]))
    folder = write_pngs(maps)
    (made,) = tmp_path.rglob("*.png")
    assert folder == tmp_path / "in" / "none"
    assert folder in made.resolve().parents
