"""`xaibench.evaluate`, `explain`, `score_maps`: the command's rows, for any module in memory."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from networks import SMALLER
from PIL import Image
from torch import nn

import xaibench
from xaibench.datasets.samples import samples
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import InputSpec
from xaibench.models.load import load_model
from xaibench.registry import get
from xaibench.store.read import COLUMNS
from xaibench.types import Explanation

METHODS = ["gradient", "gradcam", "rise(n_masks=8)", "fakecam"]
PICTURE = Image.new("RGB", (40, 40), "red")
METRIC = "insertion(rows_per_step=24)"
METRICS = (
    f"{METRIC},average_drop,monotonicity(rows_per_step=48),max_sensitivity(draws=2),sparseness"
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command over the first two embedded photographs."""
    out = tmp_path_factory.mktemp("run")
    options = {"method": METHODS, "metric": METRICS, "target": ["ground_truth", "least_probable"]}
    xaibench.run({"model": SMALLER, **options, "limit": 2, "out": out})
    return out


@pytest.fixture(scope="module")
def photographs() -> tuple[list[Path], list[int]]:
    dataset = samples.function("")
    return [dataset.root / image for image in dataset.ids[:2]], list(dataset.labels[:2])


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    keys = ["method", "target", "metric", "image"]
    return frame.sort_values(keys, ignore_index=True).drop(columns=["model", "dataset"])


def test_equals_the_commands_rows_bit_for_bit(ran: Path, photographs) -> None:
    paths, labels = photographs
    network = load_model(SMALLER)
    found = xaibench.evaluate(
        network,
        paths,
        labels,
        methods=METHODS,
        metrics=METRICS,
        targets=["ground_truth", "least_probable"],
    )
    assert list(found.columns) == COLUMNS
    expected = in_order(xaibench.load_scores(ran))
    pd.testing.assert_frame_equal(in_order(found), expected, check_exact=True, check_dtype=False)


def test_rows_come_in_the_order_asked(photographs) -> None:
    paths, _ = photographs
    found = xaibench.evaluate(
        small(), paths[:2], [0, 1], methods="gradcam,fakecam", metrics="sparseness,complexity"
    )
    words = [tuple(row) for row in found[["image", "method", "metric"]].to_numpy()]
    names = [path.name for path in paths[:2]]
    assert words == [
        (image, method, metric)
        for image in names
        for method in ("gradcam", "fakecam")
        for metric in ("sparseness", "complexity")
    ]


def test_maps_equal_the_runs(ran: Path, photographs) -> None:
    paths, labels = photographs
    network = load_model(SMALLER)
    found = xaibench.explain(network, paths, labels, methods=METHODS)
    for method, maps in found.items():
        _, expected = xaibench.load_maps(ran, method)
        assert maps.shape == (2, 1, 96, 96)
        assert np.array_equal(maps[:, 0].numpy(), expected)


def test_maps_made_elsewhere_score_as_their_own_methods(ran: Path, photographs) -> None:
    paths, labels = photographs
    _, maps = xaibench.load_maps(ran, "gradcam")
    found = xaibench.score_maps(
        load_model(SMALLER), paths, maps, labels, metrics=METRIC + ",sparseness"
    )
    scores = xaibench.load_scores(ran)
    for metric in (METRIC, "sparseness"):
        rows = scores.query(
            "method == 'gradcam' and target == 'ground_truth' and metric == @metric"
        )
        mine = found[found.metric == metric]
        assert mine.value.tolist() == rows.value.tolist()
    assert set(found.method) == {"maps"}


def small() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def test_any_module_on_its_own_input_and_it_stays_as_it_was() -> None:
    network = small().train()
    before = copy.deepcopy(network.state_dict())
    images = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    kept = images.clone()
    found = xaibench.evaluate(network, images, methods="gradcam", metrics="deletion,sparseness")
    assert set(found.target) == {"predicted"}
    assert (found.label == -1).all()
    assert found.image.tolist() == ["0", "0", "1", "1", "2", "2"]
    assert np.isfinite(found.value).all()
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert torch.equal(images, kept)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_a_module_of_another_type_is_evaluated_in_float32(kind: torch.dtype) -> None:
    network = small().eval()
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1)).to(kind)
    other = copy.deepcopy(network).to(kind)
    asked = {"methods": "gradcam,gradient", "metrics": "deletion"}
    found = xaibench.evaluate(other, images, **asked)
    plain = copy.deepcopy(other).float()
    assert found.value.tolist() == xaibench.evaluate(plain, images.float(), **asked).value.tolist()
    assert all(p.dtype == kind for p in other.parameters())


def test_modes_of_autograd_around_it_change_nothing() -> None:
    network, images = small().eval(), torch.rand(2, 3, 32, 32)
    asked = {"methods": "gradcam,gradient", "metrics": "deletion"}
    expected = xaibench.evaluate(network, images, **asked).value.tolist()
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            given = images.clone()
            assert xaibench.evaluate(network, given, **asked).value.tolist() == expected


def test_two_functions_of_one_name_are_refused_and_one_given_twice_is_run_once() -> None:
    def scaled(by: float):
        def mine(ctx, batch, state):
            return Explanation(batch.images[:, :1].expand(-1, batch.targets.shape[1], -1, -1) * by)

        return mine

    def constant(by: float):
        def peak(scoring):
            return scoring.maps.flatten(1).amax(1) * 0 + by

        return peak

    network, images = small(), torch.rand(2, 3, 32, 32)
    one, two = constant(1.0), constant(2.0)
    for asked in (
        {"methods": [scaled(1), scaled(-1)]},
        {"metrics": [one, two]},
    ):
        with pytest.raises(UsageError, match="two functions are called"):
            xaibench.evaluate(network, images, **asked)
    with pytest.raises(UsageError, match="two functions are called mine"):
        xaibench.explain(network, images, methods=[scaled(1), scaled(-1)])
    found = xaibench.evaluate(
        network, images, methods=["fakecam", "fakecam"], metrics=[one, one, "sparseness"]
    )
    assert len(found) == 4


def test_mean_and_std_reach_the_metrics_that_mask_pixels() -> None:
    """With mean 0 and std 1 the pixels are the input itself: the masked image is m * x."""
    network, images = small().eval(), torch.rand(2, 3, 32, 32)
    labels = [0, 3]
    maps = xaibench.explain(network, images, labels, methods="gradcam")["gradcam"][:, 0]
    found = xaibench.score_maps(
        network, images, maps, labels, metrics="average_drop", mean=[0, 0, 0], std=[1, 1, 1]
    )
    with torch.no_grad():
        whole = network(images).double().softmax(1)[[0, 1], labels]
        masked = network(images * maps[:, None]).double().softmax(1)[[0, 1], labels]
    expected = ((whole - masked).clamp(min=0) / whole).tolist()
    assert found.value.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_plain_function_a_registered_object_and_a_transform() -> None:
    def corner(ctx, batch, state) -> Explanation:
        maps = torch.zeros(len(batch), batch.targets.shape[1], 4, 4)
        maps[..., 0, 0] = 1
        return Explanation(maps)

    def peak(scoring):
        return scoring.maps.flatten(1).amax(1).double()

    pictures = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]

    def transform(picture: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255

    found = xaibench.evaluate(
        small(),
        pictures,
        methods=[corner, get("methods", "fakecam")],
        metrics=[peak, "sparseness"],
        transform=transform,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    assert found.method.unique().tolist() == ["corner", "fakecam"]
    assert found[found.metric == "peak"].value.tolist() == [1.0] * 4


def test_preprocessing_resizes_photographs(photographs) -> None:
    paths, _ = photographs
    fed = InputSpec(resize=40, crop=32)
    found = xaibench.explain(small(), paths, [0, 1], methods="gradient", preprocessing=fed)
    assert found["gradient"].shape == (2, 1, 32, 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": torch.zeros(2, 1, 8, 8)}, "give \\(B, 3, height, width\\)"),
        ({"images": torch.full((2, 3, 8, 8), torch.nan)}, "not finite"),
        ({"images": []}, "0 images of several sizes, or none"),
        ({"images": np.zeros((2, 3, 8, 8))}, "images hold ndarray"),
        ({"images": [PICTURE], "transform": np.asarray}, "transform gave ndarray"),
        ({"labels": [0]}, "give 2 class indices"),
        ({"labels": ["cat", "dog"]}, "must be 2 class indices"),
        ({"methods": []}, "give at least one"),
        ({"targets": []}, "give at least one"),
        ({"batch_size": "many"}, "give auto or a number"),
        ({"mean": [0.5]}, "need 3 values"),
        ({"labels": [0, 9]}, "label 9 is none of the 5 classes"),
        ({"targets": "ground_truth"}, "needs a label"),
        ({"targets": "first"}, "unknown target"),
        ({"methods": "gradcm"}, "did you mean 'gradcam'"),
        ({"metrics": "insertoin"}, "did you mean 'insertion'"),
        ({"metrics": "pointing_game"}, "bounding boxes"),
        ({"protocol": "publishd"}, "did you mean 'published'"),
        ({"sed": 1}, "unknown argument 'sed'"),
        ({"ids": ["a", "a"]}, "1 different ids for 2 images"),
        ({"layers": {"cam": "nowhere"}}, "unknown layer"),
        ({"model": lambda x: x}, "give a torch.nn.Module"),
    ],
)
def test_wrong_use_is_one_line(change: dict[str, object], words: str) -> None:
    given = {"model": small(), "images": torch.rand(2, 3, 32, 32), **change}
    with pytest.raises(UsageError, match=words) as error:
        xaibench.evaluate(**given)
    assert "\n" not in str(error.value)


def test_one_picture_is_a_batch_of_one() -> None:
    found = xaibench.evaluate(small(), PICTURE, metrics="sparseness")
    assert found.image.tolist() == ["0"]


def test_maps_that_do_not_fit() -> None:
    network, images = small(), torch.rand(2, 3, 32, 32)
    for maps, words in (
        (torch.rand(3, 8, 8), "give \\(2, height, width\\)"),
        (torch.full((2, 8, 8), torch.inf), "2 maps have values that are not finite"),
    ):
        with pytest.raises(UsageError, match=words):
            xaibench.score_maps(network, images, maps)
    with pytest.raises(UsageError, match="maps are scored for one"):
        xaibench.score_maps(network, images, torch.rand(2, 8, 8), target="predicted,least_probable")
    with pytest.raises(UsageError, match="which maps alone cannot"):
        xaibench.score_maps(
            network, images, torch.rand(2, 8, 8), metrics="max_sensitivity(explanation=method)"
        )


def test_a_method_that_raises_is_named() -> None:
    def broken(ctx, batch, state):
        raise RuntimeError("out of luck")

    with pytest.raises(XaibenchError, match="broken failed: RuntimeError: out of luck"):
        xaibench.evaluate(small(), torch.rand(2, 3, 32, 32), methods=broken)


def test_the_package_shows_what_there_is() -> None:
    names = {"evaluate", "explain", "load_maps", "load_predictions", "load_scores", "run"}
    assert names | {"score_maps"} <= set(dir(xaibench))
    assert (Path(xaibench.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("dtype", [torch.bfloat16, "float16", None])
def test_a_precision_that_is_none_is_refused(dtype: object) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UsageError, match="unknown dtype"):
        xaibench.evaluate(network, torch.zeros(1, 3, 32, 32), dtype=dtype)
