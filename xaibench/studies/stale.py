"""A finished run taken up again, and which of its files other code made than is here now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from pydantic import ValidationError

from xaibench.config.requests import made_elsewhere
from xaibench.config.run import RunConfig
from xaibench.datasets.subset import recorded
from xaibench.errors import XaibenchError
from xaibench.registry.files import located
from xaibench.stages.run import Run, resolve
from xaibench.stages.unit import code_of_maps, code_of_predictions, code_of_scores, code_of_state
from xaibench.store import layout
from xaibench.store.atomic import damaged, read_object
from xaibench.store.manifest import records, stored_protocol
from xaibench.store.sound import made
from xaibench.store.sources import files_of
from xaibench.store.sources import made_elsewhere as elsewhere_in


def taken_up(
    root: Path,
    methods: Sequence[str],
    metrics: Sequence[str],
    transforms: Sequence[str],
    device: str | None = None,
) -> Run:
    """A run as its last process had it, with its protocol and subset, for what is named here.

    device: in the place of that process's.

    Raises XaibenchError where the directory does not say, or where something is gone.
    """
    held = records(root)
    if not held and (there := layout.manifests(root)):
        raise damaged(there[-1])
    if not held:
        raise XaibenchError(f"{root} is not a run directory; give the --out of a run.")
    config, files = held[-1]["config"], files_of(root)
    named, scored = ([located(spec, files) for spec in specs] for specs in (methods, metrics))
    elsewhere = [name for name in named if name in elsewhere_in(root)]
    config |= {
        "method": [m for m in named if m not in elsewhere] or ["gradcam"],
        "metric": scored or ["sparseness"],
        "transform": transforms or ["none"],
        "out": root,
        "maps": None,
        "name": None,
        "metric_backend": "native",
        **({} if device is None else {"device": device}),
    }
    try:
        run = resolve(RunConfig(**config), protocol=stored_protocol(root))
    except ValidationError:
        raise damaged(layout.manifests(root)[-1]) from None
    run = replace(run, methods=(*run.methods, *map(made_elsewhere, elsewhere)))
    subset = layout.manifest(root, "subset")
    if subset.exists():  # the last process may have had other, untouched images
        run = replace(run, subset=recorded(run.dataset, read_object(subset)))
    return run


def all_of(root: Path) -> Run:
    """A run taken up for all methods, metrics and transforms that it holds results of."""
    sets = {(method, transform) for method, _, transform, _ in layout.map_sets(root)}
    keys = [layout.score_keys(path) for path in layout.score_files(root)]
    sets |= {(key[0], key[2]) for key in keys}
    methods, metrics = sorted({m for m, _ in sets}), sorted({key[4] for key in keys})
    return taken_up(root, methods, metrics, sorted({t for _, t in sets}))


def stale_files(run: Run, paths: Iterable[Path]) -> Iterator[Path]:
    """Those of a run's sound files that other code made than is here now.

    Maps that were made elsewhere, and what was scored of them, are left out: `xaibench score`
    says when they are others.
    """
    methods = {m.spec: m for m in run.methods}
    metrics = {m.spec: m for m in run.metrics}
    views = {v.transform: v for v in run.variations}
    network, elsewhere = run.loader, elsewhere_in(run.root)

    @cache
    def code(kind: str, method: str, transform: str, metric: str) -> str | None:
        """The hash of what is here now; None where nobody knows."""
        request, view = methods.get(method), views.get(transform)
        if kind == "predictions" and view:
            return code_of_predictions(network, view)
        if request is None or method in elsewhere:
            return None
        if kind == "state":
            return code_of_state(network, request)
        if view is None:
            return None
        if kind == "maps":
            return code_of_maps(network, request, view)
        return code_of_scores(network, request, view, metrics[metric]) if metrics else None

    for path in paths:
        now = code(*_what(path))
        if now is not None and made(path, whole=False).code != now:
            yield path


def _what(path: Path) -> tuple[str, str, str, str]:
    """Kind, method, transform and metric of a file of results or of a state."""
    kind, *folders = layout.what(path).split("/")[:-1]
    if kind == "scores":
        method, _, transform, _, metric = layout.score_keys(path)
        return kind, method, transform, metric
    if kind == "maps":
        return kind, unquote(folders[0]), unquote(folders[2]), ""
    if kind == "state":
        return kind, unquote(path.stem.partition("@")[0]), "none", ""
    return kind, "", unquote(folders[0]), ""
