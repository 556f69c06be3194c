"""The registry: what is read from source is what importing declares; plug-ins; options."""

from __future__ import annotations

import copy
import importlib
import inspect
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

import xaibench
from xaibench import registry
from xaibench.errors import UsageError, XaibenchError
from xaibench.registry import KINDS, Registered, entries, get, register

ALL = [(kind, key) for kind in KINDS for key in entries(kind)]


@pytest.fixture
def fresh() -> Iterator[None]:
    """The scan is cached; tests that change what it sees start and end without the cache."""
    entries.cache_clear()
    yield
    entries.cache_clear()


@pytest.mark.parametrize(("kind", "key"), ALL)
def test_scanning_equals_importing(kind: str, key: str) -> None:
    entry, found = entries(kind)[key], get(kind, key)
    assert entry.key == key
    assert entry.kind == found.kind == kind
    assert key in found.keys
    assert entry.target == f"{found.function.__module__}:{found.function.__name__}"
    about = found.metadata.get("keys", {}).get(key, {})
    first_line = (inspect.getdoc(found.function) or "").split("\n")[0]
    assert entry.doc == about.get("doc", first_line)
    assert entry.doc.endswith(".")
    for name, value in entry.metadata.items():
        assert about.get(name, found.metadata.get(name)) == value, name


@pytest.mark.parametrize("kind", KINDS)
def test_importing_finds_nothing_that_scanning_missed(kind: str) -> None:
    folder = Path(xaibench.__file__).parent / kind
    declared: list[str] = []
    for path in sorted(folder.glob("*.py")):
        module = importlib.import_module(f"xaibench.{kind}.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, Registered) and value.function.__module__ == module.__name__:
                declared += value.keys
    assert sorted(declared) == sorted(entries(kind)), "and no key twice"


@pytest.mark.parametrize(("kind", "key"), [pair for pair in ALL if pair[0] in ("methods",)])
def test_a_method_is_the_name_of_its_file(kind: str, key: str) -> None:
    assert entries(kind)[key].target == f"xaibench.methods.{key}:{key}"


def test_scanning_imports_nothing(tmp_path: Path) -> None:
    file = tmp_path / "boom.py"
    file.write_text(
        "from xaibench.registry import method\n"
        "raise RuntimeError('imported')\n"
        "@method(family='cam', cost=object())\n"
        "def boom(ctx):\n"
        "    '''First line.\n\n    More.'''\n"
    )
    (entry,) = registry._scan_file(file, "x", "methods")
    assert (entry.key, entry.doc, entry.target) == ("boom", "First line.", "x.boom:boom")
    assert entry.metadata == {"family": "cam"}
    assert registry._scan_file(file, "x", "metrics") == []


@pytest.mark.parametrize(("kind", "wrong", "near"), [("methods", "gradcm", "gradcam")])
def test_unknown_names_give_the_nearest(kind: str, wrong: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown method '{wrong}': did you mean '{near}'"):
        get(kind, wrong)


def test_names_are_folded() -> None:
    assert get("models", "EfficientNet-Lite0") is get("models", "efficientnet_lite0")


def plug_in(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(
        registry.metadata, "entry_points", lambda group: [p for p in points if p.group == group]
    )


@pytest.mark.usefixtures("fresh")
def test_an_entry_point_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    target = "xaibench.methods.gradcam:gradcam"
    plug_in(monkeypatch, EntryPoint("my-cam", target, "xaibench.methods"))
    assert "gradcam" in entries("methods")
    assert entries("methods")["my_cam"].target == target
    assert get("methods", "My-Cam") is get("methods", "gradcam")
    assert "my_cam" not in entries("metrics")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["gradcam", "GradCAM"])
def test_a_duplicate_key_from_an_entry_point_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plug_in(monkeypatch, EntryPoint(name, "other:thing", "xaibench.methods"))
    with pytest.raises(XaibenchError, match=r"'gradcam', which xaibench has already.*uninstall"):
        entries("methods")


@pytest.mark.usefixtures("fresh")
def test_two_plug_ins_of_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("mine", f"{m}:x", "xaibench.metrics") for m in ("one", "two")]
    plug_in(monkeypatch, *points)
    with pytest.raises(XaibenchError, match="'mine'"):
        entries("metrics")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("target", ["no_such_module_anywhere:x", "xaibench.errors:no_such_thing"])
def test_a_broken_plug_in_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    plug_in(monkeypatch, EntryPoint("broken", target, "xaibench.methods"))
    with pytest.raises(XaibenchError, match=r"broken|no_such"):
        get("methods", "broken")


@pytest.mark.usefixtures("fresh")
def test_an_undecorated_plug_in_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, EntryPoint("plain", "xaibench.errors:fold", "xaibench.methods"))
    with pytest.raises(XaibenchError, match="not decorated"):
        get("methods", "plain")


@pytest.mark.usefixtures("fresh")
def test_two_files_of_one_key_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "methods").mkdir(exist_ok=True)
        (tmp_path / f"methods/{name}.py").write_text("@method()\ndef same(ctx):\n    '''Doc.'''\n")
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry" / "__init__.py"))
    with pytest.raises(XaibenchError, match="same"):
        entries("methods")


def options(
    ctx: None,
    *,
    count: int = 3,
    width: float = 1.0,
    ties: Literal["first", "last"] = "first",
    name: str = "cam",
    most: int | None = None,
    needed: bool,
) -> None:
    """Every type that an option may have."""


@pytest.fixture
def declared() -> Registered:
    return register("methods", family="x")(options)


def test_declaration(declared: Registered) -> None:
    assert (declared.kind, declared.key, declared.keys) == ("methods", "options", ("options",))
    assert declared.metadata == {"family": "x"}
    assert list(declared.options) == ["count", "width", "ties", "name", "most", "needed"]


def test_layers_of_values(declared: Registered) -> None:
    found = declared.resolve({"count": 4, "needed": True}, {"count": 5, "width": 2, "most": 7})
    assert found == {
        "count": 5,
        "width": 2.0,
        "ties": "first",
        "name": "cam",
        "most": 7,
        "needed": True,
    }
    assert list(found) == sorted(found)
    assert type(found["width"]) is float


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "needs a value for needed"),
        ({"cuont": 3}, "'count'"),
        ({"count": "3"}, "count must be int"),
        ({"count": 3.0}, "count must be int"),
        ({"count": True}, "count must be int"),
        ({"count": None}, "count must be int"),
        ({"width": "wide"}, "width must be float"),
        ({"width": True}, "width must be float"),
        ({"ties": "frist"}, "'first'"),
        ({"ties": 1}, "first"),
        ({"name": 3}, "name must be str"),
        ({"most": "all"}, "most must be int"),
        ({"needed": 1}, "needed must be bool"),
    ],
)
def test_wrong_options(declared: Registered, values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        declared.resolve(values if not values or "needed" in values else values | {"needed": True})


def requests_of(protocol: str) -> list[object]:
    """Every built-in method, metric and transform as a run resolves it."""
    from xaibench.config.protocol import load_protocol
    from xaibench.config.requests import resolve_methods, resolve_metrics, resolve_transforms

    held = load_protocol(protocol)
    found = [*resolve_methods(["all"], held), *resolve_metrics(["all"], held)]
    return [*found, *resolve_transforms(["all"], held).values()]


def test_requests_pickle() -> None:
    for one in requests_of("published"):
        assert pickle.loads(pickle.dumps(one)) == one


def test_requests_pickle_into_another_process() -> None:
    spawn = multiprocessing.get_context("spawn")
    sent = requests_of("reference")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        assert pool.submit(copy.copy, sent).result() == sent
        texts = pool.submit(repr_of_options, sent).result()
    assert texts == repr_of_options(sent)


def repr_of_options(found: list[object]) -> list[str]:
    return [f"{one and (one.spec, one.entry.key, dict(one.options))}" for one in found]


@pytest.mark.usefixtures("fresh")
def test_a_plug_in_pickles_whatever_its_entry_point_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plug_in(monkeypatch, EntryPoint("my-cam", "xaibench.methods.rise:rise", "xaibench.methods"))
    found = get("methods", "my_cam")
    assert pickle.loads(pickle.dumps(found)) is found
