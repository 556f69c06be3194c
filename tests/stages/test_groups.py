"""Train-mode BatchNorm over the dataset's groups of five on transformed inputs (Table 4)."""

from __future__ import annotations

import copy
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from networks import THOUSAND, tiny
from oracles.table4 import batchnorm_groups, scored_gradient_map

import xaibench
from xaibench.config.run import RunConfig
from xaibench.errors import XaibenchError
from xaibench.models.batchnorm import blocks, with_group_statistics
from xaibench.stages.desk import Desk
from xaibench.stages.run import resolve

STEPS = 6


def expected(method: str, places: list[int], transform: str, name: str) -> dict[str, torch.Tensor]:
    """Scored maps of whole groups by autograd and captum on the network in train mode.

    Saved and loaded as the paper's scripts did: mirrored at the diagonal.
    """
    run = resolve(RunConfig(transform=(transform,), model=THOUSAND))
    view = next(v for v in run.variations if v.name == name)
    images = Desk(run, set()).images.inputs(places, view)
    labels = torch.tensor([run.dataset.labels[p] for p in places])
    network = copy.deepcopy(tiny(classes=1000).module).train()
    x = images.clone().requires_grad_()
    if method == "gradient":
        logits = network(x)
        (g,) = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), x)
    else:
        g = IntegratedGradients(network).attribute(x, target=labels, n_steps=STEPS)
    scored = [torch.as_tensor(scored_gradient_map(one.detach().numpy())) for one in g]
    return {run.dataset.ids[p]: m for p, m in zip(places, scored, strict=True)}


@pytest.mark.parametrize("method", ["gradient", f"ig(steps={STEPS})"])
@pytest.mark.parametrize("transform", ["rotation", "mixup", "resize"])
def test_equals_a_network_in_train_mode_on_the_whole_group(
    tmp_path: Path, method: str, transform: str
) -> None:
    xaibench.run(
        {
            "model": THOUSAND,
            "method": method,
            "metric": "sparseness",
            "transform": transform,
            "limit": 7,
            "batch_size": 4,
            "out": str(tmp_path),
        },
    )
    name = {"rotation": "135", "mixup": "55", "resize": "64"}[transform]
    ids, maps = xaibench.load_maps(tmp_path, method, transform=transform, variation=name)
    size = batchnorm_groups(method.partition("(")[0], transform, name)
    wanted = {}
    for first in range(0, 10, size):
        places = list(range(first, first + size))
        wanted |= expected(method[:8], places, transform, name)
    assert len(ids) == 7
    for image, found in zip(ids, maps, strict=True):
        assert np.abs(found - wanted[image].numpy()).max() < 1e-4


def test_an_untouched_image_is_its_own_group(tmp_path: Path) -> None:
    options = {"model": THOUSAND, "method": "gradient", "metric": "sparseness", "limit": 2}
    xaibench.run({**options, "transform": "none,rotation", "out": str(tmp_path / "a")})
    xaibench.run({**options, "out": str(tmp_path / "b")})
    both = [xaibench.load_maps(tmp_path / d, "gradient")[1] for d in "ab"]
    assert np.abs(both[0] - both[1]).max() < 1e-6


def test_reference_has_no_groups(tmp_path: Path) -> None:
    common = {
        "model": THOUSAND,
        "method": "gradient",
        "metric": "sparseness",
        "transform": "rotation",
    }
    common |= {"protocol": "reference"}
    for limit in (1, 3):
        xaibench.run({**common, "limit": limit, "out": str(tmp_path / str(limit))})
    one, three = (
        xaibench.load_maps(tmp_path / d, "gradient", transform="rotation", variation="45")[1]
        for d in "13"
    )
    assert np.abs(one[0] - three[0]).max() < 1e-6


def test_the_method_itself_cannot_be_perturbed_in_a_group(tmp_path: Path) -> None:
    with pytest.raises(XaibenchError, match="a perturbed input has no such group"):
        xaibench.run(
            {
                "model": THOUSAND,
                "method": "gradient",
                "metric": "max_sensitivity(explanation=method)",
                "transform": "rotation",
                "limit": 1,
                "out": str(tmp_path),
            }
        )


def test_forwarding_blocks_again_changes_no_gradient() -> None:
    from torchvision.models import resnet18

    network = resnet18().eval().requires_grad_(False)
    x = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = []
    for again in (False, True):
        variant = with_group_statistics(network, 3, again)
        (g,) = torch.autograd.grad(variant(x)[:, 3].sum(), x)
        found.append(g)
    assert len(list(blocks(network))) == 8
    assert torch.equal(*found)


def test_ig_is_the_same_in_chunks(tmp_path: Path) -> None:
    maps = []
    for name, together in (("whole", 2**40), ("chunks", 0)):
        with mock.patch("xaibench.methods.ig._TOGETHER", together):
            xaibench.run(
                {
                    "model": THOUSAND,
                    "method": f"ig(steps={STEPS})",
                    "metric": "sparseness",
                    "transform": "rotation",
                    "limit": 1,
                    "batch_size": 4,
                    "out": str(tmp_path / name),
                }
            )
        _, found = xaibench.load_maps(
            tmp_path / name, f"ig(steps={STEPS})", transform="rotation", variation="45"
        )
        maps.append(found)
    assert np.abs(maps[0] - maps[1]).max() < 1e-4


def test_ig_says_when_a_group_does_not_fit_into_memory(tmp_path: Path) -> None:
    with (
        mock.patch("xaibench.methods.ig.free_bytes", return_value=1000),
        pytest.raises(XaibenchError, match="one BatchNorm batch of 100 interpolants of 32 pixels"),
    ):
        xaibench.run(
            {
                "model": THOUSAND,
                "method": "ig,fakecam",
                "metric": "sparseness",
                "transform": "resize",
                "limit": 1,
                "out": str(tmp_path),
            }
        )
    scores = xaibench.load_scores(tmp_path)
    assert scores.groupby(["method", "status"]).size().to_dict() == {
        ("fakecam", "ok"): 4,
        ("ig", "failed"): 4,
    }
