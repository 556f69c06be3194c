"""Small trees of real photographs in the layouts in which people have ImageNet."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from xaibench.published import imagenet_wnids

WNIDS = imagenet_wnids()
IDENTITIES = random.Random(0).sample(range(1, 1001), 1000)  # the devkit's are in no order either


@dataclass(frozen=True)
class Photo:
    """An encoded photograph and its class index."""

    data: bytes
    label: int

    @property
    def wnid(self) -> str:
        return WNIDS[self.label]


def official(place: int) -> str:
    """The name that a photograph gets: numbers from 1."""
    return f"ILSVRC2012_val_{place + 1:08d}.JPEG"


def pack(path: Path, members: Sequence[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of these members in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return path


@cache
def meta_mat(wnids: tuple[str, ...] = WNIDS) -> bytes:
    """A meta.mat with the devkit's fields: classes in no order, then synsets that have children."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"]
    fields += ["wordnet_height", "num_train_images"]
    rows = [
        (IDENTITIES[i], wnid, f"thing {i}, other name", "a gloss", 0, np.zeros((1, 0)), 0, 1300)
        for i, wnid in enumerate(wnids)
    ]
    inner = np.array([[1.0, 2.0]])
    rows += [(1001 + i, f"n0000{i:04d}", "entity", "gloss", 2, inner, 9, 0) for i in range(5)]
    synsets = np.zeros((len(rows), 1), dtype=[(field, object) for field in fields])
    for place, row in enumerate(rows):
        synsets[place, 0] = row
    file = io.BytesIO()
    savemat(file, {"synsets": synsets})
    return file.getvalue()


def ground_truth(labels: Sequence[int]) -> bytes:
    """The devkit's list: one ILSVRC2012 ID a line."""
    return "".join(f"{IDENTITIES[label]}\n" for label in labels).encode()


def devkit(folder: Path, labels: Sequence[int]) -> Path:
    """ILSVRC2012_devkit_t12.tar.gz in a folder."""
    top = "ILSVRC2012_devkit_t12"
    members = [
        (f"{top}/readme.txt", b"ImageNet"),
        (f"{top}/data/meta.mat", meta_mat()),
        (f"{top}/data/ILSVRC2012_validation_ground_truth.txt", ground_truth(labels)),
    ]
    return pack(folder / f"{top}.tar.gz", members, "w:gz")


def archive(root: Path, photos: Sequence[Photo]) -> Path:
    """torchvision's: the archive (in another order than its names') and the devkit."""
    named = [(official(i), photo.data) for i, photo in enumerate(photos)]
    pack(root / "ILSVRC2012_img_val.tar", named[::-1])
    devkit(root, [photo.label for photo in photos])
    return root


def extracted(root: Path, photos: Sequence[Photo]) -> Path:
    """torchvision's after unpacking: val/<wnid>/*.JPEG, and a training folder beside it."""
    wnid_folders(root / "val", photos)
    (root / "train" / WNIDS[0]).mkdir(parents=True)
    (root / "train" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").write_bytes(photos[0].data)
    return root


def wnid_folders(root: Path, photos: Sequence[Photo]) -> Path:
    for place, photo in enumerate(photos):
        folder = root / photo.wnid
        folder.mkdir(parents=True, exist_ok=True)
        (folder / official(place)).write_bytes(photo.data)
    return root


def bare(root: Path, photos: Sequence[Photo]) -> Path:
    """A flat folder without labels."""
    root.mkdir(parents=True, exist_ok=True)
    for place, photo in enumerate(photos):
        (root / official(place)).write_bytes(photo.data)
    return root


def flat_csv(root: Path, photos: Sequence[Photo]) -> Path:
    rows = [f"{official(i)},{photo.label}\n" for i, photo in enumerate(photos)]
    bare(root, photos)
    (root / "labels.csv").write_text("name,label\n" + "".join(rows))
    return root


def flat_kaggle(root: Path, photos: Sequence[Photo]) -> Path:
    """Names without suffix, and boxes behind the WordNet id; beside the folder."""
    rows = [f"{Path(official(i)).stem},{p.wnid} 1 2 300 400 " for i, p in enumerate(photos)]
    bare(root / "val", photos)
    text = "\n".join(["ImageId,PredictionString", *rows[::-1]])
    (root / "LOC_val_solution.csv").write_text(text)
    return root / "val"


def flat_caffe(root: Path, photos: Sequence[Photo]) -> Path:
    bare(root, photos)
    rows = [f"{official(i)} {photo.label}\n" for i, photo in enumerate(photos)]
    (root / "val.txt").write_text("".join(rows))
    return root


def flat_devkit(root: Path, photos: Sequence[Photo]) -> Path:
    """The unpacked devkit beside the folder."""
    bare(root / "images", photos)
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    (data / "meta.mat").write_bytes(meta_mat())
    labels = [photo.label for photo in photos]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_bytes(ground_truth(labels))
    return root / "images"


def features(names: Sequence[str] | None) -> dict[str, str]:
    """Schema metadata as the datasets library writes it."""
    label = {"names": list(names), "_type": "ClassLabel"} if names else {"dtype": "int64"}
    held = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    return {"huggingface": json.dumps(held)}


def hub_shard(
    path: Path, rows: Sequence[tuple[bytes, str | None, object]], names: Sequence[str] | None = None
) -> None:
    """One Parquet file, three rows a row group."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = [
        pa.array([{"bytes": data, "path": name} for data, name, _ in rows], image),
        pa.array([label for *_, label in rows]),
    ]
    table = pa.table(dict(zip(("image", "label"), columns, strict=True)))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(features(names)), path, row_group_size=3)


def hub(root: Path, photos: Sequence[Photo]) -> Path:
    """Two validation shards with Hugging Face's names, and a training shard that is not wanted."""
    named = [
        (p.data, f"{Path(official(i)).stem}_{p.wnid}.JPEG", p.label) for i, p in enumerate(photos)
    ]
    half = len(named) // 2
    for place, rows in enumerate((named[:half], named[half:])):
        hub_shard(root / "data" / f"validation-{place:05d}-of-00002.parquet", rows)
    hub_shard(root / "data" / "train-00000-of-00001.parquet", named[:1])
    return root


def web(root: Path, photos: Sequence[Photo]) -> Path:
    """Two shards, one with .cls and one with .json, the later images first."""
    half = len(photos) // 2
    members: list[list[tuple[str, bytes]]] = [[], []]
    for place, photo in enumerate(photos):
        key = Path(official(place)).stem
        if place < half:
            members[1] += [(f"{key}.cls", f"{photo.label}\n".encode()), (f"{key}.JPEG", photo.data)]
        else:
            about = {"label": photo.label, "width": 3}
            members[0] += [(f"{key}.jpg", photo.data), (f"{key}.json", json.dumps(about).encode())]
    for place, part in enumerate(members):
        pack(root / f"imagenet-val-{place:06d}.tar", part)
    return root


LAYOUTS: dict[str, Callable[[Path, Sequence[Photo]], Path]] = {
    "archive": archive,
    "extracted": extracted,
    "wnid_folders": wnid_folders,
    "flat_csv": flat_csv,
    "flat_kaggle": flat_kaggle,
    "flat_caffe": flat_caffe,
    "flat_devkit": flat_devkit,
    "hub": hub,
    "web": web,
}
