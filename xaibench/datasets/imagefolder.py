"""A folder of images, in subfolders named by class where there are classes."""

from __future__ import annotations

from pathlib import Path

from xaibench.config.classes import Classes
from xaibench.datasets import ilsvrc
from xaibench.datasets.base import Dataset, files_below
from xaibench.errors import XaibenchError
from xaibench.published import imagenet_wnids
from xaibench.published.classes import imagenet
from xaibench.registry import dataset


@dataset(order=90, classes=True)
def imagefolder(source: str, classes: Classes | None = None) -> Dataset:
    """PATH: images in subfolders named by WordNet id, class index or class name, or in none.

    Class folders may also lie in PATH/val, where torchvision unpacks ImageNet. Images are in the
    order of their official numbers, as in the other layouts, or else of their paths. Names are
    ImageNet's where all folders have one; classes: what the folders are called in its place.
    """
    root = Path(source)
    inside = class_folders(root)
    start = f"{inside}/" if inside else ""
    paths = files_below(root / inside if inside else root)
    ids = [f"{start}{paths[i]}" for i in ilsvrc.in_order(paths)]
    folders = [_first_folder(name.removeprefix(start)) for name in ids]
    if classes is not None and any(folders):
        labels = _labels(folders, ids, classes)
    else:
        labels = _imagenet(folders, ids, root)
    name = ilsvrc.dataset_name(root, ids, labels)
    return Dataset(name, root, tuple(ids), tuple(labels))


def _labels(folders: list[str], ids: list[str], classes: Classes) -> list[int]:
    """The classes that a file says. Raises UsageError for a folder that it does not know."""
    known = {folder: classes.label(folder) for folder in dict.fromkeys(folders)}
    for folder, name in zip(folders, ids, strict=True):
        if known[folder] is None:
            raise classes.unlabelled(folder or name)
    return [known[folder] or 0 for folder in folders]


def _imagenet(folders: list[str], ids: list[str], root: Path) -> list[int]:
    """ImageNet's classes by WordNet id or index, or by name where all folders have one; else -1.

    Raises XaibenchError where some have one, and for a WordNet id of no class.
    """
    classes = {wnid: index for index, wnid in enumerate(imagenet_wnids())}
    classes |= {str(index): index for index in range(len(classes))}
    different = dict.fromkeys(folders)
    if not all(folder in classes for folder in different):
        named = {folder: imagenet().indices(folder) for folder in different}
        if all(named.values()):
            classes = {f: imagenet().find(f, "ImageNet") for f in different}
    labels = [classes.get(folder, -1) for folder in folders]
    if all(ilsvrc.is_wnid(folder) for folder in different):
        for folder in different:
            ilsvrc.class_index(folder, f"the folders of {root}")
    without = [name for name, label in zip(ids, labels, strict=True) if label < 0]
    if without and len(without) < len(ids):
        raise XaibenchError(
            f"{len(without)} of {len(ids)} images in {root} are in no folder named by an ImageNet "
            f"class (first: {without[0]}): move them into one, or out of {root}."
        )
    return labels


def _first_folder(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


def class_folders(root: Path) -> str | None:
    """'val' where a folder keeps its class folders there and has none itself."""
    if not (root / "val").is_dir() or has_classes(root):
        return None
    return "val" if has_classes(root / "val") else None


def has_classes(folder: Path) -> bool:
    """Whether a folder has subfolders named by WordNet id."""
    return any(ilsvrc.is_wnid(path.name) for path in folder.iterdir() if path.is_dir())
