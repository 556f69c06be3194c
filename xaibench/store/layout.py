"""Where everything lies in a run directory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

MANIFESTS = "manifests"
MAPS = ".safetensors"
TABLE = ".parquet"
FAILED = "failed-"
"""Before the name of a file with rows of scores that failed."""
TEMPORARY = ".tmp-"
"""Before the name of a file that is being written."""
LOCK, HOLDER = ".lock", ".lock.json"
SHARED, PREPARE = f"{LOCK}-shared", f"{LOCK}-prepare"
"""Held for a moment by who changes what shards share, and by who prepares a method's state."""
LONGEST = 200
"""Bytes of a file's name that every file system takes, with room for what is being written."""
SET_ASIDE = "set-aside"
"""The folder of files that were damaged or another run's, under their former paths."""
BLOCK = r"\d+-\w+\.(parquet|safetensors)"
BLOCK_FILE = re.compile(rf"({FAILED})?\d+-\w+\.\w+")
OWN = tuple(
    map(
        re.compile,
        (
            rf"predictions(/[^/]+){{2}}/{BLOCK}",
            rf"maps(/[^/]+){{4}}/{BLOCK}",
            rf"scores(/\w+=[^/]+){{5}}/({FAILED})?{BLOCK}",
            r"state/[^/]+\.(safetensors|parquet)",
            r"failures/\d+-\w+\.json",
            r"failures/units(/[^/]+){4}/\d+\.json",
            rf"{MANIFESTS}/(identity|protocol|subset|batch_size|catalog|files|maps|changed)\.json",
            rf"{MANIFESTS}/classes\.json",
            rf"{MANIFESTS}/run-\w+-\d+\.json",
            r"normalized(/[^/]+){4}\.(npy|json)",
            r"normalized(/[^/]+){5,}\.png",
            r"report/.+\.(md|tex|csv|json|html|png|jpg|webp|svg|pdf|css|js)",
            r"profile/[^/]+\.json",
            rf"{SET_ASIDE}/.+",
            rf"{re.escape(LOCK)}(-shared|-prepare|-shard-\d+-\d+)?(\.json)?",
        ),
    )
)
PARTITIONS = ("method", "target", "transform", "variation", "metric")


def encode(part: str) -> str:
    """A spec as one path segment: URI-encoded, so that hive partitions read it back."""
    text = quote(part, safe="")
    return text if text.strip(".") else text.replace(".", "%2E")  # never a folder above


def file_name(part: str, ending: str = "") -> str:
    """A part of an image's id as a file's or folder's name on any system, readable where it can be.

    What some system forbids is URI-encoded; a name that is too long is cut and gets a digest.
    """
    text = re.sub(r'[\x00-\x1f"*/:<>?|%\\]', lambda found: quote(found[0], safe=""), part)
    text = text if text.strip(".") else text.replace(".", "%2E")
    while len(f"{text}{ending}".encode()) > LONGEST:
        digest = hashlib.sha256(part.encode()).hexdigest()[:12]
        kept = text.encode()[: LONGEST - len(ending.encode()) - len(digest) - 1]
        text = f"{kept.decode(errors='ignore')}~{digest}"
    return f"{text}{ending}"


def manifest(root: Path, kind: str) -> Path:
    """One of the run's own records: identity, protocol, subset, batch_size, catalog."""
    return root / MANIFESTS / f"{kind}.json"


def manifests(root: Path) -> list[Path]:
    """What each process left, in the order in which they started."""
    return sorted((root / MANIFESTS).glob("run-*.json"), key=lambda path: path.name)


def shard_lock(root: Path, number: int, of: int) -> Path:
    """What a shard holds while it writes."""
    return root / f"{LOCK}-shard-{number}-{of}"


def shard_locks(root: Path) -> list[Path]:
    """Those of all shards that have ever written there; whether they are held is another thing."""
    return sorted(p for p in root.glob(f"{LOCK}-shard-*") if p.suffix != ".json")


def is_run(root: Path) -> bool:
    """Whether a directory is a run's."""
    return (root / MANIFESTS).is_dir()


def predictions(root: Path, transform: str = "none", variation: str = "none") -> Path:
    """The folder of what the network said of the images."""
    return root / "predictions" / encode(transform) / encode(variation)


def maps(
    root: Path, method: str, target: str, transform: str = "none", variation: str = "none"
) -> Path:
    """The folder of a method's maps for a target and a variation of a transform."""
    return root.joinpath("maps", *map(encode, (method, target, transform, variation)))


def map_sets(root: Path) -> list[tuple[str, str, str, str]]:
    """(method, target, transform, variation) of every folder of maps."""
    folders = sorted(path for path in (root / "maps").glob("*/*/*/*") if path.is_dir())
    found = []
    for folder in folders:
        method, target, transform, variation = map(unquote, folder.parts[-4:])
        found.append((method, target, transform, variation))
    return found


def mapped(root: Path, target: str) -> list[str]:
    """Specs of the methods that have maps of untouched images for a target."""
    pattern = f"*/{encode(target)}/none/none/[0-9]*{MAPS}"
    return sorted({unquote(path.parts[-5]) for path in (root / "maps").glob(pattern)})


def unmapped(root: Path) -> str:
    """One line on the methods with scores and without maps, as --maps leaves them; "" for none."""
    scored = {unquote(path.name.partition("=")[2]) for path in (root / "scores").glob("method=*")}
    left = sorted(scored - {key[0] for key in map_sets(root)})
    if not left:
        return ""
    return (
        f"no maps of {', '.join(left)} are stored, which the section on ties, --figures, "
        "--agreement and `xaibench audit` need: `xaibench explain` makes them"
    )


def scores(root: Path, **keys: str) -> Path:
    """The partition of a method, target, transform, variation and metric."""
    return root.joinpath("scores", *(f"{name}={encode(keys[name])}" for name in PARTITIONS))


def score_keys(path: Path) -> list[str]:
    """Method, target, transform, variation and metric of a file of scores."""
    return [unquote(part.partition("=")[2]) for part in path.parts[-6:-1]]


def score_files(root: Path, *, failed: bool = True) -> list[Path]:
    """All files of scores, in order; failed: with those of failed rows."""
    folders = sorted((root / "scores").glob("/".join(f"{name}=*" for name in PARTITIONS)))
    prefix = f"({FAILED})?" if failed else ""
    return [path for folder in folders for path in results(folder, prefix)]


def state(root: Path, method: str, subset: str = "") -> Path:
    """What a method prepared; subset: the hash of the images it comes from, '' for all."""
    of = f"@{subset[:16]}" if subset else ""
    return root / "state" / f"{encode(method)}{of}{MAPS}"


def failures(root: Path) -> Path:
    """The folder of images that could not be decoded, and of units that failed."""
    return root / "failures"


def unit_failure(root: Path, block: int, keys: Sequence[str]) -> Path:
    """Why a unit failed; keys: method, transform, variation, and the metric or `explain`."""
    return failures(root).joinpath("units", *map(encode, keys), f"{block:05d}.json")


def profile(root: Path) -> Path:
    """The folder of what `--profile` writes."""
    return root / "profile"


def report(root: Path) -> Path:
    """The folder of what `xaibench report` writes."""
    return root / "report"


def what(path: Path) -> str:
    """A file of results by its path below the run directory; empty for what is elsewhere."""
    for depth, part in ((6, "maps"), (7, "scores"), (4, "predictions"), (2, "state")):
        if len(path.parts) >= depth and path.parts[-depth] == part:
            return "/".join(path.parts[-depth:])
    return ""


def results(folder: Path, prefix: str = "") -> list[Path]:
    """The files of maps, scores or predictions in a folder, in the order of their blocks."""
    fits = re.compile(prefix + BLOCK).fullmatch
    found = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return [folder / name for name in sorted(filter(fits, found))]  # paths sort more slowly


def stored(root: Path) -> list[Path]:
    """All files of results and states, in order."""
    places = (f"predictions{'/*' * 2}", f"maps{'/*' * 4}", f"scores{'/*' * 5}", "state")
    files = (path for place in places for path in sorted(root.glob(f"{place}/*")))
    kinds = (MAPS, TABLE)
    return [p for p in files if p.suffix in kinds and ours(root, p) and not p.is_dir()]


def ours(root: Path, path: Path) -> bool:
    """Whether a file of a run directory has a name and place that xaibench gives."""
    place = path.relative_to(root).as_posix()
    return path.name.startswith(TEMPORARY) or any(own.fullmatch(place) for own in OWN)


def block_name(block: int, ids: Sequence[str], code: str = "") -> str:
    """The stem of a block's file: its number, and a digest of its images and of what made it."""
    digest = hashlib.sha256("\n".join([*ids, code]).encode()).hexdigest()[:8]
    return f"{block:05d}-{digest}"


def block_of(path: Path) -> int:
    """The number of the block that a file is of."""
    return int(path.name.removeprefix(FAILED).partition("-")[0])


def block_files(folder: Path, block: int, suffix: str, prefix: str = "") -> list[Path]:
    """The files of a block, in a fixed order; copies that a user made beside them are left out."""
    found = folder.glob(f"{prefix}{block:05d}-*{suffix}")
    return sorted(path for path in found if BLOCK_FILE.fullmatch(path.name))


@dataclass(frozen=True)
class UnitKey:
    """What names a unit in the store, besides its block."""

    method: str
    transform: str = "none"
    variation: str = "none"

    def maps(self, root: Path, target: str) -> Path:
        """The folder of its maps."""
        return maps(root, self.method, target, self.transform, self.variation)

    def scores(self, root: Path, target: str, metric: str) -> Path:
        """The folder of its scores."""
        return scores(root, target=target, metric=metric, **vars(self))

    def failure(self, root: Path, block: int, metric: str) -> Path:
        """Where its failure is recorded."""
        return unit_failure(root, block, (*vars(self).values(), metric))
