"""What a run at a URL costs beside its results: the list of parts, looking for new files.

python scripts/remote_speed.py [FILES]: makes so many small files as a run of 50,000 images would
(a folder of file:// is the store, so that no network is measured), and prints medians of five in
seconds of CPU, which other programs on the machine hardly move.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BLOCKS = 157  # of 320 images


def make(root: Path, files: int) -> None:
    (root / "manifests").mkdir(parents=True)
    (root / "manifests" / "identity.json").write_text("{}")
    for number in range(files):
        folder, block = divmod(number, BLOCKS)
        into = root / "scores" / f"method=m{folder // 36}" / f"target=t{folder // 12 % 3}"
        into = into / "transform=none" / "variation=none" / f"metric=m{folder % 12}"
        into.mkdir(parents=True, exist_ok=True)
        (into / f"{block:05d}-{number:08x}.parquet").write_bytes(os.urandom(64))


def median(call: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def main(files: int) -> None:
    place = Path(tempfile.mkdtemp())
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    from xaibench.config.urls import located
    from xaibench.store import parts
    from xaibench.store.copies import Copy
    from xaibench.store.remote import fetched, written

    url = Path(f"file://{place}/store")
    root = located(url)
    with written(url, say=print):
        make(root, files)
        began = time.process_time()
    print(f"{files:,} files: put in {time.process_time() - began:.1f} s")
    copy = Copy(f"file://{place}/store")
    copy.pull()
    data = parts.packed(copy.listed)
    packing = median(lambda: parts.packed(copy.listed))
    print(f"list: {len(data) / 1e6:.1f} MB, packed in {packing:.2f} s")
    print(f"list: unpacked in {median(lambda: parts.unpacked(data)):.2f} s")
    print(f"looking for new files: {median(lambda: parts.scan(root)):.2f} s")
    print(f"a put with nothing new: {median(lambda: copy.push(lambda: None)):.2f} s")
    print(f"a start with nothing to fetch: {median(lambda: fetched(url)):.2f} s")
    os.environ["XDG_CACHE_HOME"] = str(place / "other")
    began = time.process_time()
    fetched(url)
    print(f"a start from an empty copy: {time.process_time() - began:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
