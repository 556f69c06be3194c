"""The scripts for schedulers run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import noise
from networks import THOUSAND

import xaibench

SCRIPTS = Path(__file__).parents[1] / "scripts"
ARRAY = SCRIPTS / "slurm_array.sh"
RUN = ("--model", THOUSAND, "--method", "gradcam", "--metric", "sparseness", "--workers", "0")


def submitted(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The array script with these of Slurm's variables; `xaibench` says what it is called with."""
    command = folder / "xaibench"
    command.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    return subprocess.run(
        ["bash", ARRAY, *words],
        env={"PATH": f"{folder}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_array_script_is_bash() -> None:
    subprocess.run(["bash", "-n", ARRAY], check=True)
    assert os.access(ARRAY, os.X_OK)


def test_a_task_of_an_array_gets_its_shard_and_all_words(tmp_path: Path) -> None:
    words = ("--method", "rise(n_masks=16), lime", "--out", "a folder")
    slurm = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}
    done = submitted(tmp_path, *words, **slurm)
    assert done.stdout.splitlines() == ["run", "--shard", "3/8", *words]
    again = submitted(tmp_path, **{**slurm, "SLURM_ARRAY_TASK_COUNT": "2", "SHARDS": "8"})
    assert again.stdout.splitlines() == ["run", "--shard", "3/8"]


def test_the_array_script_says_how_it_is_submitted(tmp_path: Path) -> None:
    done = submitted(tmp_path)
    assert done.returncode != 0
    assert "sbatch --array=1-8" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("submitit") is None, reason="needs pip install 'xaibench[test]'")
def test_the_example_of_submitit_makes_the_rows_of_one_process(tmp_path: Path) -> None:
    """Two jobs of its local executor, one directory, a block each."""
    (tmp_path / "data").mkdir()
    data = str(noise(tmp_path / "data", 90))
    words = [*RUN, "--target", "predicted", "--data", data, "--out"]
    example = [sys.executable, str(SCRIPTS / "submitit_example.py"), "--jobs", "2", "--cpus", "1"]
    example += ["--logs", str(tmp_path / "logs"), "--", *words, str(tmp_path / "run")]
    subprocess.run(example, check=True, timeout=300)
    alone = [sys.executable, "-m", "xaibench", "run", *words, str(tmp_path / "one")]
    subprocess.run(alone, check=True)
    both = [xaibench.load_scores(tmp_path / name) for name in ("run", "one")]
    assert len(both[0])
    assert both[0].equals(both[1])
