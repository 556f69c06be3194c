"""JSON of the wrong form in a record of a run: named as damaged by all that reads it, or read."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from unittest import mock

import pytest
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.cli.sources import other_protocols
from xaibench.studies.records import check_records

RECORDS = ("identity", "protocol", "catalog", "files", "maps", "subset", "batch_size", "run")
NONSENSE = {
    "list": "[]",
    "text": '"x"',
    "null": "null",
    "other keys": '{"a": 1}',
    "deep": "[" * 100_000 + "]" * 100_000,
    "deeper than it has to be": '{"model": ' + '{"a":' * 300 + "1" + "}" * 300 + "}",
    "minus": "-3",
    "cut": '{"model": "ti',
    "empty": "",
    "not utf-8": "\udcff",
    "no number": "NaN",
}
READ = {"catalog", "run"}
"""Records of which an object without the usual keys says nothing, which is no damage."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two photographs with maps; tests work on copies."""
    out = tmp_path_factory.mktemp("records") / "run"
    options = {"model": THOUSAND, "method": "fakecam,gradcam", "limit": 2, "out": out}
    xaibench.run({**options, "metric": "sparseness,average_drop,insertion(rows_per_step=112)"})
    return out


@pytest.fixture
def out(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "run"))


def replace(out: Path, record: str, text: str) -> Path:
    folder = out / "manifests"
    path = next(folder.glob("run-*.json")) if record == "run" else folder / f"{record}.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def line_of(*words: object) -> tuple[int, str]:
    code, _, err = cli(*words)
    assert err.count("\n") <= 1, err
    assert "unexpected" not in err
    return code, err


@pytest.mark.parametrize("content", NONSENSE)
@pytest.mark.parametrize("record", RECORDS)
def test_wrong_forms_are_named_as_damaged(out: Path, record: str, content: str) -> None:
    path = replace(out, record, NONSENSE[content])
    readable = content == "other keys" and record in READ
    for command in ("report", "normalize"):
        code, line = line_of(command, out)
        if readable:
            assert (code, line) == (0, "")
        else:
            assert code == 1
            assert f"{path} is damaged (" in line
            assert len(line) < 400


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("content", ["list", "other keys", "deep"])
def test_an_audit_compares_nothing_then(out: Path, record: str, content: str) -> None:
    path = replace(out, record, NONSENSE[content])
    with mock.patch("xaibench.studies.audit._cases", return_value=iter(())):
        code, line = line_of("audit", out)
    assert code == 1
    if content == "other keys" and record in READ - {"run"}:
        assert "nothing could be compared" in line
    else:
        assert str(path) in line
        assert "damaged" in line


FAILURES = ["[]", "null", "{}", '{"unreadable": [1]}', '{"unreadable": [{"image": "a"}]}', "{"]


@pytest.mark.parametrize("text", FAILURES)
@pytest.mark.parametrize("command", ["report", "audit"])
def test_records_of_failures_too(out: Path, text: str, command: str) -> None:
    path = out / "failures" / "00000-0123abcd.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    code, line = line_of(command, out)
    assert code == 1
    assert f"{path} is damaged (" in line


def test_an_audit_names_the_prediction_that_is_gone(out: Path) -> None:
    shutil.rmtree(out / "predictions")
    code, line = line_of("audit", out)
    assert code == 1
    assert re.search("the prediction of imagenet_.* is gone: run the same", line), line


def test_figures_name_the_prediction_that_is_gone(out: Path) -> None:
    left = xaibench.load_predictions(out).iloc[:1]
    with mock.patch("xaibench.store.read.load_predictions", return_value=left):
        code, line = line_of("report", out, "--figures")
    assert code == 1
    assert re.search("the prediction of imagenet_.* is gone: run the same", line), line


VALUES = [  # (record, what is changed, the value, what is said)
    ("identity", "model", 5, "model: Input should be a valid string"),
    ("identity", "protocol", None, "protocol: Input should be a valid string"),
    ("protocol", "metrics", [], "metrics: Input should be a valid dictionary"),
    ("protocol", "probability", "float8", "probability: Input should be 'float32' or 'float64'"),
    ("catalog", "methods", {"gradcam": {"key": "gradcam", "title": 5}}, "methods.gradcam.title: "),
    ("catalog", "methods", {"gradcam": {}}, "methods.gradcam.key: Field required"),
    ("catalog", "metrics", 3, "metrics: Input should be a valid dictionary"),
    ("catalog", "as_published", [], "as_published: Input should be a valid boolean"),
    ("run", "config", [], "config: Input should be a valid dictionary"),
    ("run", "config", {"transform": 5}, "config.transform: Input should be a valid list"),
    ("run", "config", {"limit": "all"}, "config.limit: Input should be a valid integer"),
    ("run", "counts", {"images": "many"}, "counts.images: Input should be a valid integer"),
    ("run", "versions", [], "versions: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("record", "key", "value", "said"), VALUES)
def test_wrong_values_are_named(out: Path, record: str, key: str, value: object, said: str) -> None:
    folder = out / "manifests"
    path = next(folder.glob("run-*.json")) if record == "run" else folder / f"{record}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    code, line = line_of("report", out)
    assert code == 1
    assert f"{path} is damaged ({said}" in line


@pytest.mark.parametrize("number", ["0", "-3", "99999999999", "true", '"16"', "1.5"])
def test_sizes_of_batches_that_are_none(out: Path, number: str) -> None:
    path = replace(out, "batch_size", number)
    assert f"{path} is damaged (Input should be" in line_of("report", out)[1]


def test_options_that_are_none_are_named_by_the_audit(out: Path) -> None:
    path = next((out / "manifests").glob("run-*.json"))
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {"config": held["config"] | {"seed": "x"}}))
    code, line = line_of("audit", out)
    assert code == 1
    assert f"{path} is damaged: delete it" in line


@pytest.mark.parametrize("more", [(), ("--agreement",), ("--figures",), ("--claims",)])
def test_every_report_asks_first(out: Path, more: tuple[str, ...]) -> None:
    path = replace(out, "catalog", "[]")
    code, line = line_of("report", out, *more)
    assert code == 1
    assert f"{path} is damaged" in line
    assert not (out / "report").exists()


def test_both_of_two_runs_are_asked(base: Path, out: Path) -> None:
    path = replace(out, "identity", "[]")
    for words in ((out, base), (base, out), (base, "--compare", out)):
        code, line = line_of("report", *words)
        assert code == 1
        assert f"{path} is damaged" in line


def test_a_damaged_neighbour_is_left_out_of_the_claims(base: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two"):
        shutil.copytree(base, runs / name)
    path = replace(runs / "one", "identity", "[]")
    said: list[str] = []
    assert other_protocols(runs / "two", said.append) == []
    assert any(f"left out: {path} is damaged" in line for line in said)


@pytest.mark.parametrize("record", RECORDS)
def test_an_ablation_names_them_or_goes_on(tmp_path: Path, record: str) -> None:
    """What a run can write anew is no hindrance; nothing ends in a traceback."""
    folder = tmp_path / "published" / "manifests"
    words = ["--model", THOUSAND, "--method", "fakecam", "--metric", "insertion", "--limit", 1]
    words += ["--switch", "causal.kernel", "--out", tmp_path]
    folder.mkdir(parents=True)
    path = folder / f"{'run-1' if record == 'run' else record}.json"
    path.write_text("[]")
    code, line = line_of("ablate", *words)
    assert code == 0 or f"{path} is damaged: delete it" in line


def test_nothing_is_wrong_with_a_run(base: Path) -> None:
    check_records(base)


def test_a_pipe_is_not_waited_for(out: Path) -> None:
    path = out / "manifests" / "identity.json"
    path.unlink()
    os.mkfifo(path)
    assert f"{path} is damaged (it is not a file)" in line_of("report", out)[1]


def test_cleaning_needs_no_record(out: Path) -> None:
    for record in RECORDS:
        replace(out, record, "[]")
    assert line_of("clean", out, "--maps", "--yes") == (0, "")
