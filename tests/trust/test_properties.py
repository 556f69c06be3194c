"""What holds for any text, mapping or archive: read and written back the same, or one line."""

from __future__ import annotations

import json
import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from xaibench.config import yamls
from xaibench.config.run import RunConfig, load_config
from xaibench.config.specs import canonical, parse, split, split_all
from xaibench.datasets import tars
from xaibench.errors import XaibenchError
from xaibench.store import layout


def examples(count: int) -> settings:
    """So many drawn examples, the same ones in every run, however slow the machine is."""
    return settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=count,
        suppress_health_check=[HealthCheck.too_slow],
    )


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n != "file")
OPTIONS = NAMES.filter(lambda n: not keyword.iskeyword(n))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.text("',\"()[]{}=\\.# a1\n", max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
REQUESTS = st.tuples(NAMES, st.dictionaries(OPTIONS, VALUES, max_size=3))
PLAIN = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
JSON = st.recursive(
    SCALARS | st.floats() | st.text(PLAIN, max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
YAML = st.text("ab:-[]{}&*!?|>'\"#%@, \n\t0159.~<=", max_size=60) | st.text(max_size=60)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def answer(
    function: Callable[..., Any], given: object, refusal: type[Exception] = XaibenchError
) -> tuple[Any, str | None]:
    """What a function returns, and what it says if it refuses what was given."""
    try:
        return function(given), None
    except refusal as error:
        return None, str(error)


@examples(150)
@given(REQUESTS)
@example(("rise", {"x": "a),b("}))
@example(("rise", {"x": "layer4.2"}))
@example(("rise", {"x": "true"}))
@example(("rise", {"x": -0.0, "y": (1,), "z": {"": [None]}}))
def test_a_spec_is_read_back(request: tuple[str, dict[str, Any]]) -> None:
    name, values = request
    spec = canonical(name, values, {})
    read, found = parse(spec)
    assert (read, found) == (name, values)
    assert canonical(read, found, {}) == spec


@examples(150)
@given(st.lists(REQUESTS, min_size=1, max_size=3))
def test_a_list_of_specs_is_taken_apart_as_it_was_joined(
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    specs = [canonical(name, values, {}) for name, values in requests]
    assert split(",".join(specs)) == specs
    assert split_all(specs) == list(dict.fromkeys(specs))


@examples(150)
@given(st.text(max_size=80) | st.text("abf(=[{'\"),:.py-*+1 \\\n", max_size=60))
@example("a" + "(" * 3_000)
@example("a(x=" + "-" * 3_900 + "1)")
@example("a(x=1" + "+1" * 1_900 + ")")
@example("a(x='\ud800')")
@example("file:a.py:f(x=1e999)")
@example("\0")
def test_any_text_is_a_spec_or_one_line(text: str) -> None:
    found, line = answer(parse, text)
    if line is None:
        json.dumps(found, allow_nan=False)
    else:
        assert line
        assert "\n" not in line


@examples(150)
@given(st.dictionaries(st.sampled_from(sorted(RunConfig.model_fields)) | st.text(PLAIN), JSON))
@example({"method": "gradcam", "limit": True})
@example({"batch_size": 10**400})
@example({"out": "a\0b"})
@example({"data": "\ud800"})
@example({"subset": "x" * 300})
def test_any_mapping_is_a_configuration_or_one_line(values: dict[str, Any]) -> None:
    config, line = answer(load_config, values)
    if line is None:
        assert RunConfig.model_validate(config.model_dump()) == config
    else:
        assert line
        assert "\n" not in line or "\\n" in repr(values)  # a line end that was given may be quoted


@examples(150)
@given(YAML)
@example("[" * 100_000)
@example("&a [*a]")
@example("- !!int x\n- !!bool y")
@example("2020-99-99")
@example("{a: 1, a: 2}")
def test_any_text_is_yaml_or_one_line(text: str) -> None:
    _, line = answer(yamls.load, text, ValueError)
    assert line is None or (line and "\n" not in line)


@examples(150)
@given(st.lists(IDS, min_size=5, max_size=5))
@example(["../up", "a=b", "50%", "a\nb", "ü/ö"])
def test_the_folders_of_scores_say_whose_they_are(values: list[str]) -> None:
    folder = layout.scores(Path("run"), **dict(zip(layout.PARTITIONS, values, strict=True)))
    assert len(folder.parts) == 2 + len(values)
    assert layout.score_keys(folder / "00000-abc.parquet") == values


@examples(30)
@given(IDS, IDS)
@example("a/b=c%2F\n.jpg", "m(x='a/b')")
def test_ids_and_specs_come_back_through_a_partition(
    tmp_path_factory: pytest.TempPathFactory, image: str, spec: str
) -> None:
    assume(len(layout.encode(spec)) < 200)
    root = tmp_path_factory.mktemp("partition")
    keys = dict.fromkeys(layout.PARTITIONS, "none") | {"method": spec}
    folder = layout.scores(root, **keys)
    folder.mkdir(parents=True)
    pd.DataFrame({"image": [image], "value": [1.0]}).to_parquet(folder / "00000-abc.parquet")
    frame = pd.read_parquet(root / "scores")
    assert list(frame["image"]) == [image]
    assert list(frame["method"].astype(str)) == [spec]


@examples(60)
@given(st.dictionaries(IDS.map(lambda name: f"{name}.png"), st.binary(max_size=9), max_size=4))
@example({"../up.png": b"1", "/top.png": b"2", "a//b.png": b"3", "a/./c.png": b"4"})
def test_an_archive_gives_each_image_its_own_bytes(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]
) -> None:
    assume(not any("\0" in name for name in members))
    path = layouts.pack(tmp_path_factory.mktemp("tar") / "a.tar", list(members.items()))
    spans, line = answer(tars.index, path)
    held = {name.removeprefix("./"): data for name, data in members.items()}
    if line is None:
        assert {name: span.open().read() for name, span in spans.items()} == held
    else:
        assert "twice" in line
        assert len(held) < len(members)
