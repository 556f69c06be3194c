"""Who may write into a directory beside whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from xaibench.config.shard import Shard, parse
from xaibench.errors import XaibenchError
from xaibench.store import layout, lock


@pytest.fixture(autouse=True)
def no_grace() -> Iterator[None]:
    with mock.patch.object(lock, "GRACE", 0.1):
        yield


def shard(text: str) -> Shard | None:
    return parse(text) if text else None


IN = {("1/3", "2/3"), ("2/3", "1/3"), ("3/3", "2/3"), ("1/12", "2/12")}
OUT = {("", ""), ("", "1/3"), ("1/3", ""), ("1/3", "1/3"), ("1/3", "2/2"), ("1/3", "2/13")}


@pytest.mark.parametrize(("first", "second"), sorted(IN | OUT))
def test_who_is_let_in(first: str, second: str, tmp_path: Path) -> None:
    with lock.writing(tmp_path, shard=shard(first)) as held:
        held.begun()
        if (first, second) in IN:
            with lock.writing(tmp_path, shard=shard(second)) as other:
                assert not other.waited
                with pytest.raises(XaibenchError, match=f"in use by shard {first}, .*: not now"):
                    other.alone("not now")
        else:
            whose = f"shard {first}, process" if first else "process"
            with (
                pytest.raises(XaibenchError, match=f"{tmp_path} is in use by {whose} ") as refused,
                lock.writing(tmp_path, shard=shard(second)),
            ):
                pass
            assert "\n" not in str(refused.value)
    with lock.writing(tmp_path, shard=shard(second)) as alone:
        alone.alone("now")
    assert not list(tmp_path.glob("*.json"))
    assert all(layout.ours(tmp_path, path) for path in tmp_path.iterdir())


def test_a_shard_waits_for_another_that_begins(tmp_path: Path) -> None:
    with lock.writing(tmp_path, shard=Shard(1, 2)) as held:
        turns = [0, 0, 0, held.begun]

        def sleep(_seconds: float) -> None:
            turn = turns.pop(0)
            if turn:
                turn()

        with (
            mock.patch("time.sleep", sleep),
            lock.writing(tmp_path, shard=Shard(2, 2)) as other,
        ):
            assert not turns
            assert not other.waited, "the directory is as it was known"


def test_a_moment_is_one_process_at_a_time(tmp_path: Path) -> None:
    with lock.moment(tmp_path, layout.SHARED):
        assert not lock._free(tmp_path / layout.SHARED)
    assert lock._free(tmp_path / layout.SHARED)
