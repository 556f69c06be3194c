"""`run`, `load_scores` and `load_maps` from Python, as documented."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xaibench
from xaibench.errors import UsageError, XaibenchError
from xaibench.store import layout, tables

METRICS = ("insertion(rows_per_step=112)", "deletion(rows_per_step=112)")
COLUMNS = [
    *("image", "target", "transform", "variation", "method", "metric", "status"),
    *("model", "dataset", "protocol", "label", "class_index", "explained_index", "value"),
]
TEXT = COLUMNS[:10]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, two targets (one after the other), two metrics."""
    place = tmp_path_factory.mktemp("read") / "run"
    for target in ("ground_truth", "least-probable"):
        said: list[str] = []
        result = xaibench.run(
            {"metric": METRICS, "limit": 2, "target": target, "out": place}, say=said.append
        )
        assert result.directory == place
        assert result.images == 2
        assert result.unreadable == 0
        assert (result.computed["maps"], result.computed["scores"]) == (2, 4)
        assert said[0].startswith("embedded default")
    return place


@pytest.fixture(scope="module")
def scores(out: Path) -> pd.DataFrame:
    return xaibench.load_scores(out)


def test_columns_and_types(scores: pd.DataFrame) -> None:
    assert list(scores.columns) == COLUMNS
    for name in TEXT:
        assert pd.api.types.is_string_dtype(scores[name]), name
        assert not isinstance(scores[name].dtype, pd.CategoricalDtype)
        assert all(type(value) is str for value in scores[name])
    for name in ("label", "class_index", "explained_index"):
        assert scores[name].dtype == np.int64
    assert scores.value.dtype == np.float64


def test_one_row_an_image_target_and_metric_in_order(scores: pd.DataFrame) -> None:
    assert len(scores) == 8
    keys = ["method", "target", "transform", "variation", "metric", "image"]
    assert not scores.duplicated(keys).any()
    pd.testing.assert_frame_equal(scores, scores.sort_values(keys, ignore_index=True))
    assert list(scores.index) == list(range(8))


def test_values(scores: pd.DataFrame) -> None:
    assert set(scores.image) == {"imagenet_00_243.jpg", "imagenet_01_559.jpg"}
    assert set(scores.target) == {"ground_truth", "least_probable"}
    assert set(scores.metric) == set(METRICS)
    fixed = {
        "transform": "none",
        "variation": "none",
        "method": "gradcam",
        "status": "ok",
        "model": "efficientnet_lite0",
        "dataset": "samples",
        "protocol": "published",
    }
    for name, value in fixed.items():
        assert set(scores[name]) == {value}, name
    truth = scores[scores.target == "ground_truth"]
    assert (truth.label == truth.image.str[-7:-4].astype(int)).all()
    assert (truth.class_index == truth.label).all()
    assert (scores.class_index == scores.explained_index).all()
    assert scores.value.between(0, 1).all()
    by_metric = truth.groupby("metric").value.mean()
    assert by_metric[METRICS[0]] > by_metric[METRICS[1]], "insertion above deletion"
    assert scores[scores.target == "least_probable"].value.max() < 0.01


def test_any_parquet_reader_sees_the_same_frame(out: Path, scores: pd.DataFrame) -> None:
    raw = pd.read_parquet(out / "scores")
    assert sorted(raw.columns) == sorted(COLUMNS)
    order = ["target", "metric", "image"]
    for name in ("target", "metric", "method", "transform", "variation"):
        raw[name] = raw[name].astype(str)
    raw = raw.sort_values(order, ignore_index=True)
    np.testing.assert_array_equal(raw.value, scores.sort_values(order).value)
    assert list(raw.metric) == list(scores.sort_values(order).metric)


def test_maps(out: Path) -> None:
    ids, maps = xaibench.load_maps(out, "gradcam")
    assert ids == ["imagenet_00_243.jpg", "imagenet_01_559.jpg"]
    assert maps.shape == (2, 224, 224)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps.min((1, 2)), 0)
    np.testing.assert_array_equal(maps.max((1, 2)), 1)


def test_maps_are_the_native_ones_normalised(out: Path) -> None:
    """Published: ReLU, min-max at 7 x 7, bilinear to 224 x 224, min-max again."""
    from PIL import Image
    from safetensors.numpy import load_file

    (file,) = (out / "maps/gradcam/ground_truth").rglob("*.safetensors")
    native = load_file(file)["maps"]
    assert native.shape == (2, 7, 7)
    _, maps = xaibench.load_maps(out, "gradcam")
    for small, large in zip(native, maps, strict=True):
        small = np.maximum(small, 0)
        small = (small - small.min()) / (small.max() - small.min())
        grown = np.asarray(Image.fromarray(small).resize((224, 224), Image.Resampling.BILINEAR))
        expected = (grown - grown.min()) / (grown.max() - grown.min())
        np.testing.assert_allclose(large, expected, atol=1e-4)


def test_maps_of_targets_differ(out: Path) -> None:
    ids, maps = xaibench.load_maps(out, "gradcam")
    other_ids, other = xaibench.load_maps(out, "gradcam", target="least_probable")
    assert ids == other_ids
    assert np.abs(maps - other).max() > 0.5


def test_names_are_folded(out: Path) -> None:
    one = xaibench.load_maps(out, "gradcam(layer=cam)", target="least_probable")
    two = xaibench.load_maps(str(out), "GradCAM", target="least-probable")
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"method": "gradcm"}, UsageError, "'gradcam'"),
        ({"method": "gradcam(layer=features)"}, UsageError, "gradcam"),
        ({"method": "gradcam", "target": "predicted"}, XaibenchError, "xaibench explain"),
        ({"method": "gradcam", "transform": "rotation"}, XaibenchError, "rotation"),
    ],
)
def test_maps_that_are_not_there(
    out: Path, words: dict[str, str], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        xaibench.load_maps(out, **words)


def test_not_a_run_directory(tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="not a run directory"):
        xaibench.load_maps(tmp_path, "gradcam")
    with pytest.raises(XaibenchError, match="no scores"):
        xaibench.load_scores(tmp_path)


def test_run_refuses_unknown_keys() -> None:
    with pytest.raises(UsageError, match="'limit'"):
        xaibench.run({"limt": 1})


def test_run_takes_the_keys_that_files_take(tmp_path: Path) -> None:
    result = xaibench.run({"dry-run": True, "limit": 1, "out": tmp_path / "none"})
    assert result.computed == {}
    assert not (tmp_path / "none").exists()


def test_run_again_computes_nothing(out: Path) -> None:
    result = xaibench.run({"metric": METRICS, "limit": 2, "out": out})
    assert set(result.computed.values()) == {0}
    assert "nothing left to compute" in result.line


def test_everything_public_is_there() -> None:
    for name in xaibench.__all__:
        assert getattr(xaibench, name)
    with pytest.raises(AttributeError, match="load_score"):
        _ = xaibench.load_score


def test_predictions_that_a_kill_left_in_two_files_are_read_once(out: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(out, tmp_path / "run"))
    (path,) = (copy / "predictions").rglob("*.parquet")
    into = path.with_name(f"{layout.block_name(0, ['some'])}.parquet")
    tables.copy_rows(path, [1], into)
    assert xaibench.load_predictions(copy).equals(xaibench.load_predictions(out))
