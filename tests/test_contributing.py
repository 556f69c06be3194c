"""The recipes of CONTRIBUTING.md, followed to the letter."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import cli

import xaibench
from xaibench.datasets.load import load_dataset
from xaibench.registry import entries

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


def plug_in(tmp_path: Path, kind: str, name: str) -> Path:
    """A recipe's file as a third-party package: the folder to put on the path."""
    package, info = tmp_path / "package", tmp_path / "package" / f"my_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (package / f"{name}.py").write_text(recipe(f"{name}.py"))
    assert len(recipe(f"{name}.py").splitlines()) <= 40
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: my-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[xaibench.{kind}]\n{name} = {name}:{name}\n")
    return package


def run_with(package: Path, *words: str) -> str:
    """What a module says when run beside a plug-in; it must succeed."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(package), str(ROOT), str(ROOT / "tests")]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=package.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_metric_recipe_works_as_a_plug_in(tmp_path: Path) -> None:
    """Its file as a third-party package: listed, run from the command line, and its test passes."""
    package = plug_in(tmp_path, "metrics", "sufficiency")
    run = functools.partial(run_with, package)
    assert "sufficiency" in run("xaibench", "list", "metrics")
    said = run("xaibench", "run", "--metric", "sufficiency", "--limit", "2", "--out", "out")
    assert "2 scores" in said
    (tmp_path / "test_sufficiency.py").write_text(recipe("test_sufficiency.py"))
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    assert "1 passed" in run("pytest", "-q", "-p", "no:cacheprovider", "test_sufficiency.py")


def test_the_page_recipe_works(tmp_path: Path) -> None:
    """The page beside its test, which passes; both are as short as they look."""
    for name in ("status.py", "test_page_status.py"):
        (tmp_path / name).write_text(recipe(name))
        assert len(recipe(name).splitlines()) <= 40
    package = tmp_path / "package"
    package.mkdir()
    said = run_with(package, "pytest", "-q", "-p", "no:cacheprovider", "test_page_status.py")
    assert "1 passed" in said


def test_the_dataset_recipe_works_as_a_plug_in(tmp_path: Path) -> None:
    """Listed; and a run on a zip file of photographs, read in this process and on workers."""
    package = plug_in(tmp_path, "datasets", "zipped")
    embedded = load_dataset("samples")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for place, name in enumerate(embedded.ids):
            archive.writestr(f"{embedded.labels[place]}/{name}", embedded.open(place).read())
    assert "zipped" in run_with(package, "xaibench", "list", "datasets")
    words = ["--data", "zipped:photos.zip", "--method", "fakecam", "--metric", "sparseness"]
    model = ["--model", "torchvision:resnet18@random", "--out", "out"]
    assert "20 scores" in run_with(package, "xaibench", "run", *words, *model)
    code = (
        "from pathlib import Path; from zipped import Entry, zipped; "
        "from xaibench.datasets import pixels; pixels.START = 0; "
        "from xaibench.datasets.pixels import Geometry, read_pixels as read; "
        "d = zipped.function('photos.zip'); g = Geometry(64, 64, True); "
        "here, there = (read(d.blobs, g, workers) for workers in (0, 1)); "
        "print((here[0] == there[0]).all(), {seen.reason for seen in there[1]})"
    )
    (tmp_path / "package" / "check.py").write_text(code)
    assert run_with(package, "check") == "True {None}\n"


def test_the_file_recipe_runs(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(recipe("my_net.py"))
    words = ["--method", "gradcam,iba(steps=2)", "--metric", "deletion", "--limit", "2"]
    words += ["--target", "predicted", "--data", "samples", "--out", str(tmp_path / "out")]
    code, _, said = cli("run", "--model", f"file:{tmp_path / 'my_net.py'}:build", *words)
    assert code == 0, said
    frame = xaibench.load_scores(tmp_path / "out")
    assert set(frame["model"].astype(str)) == {"file:my_net.py:build"}
    assert frame["class_index"].between(0, 9).all()
    _, maps = xaibench.load_maps(tmp_path / "out", method="gradcam", target="predicted")
    assert maps.shape == (2, 64, 64)


def test_the_model_recipe_works_as_a_plug_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "zoo-1.0.dist-info"
    info.mkdir()
    (tmp_path / "zoo.py").write_text(recipe("zoo.py"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[xaibench.models]\nzoo = zoo:zoo\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries.cache_clear()
    try:
        assert "zoo" in cli("list", "models")[1]
        words = ["--method", "gradcam", "--metric", "deletion", "--limit", "1", "--out"]
        assert (
            cli("run", "--model", "zoo:small", "--data", "samples", *words, tmp_path / "o")[0] == 0
        )
        code, _, said = cli(
            "run", "--model", "zoo:smal", "--data", "samples", *words, tmp_path / "p"
        )
        assert code == 2
        assert "unknown network of zoo 'smal': did you mean 'small'?" in said
    finally:
        monkeypatch.undo()
        entries.cache_clear()
