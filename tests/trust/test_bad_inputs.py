"""Bad inputs, each with its one line and exit code: no traceback, no hang, no wrong image.

The tables are in bad_*.py: data, code and weights, YAML, words.
"""

from __future__ import annotations

import faulthandler
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import bad_code
import bad_data
import bad_words
import bad_yaml
import pytest
from bad import Row
from helpers import cli

from xaibench.registry import entries

ROWS = [*bad_data.ROWS, *bad_code.ROWS, *bad_yaml.ROWS, *bad_words.ROWS]
SECONDS = 20


class Hangs(BaseException):
    """A command has taken longer than any answer should."""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no module or plug-in of another row, and an end to a hang."""

    def stop(*_: object) -> None:
        raise Hangs(f"no answer after {SECONDS} seconds")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # where C code waits
    yield
    faulthandler.cancel_dump_traceback_later()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    sys.modules.pop("bad_plugin", None)
    entries.cache_clear()


@pytest.mark.parametrize("row", [pytest.param(row, id=ascii(row.name)[1:-1]) for row in ROWS])
def test_an_answer_each(row: Row) -> None:
    row.make()
    code, out, err = cli(*row.words)
    assert "Traceback" not in out + err
    assert "unexpected" not in err
    assert code == row.code, err
    if code:
        assert err.startswith("xaibench: "), err
        assert err.count("\n") == 1, err
    last = (err if code else out).strip("\n").split("\n")[-1]
    assert re.search(row.line, last), last
    assert not Path("ran").exists(), "code of the input ran"


def test_names_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
