"""One image, method and target as the oracles see it, rebuilt from a run directory."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from xaibench.config.variations import UNTOUCHED
from xaibench.errors import XaibenchError
from xaibench.models.device import exact_arithmetic
from xaibench.stages.desk import Desk
from xaibench.stages.predict import load_predictions
from xaibench.stages.run import Run
from xaibench.stages.score import load_maps, scoring
from xaibench.stages.unit import Unit
from xaibench.store import layout, tables
from xaibench.store.ledger import unreadable
from xaibench.store.manifest import identity_of
from xaibench.studies.audit.checks import Case
from xaibench.studies.stale import stale_files, taken_up


def oracle(name: str) -> ModuleType:
    """An oracle module: inside the package in a wheel, below tests/ in a checkout.

    Raises XaibenchError where a library that it needs is missing.
    """
    try:
        try:
            return importlib.import_module(f"xaibench.oracles.{name}")
        except ModuleNotFoundError as error:
            if error.name not in ("xaibench.oracles", f"xaibench.oracles.{name}"):
                raise
        tests = str(Path(__file__).parents[3] / "tests")
        if tests not in sys.path:
            sys.path.append(tests)
        return importlib.import_module(f"oracles.{name}")
    except ModuleNotFoundError as error:
        raise XaibenchError(
            f"audit needs the package '{error.name}': pip install 'xaibench[test]'."
        ) from None


def run_of(
    root: Path,
    methods: list[str],
    metrics: list[str],
    transforms: list[str],
    device: str | None = None,
) -> Run:
    """A finished run for these methods, metrics and transforms, of the identity that it was.

    device: another than the one it was made on, where images alone are wanted.
    """
    run = taken_up(root, methods, metrics, transforms, device)
    identity, now = identity_of(root), run.identity()
    changed = [key for key in identity if identity[key] != now.get(key)]
    if changed:
        raise XaibenchError(
            f"{root} was made with another {', '.join(changed)} than is here now: go on where "
            "these are the same."
        )
    return run


def stale_scores(run: Run) -> dict[str, int]:
    """How many scores other code made than is here now, by metric and method in words."""
    stale: Counter[str] = Counter()
    for path in stale_files(run, layout.score_files(run.root, failed=False)):
        method, _, _, _, metric = layout.score_keys(path)
        stale[f"{metric} of {method}"] += len(tables.read_ids(path))
    return dict(stale)


def case_maker(run: Run) -> Callable[[str, str, str, str, str], Case]:
    """A function (method, target, transform, variation, image) -> Case."""
    exact_arithmetic(run.device)
    indices = {image: index for index, image in enumerate(run.dataset.ids)}
    requests = {m.spec: m for m in run.methods}
    options = {m.spec: dict(m.options) for m in run.metrics}
    variations = {(v.transform, v.name): v for v in run.variations}
    unread = unreadable(run.root)
    lost = {indices[image] for image in unread if image in indices}

    def make(method: str, target: str, transform: str, variation: str, image: str) -> Case:
        index, view = indices[image], variations[transform, variation]
        desk = Desk(run, lost)
        predictions = load_predictions(run, [index], view)
        if image not in predictions.untouched or image not in predictions.rows:
            raise XaibenchError(
                f"the prediction of {image} is gone: run the same `xaibench run` again."
            )
        unit = Unit(run.order(view).block(index), (index,), requests[method], view)
        shard = load_maps(run, unit, target)
        if shard is None:
            raise XaibenchError(
                f"the map of {image} by {method} is not stored: make it with `xaibench explain`."
            )
        seen = scoring(desk, unit, target, shard, run.metrics, predictions, explained=True)
        explain, fed = seen.explain, run.classifier.input
        assert explain is not None
        return Case(
            image_id=image,
            method=method,
            target_name=target,
            view=view.label,
            model=run.classifier.module,
            image=seen.batch.images[0],
            map=seen.maps[0].cpu().numpy(),
            target=int(seen.target[0]),
            mean=torch.tensor(fed.mean),
            std=torch.tensor(fed.std),
            scalars={k: float(v[0]) for k, v in seen.scalars.items()},
            family=seen.family,
            additive=seen.additive,
            explain=lambda x: explain(
                x.to(run.device), torch.zeros(len(x), dtype=torch.long, device=run.device)
            )[0],
            ctx=run.context,
            options=options,
            boxes=run.boxes([image])[0] if view == UNTOUCHED else None,
            probability=float(seen.probability[0]),
            logit=float(seen.logit[0]),
            oracle=oracle,
        )

    return make
