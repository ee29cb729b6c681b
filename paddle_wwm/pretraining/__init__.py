"""Pretraining: a job, its data, the step, the loop, checkpoints, reports. `run.pretrain` is all of it in one call."""
