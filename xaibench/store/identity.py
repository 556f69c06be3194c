"""Whose a run directory is: nothing of another identity is written there, or read from there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from xaibench.config.files import digest
from xaibench.config.options import Options
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_object, write_json
from xaibench.store.manifest import identity_of
from xaibench.store.origin import Unsound
from xaibench.store.sound import check


def check_place(root: Path) -> None:
    """XaibenchError for a file, a folder that holds files and is no run's, and a path not UTF-8."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise XaibenchError(f"the path {str(root)!a} is not UTF-8: choose another --out.") from None
    if root.exists() and not root.is_dir():
        raise XaibenchError(f"{root} is a file: choose another --out.")
    begun = layout.is_run(root) or (root / layout.LOCK).exists()
    if root.exists() and not begun and any(root.iterdir()):
        raise XaibenchError(
            f"{root} is not a run directory and holds files: choose an empty or new --out."
        )


def known(root: Path) -> dict[str, Any]:
    """The identity that a directory says it has; empty where that is missing or damaged."""
    with suppress(XaibenchError):
        return identity_of(root)
    return {}


def claim(root: Path, identity: dict[str, Any], say: Callable[[str], None]) -> None:
    """Make the directory this identity's, or check that it already is.

    Raises XaibenchError with the difference where it belongs to another one.
    """
    check_identity(root, identity)
    if known(root):
        return
    path = layout.manifest(root, "identity")
    if layout.stored(root):
        say(f"{path} is {'damaged' if path.exists() else 'missing'}: written anew")
    write_json(path, identity)


def check_identity(root: Path, identity: dict[str, Any]) -> None:
    """XaibenchError unless the directory is new, empty or of this very identity.

    Where it does not say, its results do.
    """
    held = known(root)
    if not held:
        mine = digest(identity)
        strange = next((p for p in layout.stored(root) if _of_another(p, mine)), None)
        if strange:
            raise XaibenchError(
                f"{root} holds results of another run, as {strange}, and its "
                f"{layout.MANIFESTS}/identity.json is missing or damaged: choose another --out, or "
                "--overwrite to start it anew."
            )
        return
    differences = unlike(held, identity, "there", "asked for")
    if differences:
        raise XaibenchError(
            f"{root} holds another run ({'; '.join(differences)}): choose another --out, "
            "or --overwrite to start it anew."
        )


def unlike(held: dict[str, Any], other: dict[str, Any], there: str, here: str) -> list[str]:
    """Where two identities differ, in words; there, here: whose each of them is."""
    return [
        f"{key}: {_value(held, key)} {there}, {_value(other, key)} {here}"
        for key in sorted(held.keys() | other.keys())
        if held.get(key) != other.get(key)
    ]


def _value(identity: dict[str, Any], key: str) -> Any:
    """What an identity says; it leaves out options that have their usual value."""
    return identity.get(key, getattr(Options, key, None))


def _of_another(path: Path, run: str) -> bool:
    """Whether a file says that it is another run's; a damaged one says nothing."""
    try:
        check(path, run, whole=False)
    except Unsound as found:
        return found.kind == "foreign"
    return False


def claim_subset(root: Path, subset: dict[str, Any]) -> None:
    """Note the subset that transformed inputs' groups are of, or check that it is this one."""
    path = layout.manifest(root, "subset")
    check_subset(root, subset)
    if not path.exists():
        write_json(path, subset)


def check_subset(root: Path, subset: dict[str, Any]) -> None:
    """XaibenchError unless the run has no transformed inputs yet, or of this very subset."""
    held = read_object(layout.manifest(root, "subset"))
    if held and held.get("sha256") != subset["sha256"]:
        there, here = (
            f"{one.get('images')} images ({one.get('from')}, {str(one.get('sha256'))[:8]})"
            for one in (held, subset)
        )
        raise XaibenchError(
            f"{root} holds transformed inputs in groups of another subset: {there} there, {here} "
            "asked for. Choose another --out, or --overwrite to start it anew."
        )
