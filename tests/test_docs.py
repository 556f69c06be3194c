"""The pages of docs/ and ARCHITECTURE.md say what is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from helpers import cli
from test_arrows import HEADS, RANK

from xaibench.config.declared import shipped as declared_by_package
from xaibench.config.files import read_yaml
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.switches import asked, differences
from xaibench.normalize import STATUS_CONSTANT, STATUS_FAILED, STATUS_NONFINITE, STATUS_OK
from xaibench.published import paper_tables
from xaibench.registry import entries, get

ROOT = Path(__file__).parents[1]
PAGES = (
    *("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"),
    *("docs/protocol.md", "docs/promises.md", "results/README.md"),
    *("docs/check.md", "results/check/README.md"),
)
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
BOTH = (load_protocol("published"), load_protocol("reference"))


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of every table row of a Markdown page."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def rows_about(keys: set[str]) -> dict[str, tuple[str, ...]]:
    """The rows whose first cell is one of some keys; each has one."""
    found = [(row[0].strip("`"), row[1:]) for row in rows(PROTOCOL) if row[0].strip("`") in keys]
    assert len(found) == len(dict(found))
    return dict(found)


def shipped(option: str, *tables: str) -> set[str]:
    """What the shipped configurations of some of the paper's tables name."""
    return {name for t in tables for name in read_yaml(ROOT / "configs" / f"{t}.yaml")[option]}


def values(protocol: Protocol) -> dict[str, str]:
    """Every value that is named in a protocol's file, by the name that a switch of it has."""
    held = protocol.model_dump(include={"methods", "metrics", "transforms"})
    named = [
        (f"{f}.{o}", v) for part in held.values() for f, of in part.items() for o, v in of.items()
    ]
    steps = protocol.normalization.items()
    named += [(f"normalization.{m}.{o}", v) for m, of in steps for o, v in of.items()]
    named += [("preprocessing.resize", protocol.preprocessing.resize)]
    return {name: str(value) for name, value in [*named, ("probability", protocol.probability)]}


def expected() -> dict[str, tuple[str, str]]:
    """What the tables of values must hold: switches as they are listed, then all other values."""
    switches = differences(
        *BOTH, *(asked(k, entries(k)) for k in ("methods", "metrics", "transforms"))
    )
    found = {s.name: (s.before, s.after) for s in switches}
    joined = {
        f"{s.owner}.{leaf.option}" for s in switches for leaf in s.leaves if len(s.leaves) > 1
    }
    published, reference = map(values, BOTH)
    assert published.keys() == reference.keys()
    equal = {k: (v, reference[k]) for k, v in published.items() if k not in joined}
    assert all(a == b for name, (a, b) in equal.items() if name not in found)
    return equal | found


def test_the_tables_hold_every_value_and_switch_of_the_protocols() -> None:
    wanted = expected()
    assert len(wanted) > 60
    tables = {
        row[0].strip("`"): (row[1], row[2])
        for row in rows(PROTOCOL)
        if len(row) == 4 and re.fullmatch(r"`[a-z_.+]+`", row[0])
    }
    assert tables == wanted


def test_the_papers_methods_have_rows_with_their_sources() -> None:
    methods = entries("methods")
    found = rows_about(set(methods))
    assert shipped("method", "table1") <= found.keys()
    for name, (_, source) in found.items():
        assert source.startswith(f"`{methods[name].metadata['citation']}`")


def test_the_papers_metrics_have_rows_with_direction_and_unit() -> None:
    catalog = declared_by_package()
    found = {k: row for k, row in rows_about(set(entries("metrics"))).items() if len(row) == 4}
    assert shipped("metric", "table1", "table3") <= found.keys()
    for name, (_, better, unit, _) in found.items():
        declared = catalog.metric(name)
        assert better == declared.direction
        options = entries("metrics")[name].metadata.get("by", {}).values()
        cases = [case["unit"] for of in options for case in of.values() if "unit" in case]
        assert unit == (", or ".join(cases) or declared.unit)  # what an option decides


def test_the_printed_form_is_that_of_the_papers_tables() -> None:
    keys = set(paper_tables()["metric"])
    found = rows_about({key.removesuffix("_bar") for key in keys})
    assert {f"{k}_bar" if r[0].startswith("100 - ") else k for k, r in found.items()} == keys


def test_the_papers_transforms_have_rows_with_its_variations() -> None:
    found = rows_about(set(entries("transforms")))
    assert shipped("transform", "table4") <= found.keys()
    for name, (variations, _) in found.items():
        assert (
            tuple(re.findall(r"`(\w+)`", variations))
            == get("transforms", name).metadata["variations"]
        )


def test_every_status_has_its_row() -> None:
    raised = {STATUS_OK, STATUS_CONSTANT, STATUS_NONFINITE, STATUS_FAILED}
    wanted = raised | {"not_applicable", "no_box"}
    assert rows_about(wanted).keys() == wanted


def test_every_source_is_in_the_bibliography_and_has_a_link() -> None:
    keys = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text(), re.M))
    linked = {row[0].strip("`") for row in rows(PROTOCOL) if "](https://" in row[-1]}
    cited = set(re.findall(r"`([a-z]+\d{4}[a-z]+)`", PROTOCOL))
    assert cited == linked
    assert linked <= keys


def test_architecture_names_every_part_in_the_order_of_the_arrows() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    first = [re.findall(r"`(\w+)(?:/|\.py)`", row[0]) for row in rows(text)]
    named = [part for parts in first for part in parts]
    assert HEADS - {"__main__"} <= set(named)
    ranks = [RANK[part] for part in named if part in RANK]
    assert ranks == sorted(ranks)


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python, in its order; then the commands that take what these wrote."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    idea, *blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    Path("my.py").write_text(idea, encoding="utf-8")
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["maps"].shape == (5, 224, 224)
    assert names["predictions"].image.tolist() == list(names["ids"])
    assert names["mine"].metric.tolist() == ["deletion", "sparseness"] * 2
    for what, said in (("my.py:", "12 scores"), ("--maps", "10 scores")):
        (command,) = (c for c in re.findall(r"^xaibench (.+)$", text, re.M) if what in c)
        code, out, err = cli(*shlex.split(command))
        assert code == 0, err
        assert said in out


def test_every_anchor_is_a_heading() -> None:
    for page in PAGES:
        for place, anchor in re.findall(
            r"\]\(([\w/.]*)#([^)]*)\)", (ROOT / page).read_text("utf-8")
        ):
            to = (ROOT / page).parent / place if place else ROOT / page
            heads = re.findall(r"^#+ (.+)$", to.read_text("utf-8"), re.M)
            found = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in found, f"{page}: {place}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#[^)]*)?\)", text)
    for link in filter(None, links):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_every_path_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:xaibench|tests|configs|docs)/[\w/.*]+)`", text)
    assert len(paths) > 10
    for path in paths:
        assert list(ROOT.glob(path.rstrip("/"))) or path == "xaibench/oracles", path


def test_every_promise_has_its_test() -> None:
    promises = rows((ROOT / "docs" / "promises.md").read_text(encoding="utf-8"))[2:]
    assert len(promises) > 15
    named = set()
    for promise, tests in promises:
        files = re.findall(r"`([\w/.]+)`", tests)
        assert files, promise
        named |= {name if "/" in name else f"tests/trust/{name}" for name in files}
    assert all((ROOT / name).is_file() for name in named)
    trust = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/trust").glob("test_*.py")}
    assert trust <= named
