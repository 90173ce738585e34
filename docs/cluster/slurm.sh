#!/usr/bin/env bash
# A study as a SLURM array: each task runs every n-th shard of one plan in one shared folder.
#
#   sbatch --array=1-20 docs/cluster/slurm.sh worlds/studies/parameter-prior.toml /scratch/prior
#
# Tasks need nothing of each other and may be requeued, killed by the time limit, or run again: what is committed is kept.
# SLURM's signal before the limit drops the runs in flight; `--requeue` then goes on where it stopped. The task that
# finds everything done merges.
#SBATCH --job-name=frugality
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=512M
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail

study=${1:?the study file}
out=${2:?the folder to write}

exec "${FRUGALITY:-frugality}" study run "$study" --out "$out" \
    --shard "${SLURM_ARRAY_TASK_ID:?run it with --array=1-N}/${SLURM_ARRAY_TASK_COUNT:?}" \
    --threads "${SLURM_CPUS_PER_TASK:-1}"
