"""`xaibench plan`: its page, its JSON, what it refuses; `run --dry-run` prints the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers import cli, noise
from networks import THOUSAND

from xaibench import load_scores

FAST = ("--model", THOUSAND, "--workers", 0, "--limit", 2, "--metric", "average_drop,sparseness")


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def table(said: str) -> list[str]:
    lines = said.splitlines()
    first = next(i for i, line in enumerate(lines) if "forwards" in line and "time" in line)
    return lines[first:]


def test_a_plan_measures_once_and_a_dry_run_prints_the_same() -> None:
    unmeasured = cli("run", *FAST, "--dry-run", "--processes", 2)[1]
    assert "not measured on this device" in unmeasured
    assert "times below are of one process" in unmeasured
    code, said, err = cli("plan", *FAST)
    assert code == 0, err
    assert "times below" not in said
    assert max(map(len, table(said))) <= 80
    for name in ("read images", "predict", "explain gradcam", "score average_drop", "in all"):
        assert any(line.startswith(name) for line in table(said)), said
    assert "to start" in said
    (kept,) = Path("cache/xaibench/rates").iterdir()
    before = kept.read_text()
    dry = table(cli("run", *FAST, "--dry-run")[1])
    again = table(cli("plan", *FAST)[1])
    assert kept.read_text() == before, "nothing is measured again"
    assert dry[:-1] == again[:-2], "but for seconds, and what to run next"
    assert cli("plan", *FAST, "--recalibrate")[0] == 0
    assert kept.read_text() != before
    assert not Path("results").exists()


def test_a_rate_needs_no_measurement_and_adds_devices_and_dollars() -> None:
    words = ("plan", *FAST, "--rate", 2, "--devices", 3, "--price-per-hour", 3600)
    code, said, _ = cli(*words)
    assert code == 0
    assert not Path("cache").exists()
    # predict 16 rows, Grad-CAM 16 and 2 backwards at 2 forwards, average drop 16
    assert "26.0 s on one device" in said
    assert "26.0 s on 3 devices" in said, "it is one block"
    assert "$78.00 at $3600 an hour and device" in said
    found = json.loads(cli(*words, "--json")[1])
    assert (found["total"]["rows"], found["total"]["backwards"]) == (48, 2)
    assert (found["seconds"], found["dollars"], found["at_least"]) == (26.0, 78.0, False)
    assert {line["stage"] for line in found["lines"]} == {"read", "predict", "explain", "score"}


def test_fewer_images_of_a_subset_are_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    held = noise(tmp_path / "data", 3)
    names = sorted(path.name for path in held.iterdir())
    Path("list.txt").write_text("".join(f"{name}\n" for name in names[:2]))
    words = ("--data", held, *FAST[:4], *FAST[6:], "--rate", 2, "--subset", "list.txt")
    assert "there are 2 images" in "".join(cli("plan", *words, "--limit", 3)[1:])
    assert "all are taken" not in "".join(cli("plan", *words, "--limit", 2)[1:])


def test_fewer_images_than_asked_for_are_said() -> None:
    few = (*FAST[:4], *FAST[6:])
    assert FAST[4:6] == ("--limit", 2)
    said = "".join(cli("plan", *few, "--rate", 2, "--limit", 200)[1:])
    assert "limit 200: there are 20 images of samples, and all are taken" in said
    assert "all are taken" not in "".join(cli("plan", *FAST, "--rate", 2)[1:])


def test_devices_may_be_all_as_they_are_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIBENCH_DEVICES", "all")
    monkeypatch.setattr("xaibench.config.early.cuda_devices", lambda: 2)
    code, said, err = cli("plan", *FAST, "--rate", 2)
    assert code == 0, err
    assert "on 2 devices" in said


def test_several_configurations_are_added_up_and_what_is_there_is_not_counted() -> None:
    Path("a.yaml").write_text("metric: [sparseness]\n")
    Path("b.yaml").write_text("metric: [sparseness, average_drop]\n")
    Path("both.yaml").write_text("include: [a.yaml, b.yaml]\n")
    words = ("--rate", 1, "--json", "--limit", 2, "--model", THOUSAND, "--out", "o")
    rows = [
        json.loads(cli("plan", "--config", f"{name}.yaml", *words)[1])["total"]["rows"]
        for name in ("a", "b", "both")
    ]
    two = json.loads(cli("plan", "--config", "a.yaml", "--config", "b.yaml", *words)[1])
    assert [*rows, two["total"]["rows"]] == [32, 48, 48, 48]
    assert cli("run", *FAST, "--out", "o")[0] == 0
    left = json.loads(cli("plan", *FAST, "--out", "o", "--rate", 1, "--json")[1])
    assert left["total"]["rows"] == 0
    anew = json.loads(cli("plan", *FAST, "--out", "o", "--rate", 1, "--json", "--overwrite")[1])
    assert anew["total"]["rows"] == 48


def test_of_several_configurations_each_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One did away with the metrics of those before it, without a word."""
    for name in ("sparseness", "complexity"):
        Path(f"{name}.yaml").write_text(f"metric: {name}\n")
    words = ("--method", "gradcam", "--limit", 1, "--model", THOUSAND, "--out")
    files = ("--config", "sparseness.yaml", "--config", "complexity.yaml")
    assert cli("run", *files, *words, "one")[0] == 0
    monkeypatch.setenv("XAIBENCH_CONFIG", os.pathsep.join(files[1::2]))
    assert cli("run", *words, "two")[0] == 0
    for run in ("one", "two"):
        assert set(load_scores(run)["metric"]) == {"sparseness", "complexity"}


def test_what_declares_no_cost_makes_sums_lower_bounds() -> None:
    Path("mine.py").write_text("def peak(scoring):\n    return scoring.maps.amax((1, 2))\n")
    Path("m.py").write_text(
        "from xaibench.types import Explanation\n"
        "def flat(ctx, batch, state):\n"
        "    return Explanation(batch.images.new_ones(*batch.targets.shape, 2, 2))\n"
    )
    said = cli("plan", *FAST, "--method", "file:m.py:flat", "--rate", 1)[1]
    assert "unknown, since no cost is declared: explain file:m.py:flat" in said
    assert "at least " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rate", 0), "rate 0: give forwards a second, above 0."),
        (("--rate", "nan"), "rate nan: give forwards a second, above 0."),
        (("--devices", 0), "devices 0: give a number from 1 to 100,000, or all."),
        (("--devices", "few"), "devices few: give a number from 1 to 100,000, or all."),
        (("--price-per-hour", -1), "price-per-hour -1: give dollars, at least 0."),
        (("--rate", 1, "--recalibrate"), "--recalibrate measures, and --rate says"),
    ],
)
def test_what_is_refused(words: tuple[object, ...], said: str) -> None:
    code, out, err = cli("plan", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--rate", value) for value in ("0", "-1", "nan", "inf", "1e-320")),
        *(("--price-per-hour", value) for value in ("-1", "nan", "inf", "1e308")),
    ],
)
def test_numbers_that_give_no_time_or_price(tmp_path: Path, option: str, value: str) -> None:
    code, said, err = cli("plan", *FAST, "--out", tmp_path / "o", option, value)
    assert (code, said) == (2, "")
    assert err.startswith(f"xaibench: {option.removeprefix('--')} ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("value", ["NaN", '"a"', "-1", "null", "1e999", "true"])
def test_kept_rates_that_are_none_are_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["plan", *FAST, "--out", tmp_path / "o", "--json"]
    assert cli(*words)[0] == 0
    (path,) = tmp_path.glob("xaibench/rates/*.json")
    names = json.loads(path.read_text())["rates"]
    held = ", ".join(f'"{name}": {{"image": 0, "row": {value}}}' for name in names)
    path.write_text(f'{{"rates": {{{held}}}}}')
    code, said, err = cli(*words)
    assert code == 0, err
    assert 0 < json.loads(said)["seconds"] < 1000
    assert value not in json.dumps(json.loads(path.read_text())["rates"])
