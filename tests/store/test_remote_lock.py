"""One writer a URL: refused, waiting, dead, taken over."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from urls import (
    RECORD,
    SCORE,
    change,
    keys,
    put,
    s3,
    until,
    url,
    write,
)

from xaibench.config.urls import located
from xaibench.errors import XaibenchError
from xaibench.store import copies, objects, parts, remote, remote_lock
from xaibench.store.remote import written

__all__ = ["s3", "url"]


def test_a_second_writer_is_refused_or_waits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_lock, "POLL", 0.01)
    said, began = list[str](), threading.Event()

    def second() -> None:
        with written(Path(url), wait=True, say=said.append):
            began.set()

    with written(Path(url), say=lambda _: None):
        with written(Path(url), say=lambda _: None):  # within: a study runs several runs
            write(located(Path(url)), record="1")
        monkeypatch.setattr(remote, "_WRITTEN", set())
        with pytest.raises(XaibenchError, match=f"in use by process {os.getpid()} on .*--wait"):
            put(url)
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: bool(said))
        assert "in use by process" in said[0]
        assert said[0].endswith("waiting")
        assert not began.is_set()
    thread.join(20)
    assert began.is_set()
    assert remote_lock.LOCK not in keys(url)


def foreign(url: str, **more: object) -> None:
    """Another machine's lock."""
    signed = {**remote_lock._signature(), "machine": "another", "host": "far", **more}
    change(url, remote_lock.LOCK, json.dumps(signed).encode())


def test_a_dead_writer_is_told_from_one_that_lives(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(url, record="1")
    foreign(url)
    with pytest.raises(XaibenchError, match=r"in use by process .* on far"):
        put(url)
    monkeypatch.setattr(remote_lock, "DEAD", -1.0)
    said = list[str]()
    put(url, said)
    assert "on far" in said[0]
    assert said[0].endswith("is dead (no sign of life for 0 minutes): its lock is broken")
    monkeypatch.setattr(remote_lock, "DEAD", 600.0)
    child = subprocess.Popen(["true"])
    child.wait()
    foreign(url, machine=remote_lock._machine(), process=child.pid)
    said.clear()
    put(url, said)
    if remote_lock._machine():
        assert said[0].endswith("is dead (its process has ended): its lock is broken")


def test_signs_of_life_are_given_and_a_writer_that_lost_its_lock_stops(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_lock, "BEAT", 0.02)
    there = objects.Objects(url, make=True)

    def renewed() -> str:
        found = there.read(remote_lock.LOCK)
        return json.loads(found.data)["renewed"] if found else ""

    def lose() -> None:
        with written(Path(url), say=lambda _: None):
            write(located(Path(url)), record="1")
            first = renewed()
            until(lambda: renewed() > first)
            foreign(url)
            until(lambda: False)

    with pytest.raises(XaibenchError, match=r"taken over by process .* on far"):
        lose()
    assert keys(url) == {parts.LIST, remote_lock.LOCK}  # of which the second is the other's
    assert not copies.Copy(url)._read()[0]


def test_an_answer_that_is_lost_is_no_other_writer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has taken what it was asked to, and the network broke before it could say so."""
    replace, lost = objects.Objects.replace, list[str]()

    def once(there: objects.Objects, key: str, data: bytes, was: objects.Version) -> object:
        found = replace(there, key, data, was)
        if key not in lost:
            lost.append(key)
            raise XaibenchError("no net.")
        return found

    monkeypatch.setattr(remote, "EVERY", 0.02)
    monkeypatch.setattr(remote_lock, "BEAT", 0.02)
    monkeypatch.setattr(objects.Objects, "replace", once)
    said = list[str]()
    with written(Path(url), say=said.append):
        write(located(Path(url)), record="1")
        until(lambda: parts.LIST in lost and remote_lock.LOCK in lost)
        write(located(Path(url)), score="1")
        until(lambda: SCORE in copies.Copy(url)._read()[0])
    assert said[1:] == ["not uploaded so far, tried again: no net."]
    assert remote_lock.LOCK not in keys(url)


def test_a_lock_that_could_not_be_given_back_is_no_hindrance(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a later run of the same process: without a network the one before has left it there."""
    read, down = objects.Objects.read, list[str]()

    def broken(there: objects.Objects, key: str) -> object:
        if down:
            raise XaibenchError("no net.")
        return read(there, key)

    monkeypatch.setattr(objects.Objects, "read", broken)

    def first() -> None:
        with written(Path(url), say=lambda _: None):
            write(located(Path(url)), record="1")
            down.append("now")

    with pytest.raises(XaibenchError, match="no net; what is not there yet is kept in"):
        first()
    down.clear()
    assert remote_lock.LOCK in keys(url)
    said = list[str]()
    put(url, said, score="1")
    if remote_lock._machine():
        assert said[0].endswith("is dead (its run has ended): its lock is broken")
    assert keys(url) >= {SCORE, RECORD, parts.LIST}
    assert remote_lock.LOCK not in keys(url)
