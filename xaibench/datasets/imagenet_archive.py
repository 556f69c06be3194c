"""ImageNet's validation archive with the development kit, as torchvision wants them."""

from __future__ import annotations

from pathlib import Path

from xaibench.datasets import devkit, ilsvrc, tars
from xaibench.datasets.base import Dataset, is_image
from xaibench.datasets.imagefolder import class_folders
from xaibench.errors import XaibenchError
from xaibench.registry import dataset

ARCHIVE = "ILSVRC2012_img_val.tar"


@dataset(order=10)
def imagenet_archive(source: str) -> Dataset | None:
    """PATH with ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz: read without unpacking.

    Ids are the archive's names, in the order of their numbers. None where there is no such
    archive, or only unpacked images have labels.
    """
    path = Path(source)
    archive = path if path.name == ARCHIVE else path / ARCHIVE
    if not archive.is_file():
        return None
    root = archive.parent
    truth = devkit.find(root)
    if truth is None:
        if class_folders(root):
            return None
        raise XaibenchError(f"{archive} is there, but not its labels: {devkit.REMEDY}.")
    spans = {n: s for n, s in tars.index(archive).items() if is_image(n)}
    names = list(spans)
    order, labels = numbered(names, truth, archive)
    ids = [names[i] for i in order]
    name = ilsvrc.dataset_name(root, ids, labels)
    return Dataset(name, root, tuple(ids), labels, tuple(spans[i] for i in ids))


def numbered(
    names: list[str], truth: devkit.Truth, where: Path
) -> tuple[list[int], tuple[int, ...]]:
    """Places of the images in the order of their numbers, and their labels.

    Raises XaibenchError unless there is just one image for each line of the ground truth.
    """
    indices: dict[int, int] = {}
    for index, name in enumerate(names):
        known = ilsvrc.number(name)
        if known is None or known in indices or not 1 <= known <= len(truth.labels):
            again = f"; its number comes twice in {where}" if known in indices else ""
            raise XaibenchError(
                f"{name} in {where} has no line in {truth.source.name}, which names "
                f"{len(truth.labels):,} images{again}: take it out, or give the whole devkit."
            )
        indices[known] = index
    if len(indices) < len(truth.labels):
        first = next(i for i in range(1, len(truth.labels) + 1) if i not in indices)
        raise XaibenchError(
            f"{len(indices):,} of {len(truth.labels):,} images are in {where} (first missing: "
            f"{ilsvrc.official(first)}, says {truth.source.name}): copy or download it again; to "
            "use fewer, keep all and say which with --subset or --limit."
        )
    return [indices[i] for i in sorted(indices)], truth.labels
