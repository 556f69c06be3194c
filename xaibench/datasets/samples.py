"""The embedded photographs: 20 of ImageNet, shipped in the foolbox wheel."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path

from xaibench.datasets.base import Dataset
from xaibench.errors import UsageError, XaibenchError
from xaibench.registry import dataset


@dataset()
def samples(source: str) -> Dataset:
    """20 ImageNet photographs from the foolbox package; the class index is in the file's name."""
    if source:
        raise UsageError(f"--data samples:{source}: the photographs have no path; give samples.")
    spec = util.find_spec("foolbox")
    if spec is None or not spec.submodule_search_locations:
        raise XaibenchError(
            "the embedded photographs need the package 'foolbox': pip install 'xaibench[embedded]'."
        )
    root = Path(spec.submodule_search_locations[0]) / "data"
    names = sorted(p.name for p in root.glob("imagenet_*_*.jpg"))
    if len(names) != 20:
        version = metadata.version("foolbox")
        raise XaibenchError(
            f"foolbox {version} has {len(names)} ImageNet photographs, not 20: "
            "pip install 'xaibench[embedded]'."
        )
    labels = tuple(int(Path(name).stem.split("_")[2]) for name in names)
    return Dataset("samples", root, tuple(names), labels)
