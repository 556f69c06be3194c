"""The copy of a run at a URL: what is put, fetched, forgotten, refused."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest
from urls import (
    MAP,
    RECORD,
    SCORE,
    Elsewhere,
    change,
    elsewhere,
    held,
    keys,
    put,
    s3,
    until,
    url,
    write,
)

from xaibench.config.urls import located, url_of
from xaibench.errors import UsageError, XaibenchError
from xaibench.store import copies, objects, parts, remote, remote_lock
from xaibench.store.remote import fetched, written

__all__ = ["elsewhere", "s3", "url"]


def test_which_paths_are_urls() -> None:
    assert url_of("results/runs/a") == url_of("/data/a") == url_of("s3:a") == url_of("c:/a") == ""
    assert url_of(Path("s3://bucket/a/b/")) == url_of("s3://bucket//a/b") == "s3://bucket/a/b"
    assert url_of(Path("file:///data/a b")) == "file:///data/a b"
    assert url_of("gs://bucket") == "gs://bucket"
    for wrong in ("az://a/b", "http://a/b", "s3:///", "s3://a/../b"):
        with pytest.raises(UsageError, match=r"://.*: (known are|give a)"):
            url_of(wrong)
    one, other = (located(Path(f"s3://bucket/{name}/run")) for name in "ab")
    assert one != other
    assert located(Path("runs/a")) == Path("runs/a")


def test_what_is_put_is_fetched_elsewhere(url: str, elsewhere: Elsewhere) -> None:
    root = put(
        url,
        **{
            "manifests/identity.json": "{}",
            "score": "1",
            "map": "2",
            ".lock": "",
            "predictions/.tmp-a": "",
        },
        **{"report/a.html": "", "report/check/a.json": "c", "set-aside/a": "", "normalized/a": ""},
        **{"maps/report/a": "a method's", "failures/a.json": ""},
    )
    kept = {"manifests/identity.json", SCORE, MAP, "report/check/a.json", "maps/report/a"}
    kept |= {"failures/a.json"}
    assert keys(url) == kept | {parts.LIST}
    elsewhere("other")
    assert fetched(Path(url), "manifests", "scores") != root
    assert held(located(Path(url))).keys() == {"manifests/identity.json", SCORE}
    assert held(fetched(url)) == {name: held(root)[name] for name in kept}
    assert remote.url_in(located(Path(url))) == url


def test_a_report_fetches_the_maps_of_the_first_images(url: str, elsewhere: Elsewhere) -> None:
    """Of every method until each has enough: a's blocks have 60 images, b's 30, c's are few."""
    counts = {"a": 60, "b": 30, "c": 1}
    blocks = [(name, block) for name in counts for block in range(2 if name == "c" else 6)]
    names = [f"maps/{name}/{block:05d}-x.safetensors" for name, block in blocks]
    put(url, score="1", **dict.fromkeys(names, ""))
    elsewhere("reader")

    def read_ids(path: Path) -> list[str]:
        assert path.is_file()
        return ["image"] * counts[path.parent.name]

    with mock.patch("xaibench.store.maps.read_ids", read_ids):
        found = held(fetched(url, first=100))
    assert found.keys() == {SCORE} | {name for name in names if int(name[7:12]) < 4}


def test_a_changed_file_never_replaces_what_the_list_names(url: str, elsewhere: Elsewhere) -> None:
    put(url, record="old", score="1")
    elsewhere("reader")
    reader = copies.Copy(url)
    before, _ = reader._read()
    elsewhere("writer")
    with mock.patch.object(remote_lock.Lock, "check", side_effect=KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):  # killed before the list
            put(url, record="new", score="2")
    elsewhere("reader")
    assert held(fetched(url)) == {RECORD: "old", SCORE: "1"}
    change(url, remote_lock.LOCK, None)
    elsewhere("writer")
    root = put(url, **{"failures/a.json": ""})
    assert held(root) == {RECORD: "new", SCORE: "2", "failures/a.json": ""}  # goes on from there
    elsewhere("reader")
    assert held(fetched(url)) == held(root)
    assert not {part.key for part in before.values()} & keys(url)


def test_a_reader_whose_list_grew_old_reads_again(url: str, elsewhere: Elsewhere) -> None:
    put(url, record="old", score="1")
    fetch, done = copies.Copy._fetch, list[bool]()

    def late(copy: copies.Copy, part: parts.Part) -> parts.Part | None:
        if not done:
            done.append(True)
            elsewhere("writer")
            root = located(Path(url))
            with written(Path(url), say=lambda _: None):
                (root / SCORE).unlink()
                write(root, record="new", **{"scores/metric=x/00000-b.parquet": "2"})
            elsewhere("reader")
        return fetch(copy, part)

    elsewhere("reader")
    with mock.patch.object(copies, "AT_ONCE", 1), mock.patch.object(copies.Copy, "_fetch", late):
        assert held(fetched(url)) == {RECORD: "new", "scores/metric=x/00000-b.parquet": "2"}


def test_large_files_go_in_pieces(
    url: str, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "0123456789abcdef" * 400_000  # more than one part of an upload
    put(url, map=text)
    elsewhere("other")
    monkeypatch.setattr(objects, "AT_ONCE", 1000)
    assert held(fetched(url)) == {MAP: text}


def test_what_is_deleted_here_is_deleted_there(url: str) -> None:
    root = put(url, record="1", score="1", map="1")
    with written(Path(url), say=lambda _: None):
        (root / MAP).unlink()
    assert keys(url) == {RECORD, SCORE, parts.LIST}


def test_what_a_cache_lost_is_fetched_again_and_stays_there(url: str) -> None:
    root = put(url, record="1", score="1")
    (root / SCORE).unlink()
    (root / RECORD).write_text("2")
    (root / "scores/metric=x/strange.parquet").write_text("")
    said = list[str]()
    assert held(put(url, said)) == {RECORD: "1", SCORE: "1"}
    assert said == [f"{url}: 2 files, 2 B; at work in a copy, {root}"]


def test_a_directory_that_vanishes_deletes_nothing_there(url: str) -> None:
    root = put(url, record="1", score="1")

    def lose() -> None:
        with written(Path(url), say=lambda _: None):
            for name in (RECORD, SCORE):
                (root / name).unlink()

    with pytest.raises(XaibenchError, match=r"is gone.*run the same command again"):
        lose()
    assert held(fetched(url)) == {RECORD: "1", SCORE: "1"}


def test_what_could_not_be_put_is_kept_unless_another_wrote(url: str, elsewhere: Elsewhere) -> None:
    put(url, record="1")
    send = mock.patch.object(objects.Objects, "send", side_effect=XaibenchError(f"{url}: no net."))
    for name in "ab":
        elsewhere(name)
        with send, pytest.raises(XaibenchError, match="no net; what is not there yet is kept in"):
            put(url, score=name)
        assert held(fetched(url)) == {RECORD: "1", SCORE: name}  # as the run left it here
    elsewhere("a")
    put(url)
    elsewhere("b")
    assert held(put(url)) == {RECORD: "1", SCORE: "a"}


def test_files_are_put_while_a_run_goes_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "EVERY", 0.02)
    with written(Path(url), say=lambda _: None):
        write(located(Path(url)), record="1", score="1")
        until(lambda: {RECORD, SCORE, parts.LIST} <= keys(url))
        write(located(Path(url)), map="1")
        until(lambda: MAP in copies.Copy(url)._read()[0])
        assert fetched(url) == located(Path(url))


def test_a_damaged_object_is_found_by_its_hash(url: str, elsewhere: Elsewhere) -> None:
    put(url, record="1", score="good", map="1")
    change(url, SCORE, b"evil")
    change(url, MAP, None)
    elsewhere("other")
    with pytest.raises(XaibenchError, match=r"(00000-a\S*) is damaged or missing: run the same"):
        fetched(url)
    fetched(url, "manifests")  # what is not asked for does no harm
    said = list[str]()
    root = put(url, said)
    assert held(root) == {RECORD: "1"}
    assert {line.rpartition("/")[2] for line in said[:2]} == {
        "00000-a.parquet; computed anew",
        "00000-a.safetensors; computed anew",
    }
    put(url, score="good")
    elsewhere("third")
    assert held(fetched(url)) == {RECORD: "1", SCORE: "good"}
    part = copies.Copy(url)._read()[0][SCORE]
    change(url, part.key, b"evil")
    elsewhere("fourth")
    put(url, score="good")  # made again at once, and the same as the list says
    elsewhere("fifth")
    assert held(fetched(url)) == {RECORD: "1", SCORE: "good"}
    assert part.key not in keys(url)


def test_errors_are_one_line_with_a_remedy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(XaibenchError, match=r"(is not a run directory|is no folder)"):
        fetched(url)
    put(url, record="1")
    with pytest.raises(
        XaibenchError, match=r"holds .*run.* and no parts\.parquet: choose an empty"
    ):
        put(url.rpartition("/")[0])
    change(url, parts.LIST, b"PAR1")
    for act in (fetched, put):
        with pytest.raises(XaibenchError, match=r"parts\.parquet is damaged: put an earlier"):
            act(url)
    strange = {"../out": parts.Part("../out", RECORD, 1, "")}
    change(url, parts.LIST, parts.packed(strange))
    with pytest.raises(XaibenchError, match="is damaged"):
        fetched(url)
    with mock.patch.dict(sys.modules, {"obstore": None}):
        with pytest.raises(XaibenchError, match=r"pip install 'xaibench\[remote\]'"):
            fetched(url)
    if url.startswith("s3:"):
        with pytest.raises(XaibenchError, match="no such bucket: create it"):
            put("s3://absent/run")
        monkeypatch.setattr(objects, "RETRIES", {"max_retries": 0})
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(XaibenchError, match="cannot be reached: check the network"):
            put(url)
