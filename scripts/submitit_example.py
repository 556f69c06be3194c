"""One run as several jobs of a scheduler, by submitit: on this machine, or on Slurm.

    python scripts/submitit_example.py --jobs 2 --logs logs -- --data samples --out run
    python scripts/submitit_example.py --jobs 8 --gpus 1 --cluster slurm --logs logs -- OPTIONS

What follows `--` are the options of `xaibench run`. Each job does its shard; one that is preempted
or times out is submitted again and goes on where it was. The same line again finishes what was
left.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import submitit


class Shard:
    """What a job calls: the run's command for its shard."""

    def __call__(self, words: list[str], number: int, count: int) -> int:
        """The command's exit code."""
        command = [sys.executable, "-m", "xaibench", "run", "--shard", f"{number}/{count}", *words]
        return subprocess.run(command, check=False).returncode

    def checkpoint(
        self, words: list[str], number: int, count: int
    ) -> submitit.helpers.DelayedSubmission:
        """What is submitted in the place of a job that was preempted: the same."""
        return submitit.helpers.DelayedSubmission(self, words, number, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--logs", type=Path, default=Path("submitit-logs"), help="all jobs see it")
    parser.add_argument("--cluster", default="local", help="local, slurm or debug")
    parser.add_argument("--gpus", type=int, default=0, help="of each job")
    parser.add_argument("--cpus", type=int, default=4, help="of each job")
    parser.add_argument("--minutes", type=int, default=24 * 60)
    parser.add_argument("words", nargs="+", metavar="-- OPTION", help="of `xaibench run`")
    asked = parser.parse_args()
    executor = submitit.AutoExecutor(folder=asked.logs, cluster=asked.cluster)
    executor.update_parameters(
        name="xaibench",
        nodes=1,
        tasks_per_node=1,
        gpus_per_node=asked.gpus,
        cpus_per_task=asked.cpus,
        timeout_min=asked.minutes,
    )
    with executor.batch():
        jobs = [
            executor.submit(Shard(), asked.words, number, asked.jobs)
            for number in range(1, asked.jobs + 1)
        ]
    codes = [job.result() for job in jobs]
    for job, code in zip(jobs, codes, strict=True):
        if code:
            print(f"job {job.job_id} ended with {code}: see {job.paths.stderr}")
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
