#!/bin/bash
# One run on many machines, by Slurm: every task of a job array does its share of the blocks.
#
#     sbatch --array=1-8 scripts/slurm_array.sh --config table1 --data /shared/imagenet --out /shared/run
#
# The words after the script are those of `xaibench run`. The shares are disjoint, complete and in no
# order, whichever task ends first; the same sbatch line again finishes what was left. To repeat some
# tasks alone, say how many there are in all: SHARDS=8 sbatch --array=3,5 scripts/slurm_array.sh ...
#SBATCH --job-name=xaibench
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@120
#SBATCH --output=xaibench-%A_%a.log
set -euo pipefail

: "${SLURM_ARRAY_TASK_ID:?is not set: submit with sbatch --array=1-8 $0 ...}"
shards="${SHARDS:-$SLURM_ARRAY_TASK_COUNT}"

# exec: the signal two minutes before the end reaches the run itself, which saves and stops
exec xaibench run --shard "$SLURM_ARRAY_TASK_ID/$shards" "$@"
