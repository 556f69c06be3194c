"""A folder of links to the 20 embedded photographs and to those of another folder, by class.

    python scripts/link_photographs.py FOLDER INTO

FOLDER has a subfolder a WordNet id. The links are for trying things on more photographs than are
embedded: INTO is data for `xaibench run`, and nothing of it is part of the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

from xaibench.datasets.base import files_below
from xaibench.datasets.load import load_dataset
from xaibench.published import imagenet_wnids


def main(folder: Path, into: Path) -> None:
    """Make the links."""
    known, samples = imagenet_wnids(), load_dataset("samples")
    links = {name: folder / name for name in files_below(folder)}
    for name, label in zip(samples.ids, samples.labels, strict=True):
        links[f"{known[label]}/{name}"] = samples.root / name
    for name, target in links.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).symlink_to(target.resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
