"""How fast a network's forward pass is as it is, with folded BatchNorm, and with ReLU fused too.

    python scripts/forward_speed.py [MODEL] [BATCH] [ROUNDS]

The three take turns in one process, so what else the machine does falls on all of them alike.
Prints images a second (of process time on a CPU) and each one's ratio to the first, medians over
the rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch

from xaibench.models.fold import folded
from xaibench.models.load import load_model


def main(model: str = "efficientnet_lite0", batch: str = "16", rounds: str = "9") -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier = load_model(model).to(device)
    shape = (int(batch), *classifier.blank().shape[1:])
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    networks = {
        "as it is": classifier.module,
        "BatchNorm folded": folded(classifier.module, images[:1]),
        "ReLU fused too": classifier.inference,
    }
    with torch.inference_mode():
        for network in networks.values():
            network(images)  # warm up
        turns = [{k: seconds(n, images) for k, n in networks.items()} for _ in range(int(rounds))]
    print(f"{model}, batches of {batch}, {device}, {torch.get_num_threads()} threads")
    for name in networks:
        rate = statistics.median(len(images) / turn[name] for turn in turns)
        ratio = statistics.median(turn["as it is"] / turn[name] for turn in turns)
        print(f"{name:18} {rate:8.1f} images/s  {ratio:.2f} times")


def seconds(network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> float:
    """Process time of one forward on a CPU, wall time on a GPU."""
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    clock = time.process_time if images.device.type == "cpu" else time.perf_counter
    start = clock()
    network(images)
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
