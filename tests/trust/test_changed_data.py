"""Images that changed after results were made of them: no two results are of different pixels.

Every row of the table ends with the rows of a fresh run on the images as they are then, to the bit,
and between its two commands no row of a directory is of an image that is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import layouts
import pytest
from layouts import Photo
from pictures import (
    BAD,
    BASE,
    BOTH,
    GOOD,
    GROUPS,
    IDS,
    MORE,
    OTHER,
    READABLE,
    Config,
    assert_of_fresh_images,
    assert_the_same,
    bitmap,
    forge,
    run,
    write,
)

from xaibench.store import images as known
from xaibench.store import layout

B, C = IDS[1], IDS[2]


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


def forged(data: Path, out: Path) -> None:
    rows = [{"image": IDS[0], "reason": "OSError: forged"}, {"image": B, "reason": "forged"}]
    forge(out, {"unreadable": rows})


def forged_and_mended(data: Path, out: Path) -> None:
    """The list that names the one that was unreadable is damaged meanwhile."""
    mended(data, out)
    for path in layout.failures(out).glob("*.json"):
        path.unlink()
    forge(out, [])


def changed_line(named: str) -> str:
    whose = "their" if " more" in named else "its"
    return f"changed since the run began: {named}: {whose} results are computed anew"


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
    "statistics later": (BASE, BOTH, {**MORE, "method": "iba(steps=2,samples=2)"}, BOTH),
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


def test_an_image_of_another_size_is_another_dataset(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    write(data, B, GOOD[1][:500])
    assert "data_fingerprint" in run(data, tmp_path / "out", BASE)[1]


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
    assert f"{changed_line(IDS[6])}\nall results of iba(samples=2,steps=2) are computed" in said
    assert "computed 2 maps, 2 scores" in end
    run(data, fresh, config)
    assert_the_same(out, fresh)
    assert run(data, out, config)[0] == ""
