"""The shards of a dataset that comes in several files."""

from __future__ import annotations

import re
from pathlib import Path

from xaibench.datasets.base import is_image, walk
from xaibench.datasets.ilsvrc import is_wnid
from xaibench.errors import XaibenchError

_DEPTH = 3
_COUNTED = re.compile(r"(.*?)(\d{5})-of-(\d{5})(.*)")
_VALIDATION = re.compile(r"(^|[^a-z])val(id|idation)?([^a-z]|$)", re.IGNORECASE)


def find(source: Path, suffix: str) -> list[Path]:
    """The file itself, or those with a suffix up to three folders below, sorted by path.

    None where images lie in the folder as files. Where some shards are named as a validation
    split, only these. Folders named by class are not looked into. Raises XaibenchError where
    shards are numbered 00000-of-00014 and some are missing.
    """
    if source.is_file():
        return [source] if source.suffix == suffix else []
    if not source.is_dir():
        return []
    paths = []
    for folder, inner, names in walk(source):
        if folder == str(source) and any(map(is_image, names)):
            return []
        depth = len(Path(folder).relative_to(source).parts)
        inner[:] = [i for i in inner if depth < _DEPTH and not is_wnid(i) and i[:1] != "."]
        paths += [Path(folder) / n for n in names if n.endswith(suffix) and n[:1] != "."]
    for path in paths:
        if not path.is_file():
            raise XaibenchError(f"{path} is no regular file: take it out of {source}.")
    paths.sort(key=lambda path: path.relative_to(source).as_posix())
    chosen = [p for p in paths if _VALIDATION.search(p.relative_to(source).as_posix())]
    _check_complete(chosen or paths)
    return chosen or paths


def _check_complete(paths: list[Path]) -> None:
    held: dict[tuple[Path, str, str, str], set[int]] = {}
    for path in paths:
        match = _COUNTED.fullmatch(path.name)
        if match:
            key = (path.parent, match[1], match[3], match[4])
            held.setdefault(key, set()).add(int(match[2]))
    for (folder, start, total, end), numbers in held.items():
        lacking = [i for i in range(int(total)) if i not in numbers]
        if lacking:
            first = f"{start}{lacking[0]:05d}-of-{total}{end}"
            raise XaibenchError(
                f"{len(numbers)} of {int(total)} shards are in {folder} (first missing: {first}): "
                "complete the copy."
            )
