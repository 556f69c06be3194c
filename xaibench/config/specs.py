"""Specs such as `rise(n_masks=2000)`: parsed as literals, written back in one canonical form."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Any

from xaibench.errors import UsageError, fold

WORDS = {"true": True, "false": False, "none": None}


def split(text: str) -> list[str]:
    """Split a comma list at its top level: `a,b(x=1,y=2)` -> [`a`, `b(x=1,y=2)`]."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def split_all(texts: Iterable[str]) -> list[str]:
    """Split several comma lists, keeping the first of equal entries."""
    pieces: list[str] = []
    for text in texts:  # an environment variable arrives split at its spaces
        if pieces and _open(pieces[-1]):
            pieces[-1] += f" {text}"
        else:
            pieces.append(text)
    return list(dict.fromkeys(part for text in pieces for part in split(text)))


def _open(text: str) -> bool:
    return sum(text.count(c) for c in "([{") > sum(text.count(c) for c in ")]}")


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """`rise(n_masks=2000)` -> ('rise', {'n_masks': 2000}); bare words count as strings.

    Raises UsageError where the text is not of that form.
    """
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return fold(name), {}
    help_line = f"cannot read '{text}': write it as name(option=value, ...)."
    try:
        call = ast.parse(f"f({_quoted(rest)}", mode="eval").body
    except SyntaxError:
        raise UsageError(help_line) from None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
        raise UsageError(help_line)
    values = {fold(str(k.arg)): _literal(k.value, help_line) for k in call.keywords if k.arg}
    if len(values) < len(call.keywords):
        raise UsageError(help_line)
    return fold(name), values


def _quoted(rest: str) -> str:
    """The text with layer names such as layer4.2 quoted, unless it has quotes already."""
    if "'" in rest or '"' in rest:
        return rest
    return re.sub(r"=\s*([A-Za-z_]\w*(?:\.\w+)+)\s*(?=[,)])", r"='\1'", rest)


def _literal(node: ast.expr, help_line: str) -> Any:
    if isinstance(node, ast.Name):
        return WORDS.get(node.id.lower(), node.id)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise UsageError(help_line) from None


def canonical(name: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The spec with only the values that differ from the defaults, sorted by option."""
    changed = {k: v for k, v in sorted(values.items()) if k not in defaults or defaults[k] != v}
    inside = ",".join(f"{k}={v!r}" for k, v in changed.items())
    return f"{name}({inside})" if changed else name
