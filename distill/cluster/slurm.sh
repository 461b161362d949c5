#!/bin/bash
# Rationales from one model server, asked by the tasks of a Slurm array, each about its own part of the examples.
#
#   sbatch --export=ALL,EXPERIMENT=experiment.toml,SERVER=http://gpu-node:8000/v1 distill/cluster/slurm.sh
#
# A task that is preempted, or whose node dies, is requeued and goes on where it stopped. So does one that is submitted
# again after its time limit:
#
#   sbatch --array=3 ... distill/cluster/slurm.sh          one part again; it is still part 3 of 16
#
# When all have ended: distill merge "$EXPERIMENT" && distill run "$EXPERIMENT"
#SBATCH --job-name=distill-teach
#SBATCH --array=0-15
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --output=distill-teach.%A_%a.log
set -euo pipefail

: "${EXPERIMENT:?the experiment file}"
# The number of parts, not of tasks: `--array=3` starts one task of the sixteen again.
PARTS=${PARTS:-16}
DISTILL=${DISTILL:-distill}

if [[ -n ${SERVER:-} ]]; then
    # A server that loads its weights answers late; a task that asks too early would only count faults.
    for ((attempt = 0; attempt < ${PATIENCE:-120}; attempt++)); do
        curl --silent --fail --max-time 5 "$SERVER/models" > /dev/null && break
        sleep 5
    done
fi

# `exec`, so that Slurm's TERM reaches distill, which then stores what has arrived and stops.
exec "$DISTILL" teach "$EXPERIMENT" --runs "${RUNS:-runs}" --shard "auto/$PARTS"
