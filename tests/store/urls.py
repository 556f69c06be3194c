"""Stores that tests put runs into: folders, and moto's S3 on loopback."""

from __future__ import annotations

import logging
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from xaibench.config.urls import located
from xaibench.store import objects
from xaibench.store.remote import written

NUMBERS = count()
SCORE, MAP, RECORD = "scores/metric=x/00000-a.parquet", "maps/a/00000-a.safetensors", "manifests/x"
Elsewhere = Callable[[str], Path]


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of moto's S3 server, with a bucket called runs."""
    server = pytest.importorskip("moto.server", reason="moto is not here: no S3 to test against")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    held = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    held.start()
    host, port = held.get_host_and_port()
    make = urllib.request.Request(f"http://{host}:{port}/runs", method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(make):
        pass
    yield f"http://{host}:{port}"
    held.stop()


def environment(address: str) -> dict[str, str]:
    """What points a process at moto."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@pytest.fixture(params=["file", "s3"])
def url(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: object
) -> str:
    """A new place for a run; the copies of this machine lie in a cache of the test's own."""
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    pytest.importorskip("obstore", reason="the extra `remote` is not here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    if request.param == "file":
        return f"file://{tmp_path_factory.mktemp('store')}/a run"
    for name, value in environment(request.getfixturevalue("s3")).items():
        monkeypatch.setenv(name, value)
    return f"s3://runs/studies/run-{next(NUMBERS)}"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Elsewhere:
    """Go to another machine, or back to one, by its name: another cache."""

    def go(name: str) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return tmp_path / name

    return go


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / {"score": SCORE, "map": MAP, "record": RECORD}.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def put(url: str, said: list[str] | None = None, **files: str) -> Path:
    """Write files into the copy and put them."""
    with written(Path(url), say=(said if said is not None else []).append):
        write(located(Path(url)), **files)
    return located(Path(url))


def held(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def keys(url: str) -> set[str]:
    """All keys below a URL."""
    there = objects.Objects(url)
    return {one["path"] for some in there._obstore.list(there._store) for one in some}


def change(url: str, key: str, text: bytes | None) -> None:
    """Do to an object what nothing here does."""
    there = objects.Objects(url)
    there._obstore.delete(there._store, key) if text is None else there._obstore.put(
        there._store, key, text
    )


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)
