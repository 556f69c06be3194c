"""Before a run's first block: what is said, what is refused, and the directory's own records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xaibench.config.classes import read_classes
from xaibench.config.declared import of_run
from xaibench.config.early import check_boxes
from xaibench.config.files import digest
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution.places import check_devices
from xaibench.execution.until import asked, bounds_of
from xaibench.models.device import device_name
from xaibench.models.inference import BFLOAT16, why_slow
from xaibench.stages.labels import labelled, unnamed
from xaibench.stages.run import Run
from xaibench.stages.share import words
from xaibench.store import layout
from xaibench.store.accuracy import record_names
from xaibench.store.atomic import read_json, write_json
from xaibench.store.catalog import record
from xaibench.store.clean import holdings, remove
from xaibench.store.identity import (
    check_identity,
    check_place,
    check_subset,
    claim,
    claim_subset,
    known,
)
from xaibench.store.latest import remember
from xaibench.store.layout import SET_ASIDE
from xaibench.store.manifest import Manifest, version_drift
from xaibench.store.sources import check_files, claim_files, claim_maps

Say = Callable[[str], None]


def check(run: Run, stages: frozenset[str]) -> None:
    """UsageError for what cannot work, before any work."""
    needed = any("boxes" in metric.needs for metric in run.metrics)
    check_boxes(run.config.boxes, needed)
    if needed:
        run.boxes(())  # the folder is read
    if run.config.until and run.config.maps and len(run.subset.places) < len(run.dataset):
        raise UsageError(
            f"until stops means over all images, and {run.config.maps} has maps of "
            f"{len(run.subset.places)} of {len(run.dataset)}: drop --until, or name these with "
            "--subset."
        )
    if stages == {"explain"} and run.config.keep_maps != "keep":
        raise UsageError(
            f"maps {run.config.keep_maps}: `explain` only stores maps: use `xaibench run`."
        )
    check_devices(run)
    if "explain" in stages:
        _check_layers(run)
    elif run.config.overwrite:
        raise UsageError("--overwrite deletes the maps that are to be scored: use `xaibench run`.")


def _check_layers(run: Run) -> None:
    """UsageError for a layer that does not exist.

    A role that the network has no layer for is the method's own failure where others can run.
    """
    errors = []
    for method in run.methods:
        layer = method.options.get("layer")
        try:
            if layer is not None:
                run.classifier.layer(layer)
        except UsageError as error:
            if layer not in ("cam", "iba"):
                raise
            errors.append(error)
    if errors and len(errors) == len(run.methods):
        raise errors[0]


def _announce_few(run: Run, say: Say) -> None:
    """Say where there are fewer images than asked for."""
    limit, there = run.config.limit, len(run.subset.places)
    if limit is not None and there < limit:
        say(f"limit {limit}: there are {there} images of {run.dataset.name}, and all are taken")


def announce(run: Run, say: Say) -> None:
    """Say what the user may not expect: the defaults that took effect."""
    config = run.config
    if config.embedded and run.network is None:
        say(
            "embedded default: EfficientNet-Lite0 and 20 ImageNet photographs from PyPI packages "
            "(the paper: ResNet-50 and 50,000); choose with --data and --model"
        )
    _announce_few(run, say)
    size = config.batch_size
    if size != "auto" and int(size) < run.batch_size:
        say(
            f"batch-size {size}: {run.batch_size} inputs are forwarded at a time, under which "
            "the number of threads would move last bits"
        )
    slow = why_slow(run.device) if config.dtype == BFLOAT16 else ""
    if slow:
        say(f"dtype bfloat16 is slow here: {slow}; float32 is faster")
    if config.compile == "auto" and run.compiling[1]:
        say(f"not compiled: {run.compiling[1]}")
    if config.part is not None:
        say(words(run))
    if config.maps is not None:
        say(f"maps of {len(run.subset.places)} of the {len(run.dataset)} images in {config.maps}")
    if config.until is not None:
        free = [metric for metric, bounds in bounds_of(run).items() if bounds is None]
        if free:
            say(f"until {config.until:g}: without bounds, so on all images: {', '.join(free)}")
    if not run.dataset.labelled and not config.target:
        say(
            f"the images of {run.dataset.name} have no classes{unnamed(run.dataset)}: explaining "
            "the predicted class"
        )


def say_unsound(unsound: Mapping[Path, str], root: Path, say: Say) -> None:
    """Say which files no number is made from, and what becomes of them."""
    for kind in dict.fromkeys(unsound.values()):
        paths = [path for path, of in unsound.items() if of == kind]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        say(f"{kind}: {paths[0]}{more}; set aside in {root / SET_ASIDE}, computed anew")


def stale_line(stale: Mapping[str, int]) -> str:
    """Say what other code made and is computed again."""
    listed = ", ".join(f"{count} of {name}" for name, count in stale.items() if count)
    return f"stale, since what made them has changed: {listed}; computed anew (--keep-stale keeps)"


def check_directory(run: Run) -> None:
    """XaibenchError where the directory belongs to another run."""
    check_place(run.root)
    check_identity(run.root, run.identity())
    check_files(run.root, run.config.files)
    if run.transformed:
        check_subset(run.root, run.subset.record())


def open_directory(run: Run, stages: frozenset[str], say: Say) -> Manifest:
    """Make the directory this run's, or check that it is, and begin this process's record."""
    config, root = run.config, run.root
    held = known(root)
    light = "explain" not in stages and not any(m.needs for m in run.metrics)
    fits: dict[str, Any] = {}
    if light and held:  # nothing needs the network: compare what can be had without
        identity = held | run.light_identity()
    else:
        identity = run.identity()
        fits = {"labelled": labelled(run.classifier, run.dataset, config.classes is not None)}
    if config.overwrite:
        _empty(root, say)
    claim(root, identity, say)
    claim_files(root, config.files)
    if config.classes is not None:
        record_names(root, read_classes(config.classes).names)
    for entry in (method.entry for method in run.methods if "content" in method.entry.metadata):
        claim_maps(root, entry.key, Path(entry.source), str(entry.metadata["content"]))
    if run.transformed:
        claim_subset(root, run.subset.record())
    for kind, value in (
        ("batch_size", run.batch_size),
        ("protocol", run.protocol.model_dump(mode="json")),
    ):
        _record(layout.manifest(root, kind), value)
    drift = version_drift(root)
    if drift:
        line = f"other versions than before: {', '.join(drift)}"
        if config.strict:
            raise XaibenchError(f"{line}; use another --out or drop --strict.")
        say(f"warning: {line}")
    record(root, of_run(run.methods, run.metrics, run.protocol.model_dump(mode="json")))
    resolved = _resolved(run)
    remember(root)
    return Manifest(
        root,
        {
            "config": config.model_dump(mode="json"),
            "resolved": resolved,
            "resolved_sha256": digest(resolved),
            "identity": identity,
            "seed": config.seed,
            "device": device_name(run.device),
            "batch_size": run.batch_size,
            **fits,
            **({} if config.until is None else {"until": asked(run)}),
        },
    )


def _record(path: Path, value: Any) -> None:
    """Have a record of the directory say this, as the identity and earlier processes do."""
    try:
        same = read_json(path) == value
    except XaibenchError:
        same = False
    if not same:
        write_json(path, value)


def _empty(root: Path, say: Say) -> None:
    """Delete all that runs put into a directory; what else lies there is named."""
    remove(root, holdings(root))
    left = sorted(p for p in root.rglob("*") if p.is_file() and not layout.ours(root, p))
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        say(f"left alone, since no run made it: {left[0]}{more}")


def _resolved(run: Run) -> dict[str, Any]:
    """Every value that decides a number: protocol, methods, metrics, targets, images."""
    return {
        "protocol": run.protocol.model_dump(mode="json"),
        "methods": {m.spec: dict(m.options) for m in run.methods},
        "normalization": {m.spec: vars(m.on_transforms) for m in run.methods},
        "metrics": {m.spec: dict(m.options) for m in run.metrics},
        "targets": run.targets,
        "transforms": {v.transform: dict(v.request.options) for v in run.variations if v.request},
        "limit": run.config.limit,
        "per_class": run.config.per_class,
        "images_sha256": digest(list(run.ids(run.selection))),
    }
