"""`--classes FILE`: what a network's classes are called, or which class each folder is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xaibench.config.files import LARGEST, read_text
from xaibench.errors import UsageError, unknown
from xaibench.published.classes import ClassNames, imagenet, named, names_of

FORM = "give a text file of one class name a line, or of FOLDER, a tab and its class"


@dataclass(frozen=True)
class Classes:
    """What a file says.

    names: of all the network's classes, in their order. folders: the class index of each folder,
    where the file says that; `names` are then the folders' own, as far as they are names.
    """

    path: Path
    names: ClassNames
    folders: Mapping[str, int] = field(default_factory=dict)

    def label(self, folder: str) -> int | None:
        """The class of a folder, or of a label in a list; None where the file has none for it."""
        if self.folders:
            return self.folders.get(folder.strip())
        found = self.names.indices(folder)
        if not found and folder.strip().isdecimal() and int(folder) < len(self.names):
            return int(folder)
        if len(found) > 1:
            self.names.find(folder, str(self.path))  # raises, and says which
        return found[0] if found else None

    def unlabelled(self, folder: str) -> UsageError:
        """The error for a folder that the file knows no class for."""
        known = self.folders or [name for names in self.names.names for name in names[:1]]
        return unknown(f"class in {self.path}", folder, known)

    def check(self, count: int, model: str) -> None:
        """UsageError where a network of so many classes cannot be the one that is meant."""
        if self.folders:
            folder, most = max(self.folders.items(), key=lambda item: item[1])
            if most >= count:
                raise UsageError(
                    f"{self.path} says that '{folder}' is class {most}, and {model} has {count}: "
                    f"classes count from 0 to {count - 1}."
                )
        elif len(self.names) != count:
            raise UsageError(
                f"{self.path} names {len(self.names)} classes and {model} has {count}: name all in "
                "their order, or write a line FOLDER, tab, CLASS for each folder of the data."
            )


def read_classes(path: Path) -> Classes:
    """A file of classes: lines that all have a tab say folders, lines that have none say names.

    After a tab stands a class index, or a name or WordNet id of ImageNet's. Raises UsageError for
    what is neither, XaibenchError where the file cannot be read.
    """
    text = read_text(path, "class names, one a line", UsageError)
    if len(text) > LARGEST:
        raise UsageError(f"{path} has {len(text):,} characters: give at most {LARGEST:,}.")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    tabs = sum("\t" in line for line in lines)
    if not lines or 0 < tabs < len(lines):
        what = f"{tabs} of {len(lines)} lines have a tab" if lines else "it is empty"
        raise UsageError(f"{path}: {what}: {FORM}.")
    if tabs:
        return _folders(path, lines)
    blank = next((number for number, line in enumerate(lines, 1) if not line.strip()), 0)
    if blank:
        raise UsageError(f"{path}: line {blank} is blank, and each line is a class: name it.")
    return Classes(path, ClassNames(named(lines)))


def _folders(path: Path, lines: list[str]) -> Classes:
    folders: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        folder, _, said = (part.strip() for part in line.partition("\t"))
        where = f"{path}, line {number}"
        if not folder or not said or "\t" in said or folder in folders:
            raise UsageError(f"{where}: {FORM}, each folder once.")
        counted = re.fullmatch(r"[0-9]{1,5}", said)
        folders[folder] = int(said) if counted else imagenet().find(said, where)
    names: list[tuple[str, ...]] = [()] * (max(folders.values()) + 1)
    for folder, index in folders.items():
        if not re.fullmatch(r"n?[0-9]+", folder):
            names[index] = (*names[index], folder)
    return Classes(path, ClassNames(tuple(names)), folders)


def network_names(count: int, said: Classes | None) -> ClassNames:
    """The names of a network's `count` classes: a file's, or ImageNet's for 1,000, or none."""
    return names_of(count, None if said is None else said.names)
