"""One image, method and target as the oracles see it, rebuilt from a run directory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from xaibench.config.protocol import Protocol
from xaibench.config.run import RunConfig
from xaibench.config.variations import UNTOUCHED
from xaibench.datasets.subset import recorded
from xaibench.errors import XaibenchError
from xaibench.normalize import normalize
from xaibench.stages.explain import Unit, load_unit, make_batch
from xaibench.stages.predict import load_predictions
from xaibench.stages.scoring import explainer
from xaibench.stages.session import Session
from xaibench.store.atomic import read_json
from xaibench.studies.audit.checks import Case


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


def session_of(
    root: Path, methods: list[str], metrics: list[str], transforms: list[str]
) -> Session:
    """A session as the run's own, with its protocol, for these methods, metrics, transforms."""
    manifests = sorted((root / "manifests").glob("run-*.json"))
    if not manifests:
        raise XaibenchError(f"{root} is not a run directory; give the --out of a run.")
    held = read_json(manifests[-1])["config"]
    held |= {"method": methods, "metric": metrics, "transform": transforms, "out": root}
    held |= {"metric_backend": "native"}
    session = Session(RunConfig(**held), int(read_json(root / "manifests" / "batch_size.json")))
    session.__dict__["protocol"] = Protocol.model_validate(
        read_json(root / "manifests" / "protocol.json")
    )
    held_subset = root / "manifests" / "subset.json"
    if held_subset.exists():  # the last manifest may be of other, untouched images
        session.__dict__["groups_of"] = recorded(session.dataset, read_json(held_subset))
    identity, now = read_json(root / "manifests" / "identity.json"), session.identity()
    changed = [key for key in identity if identity[key] != now.get(key)]
    if changed:
        raise XaibenchError(
            f"{root} was made with another {', '.join(changed)}, so that nothing can be compared: "
            "audit it where these are the same."
        )
    return session


def case_maker(
    root: Path, methods: list[str], metrics: list[str], transforms: list[str]
) -> Callable[[str, str, str, str, str], Case]:
    """A function (method, target, transform, variation, image) -> Case."""
    session = session_of(root, methods, metrics, transforms)
    places = {image: place for place, image in enumerate(session.dataset.ids)}
    requests = {m.spec: m for m in session.methods}
    options = {m.spec: dict(m.options) for m in session.metrics}
    variations = {(v.transform, v.name): v for v in session.variations}

    def make(method: str, target: str, transform: str, variation: str, image: str) -> Case:
        place = places[image]
        view = variations[transform, variation]
        block = session.block(place, view)
        together = session.companions([place]) if view.request else [place]
        session.images.keep(together)
        predictions = load_predictions(session, together, view)
        unit = Unit(block, (place,), requests[method], view)
        shard = load_unit(session, unit, target)
        if shard is None:
            raise XaibenchError(
                f"the map of {image} by {method} is gone: run the same `xaibench run` again."
            )
        maps = normalize(shard.maps, shard.size, unit.method.steps(view.transform))
        batch = make_batch(session, [place], predictions, (target,), view)
        explain = explainer(session, unit, batch)
        spec = session.classifier.input
        return Case(
            image_id=image,
            method=method,
            target_name=target,
            view=view.label,
            model=session.classifier.module,
            image=batch.images[0],
            map=maps[0].numpy(),
            target=int(batch.targets[0, 0]),
            mean=torch.tensor(spec.mean),
            std=torch.tensor(spec.std),
            scalars={k: float(v[0]) for k, v in shard.scalars.items()},
            family=str(unit.method.entry.metadata.get("family", "")),
            additive=bool(unit.method.entry.metadata.get("additive", False)),
            explain=lambda x: explain(
                x.to(session.device), torch.zeros(len(x), dtype=torch.long, device=session.device)
            )[0],
            ctx=session.context,
            options=options,
            boxes=session.boxes([image])[0] if view == UNTOUCHED else None,
            probability=float(predictions.probability([image], target)[0]),
            logit=float(predictions.logit([image], target)[0]),
            oracle=oracle,
        )

    return make
