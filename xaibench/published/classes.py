"""Names of classes: ImageNet's, or those of a network of one's own.

`imagenet_names.txt` has ImageNet's 1,000 classes in the order of their indices, one a line with all
its names, the usual one first: WordNet 3.0's words (Princeton University) as timm lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

from xaibench.errors import UsageError, unknown
from xaibench.published import imagenet_wnids

_SHOWN = 5


def plain(name: str) -> str:
    """A name as it is compared: case, `_`, `-` and the width of spaces do not matter."""
    return " ".join(re.sub(r"[_-]", " ", name.lower()).split())


@dataclass(frozen=True)
class ClassNames:
    """The names of a network's classes. names: of each index, the usual one first; may be none.

    ids: another name of each, which is found and not shown (WordNet ids).
    """

    names: tuple[tuple[str, ...], ...]
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _found(self) -> tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[int]]]:
        """Indices by any name, and by the usual one alone."""
        every: dict[str, list[int]] = {}
        usual: dict[str, list[int]] = {}
        for index, names in enumerate(self.names):
            listed = [*names, ", ".join(names), *self.ids[index : index + 1]]
            for name in dict.fromkeys(map(plain, listed)):
                every.setdefault(name, []).append(index)
            for name in names[:1]:
                usual.setdefault(plain(name), []).append(index)
        return every, usual

    def label(self, index: int) -> str:
        """What a class is called: its usual name, with its index where others have that too."""
        names = self.names[index] if 0 <= index < len(self.names) else ()
        if not names:
            return f"class {index}"
        return f"{names[0]} ({index})" if len(self._found[1][plain(names[0])]) > 1 else names[0]

    def indices(self, name: str) -> Sequence[int]:
        """The classes of that name: those that are usually called so, else all that may be."""
        every, usual = self._found
        return usual.get(plain(name)) or every.get(plain(name), ())

    def find(self, text: str, whose: str) -> int:
        """The class that a text names, or counts from 0; UsageError where there is not just one.

        whose: the network or the file that the classes are of, for the error.
        """
        if re.fullmatch(r"[0-9]{1,9}", text.strip()) and not self.indices(text):
            if int(text) < len(self.names):
                return int(text)
            last = len(self.names) - 1
            raise UsageError(f"class {text}: those of {whose} are 0 to {last}.")
        found = self.indices(text)
        if len(found) > 1:
            listed = ", ".join(f"{i} ({', '.join(self.names[i])})" for i in found[:_SHOWN])
            raise UsageError(
                f"'{text}' names {len(found)} classes of {whose}: give the index: {listed}."
            )
        word = plain(text)
        holding = [names[0] for names in self.names if any(word in plain(n).split() for n in names)]
        if not found and holding:
            more = f" and {len(holding) - _SHOWN} more" * (len(holding) > _SHOWN)
            raise UsageError(
                f"'{text}' is no class of {whose}; those with that word: "
                f"{', '.join(holding[:_SHOWN])}{more}."
            )
        if not found:
            known = dict.fromkeys(name for names in self.names for name in names)
            raise unknown(f"class of {whose}", text, known)
        return found[0]


def named(lines: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names as a user wrote them, one class a line; what stands between commas names it too."""
    wholes = (" ".join(line.split()) for line in lines)
    return tuple(tuple(dict.fromkeys([w, *p])) for w, (p,) in ((w, parsed([w])) for w in wholes))


def parsed(lines: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names of classes, one class a line, several names between commas."""
    return tuple(tuple(filter(None, map(str.strip, line.split(",")))) for line in lines)


@cache
def imagenet() -> ClassNames:
    """The names of ImageNet's 1,000 classes; they are found by their WordNet ids too."""
    text = (files("xaibench.published") / "imagenet_names.txt").read_text(encoding="utf-8")
    return ClassNames(parsed(text.splitlines()), imagenet_wnids())


def names_of(count: int, own: ClassNames | None = None) -> ClassNames:
    """The names of a network's `count` classes (0: not known).

    Its own; ImageNet's for 1,000 of which `own` does not name all; else only indices.
    """
    if own is not None and (len(own) == count or not count) and all(own.names):
        return own
    if count == len(imagenet()):
        return imagenet()
    names = own.names if own else ()
    return ClassNames((*names, *((),) * (count - len(names))))
