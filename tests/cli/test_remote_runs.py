"""Runs at a URL give the rows of runs in a directory: read, killed, gone on with elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forks import Forks, forks
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.config.urls import located
from xaibench.errors import XaibenchError
from xaibench.store import copies, layout, remote

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from urls import s3, url

__all__ = ["s3", "url"]
METHODS = ("gradcam", "gradient")
WORDS = ("--model", THOUSAND, "--workers", 0, "--metric", "sparseness,average_drop", "--limit", 3)
RUN = ("run", *WORDS, "--method", ",".join(METHODS), "--out")
LATE = 34
"""A change of that run near its end, of forty to fifty: what came before may be there by then."""
AT_ONCE = {"xaibench.store.remote.EVERY": 0.0, "xaibench.store.remote.SHARE": 1.0}
"""Puts files as soon as they are there."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    place = tmp_path_factory.mktemp("remote")
    with forks(place / "log", *RUN, place / "run") as held:
        yield held


@pytest.fixture(scope="module")
def base(server: Forks) -> Path:
    """The same run in a directory."""
    return server.log.parent / "run"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Go to another machine by its name; returns what brings a process there."""

    def go(name: str) -> dict[str, str]:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return {k: v for k, v in os.environ.items() if k.startswith(("XDG", "AWS", "NO_", "no_"))}

    return go


def assert_same(url: str, base: Path) -> None:
    """All rows and maps, to the bit."""
    pd.testing.assert_frame_equal(
        xaibench.load_scores(url), xaibench.load_scores(base), check_exact=True
    )
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(url), xaibench.load_predictions(base), check_exact=True
    )
    for method in METHODS:
        ours, theirs = xaibench.load_maps(url, method), xaibench.load_maps(base, method)
        assert ours[0] == theirs[0]
        assert np.array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("url", [pytest.param("file", marks=pytest.mark.slow), "s3"], indirect=True)
def test_a_run_is_read_reported_and_gone_on_with_elsewhere(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    ended = server.run(*RUN, url, environment=cache("one"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].startswith(f"{url}: 3 images, computed 3 predictions, 6 maps")
    assert ended.out.endswith(f"next: xaibench report '{url}'\n".replace("'", "'" * (" " in url)))
    cache("two")
    assert_same(url, base)
    assert not (located(Path(url)) / "state").exists()
    code, said, _ = cli("report", url, "--json")
    assert code == 0
    said = said.replace(f"'{url}'", "RUN").replace(url, "RUN")
    here = cli("report", base, "--json")[1].replace(str(base), "RUN")
    assert json.loads(said)["tables"] == json.loads(here)["tables"]  # times are each run's own
    code, said, _ = cli(*RUN, url, "--dry-run")
    assert f"would write to {url}: 0 predictions, 0 maps, 0 scores" in said
    code, said, _ = cli(*RUN, url)
    assert "nothing left to compute" in said
    assert cli("doctor", url)[0] == 0
    assert cli("clean", url, "--maps", "--yes")[0] == 0
    cache("three")
    with pytest.raises(XaibenchError, match="gradcam"):
        xaibench.load_maps(url, "gradcam")
    assert len(xaibench.load_scores(url)) == len(xaibench.load_scores(base))


def rows(url: str) -> int:
    """How many scores are there, by whoever looks at it from a new machine."""
    try:
        return len(xaibench.load_scores(url))
    except XaibenchError:
        return 0


def killed_and_gone_on_with(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]], at: int
) -> int:
    """Kill a run before one of its changes, look, go on from an empty cache; scores then there."""
    how = {"values": AT_ONCE, "environment": cache(f"one-{at}")}
    ended = server.run(*RUN, url, at=at, signal=signal.SIGKILL, **how)
    if ended.code == 0:
        return -1
    assert ended.code == -signal.SIGKILL
    cache(f"look-{at}")
    there = rows(url)
    ended = server.run(*RUN, url, environment=cache(f"two-{at}"))
    assert ended.code == 0, ended.err
    assert "its process has ended): its lock is broken" in ended.out
    made = re.search(r"(\d+) scores", ended.out.splitlines()[-1])
    assert there + int(made[1] if made else 0) == len(xaibench.load_scores(base))
    assert_same(url, base)
    return there


@pytest.mark.parametrize("url", ["s3"], indirect=True)
def test_killed_in_the_middle_it_goes_on_from_another_machine(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    assert killed_and_gone_on_with(server, base, url, cache, LATE) >= 0


@pytest.mark.slow
def test_killed_at_any_change_it_goes_on_from_another_machine(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    seen = set()
    for at in range(1, 1000, 3):
        there = killed_and_gone_on_with(server, base, f"{url}-{at}", cache, at)
        if there < 0:
            break
        seen.add(there)
    assert at > 20
    assert seen  # how much was there each time depends on how fast the machine is


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_a_run_that_is_stopped_puts_what_it_has(
    server: Forks, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    """Ctrl-C: the files that are finished, and the lock is given back."""
    ended = server.run(*RUN, url, at=LATE, signal=signal.SIGINT, environment=cache("one"))
    assert ended.code == 130
    there = copies.Copy(url)
    assert there.objects.read("lock.json") is None
    here = {path.name for path in located(Path(url)).glob("maps/*/*/*/*/0*")}
    assert here
    assert here <= {Path(path).name for path in there._read()[0]}


@pytest.mark.slow
def test_two_runs_at_one_url(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    """The second is refused with the name of the first; nothing of either is lost."""
    with remote.written(Path(url), say=lambda _: None):
        ended = server.run(*RUN, url, environment=cache("two"))
        assert ended.code == 1
        assert f"{url} is in use by process {os.getpid()} on " in ended.line
    assert server.run(*RUN, url, environment=cache("two")).code == 0
    assert_same(url, base)


@pytest.mark.parametrize("url", ["s3"], indirect=True)
def test_a_damaged_object_is_named_and_computed_anew(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    assert server.run(*RUN, url, environment=cache("one")).code == 0
    there = copies.Copy(url)
    part = next(p for path, p in there._read()[0].items() if path.startswith("scores/"))
    there.objects._obstore.put(there.objects._store, part.key, b"x" * part.size)
    cache("two")
    code, _, said = cli("report", url)
    assert code == 1
    assert f"{part.key} is damaged or missing: run the same" in said
    code, said, _ = cli(*RUN, url)
    assert code == 0
    assert f"damaged or missing: {url}/{part.key}; computed anew" in said
    assert "computed 3 scores" in said.splitlines()[-1]
    cache("three")
    assert_same(url, base)


@pytest.mark.parametrize("url", ["s3"], indirect=True)
def test_shards_of_machines_that_share_a_bucket_alone(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    """Each has a URL of its own; the whole is what one process writes into a directory."""
    for number in (2, 1):
        words = (*RUN, f"{url}/{number}", "--shard", f"{number}/2")
        assert server.run(*words, environment=cache(str(number))).code == 0
    cache("third")
    code, said, _ = cli("merge", f"{url}/1", f"{url}/2", "--out", f"{url}/whole")
    assert code == 0
    assert said.splitlines()[-1].startswith(f"{url}/whole: 2 runs, 3 images")
    cache("fourth")
    assert_same(f"{url}/whole", base)
    assert cli("merge", f"{url}/1", f"{url}/2", "--out", f"{url}/whole")[0] == 1  # it is there


def test_wrong_urls_are_one_line() -> None:
    for words, code in ((("--out", "az://b/c"), 2), (("--out", "s3://"), 2)):
        ended, _, said = cli("run", *words)
        assert (ended, said.count("\n")) == (code, 1)
    assert cli("ablate", "--out", "s3://bucket/a")[0] == 2
    cluster = ("--executor", "ray", "--ray-address", "auto")
    assert cli("run", *cluster, "--out", "s3://bucket/a")[0] == 2


@pytest.mark.slow
def test_processes_that_write_into_one_copy(
    server: Forks, base: Path, url: str, cache: Callable[[str], dict[str, str]]
) -> None:
    how = {"values": AT_ONCE, "environment": cache("one")}
    ended = server.run(*RUN, url, "--processes", 2, **how)
    assert ended.code == 0, ended.err
    cache("two")
    assert_same(url, base)


@pytest.mark.slow
def test_a_check_at_a_url(url: str, cache: Callable[[str], dict[str, str]], tmp_path: Path) -> None:
    words = ("check", "gradcam", "--model", THOUSAND, "--workers", 0, "--limit", 2)
    words = (*words, "--metric", "sparseness", "--skip", "switches", "--json")
    assert cli(*words, "--out", tmp_path / "here")[0] == 0
    code, said, _ = cli(*words, "--out", url)
    assert code == 0
    shutil.rmtree(located(Path(url)))
    cache("two")
    code, again, _ = cli(*words, "--out", url)
    assert again == said
    assert list((located(Path(url)) / layout.report(Path()) / "check").iterdir())
