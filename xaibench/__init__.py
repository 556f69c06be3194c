"""xaibench: saliency methods x metrics for image classifiers, beside the paper's numbers."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_maps", "load_predictions", "load_scores", "run"]


def __getattr__(name: str) -> Any:
    """Import the Python interface only when it is used."""
    if name == "run":
        from xaibench.api import run

        return run
    if name in ("load_maps", "load_predictions", "load_scores"):
        from xaibench.store import read

        return getattr(read, name)
    raise AttributeError(f"module 'xaibench' has no attribute '{name}'")
