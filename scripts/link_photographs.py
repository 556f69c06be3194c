"""The study's 120 photographs as one dataset: links by class to the 20 embedded and to 100 more.

    git clone https://github.com/EliSchwartz/imagenet-sample-images
    python scripts/link_photographs.py imagenet-sample-images photographs

The clone has one photograph of ImageNet's training set a class; the 100 are those of
results/photographs.txt, found by name anywhere below the folder and refused where their SHA-256 is
another. `photographs` is data for `xaibench run`; nothing of it is part of the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

from xaibench.datasets.base import files_below
from xaibench.datasets.load import load_dataset
from xaibench.models.weights import file_sha256
from xaibench.published import imagenet_wnids

LIST = Path(__file__).parents[1] / "results" / "photographs.txt"


def wanted(folder: Path) -> dict[str, Path]:
    """The listed photographs below a folder, by class and name; exits where one is not the same."""
    lying = {Path(name).name: folder / name for name in files_below(folder)}
    links = {}
    for digest, name in (line.split() for line in LIST.read_text(encoding="utf-8").splitlines()):
        if name not in lying:
            sys.exit(f"{name} is not below {folder}: is it a clone of imagenet-sample-images?")
        if file_sha256(lying[name]) != digest:
            sys.exit(f"{lying[name]} is not the photograph of the study: its SHA-256 differs.")
        links[f"{name.partition('_')[0]}/{name}"] = lying[name]
    return links


def main(folder: Path, into: Path) -> None:
    """Make the links."""
    known, samples = imagenet_wnids(), load_dataset("samples")
    links = wanted(folder)
    for name, label in zip(samples.ids, samples.labels, strict=True):
        links[f"{known[label]}/{name}"] = samples.root / name
    for name, target in links.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).symlink_to(target.resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
