"""WebDataset shards: tar files in which an image and its label share a key."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xaibench.datasets import ilsvrc, shards, tars
from xaibench.datasets.base import SUFFIXES, Dataset
from xaibench.datasets.blobs import Span
from xaibench.errors import XaibenchError
from xaibench.registry import dataset

LABELS = ("cls", "json")
LONGEST = 1 << 20  # bytes of a label with all that JSON may say beside it
Groups = dict[str, dict[str, Span]]
FIELDS = ("label", "cls", "class", "class_index", "wnid", "synset")


@dataset(order=30)
def webdataset(source: str) -> Dataset | None:
    """PATH with *.tar of KEY.jpg (.jpeg, .png, ...) and KEY.cls or KEY.json: read by offset.

    Ids are `<shard>/<key>`, in the order of ImageNet's numbers where all keys have them, else as
    stored. None where the first tar has no such pairs.
    """
    root = Path(source)
    files = [p for p in shards.find(root, ".tar") if not p.name.startswith("ILSVRC2012_img_")]
    first = _grouped(tars.index(files[0])) if files else {}
    if not any(_image(parts) and parts.keys() & set(LABELS) for parts in first.values()):
        return None
    folder = root if root.is_dir() else root.parent
    later = ((path, _grouped(tars.index(path))) for path in files[1:])
    groups = itertools.chain([(files[0], first)], later)
    samples = [sample for path, keys in groups for sample in _samples(path, keys, folder)]
    samples = [samples[i] for i in ilsvrc.in_order([s.id for s in samples])]
    ids = tuple(sample.id for sample in samples)
    labels = ilsvrc.class_indices((s.label for s in samples), str(root))
    name = ilsvrc.dataset_name(folder, ids, labels)
    return Dataset(name, folder, ids, labels, tuple(sample.image for sample in samples))


@dataclass(frozen=True)
class _Sample:
    id: str
    image: Span
    label: str


def _grouped(members: dict[str, Span]) -> Groups:
    """Members by key, which ends at the first dot of the file's name, and lower-case extension."""
    groups: Groups = {}
    for name, span in members.items():
        folder, slash, base = name.rpartition("/")
        key, _, extension = base.partition(".")
        parts = groups.setdefault(f"{folder}{slash}{key}", {})
        if parts.setdefault(extension.lower(), span) is not span:
            raise XaibenchError(f"{key}.{extension} comes twice in {span.path}: repair it.")
    return groups


def _image(parts: dict[str, Span]) -> Span | None:
    found = [(end, span) for end, span in parts.items() if f".{end}" in SUFFIXES]
    if len({span for _, span in found}) > 1:
        which = " and ".join(f".{end}" for end, _ in found)
        raise XaibenchError(f"a key in {found[0][1].path} has two images ({which}): keep one.")
    return found[0][1] if found else None


def _samples(path: Path, keys: Groups, folder: Path) -> Iterator[_Sample]:
    shard = path.relative_to(folder).with_suffix("").as_posix()
    for key, parts in keys.items():
        image = _image(parts)
        if image is None:
            continue  # a shard may carry other files
        kind = next((end for end in LABELS if end in parts), None)
        if kind is None:
            raise XaibenchError(
                f"{key} in {path} has no label ({' or '.join('.' + end for end in LABELS)}): "
                "give shards in which each image has one."
            )
        where = f"{key}.{kind} in {path}"
        if parts[kind].size > LONGEST:
            raise XaibenchError(f"{where} is no label: it has {parts[kind].size:,} bytes.")
        text = parts[kind].open().read().decode(errors="replace")
        yield _Sample(f"{shard}/{key}", image, _label(text, kind, where))


def _label(text: str, kind: str, where: str) -> str:
    if kind == "cls":
        return text.strip()
    try:
        held = json.loads(text)
        label = next(held[field] for field in FIELDS if field in held)
    except (ValueError, TypeError, StopIteration, RecursionError):
        raise XaibenchError(f"{where} has no label: one of {', '.join(FIELDS)}.") from None
    return str(label)
