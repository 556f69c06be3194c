"""A generator per (seed, image, purpose), so that no draw depends on batch, order or workers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, image: str, purpose: str) -> int:
    """A 63-bit seed from SHA-256 of the three parts."""
    digest = hashlib.sha256(f"{seed}\x1f{image}\x1f{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, image: str, purpose: str) -> torch.Generator:
    """A CPU generator; draws are made on the CPU so that every device sees the same ones."""
    import torch

    return torch.Generator().manual_seed(derive(seed, image, purpose))
