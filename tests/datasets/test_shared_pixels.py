"""`report --agreement` and `--figures` on run directories: maps streamed, compared, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from helpers import cli
from scipy import stats

import xaibench
from xaibench.config.protocol import load_protocol
from xaibench.errors import UsageError, XaibenchError
from xaibench.ops.ranking import order
from xaibench.ops.statistics import mean_ranks
from xaibench.store import layout
from xaibench.store import maps as store
from xaibench.store.read import MapReader, load_predictions
from xaibench.studies.agreement import _places_and_ranks, compare, pairwise
from xaibench.studies.figures import photographs


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs under three methods, and what Figures 1 and 2 need."""
    place = tmp_path_factory.mktemp("shared") / "run"
    words = ["--method", "fakecam,gradient,gradcam", "--metric", "average_drop,average_gain"]
    code, _, err = cli("run", *words, "--limit", 2, "--out", place)
    assert code == 0, err
    return place


def test_real_maps_against_scipy(out: Path) -> None:
    """scipy's rank correlation, and sets of the most salient pixels found by a sort in Python."""
    found = compare(out)
    assert set(found.methods) == {"fakecam", "gradient", "gradcam"}
    assert found.pixels == 5018
    maps = {m: xaibench.load_maps(out, m)[1] for m in found.methods}
    for image in range(2):
        flat = {m: held[image].ravel() for m, held in maps.items()}
        tops = {
            m: set(sorted(range(50176), key=lambda p: (-v[p], p))[:5018]) for m, v in flat.items()
        }
        for p, (i, j) in enumerate(zip(*np.triu_indices(3, 1), strict=True)):
            a, b = found.methods[i], found.methods[j]
            expected = stats.spearmanr(flat[a], flat[b]).statistic
            assert found.correlation[image, p] == pytest.approx(expected, abs=1e-9)
            assert found.overlap[image, p] == len(tops[a] & tops[b]) / 5018


def fake_run(root: Path, shards: dict[str, list[dict[str, torch.Tensor]]]) -> Path:
    """A run directory with native maps of a few images: method -> shards -> image -> map."""
    (root / "manifests").mkdir(parents=True)
    text = json.dumps(load_protocol("published").model_dump(mode="json"))
    (root / "manifests" / "protocol.json").write_text(text)
    for method, parts in shards.items():
        folder = layout.maps(root, method, "ground_truth")
        for block, part in enumerate(parts):
            count = torch.zeros(len(part), dtype=torch.int64)
            shard = store.MapShard(tuple(part), torch.stack(list(part.values())), count, (16, 16))
            store.save(folder / f"{block:05d}-aa.safetensors", shard)
    return root


def drawn(*names: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(16, 16, generator=generator) for name in names}


def test_constant_and_lost_maps_are_left_out_and_counted(tmp_path: Path) -> None:
    first = drawn("a", "b") | {"c": torch.ones(16, 16), "d": torch.full((16, 16), torch.nan)}
    root = fake_run(
        tmp_path, {"gradient": [first], "guidedbp": [drawn("a", "c", "d", "e", seed=1)]}
    )
    found = compare(root)
    assert found.images == ["a", "b", "c", "d", "e"]
    assert np.isfinite(found.correlation[:, 0]).tolist() == [True, False, False, False, False]
    assert np.isfinite(found.overlap[:, 0]).tolist() == [True, False, False, False, False]
    assert found.constant[:, 0].tolist() == [False, False, True, False, False]


def test_each_shard_is_read_once_and_one_is_held(tmp_path: Path) -> None:
    blocks = [[f"{b}-{i:02d}" for i in range(20)] for b in range(3)]
    shards = {
        m: [drawn(*names, seed=s) for names in blocks] for s, m in enumerate(("ig", "gradient"))
    }
    shards["guidedbp"] = [drawn(*blocks[1], seed=9)]  # a method with fewer images
    root = fake_run(tmp_path, shards)
    with mock.patch.object(store, "load", wraps=store.load) as load:
        found = compare(root)
    assert load.call_count == 3 + 3 + 1
    assert found.methods == ("gradient", "guidedbp", "ig")
    assert np.isfinite(found.correlation).sum(0).tolist() == [20, 60, 20]
    reader = MapReader(root, "ig")
    assert reader.ids == [i for names in blocks for i in names]
    ids, maps = xaibench.load_maps(root, "ig")
    held = reader.take(["1-03", "missing", "0-00"])
    assert sorted(held) == ["0-00", "1-03"]
    for name, map_ in held.items():
        np.testing.assert_array_equal(map_.numpy(), maps[ids.index(name)])


def test_same_maps_agree_and_opposite_ones_do_not() -> None:
    one = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    rho, share = pairwise(torch.cat([one, one, 1 - one], 1), 6)
    assert rho[0, 0, 1] == pytest.approx(1)
    assert rho[0, 0, 2] == pytest.approx(-1)
    assert share[0, 0].tolist() == pytest.approx([1, 1, 0])


def test_one_sort_does_what_two_operations_do() -> None:
    values = torch.randint(0, 9, (5, 300), generator=torch.Generator().manual_seed(0)).float()
    values[4] = 1.0
    places, ranks = _places_and_ranks(values)
    assert torch.equal(places, order(values[:, None], descending=True))
    assert torch.equal(-ranks, mean_ranks(values) - 150.5)


def test_top_pixels_break_ties_in_row_major_order() -> None:
    flat = torch.zeros(1, 2, 4, 4)
    flat[0, 0, 3, 3] = 1.0  # then the first three pixels
    flat[0, 1, 0, 0] = 1.0
    _, share = pairwise(flat, 4)
    assert share[0, 0, 1] == 3 / 4


def test_the_command_writes_all(out: Path) -> None:
    code, said, err = cli("report", out, "--figures", "--agreement", "--top", 0.2)
    assert code == 0, err
    names = {p.name for p in (out / "report").iterdir()}
    pictures = {f"{n}.{k}" for n in ("figure1", "figure2", "agreement") for k in ("png", "svg")}
    assert names >= pictures | {"agreement.md", "agreement.csv", "agreement.json"}
    assert all(name in said.splitlines()[-1] for name in names)
    assert json.loads((out / "report" / "agreement.json").read_text())["top_pixels"] == 10035


def test_figure_1_shows_what_the_network_saw(out: Path) -> None:
    from PIL import Image

    from xaibench.datasets.load import load_dataset

    dataset = load_dataset("samples")
    name = dataset.ids[1]
    (seen,) = photographs(out, [name], ["gradcam"]).values()
    with Image.open(dataset.open(1)) as image:
        squashed = image.convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(squashed.crop((16, 16, 240, 240))) / 255
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_predictions_are_one_row_an_image(out: Path) -> None:
    frame = load_predictions(out)
    assert list(frame["image"]) == xaibench.load_maps(out, "gradcam")[0]
    assert set(frame["transform"]) == set(frame["variation"]) == {"none"}
    assert frame["probability_ground_truth"].between(0, 1).all()


def test_errors_are_one_line(out: Path, tmp_path: Path) -> None:
    code, _, err = cli("report", out, "--agreement", "--top", 1.5)
    assert (code, "above 0 and at most 1" in err) == (2, True)
    with pytest.raises(UsageError, match="share of the pixels"):
        compare(out, top=0)
    with pytest.raises(XaibenchError, match="at least two methods"):
        compare(fake_run(tmp_path / "one", {"gradient": [drawn("a")]}))
    with pytest.raises(XaibenchError, match="no maps"):
        compare(tmp_path)
    with pytest.raises(XaibenchError, match="no predictions"):
        load_predictions(tmp_path)
