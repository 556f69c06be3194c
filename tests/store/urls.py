"""Stores that tests put runs into: folders, and moto's S3 on loopback."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from itertools import count

import pytest

NUMBERS = count()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of moto's S3 server, with a bucket called runs."""
    server = pytest.importorskip("moto.server", reason="moto is not here: no S3 to test against")
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
