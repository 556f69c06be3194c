"""Specs such as `rise(n_masks=2000)`: parsed as literals, written back in one canonical form.

A name may be a function of the user's file, `file:PATH.py:NAME(option=value)`, and stays as it is.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from xaibench.config.words import check_text
from xaibench.errors import UsageError, fold
from xaibench.registry.files import FILE

WORDS = {"true": True, "false": False, "none": None}


def split(text: str) -> list[str]:
    """Split a comma list at its top level: `a,b(x=1,y=2)` -> [`a`, `b(x=1,y=2)`]."""
    commas, _ = _scan(text)
    ends = zip([0, *(comma + 1 for comma in commas)], [*commas, len(text)], strict=True)
    return [part for start, end in ends if (part := text[start:end].strip())]


def _scan(text: str) -> tuple[list[int], int]:
    """Where the commas are that separate specs, and how many brackets stay open."""
    commas, depth, quote, skip = [], 0, "", _file_ends(text, 0)
    for i, char in enumerate(text):
        if i < skip:
            continue
        if quote:
            skip = i + 2 if char == "\\" else skip
            quote = "" if char == quote else quote
        elif depth > 0 and char in "'\"":
            quote = char
        elif char == "," and depth == 0:
            commas.append(i)
            skip = _file_ends(text, i + 1)
        else:
            depth += (char in "([{") - (char in ")]}")
    return commas, depth


def _file_ends(text: str, start: int) -> int:
    """Where the file and function that a spec begins with end: a path may hold anything."""
    found = FILE.match(text, start)
    return found.end() if found else start


def split_all(texts: Iterable[str]) -> list[str]:
    """Split several comma lists, keeping the first of equal entries."""
    pieces: list[str] = []
    for text in texts:  # an environment variable arrives split at its spaces
        check_text("a list of specs", text)
        if pieces and _open(pieces[-1]):
            pieces[-1] += f" {text}"
        else:
            pieces.append(text)
    return list(dict.fromkeys(part for text in pieces for part in split(text)))


def _open(text: str) -> bool:
    last = (split(text) or [""])[-1]
    if last[_file_ends(last, 0) :].startswith("file:"):  # no function yet
        return True
    return _scan(text)[1] > 0


def key_of(spec: str) -> str:
    """A stored spec without its values: `rise(n_masks=2)` -> `rise`; a path may hold brackets."""
    end = _file_ends(spec, 0)
    return spec[:end] + spec[end:].partition("(")[0]


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """`rise(n_masks=2000)` -> ('rise', {'n_masks': 2000}); bare words count as strings.

    Raises UsageError where the text is not of that form.
    """
    check_text("a spec", text)
    text = text.strip()
    end = _file_ends(text, 0)
    name, bracket, rest = text[end:].partition("(")
    if text.startswith("file:"):
        name = text[:end] + name.rstrip()
    else:
        name = fold(name)
    if not bracket:
        return name, {}
    shown = " ".join(text.split())
    help_line = f"cannot read '{shown}': write it as name(option=value, ...)."
    try:
        call = ast.parse(f"f({_quoted(rest)}", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two: too deep
        raise UsageError(help_line) from None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
        raise UsageError(help_line)
    values = {fold(str(k.arg)): _literal(k.value, help_line) for k in call.keywords if k.arg}
    if len(values) < len(call.keywords):
        raise UsageError(help_line)
    return name, values


def _quoted(rest: str) -> str:
    """The text with layer names such as layer4.2 quoted, unless it has quotes already."""
    if "'" in rest or '"' in rest:
        return rest
    return re.sub(r"=\s*([A-Za-z_]\w*(?:\.\w+)+)\s*(?=[,)])", r"='\1'", rest)


def _literal(node: ast.expr, help_line: str) -> Any:
    if isinstance(node, ast.Name):
        return WORDS.get(node.id.lower(), node.id)
    try:
        value = ast.literal_eval(node)
        if _kept(value):
            return value
    except (ValueError, TypeError, MemoryError, RecursionError):
        pass
    raise UsageError(help_line)


def _kept(value: Any) -> bool:
    """Whether JSON can hold a value and its spec gives it back: no infinity, bytes or sets."""
    if isinstance(value, (list, tuple)):
        return all(map(_kept, value))
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(map(_kept, value.values()))
    return type(value) in (str, int, bool, type(None)) or (
        type(value) is float and math.isfinite(value)
    )


def canonical(name: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The spec with only the values that differ from the defaults, sorted by option."""
    changed = {k: v for k, v in sorted(values.items()) if k not in defaults or defaults[k] != v}
    inside = ",".join(f"{k}={v!r}" for k, v in changed.items())
    return f"{name}({inside})" if changed else name
