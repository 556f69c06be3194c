"""Write normalised maps out as files, for other tools; the stages normalise on reading."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from xaibench.config.specs import split_all
from xaibench.errors import XaibenchError, fold, unknown
from xaibench.store import layout
from xaibench.store.atomic import write, write_json
from xaibench.store.read import load_maps


def materialize(
    root: Path, methods: Sequence[str], targets: Sequence[str]
) -> Iterator[tuple[Path, int]]:
    """Every stored map set as normalized/<method>/<target>/<transform>/<variation>.npy.

    Each array is (N, H, W) float32 in [0, 1]; the ids lie beside it as .json. Without names, all
    methods and targets that the run has. Yields each file and its number of maps.
    """
    keys = layout.map_sets(root)
    if not keys:
        raise XaibenchError(f"{root} has no maps; run `xaibench explain --out {root}` first.")
    for place, (kind, asked) in enumerate((("method", methods), ("target", targets))):
        held = {key[place] for key in keys}
        names = [fold(n) if kind == "target" else n for n in split_all(asked)]
        for name in names:
            if name not in held:
                raise unknown(f"{kind} in {root}", name, held)
        keys = [key for key in keys if not asked or key[place] in names]
    for key in keys:
        method, target, transform, variation = key
        ids, maps = load_maps(root, method, target, transform, variation)
        path = (root / "normalized").joinpath(*map(layout.encode, key)).with_suffix(".npy")
        path.with_suffix(".json").unlink(missing_ok=True)  # never beside maps of other images
        write(path, functools.partial(np.save, arr=maps))
        write_json(path.with_suffix(".json"), ids)
        yield path, len(ids)
