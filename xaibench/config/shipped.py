"""Where the shipped configurations and protocols lie."""

from __future__ import annotations

from pathlib import Path


def configs_dir() -> Path:
    """The folder of shipped configurations: in the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parents[1] / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


def config_files() -> dict[str, Path]:
    """The shipped configurations by name."""
    return {p.stem: p for p in sorted(configs_dir().glob("*.yaml"))}


def protocol_files() -> dict[str, Path]:
    """The shipped protocols by name."""
    return {p.stem: p for p in sorted((configs_dir() / "protocols").glob("*.yaml"))}
