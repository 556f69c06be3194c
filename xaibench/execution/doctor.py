"""What `xaibench doctor` looks at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xaibench.errors import XaibenchError
from xaibench.store.manifest import versions


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    good: bool
    text: str


def checks() -> Iterator[Check]:
    """Versions, devices, embedded model and photographs, room and permission to write."""
    for name, version in versions().items():
        yield Check(name, True, version)
    yield _devices()
    yield _embedded()
    yield _output()


def _devices() -> Check:
    import torch

    count = torch.cuda.device_count()
    names = [torch.cuda.get_device_name(i) for i in range(count)]
    text = ", ".join([f"cpu ({torch.get_num_threads()} threads)", *names])
    return Check("devices", True, text)


def _embedded() -> Check:
    """Classify the embedded photographs with the embedded network."""
    import torch

    from xaibench.datasets.load import load_dataset, read_images
    from xaibench.models.load import load_model

    try:
        classifier = load_model("efficientnet_lite0")
        dataset = load_dataset("samples")
    except XaibenchError as error:
        return Check("embedded default", False, str(error))
    _, images, failed, _ = read_images(dataset, range(len(dataset)), classifier, "squash", 0)
    with torch.inference_mode():
        right = (classifier(images).argmax(1) == torch.tensor(dataset.labels)).sum().item()
    good = right == 17 and not failed
    return Check(
        "embedded default", good, f"{right} of {len(dataset)} photographs right (17 known)"
    )


def _output() -> Check:
    folder = Path("results/runs")
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    writable = os.access(folder, os.W_OK)
    text = f"{folder.resolve()} {'writable' if writable else 'not writable'}, {free:.0f} GiB free"
    return Check("default output", writable, text)
