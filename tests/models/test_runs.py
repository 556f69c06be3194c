"""Every method on torchvision networks, from the configuration on."""

import pytest

import xaibench
from xaibench.registry import entries, get

CHEAP = {"n_masks": 8, "n_samples": 8, "steps": 2, "samples": 2}
"""Score-CAM at the CAM layer costs 2048 forwards an image: at the first convolution, 64."""
FEW_CHANNELS = {"torchvision:resnet50@random": "conv1", "torchvision:vgg16@random": "features.0"}


def reduced(network):
    specs = []
    for name in entries("methods"):
        options = get("methods", name).options
        values = {k: v for k, v in CHEAP.items() if k in options}
        if name == "scorecam":
            values["layer"] = FEW_CHANNELS[network]
        specs.append(f"{name}({', '.join(f'{k}={v!r}' for k, v in values.items())})")
    return specs


def run(tmp_path, network, methods, protocol):
    xaibench.run(
        {
            "method": methods,
            "metric": ["insertion"],
            "limit": 2,
            "data": "samples",
            "model": network,
            "protocol": protocol,
            "batch_size": 8,
            "out": str(tmp_path),
        }
    )
    frame = xaibench.load_scores(tmp_path)
    assert len(frame) == 2 * len(entries("methods"))
    assert set(frame["status"]) <= {"ok", "constant_map"}
    assert frame["value"].between(0, 1).all()
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["published", "reference"])
@pytest.mark.parametrize("network", list(FEW_CHANNELS))
def test_every_method_runs_with_fewer_draws(tmp_path, network, protocol):
    run(tmp_path, network, reduced(network), protocol)


@pytest.mark.slow
def test_all_at_the_protocols_values(tmp_path):
    """`xaibench run --method all --limit 2 --model torchvision:resnet50@random`."""
    run(tmp_path, "torchvision:resnet50@random", ["all"], "published")
