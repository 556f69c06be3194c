"""xaibench: saliency methods x metrics for image classifiers, beside the paper's numbers.

In memory: `evaluate`, `explain`, `score_maps`. Runs with a directory: `run`, `load_scores`,
`load_curves`, `load_maps`, `load_predictions`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xaibench.api import run
    from xaibench.core.evaluate import evaluate, explain, score_maps
    from xaibench.store.read import load_curves, load_maps, load_predictions, load_scores

__version__ = "0.1.0"
_WHERE = {
    "run": "xaibench.api",
    "evaluate": "xaibench.core.evaluate",
    "explain": "xaibench.core.evaluate",
    "score_maps": "xaibench.core.evaluate",
    "load_curves": "xaibench.store.read",
    "load_maps": "xaibench.store.read",
    "load_predictions": "xaibench.store.read",
    "load_scores": "xaibench.store.read",
}
__all__ = [
    "__version__",
    "evaluate",
    "explain",
    "load_curves",
    "load_maps",
    "load_predictions",
    "load_scores",
    "run",
    "score_maps",
]


def __getattr__(name: str) -> Any:
    """Import the Python interface only when it is used."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'xaibench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
