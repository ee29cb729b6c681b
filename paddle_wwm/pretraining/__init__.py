"""Pretraining: the job, its data, the step, the loop, checkpoints and reports. `run.pretrain` does it in one call."""
