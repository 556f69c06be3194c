"""Specs: split, parsed, and written back in one form."""

from __future__ import annotations

import pytest

from xaibench.config.specs import canonical, parse, split, split_all
from xaibench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a , b ,", ["a", "b"]),
        ("a(x=1,y=2),b", ["a(x=1,y=2)", "b"]),
        ("a(x=[1,2],y=(3,4)),b(z={5,6})", ["a(x=[1,2],y=(3,4))", "b(z={5,6})"]),
        (
            "file:a, (b/c.py:f(x=1,y=2),file:d.py:G,h",
            ["file:a, (b/c.py:f(x=1,y=2)", "file:d.py:G", "h"],
        ),
        ("", []),
        (",,", []),
    ],
)
def test_split(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_split_all_keeps_the_first_of_equals_and_the_order() -> None:
    assert split_all(["b,a", "c", "a,b(x=1)"]) == ["b", "a", "c", "b(x=1)"]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("rise", "rise", {}),
        ("rise()", "rise", {}),
        (" Grad-CAM ", "grad_cam", {}),
        ("rise(n_masks=2000)", "rise", {"n_masks": 2000}),
        ("rise(N_masks=2000, p=.5)", "rise", {"n_masks": 2000, "p": 0.5}),
        ("a(x=-1,y=-0.5,z=1e-3)", "a", {"x": -1, "y": -0.5, "z": 0.001}),
        (
            "a(x=reverse,y='row major',z=\"b,c)\")",
            "a",
            {"x": "reverse", "y": "row major", "z": "b,c)"},
        ),
        ("scorecam(layer=layer4.2,n=3)", "scorecam", {"layer": "layer4.2", "n": 3}),
        ("a(x=true,y=False,z=none)", "a", {"x": True, "y": False, "z": None}),
        ("file:My Own-(1).py:myCam", "file:My Own-(1).py:myCam", {}),
        (" file:~/a-b.py:F(X='a.py:g(', y=2)", "file:~/a-b.py:F", {"x": "a.py:g(", "y": 2}),
        ("a(x=(1,2),y=[3])", "a", {"x": (1, 2), "y": [3]}),
    ],
)
def test_parse(text: str, name: str, values: dict[str, object]) -> None:
    assert parse(text) == (name, values)
    assert [type(v) for v in parse(text)[1].values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize(
    "text",
    [
        "a(",
        "a(x=1",
        "a(x=1))",
        "a(1)",
        "a(**x)",
        "a(*x)",
        "a(x=)",
        "a(x=1)(y=2)",
        "a(x=1) b",
        "a(x=1).b",
        "a(x=f(1))",
        "a(x=1+1)",
        "a(x=__import__('os').system('true'))",
        "a(x=1,x=2)",
        "a(x=1, X=2)",
        "a(x=1); b",
        "file:a.py:f(1)",
        "file:a.py:f(x=1",
        "file:a.py:f(x=1)b",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert text in str(error.value)
    assert error.value.exit_code == 2


def test_canonical_keeps_only_what_differs_sorted() -> None:
    defaults = {"n": 32, "p": 0.5, "ties": "row_major"}
    assert canonical("rise", defaults, defaults) == "rise"
    changed = {"ties": "reverse", "p": 0.5, "n": 8}
    assert canonical("rise", changed, defaults) == "rise(n=8,ties='reverse')"
    assert canonical("rise", {"n": 8, "p": 0.5, "ties": "reverse"}, defaults) == canonical(
        "rise", changed, defaults
    )


@pytest.mark.parametrize(
    "values",
    [
        {"x": 1},
        {"x": -1.5, "y": 1e-9},
        {"x": "it's, (odd)", "y": 'a"b'},
        {"x": None, "y": True, "z": False},
        {"x": (1, 2), "y": [3.5]},
        {"x": "none", "y": "true", "z": "reverse"},
    ],
)
def test_canonical_is_read_back_as_the_same(values: dict[str, object]) -> None:
    text = canonical("a", values, {})
    assert parse(text) == ("a", values)
    assert split(f"b,{text},c")[0] == "b"
    assert canonical(*parse(text), {}) == text
