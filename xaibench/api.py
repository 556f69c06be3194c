"""`xaibench.run(config)`: what the commands call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaibench.config.files import digest
from xaibench.config.run import RunConfig, load_config
from xaibench.errors import UsageError, XaibenchError

Say = Callable[[str], None]
ALL_STAGES = frozenset({"explain", "score"})


@dataclass(frozen=True)
class RunResult:
    """What a run did. computed counts images x methods x targets (x metrics) by stage."""

    directory: Path
    images: int
    computed: dict[str, int]
    unreadable: int
    seconds: float

    @property
    def line(self) -> str:
        """The last line of the command's output."""
        made = {name: count for name, count in self.computed.items() if count}
        lost = f"; {made.pop('failed')} failed" if "failed" in made else ""
        done = ", ".join(f"{count} {name}" for name, count in made.items())
        skipped = f"; {self.unreadable} unreadable images skipped (failures/)"
        return (
            f"{self.directory}: {self.images} images, "
            f"{'computed ' + done if done else 'nothing left to compute'} "
            f"in {self.seconds:.1f} s{lost}{skipped if self.unreadable else ''}"
        )


def run(
    config: RunConfig | Mapping[str, Any] | None = None,
    *,
    stages: frozenset[str] = ALL_STAGES,
    say: Say | None = None,
) -> RunResult:
    """Finish what a configuration asks for and the run directory lacks.

    stages: 'explain', 'score' or both. say gets the lines that a person should see. Raises
    UsageError or XaibenchError, each one line with the remedy.
    """
    if not isinstance(config, RunConfig):
        config = load_config(dict(config or {}))
    say = say or (lambda _line: None)
    started = time.monotonic()
    session = _session(config, stages)
    _announce(session, say)
    if config.dry_run:
        return _dry_run(session, stages, say, started)
    manifest = _open_directory(session, stages, say)
    from xaibench.execution.local import run_all
    from xaibench.execution.plan import plan
    from xaibench.store.index import unreadable

    works = plan(session, stages)
    with progress(sum(work.total for work in works)) as tick:
        outcome = run_all(session, works, stages, tick)
    computed = {k: v for k, v in outcome.made.items() if v or k != "failed"}
    chosen = {session.dataset.ids[place] for place in session.selection}
    failed = {
        image: reason
        for block in session.blocks(session.selection)
        for image, reason in unreadable(session.root, block).items()
        if image in chosen
    }
    seconds = time.monotonic() - started
    result = RunResult(session.root, len(chosen), computed, len(failed), seconds)
    manifest.end(counts={"images": len(chosen), "unreadable": len(failed), **computed})
    if outcome.unmapped:
        raise XaibenchError(
            f"{outcome.unmapped.total()} scores need maps that are not there "
            f"({', '.join(outcome.unmapped)}): run `xaibench explain` or `xaibench run` with the "
            "same options first."
        )
    if outcome.reasons:
        what, reason = next(iter(outcome.reasons.items()))
        more = len(outcome.reasons) - 1
        raise XaibenchError(
            f"{result.line}: {what} failed: {reason.rstrip('.')}"
            + (f", and {more} more: " if more else ": ")
            + f"see {session.root / 'failures'}, then run the same command again."
        )
    if failed and (config.strict or len(failed) == len(chosen)):
        first, reason = next(iter(failed.items()))
        raise XaibenchError(
            f"{len(failed)} images cannot be read (of {len(chosen)}), first {first}: {reason}."
        )
    return result


def run_configs(
    configs: Sequence[RunConfig], *, stages: frozenset[str] = ALL_STAGES, say: Say
) -> None:
    """Run configurations one after the other; the failures of one do not keep the next away.

    Raises UsageError at once, and in the end the first XaibenchError, with the number of others.
    """
    errors: list[XaibenchError] = []
    emptied: set[Path] = set()
    for config in configs:
        if config.directory in emptied:  # what an earlier one of these has put there stays
            config = config.model_copy(update={"overwrite": False})
        emptied.add(config.directory)
        try:
            result = run(config, stages=stages, say=say)
        except UsageError:
            raise
        except XaibenchError as error:
            errors.append(error)
            if len(configs) > 1:
                say(str(error))
        else:
            if not config.dry_run:
                say(result.line)
    if errors and len(configs) == 1:
        raise errors[0]
    if errors:
        raise XaibenchError(f"{len(errors)} of {len(configs)} configurations have failures.")


def _session(config: RunConfig, stages: frozenset[str]) -> Any:
    from xaibench.config.names import check_names

    check_names("methods", config.method)
    check_names("metrics", config.metric)
    from xaibench.ops.rows import ENOUGH
    from xaibench.stages.session import AUTO_BATCH, Session, resolve_device
    from xaibench.store.atomic import read_json

    size = config.batch_size
    if size == "auto":
        size = AUTO_BATCH[resolve_device(config.device).type]
    held = config.directory / "manifests" / "batch_size.json"
    if held.exists() and not config.overwrite:
        size = read_json(held)
    session = Session(config, max(int(size), ENOUGH))
    _ = (session.methods, session.metrics, session.device, session.targets)
    _ = (session.variations, session.selection)
    if config.boxes is None and any("boxes" in m.needs for m in session.metrics):
        raise UsageError("the pointing games need bounding boxes: give --boxes DIR.")
    if "explain" in stages:
        _check_layers(session)
    return session


def _check_layers(session: Any) -> None:
    """UsageError for a layer that does not exist, before any work.

    A role that the network has no layer for is the method's own failure where others can run.
    """
    errors = []
    for method in session.methods:
        layer = method.options.get("layer")
        try:
            if layer is not None:
                session.classifier.layer(layer)
        except UsageError as error:
            if layer not in ("cam", "iba"):
                raise
            errors.append(error)
    if errors and len(errors) == len(session.methods):
        raise errors[0]


def _announce(session: Any, say: Say) -> None:
    config = session.config
    if config.embedded:
        say(
            "embedded default: EfficientNet-Lite0 and 20 ImageNet photographs from PyPI packages "
            "(the paper: ResNet-50 and 50,000); choose with --data and --model"
        )
    asked = config.batch_size
    if asked != "auto" and int(asked) < session.batch_size:
        say(
            f"batch-size {asked}: {session.batch_size} inputs are forwarded at a time, under which "
            "the number of threads would move last bits"
        )
    if not session.dataset.labelled and not config.target:
        say(f"the images of {session.dataset.name} have no classes: explaining the predicted class")


def _open_directory(session: Any, stages: frozenset[str], say: Say) -> Any:
    from xaibench.config.declared import of_run
    from xaibench.store.atomic import read_json, write_json
    from xaibench.store.catalog import record
    from xaibench.store.clean import holdings, remove
    from xaibench.store.manifest import Manifest, claim, claim_subset, version_drift

    config, root = session.config, session.root
    held = root / "manifests" / "identity.json"
    light = "explain" not in stages and not any(m.needs for m in session.metrics)
    if light and held.exists():  # nothing needs the network: compare what can be had without
        identity = read_json(held) | session.light_identity()
    else:
        identity = session.identity()
    if config.overwrite and (root / "manifests").is_dir():
        remove(root, holdings(root))
    claim(root, identity)
    if any(variation.request for variation in session.variations):
        claim_subset(root, session.groups_of.record())
    if not (root / "manifests" / "batch_size.json").exists():
        write_json(root / "manifests" / "batch_size.json", session.batch_size)
        write_json(root / "manifests" / "protocol.json", session.protocol.model_dump(mode="json"))
    drift = version_drift(root)
    if drift:
        line = f"other versions than before: {', '.join(drift)}"
        if config.strict:
            raise XaibenchError(f"{line}; use another --out or drop --strict.")
        say(f"warning: {line}")
    record(root, of_run(session.methods, session.metrics, session.protocol.model_dump(mode="json")))
    resolved = _resolved(session)
    return Manifest(
        root,
        {
            "config": config.model_dump(mode="json"),
            "resolved": resolved,
            "resolved_sha256": digest(resolved),
            "identity": identity,
            "seed": config.seed,
            "device": _device_name(session.device),
            "batch_size": session.batch_size,
        },
    )


def _resolved(session: Any) -> dict[str, Any]:
    """Every value that decides a number: protocol, methods, metrics, targets, images."""
    images = [session.dataset.ids[place] for place in session.selection]
    return {
        "protocol": session.protocol.model_dump(mode="json"),
        "methods": {m.spec: dict(m.options) for m in session.methods},
        "normalization": {m.spec: vars(m.on_transforms) for m in session.methods},
        "metrics": {m.spec: dict(m.options) for m in session.metrics},
        "targets": session.targets,
        "transforms": {
            v.transform: dict(v.request.options) for v in session.variations if v.request
        },
        "limit": session.config.limit,
        "per_class": session.config.per_class,
        "images_sha256": digest(images),
    }


def _device_name(device: Any) -> str:
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


def _dry_run(session: Any, stages: frozenset[str], say: Say, started: float) -> RunResult:
    from xaibench.execution.plan import plan
    from xaibench.store.manifest import check_identity, check_subset

    root = session.root
    if session.config.overwrite:  # plan as if nothing were there
        session.config = session.config.model_copy(update={"out": root / "overwritten"})
    else:
        check_identity(root, session.identity())
        if any(variation.request for variation in session.variations):
            check_subset(root, session.groups_of.record())
    works = plan(session, stages)
    sums = {n: sum(getattr(w, n) for w in works) for n in ("predictions", "maps", "scores")}
    say(
        f"would write to {root}: {sums['predictions']} predictions, "
        f"{sums['maps']} maps, {sums['scores']} scores"
    )
    for method in session.methods:
        say(f"  method {method.spec}: {dict(method.options) or 'no options'}")
    for metric in session.metrics:
        say(f"  metric {metric.spec}: {dict(metric.options) or 'no options'}")
    images = len(session.selection)
    return RunResult(root, images, {}, 0, time.monotonic() - started)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar with images a second and time left: on a terminal, and after a second, only."""
    from tqdm import tqdm

    with tqdm(
        total=total, unit="img", delay=1, disable=None, file=sys.stderr, dynamic_ncols=True
    ) as bar:

        def tick(count: int, doing: str) -> None:
            bar.set_postfix_str(doing, refresh=False)
            bar.update(count)

        yield tick
