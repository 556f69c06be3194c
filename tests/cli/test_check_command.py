"""`xaibench check`: what it refuses, what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import cli
from networks import TEN, THOUSAND

SAMPLES = ("--model", THOUSAND, "--data", "samples", "--workers", 0)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "check takes one method, or --maps FILE"),
        (["gradcam", "--maps", "maps.npz"], "check takes one method, or --maps FILE"),
        (["gradcma"], "unknown method 'gradcma': did you mean 'gradcam'"),
        (["all"], "check takes one method, and 'all' is"),
        (["gradcam", "--skip", "santy"], "unknown part 'santy': did you mean 'sanity'"),
        (["gradcam", "--against", "gradcma"], "unknown method 'gradcma'"),
        (["gradcam", "--switch", "causal.kernal"], "unknown switch 'causal.kernal'"),
        (["gradcam", "--target", "predicted,least_probable"], "give one --target"),
        (["gradcam", "--name", "mine"], "name 'mine' is that of --maps"),
        (["gradcam(layer=1)"], "layer"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(words: list[str], said: str) -> None:
    code, out, err = cli("check", *words, *SAMPLES)
    assert code == 2, (out, err)
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(Path().rglob("*"))


def test_a_dry_run_says_what_is_set_beside_what_and_writes_nothing() -> None:
    code, out, err = cli("check", "gradcam", *SAMPLES, "--dry-run")
    assert code == 0, err
    first = out.splitlines()[0]
    assert first.startswith("check gradcam beside ")
    assert {"random", "center", "edges", "fakecam", "gradient:"} <= set(
        first.replace(",", "").split()
    )
    assert "forward passes for 20 images" in out
    assert "would write to results/checks/samples-" in out
    assert not list(Path().rglob("*"))


def test_the_page_is_printed_and_written_and_the_last_line_goes_on() -> None:
    words = ("--metric", "insertion(rows_per_step=112)", "--limit", 1, "--skip", "switches")
    code, out, err = cli("check", "gradient", *SAMPLES, *words)
    assert code == 0, err
    assert "May Gradient be believed?" in out
    (folder,) = Path("results/checks").glob("samples-*-published")
    held = {path.name for path in (folder / "report").glob("check.*")}
    assert held == {"check.md", "check.csv", "check.json", "check.html"}
    content = json.loads((folder / "report" / "check.json").read_text())
    assert content["method"] == "gradient"
    assert {"what": "switches of the protocol", "why": "--skip switches"} in content["untested"]
    last = out.splitlines()[-1]
    assert last.startswith(f"written: {folder}/report/{{check.md,")
    assert last.endswith(f"next: xaibench report {folder} --html")


def test_a_part_that_fails_is_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom xaibench.types import Explanation\n\n"
        "def mine(ctx, batch, state):\n"
        "    if batch.originals is not None:\n"
        "        raise RuntimeError('explains no other input')\n"
        "    return Explanation(torch.arange(49.).view(1, 1, 7, 7).repeat(len(batch), 1, 1, 1))\n"
    )
    words = ("--model", TEN, "--data", "samples", "--target", "predicted", "--workers", 0)
    more = ("--metric", "sparseness", "--limit", 1, "--skip", "switches", "--out", "out")
    code, out, err = cli("check", "file:mine.py:mine", *words, *more, "--json")
    assert code == 1
    assert json.loads(out)["method"] == "file:mine.py:mine"
    *_, written, last = err.splitlines()
    assert written.startswith("written: out/report/")
    assert last.startswith("xaibench: 1 parts failed, first: out: 1 images, ")
    assert "explains no other input" in last
