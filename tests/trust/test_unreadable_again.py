"""Lists of unreadable images are records, not gates: what can be read is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import BAD, BASE, GOOD, IDS, assert_the_same, forge, run, write

from xaibench.store import layout
from xaibench.store.ledger import unreadable

B, C = IDS[1], IDS[2]
FORMS = {
    "no reason": {"unreadable": [{"image": B}]},
    "a list": [{"image": B, "reason": "forged"}],
    "a number": {"unreadable": 3},
    "numbers": {"unreadable": [{"image": 1, "reason": 2}]},
    "empty": {"unreadable": []},
    "null": None,
    "no object": {"unreadable": [B]},
    "not the dataset's": {"unreadable": [{"image": "9/z.bmp", "reason": "forged"}]},
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_list_of_unreadable_images_hides_nothing(
    form: str, data: Path, tmp_path: Path
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(data, out, {**BASE, "limit": 1})
    forge(out, FORMS[form])
    said, end = run(data, out, BASE)
    path = layout.failures(out) / "00000-12345678.json"
    assert said == f"damaged: {path} lists no unreadable images of this run: set aside"
    assert "computed 5 predictions, 5 maps, 5 scores" in end
    run(data, fresh, BASE)
    assert_the_same(out, fresh)
    assert run(data, out, BASE)[0] == ""


def test_a_list_of_another_blocks_images_is_damaged(data: Path, tmp_path: Path) -> None:
    """Found by some readers and not by others, it would make two groups of one."""
    run(data, tmp_path / "out", BASE)
    forge(tmp_path / "out", {"unreadable": [{"image": IDS[6], "reason": "forged"}]})
    assert "damaged" in run(data, tmp_path / "out", BASE)[0]


def test_unreadable_images_stay_listed_and_counted(data: Path, tmp_path: Path) -> None:
    for image in (B, C):
        write(data, image, BAD)
    run(data, tmp_path / "out", BASE)
    files = {p: p.stat() for p in (tmp_path / "out/failures").iterdir()}
    said, end = run(data, tmp_path / "out", BASE)
    assert (said, "nothing left to compute" in end) == ("", True)
    assert "2 unreadable images skipped (failures/)" in end
    assert {p: p.stat() for p in (tmp_path / "out/failures").iterdir()} == files
    write(data, C, GOOD[2])
    assert "1 unreadable images skipped" in run(data, tmp_path / "out", BASE)[1]
    assert unreadable(tmp_path / "out").keys() == {B}
