#!/bin/bash
#SBATCH --job-name=bertlabel --array=0-127 --cpus-per-task=2 --requeue --open-mode=append
# sbatch slurm.sh; then `bertlabel parts parts` says whether all is there, and with which --array=… to submit what is not.
exec bertlabel predict --model model --input texts.jsonl --output parts --shard "$SLURM_ARRAY_TASK_ID/128" \
	--threads "$SLURM_CPUS_PER_TASK" --max-bad-rows 1%
