"""What a run again is told to differ by."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import reproduced


def scores(values: dict[str, float | None], **more: object) -> pd.DataFrame:
    """One row an image by name, of insertion of Grad-CAM; None for one that failed."""
    same = {"target": "ground_truth", "transform": "none", "variation": "none"}
    same |= {"method": "gradcam", "metric": "insertion", "model": "m", "dataset": "d"}
    rows = [
        {"image": image, "value": value, "status": "failed" if value is None else "ok"}
        for image, value in values.items()
    ]
    return pd.DataFrame(rows).assign(**(same | {"protocol": "published"} | more))


def test_distances_of_the_rows_that_both_have() -> None:
    old = scores({"a": 0.5, "b": 0.25, "c": 0.75, "d": None})
    new = scores({"d": None, "b": 0.25, "a": 0.5 + 2**-20, "z": 9.0})
    both = reproduced.paired(old, new).set_index("image")["apart"].to_dict()
    assert both == {"a": 2**-20, "b": 0.0, "d": 0.0}


def test_a_value_beside_a_failure_is_infinitely_far() -> None:
    old, new = scores({"a": 0.5, "b": None}), scores({"a": None, "b": 0.5})
    assert list(reproduced.paired(old, new)["apart"]) == [float("inf")] * 2


def test_another_network_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"model: {'other'} run again, {'m'} published"):
        reproduced.paired(scores({"a": 0.5}), scores({"a": 0.5}, model="other"))


@pytest.mark.parametrize(("moved", "code"), [(1e-6, 0), (1e-3, 1)])
def test_what_is_too_far_ends_with_1(
    moved: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = scores({"a": 0.5, "b": 0.25})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        same.to_parquet(tmp_path / name / "old.parquet")
    again = {"one": same, "two": scores({"a": 0.5, "b": 0.25 + moved})}
    monkeypatch.setattr(reproduced.xaibench, "load_scores", lambda run: again[run.name])
    pairs = [(tmp_path / name / "old.parquet", Path(name)) for name in again]
    assert reproduced.main(pairs) == code
    one, two = capsys.readouterr().out.split("## ")[1:]
    assert one.startswith("one, one\n\nGrad-CAM, on 2 photographs.\n")
    assert "| I | 2 | 2 | 0.0e+00 |" in one
    assert f"| I | 2 | 1 | {moved:.1e} |" in two
