"""YAML that is small and says each thing once; what its parser does with other texts is known."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

NODES, DEPTH = 100_000, 50
"""A text may have so many values, aliases written out, one inside another so often."""


def load(text: str) -> Any:
    """The one document of a text; ValueError with the reason, one line, where it cannot be read."""
    try:
        _check_size(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from None
    except ValueError:
        raise
    except Exception as error:  # of a tag that does not fit its value: KeyError, IndexError, ...
        raise ValueError(" ".join(f"{type(error).__name__} {error}".split())[:200]) from None


class _Loader(yaml.SafeLoader):
    """Safe, and a key stands once in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands here a second time", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _check_size(text: str) -> None:
    """ValueError for too many values or too deep ones, before anything is made of them."""
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if any(anchor == name for anchor, _ in open_):
                raise ValueError(f"the alias *{name} is part of what it stands for")
            total += sizes.get(name, 0)
        total += isinstance(event, yaml.NodeEvent)
        if total > NODES or len(open_) > DEPTH:
            what = f"{NODES:,} values" if total > NODES else f"{DEPTH} levels of them"
            raise ValueError(f"it holds more than {what}, aliases counted as what they stand for")
