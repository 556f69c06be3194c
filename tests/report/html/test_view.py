"""What sections of the page are given: files beside it or in it, data that can do no harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from xaibench.report.html.view import View, environment, to_json


def view(folder: Path, single_file: bool = False) -> View:
    return View((), folder, single_file)


def test_a_file_lies_beside_the_page(tmp_path: Path) -> None:
    made = view(tmp_path)
    place = made.asset("gallery/a.png", b"picture")
    assert re.fullmatch(r"assets/gallery/a-[0-9a-f]{12}\.png", place)
    assert (tmp_path / place).read_bytes() == b"picture"


def test_another_content_lies_elsewhere(tmp_path: Path) -> None:
    """An older page that is still open never shows a newer one's pictures or numbers."""
    made = view(tmp_path)
    first, second = (made.asset("a.png", content) for content in (b"one", b"other"))
    assert first != second
    assert (tmp_path / first).read_bytes() == b"one"
    assert made.chunk("part", [1]) != made.chunk("part", [2])


def test_a_file_stands_in_a_single_page(tmp_path: Path) -> None:
    assert view(tmp_path, True).asset("a.png", b"picture") == "data:image/png;base64,cGljdHVyZQ=="
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a b.png", "..", "a/../b", 'a".png', ""])
def test_a_name_that_is_no_plain_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no plain name"):
        view(tmp_path).asset(name, b"")


def test_a_chunk_is_a_script_that_calls_the_page(tmp_path: Path) -> None:
    place = view(tmp_path).chunk("gallery-0", {"a": "</script>"})
    script = (tmp_path / place).read_text()
    assert script.startswith('xaibench.hold("gallery-0-')
    assert "</" not in script


def test_json_in_a_page_ends_no_script_and_holds_no_nan() -> None:
    text = to_json({"a": "</script><!--", "b": [float("nan"), 1.5]})
    assert not {"<", ">", "&"} & set(text)
    assert json.loads(text) == {"a": "</script><!--", "b": [None, 1.5]}


def test_templates_escape_and_show_what_cannot_be_seen() -> None:
    said = environment().from_string("<i>{{ name }}</i>").render(name="<b>\u202e\x1b")
    assert said == r"<i>&lt;b&gt;\u202e\x1b</i>"
