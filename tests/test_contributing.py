"""The recipes of CONTRIBUTING.md, followed to the letter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def recipe(name: str) -> str:
    found = re.search(rf"<!-- recipe: {re.escape(name)} -->\n```python\n(.*?)```", TEXT, re.S)
    assert found
    return found.group(1)


def test_the_method_shown_is_the_method_there() -> None:
    code = (ROOT / "xaibench" / "methods" / "opticam.py").read_text(encoding="utf-8")
    assert f"```python\n{code}```" in TEXT
    assert len(code.splitlines()) <= 40


def test_the_metric_recipe_works_as_a_plug_in(tmp_path: Path) -> None:
    """Its file as a third-party package: listed, run from the command line, and its test passes."""
    package, info = tmp_path / "package", tmp_path / "package" / "my_metric-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "sufficiency.py").write_text(recipe("sufficiency.py"))
    assert len(recipe("sufficiency.py").splitlines()) <= 40
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-metric\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[xaibench.metrics]\nsufficiency = sufficiency:sufficiency\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(package), str(ROOT / "tests")]),
        "OMP_NUM_THREADS": "1",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "sufficiency" in run("xaibench", "list", "metrics")
    said = run("xaibench", "run", "--metric", "sufficiency", "--limit", "2", "--out", "out")
    assert "2 scores" in said
    (tmp_path / "test_sufficiency.py").write_text(recipe("test_sufficiency.py"))
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    assert "1 passed" in run("pytest", "-q", "-p", "no:cacheprovider", "test_sufficiency.py")
