"""Images that changed after results were made of them: no two results are of different pixels.

Every row of the table ends with the rows of a fresh run on the images as they are then, to the bit,
and between its two commands no row of a directory is of an image that is gone.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

import layouts
import numpy as np
import pandas as pd
import pytest
from layouts import Photo
from networks import THOUSAND
from PIL import Image

import xaibench
from xaibench.datasets import blobs
from xaibench.errors import XaibenchError
from xaibench.store import images as known
from xaibench.store import layout, tables
from xaibench.store.ledger import unreadable
from xaibench.store.read import KEYS

IDS = [f"{place % 4}/{place}.bmp" for place in range(7)]
B, C = IDS[1], IDS[2]


def bitmap(seed: int) -> bytes:
    """An encoded picture of always the same size in bytes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((80, 72), Image.Resampling.BICUBIC).save(file, "BMP")
    return file.getvalue()


GOOD, OTHER = [bitmap(place) for place in range(7)], bitmap(99)
BAD = b"\0" * len(OTHER)


def write(data: Path, image: str, content: bytes, later: float = 5) -> None:
    """Put bytes in a file's place; its time moves by `later` seconds."""
    path = data / image
    before = path.stat().st_mtime_ns if path.exists() else 10**18
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    time = before + int(later * 1e9)
    os.utime(path, ns=(time, time))


def replaced(data: Path, _out: Path) -> None:
    write(data, B, OTHER)


def replaced_unseen(data: Path, _out: Path) -> None:
    write(data, B, OTHER, later=0)


def three_replaced(data: Path, _out: Path) -> None:
    for place in (4, 5, 1):
        write(data, IDS[place], bitmap(50 + place))


def touched(data: Path, _out: Path) -> None:
    write(data, B, GOOD[1])


def spoilt(data: Path, _out: Path) -> None:
    write(data, B, BAD)


def mended(data: Path, _out: Path) -> None:
    write(data, C, GOOD[2])


def mended_unseen(data: Path, _out: Path) -> None:
    write(data, C, GOOD[2], later=0)


def spoilt_and_mended(data: Path, _out: Path) -> None:
    write(data, B, BAD)
    write(data, C, GOOD[2])


def forge(out: Path, content: object) -> None:
    path = layout.failures(out) / "00000-12345678.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def forged(data: Path, out: Path) -> None:
    rows = [{"image": IDS[0], "reason": "OSError: forged"}, {"image": B, "reason": "forged"}]
    forge(out, {"unreadable": rows})


def forged_and_mended(data: Path, out: Path) -> None:
    """The list that names the one that was unreadable is damaged meanwhile."""
    mended(data, out)
    for path in layout.failures(out).glob("*.json"):
        path.unlink()
    forge(out, [])


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


def changed_line(named: str) -> str:
    whose = "their" if " more" in named else "its"
    return f"changed since the run began: {named}: {whose} results are computed anew"


READABLE = "readable now, and taken out of failures/: "
CHANGES: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "replaced": (replaced, changed_line(B)),
    "replaced at equal time": (replaced_unseen, changed_line(B)),
    "three replaced": (three_replaced, changed_line(f"{IDS[4]} and 2 more")),
    "touched": (touched, ""),
    "spoilt": (spoilt, changed_line(B)),
    "mended": (mended, f"{READABLE}{C}"),
    "mended at equal time": (mended_unseen, f"{READABLE}{C}"),
    "spoilt and mended": (spoilt_and_mended, f"{READABLE}{C}"),
    "forged": (forged, f"{READABLE}{IDS[0]} and 1 more"),
    "list damaged, image mended": (forged_and_mended, "damaged: "),
}
BASE = {"model": THOUSAND, "method": "gradient", "metric": "sparseness", "limit": 6}
MORE = {**BASE, "metric": "sparseness,average_drop"}
GROUPS = {**BASE, "transform": "none,mixup"}
BOTH = frozenset({"explain", "score"})
Config = Mapping[str, object]
Flow = tuple[Config, frozenset[str], Config, frozenset[str]]
FLOWS: dict[str, Flow] = {
    "run": (BASE, BOTH, MORE, BOTH),
    "score later": (MORE, frozenset({"explain"}), MORE, frozenset({"score"})),
    "other method": (BASE, BOTH, {**MORE, "method": "gradcam"}, BOTH),
    "other targets": (
        {**BASE, "target": "ground_truth,predicted"},
        BOTH,
        {**MORE, "target": "ground_truth"},
        BOTH,
    ),
    "then transformed": (BASE, BOTH, GROUPS, BOTH),
    "transformed": (GROUPS, BOTH, {**GROUPS, "metric": MORE["metric"]}, BOTH),
    "transformed before": (GROUPS, BOTH, MORE, BOTH),
    "one of a group": ({**GROUPS, "limit": 1}, BOTH, {**GROUPS, "limit": 4}, BOTH),
    "statistics": ({**BASE, "method": "iba(steps=2,samples=2)"}, BOTH, {}, BOTH),
}


def union(*configs: Config) -> dict[str, object]:
    """A configuration that asks for all that some ask for."""
    found: dict[str, object] = {}
    for config in configs:
        for key, value in config.items():
            old = found.get(key, value)
            if isinstance(value, str) and key != "model":
                value = ",".join(dict.fromkeys([*str(old).split(","), *value.split(",")]))
            found[key] = max(old, value) if isinstance(value, int) else value
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Seven pictures; tests may change them."""
    for image, content in zip(IDS, GOOD, strict=True):
        write(tmp_path / "data", image, content, later=0)
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _blocks_of_five() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


def run(data: Path, out: Path, config: Config, stages: frozenset[str] = BOTH) -> tuple[str, str]:
    """The lines of a run, and its last line or error."""
    lines: list[str] = []
    try:
        end = xaibench.run(
            {**config, "data": str(data), "out": out}, stages=stages, say=lines.append
        )
    except XaibenchError as error:
        return "\n".join(lines), str(error)
    return "\n".join(lines), end.line


def rows(out: Path) -> pd.DataFrame:
    if not (out / "scores").exists():
        return pd.DataFrame(columns=[*KEYS, "value", "status", "class_index"])
    return xaibench.load_scores(out)


def assert_of_fresh_images(out: Path, fresh: Path) -> None:
    """Every row that a directory holds is the row that a fresh run gives."""
    there = rows(fresh).set_index(KEYS)
    here = rows(out).set_index(KEYS)
    assert here.index.isin(there.index).all()
    pd.testing.assert_frame_equal(here, there.loc[here.index], check_exact=True)


def assert_the_same(out: Path, fresh: Path) -> None:
    pd.testing.assert_frame_equal(rows(out), rows(fresh), check_exact=True)
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(out), xaibench.load_predictions(fresh), check_exact=True
    )
    for key in layout.map_sets(fresh):
        (ids, maps), (others, expected) = (xaibench.load_maps(o, *key) for o in (out, fresh))
        order = [ids.index(i) for i in others]
        assert len(ids) == len(others)
        np.testing.assert_array_equal(maps[order], expected)
    assert unreadable(out).keys() == unreadable(fresh).keys()


@pytest.fixture(scope="module")
def fresh_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Config], Path]:
    """A run of a configuration on images as they are now; each is made once."""
    held: dict[str, Path] = {}

    def make(data: Path, config: Config) -> Path:
        key = repr((config, [(data / image).read_bytes() for image in IDS]))
        if key not in held:
            held[key] = tmp_path_factory.mktemp("fresh") / "out"
            run(data, held[key], config)
        return held[key]

    return make


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("change", CHANGES)
def test_all_results_are_of_one_set_of_images(
    change: str,
    flow: str,
    data: Path,
    tmp_path: Path,
    fresh_run: Callable[[Path, Config], Path],
) -> None:
    first, first_stages, second, second_stages = FLOWS[flow]
    second = second or {**first, "metric": MORE["metric"]}
    (alter, line), out = CHANGES[change], tmp_path / "out"
    if "mended" in change:
        write(data, C, BAD, later=0)
    run(data, out, first, first_stages)
    alter(data, out)
    said, end = run(data, out, second, second_stages)
    if change == "replaced at equal time":
        assert f"{B} changed since the run began: run the same `xaibench run` again" in end
        said, end = run(data, out, second, second_stages)
    assert line in said
    assert bool(said) == bool(line)
    whole = union(first, second)
    fresh = fresh_run(data, whole)
    assert_of_fresh_images(out, fresh)
    assert "run the same `xaibench run` again" not in run(data, out, whole)[1]
    assert_the_same(out, fresh)
    assert "nothing left to compute" in run(data, out, whole)[1]


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_list_of_unreadable_images_hides_nothing(
    form: str, data: Path, tmp_path: Path
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(data, out, {**BASE, "limit": 1})
    forge(out, FORMS[form])
    said, end = run(data, out, BASE)
    path = layout.failures(out) / "00000-12345678.json"
    assert said == f"damaged: {path} lists no unreadable images of this run: removed"
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
    mended(data, tmp_path)
    assert "1 unreadable images skipped" in run(data, tmp_path / "out", BASE)[1]
    assert unreadable(tmp_path / "out").keys() == {B}


def test_an_image_of_another_size_is_another_dataset(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    write(data, B, GOOD[1][:500])
    assert "data_fingerprint" in run(data, tmp_path / "out", BASE)[1]


def test_only_suspicious_files_are_read_and_only_once(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    read: list[str] = []
    real = blobs.read

    def told(blob: blobs.Blob) -> tuple[bytes, blobs.Content]:
        read.append(blob.path.name)
        return real(blob)

    with mock.patch.object(blobs, "read", told):
        run(data, tmp_path / "out", BASE)
        assert read == []
        touched(data, tmp_path)
        run(data, tmp_path / "out", BASE)
        assert read == [Path(B).name]
        run(data, tmp_path / "out", BASE)
        assert read == [Path(B).name], "its time is known now"


def test_a_file_that_cannot_be_read_now_loses_nothing(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    touched(data, tmp_path)
    with mock.patch.object(blobs.File, "open", side_effect=OSError("the network is away")):
        assert run(data, tmp_path / "out", BASE)[0] == ""
    assert len(rows(tmp_path / "out")) == 6


def test_files_of_earlier_versions_say_nothing_of_images(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, BASE)
    for path in (out / "predictions").rglob("*.parquet"):
        table = tables.read(path).drop_columns(list(tables.CONTENT))
        tables.save(
            path, table.to_pydict(), table.schema.remove_metadata(), tables.read_origin(path)
        )
    replaced(data, out)
    said, end = run(data, out, BASE)
    assert (said, "nothing left to compute" in end) == ("", True)


def photo(seed: int) -> Photo:
    return Photo(bitmap(seed), seed % 4)


@pytest.mark.parametrize("kind", ["hub", "web", "archive"])
def test_members_of_archives(kind: str, tmp_path: Path) -> None:
    photos = [photo(place) for place in range(6)]
    data, out = tmp_path / "data", tmp_path / "out"
    layouts.LAYOUTS[kind](data, photos)
    run(data, out, BASE)
    (name,) = {p.suffix for p in data.rglob("*val*") if p.is_file()}
    for path in data.rglob(f"*{name}"):
        os.utime(path, ns=(10**18, 10**18))
    assert run(data, out, BASE)[0] == "", "touched"
    shutil.rmtree(data)
    photos[1] = Photo(OTHER, photos[1].label)
    layouts.LAYOUTS[kind](data, photos)
    said, end = run(data, out, BASE)
    assert "changed since the run began" in said
    assert " more" not in said
    assert "computed 1 predictions, 1 maps, 1 scores" in end
    run(data, tmp_path / "fresh", BASE)
    assert_the_same(out, tmp_path / "fresh")


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("change", ["replaced", "mended"])
def test_an_interrupt_while_results_are_forgotten(
    change: str, step: int, data: Path, tmp_path: Path
) -> None:
    if change == "mended":
        write(data, C, BAD, later=0)
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(data, out, GROUPS)
    CHANGES[change][0](data, out)
    real, calls = known._take_out, []

    def dies(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == step + 1:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    with mock.patch.object(known, "_take_out", dies), pytest.raises(KeyboardInterrupt):
        run(data, out, GROUPS)
    assert CHANGES[change][1] in run(data, out, GROUPS)[0]
    run(data, fresh, GROUPS)
    assert_the_same(out, fresh)


def test_statistics_of_images_that_are_not_chosen(data: Path, tmp_path: Path) -> None:
    """IBA's come from all images; another method's results of the others stay."""
    config = {**BASE, "method": "gradient,iba(samples=2,steps=2)", "limit": 2}
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run(data, out, config)
    write(data, IDS[6], bitmap(7777))
    said, end = run(data, out, config)
    assert (
        f"{changed_line(IDS[6])}, and all of iba(samples=2,steps=2), prepared from images" in said
    )
    assert "computed 2 maps, 2 scores" in end
    run(data, fresh, config)
    assert_the_same(out, fresh)
    assert run(data, out, config)[0] == ""


def test_hash_and_time_are_kept_beside_the_predictions_and_not_shown(
    data: Path, tmp_path: Path
) -> None:
    import hashlib

    out = tmp_path / "out"
    run(data, out, GROUPS)
    held = known.read(known.beside_predictions(out, [0, 1]))
    assert held.keys() == set(IDS)  # the group of five of the sixth has the seventh
    for image, content in zip(IDS, GOOD, strict=True):
        expected = hashlib.sha256(content).hexdigest(), (data / image).stat().st_mtime_ns
        assert held[image] == {blobs.Content(*expected)}
    for path in (out / "predictions" / "mixup").rglob("*.parquet"):
        assert tables.read(path)["sha256"].null_count == len(tables.read(path))
    assert not {"sha256", "modified"} & set(xaibench.load_predictions(out).columns)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"images": 3}', b"", b"\xff"])
def test_a_damaged_note_of_changed_images_is_dropped(
    content: bytes, data: Path, tmp_path: Path
) -> None:
    run(data, tmp_path / "out", BASE)
    path = layout.manifest(tmp_path / "out", "changed")
    path.write_bytes(content)
    assert "nothing left to compute" in run(data, tmp_path / "out", BASE)[1]
    assert not path.exists()
