"""Fleet training: optimizer, step, loop, checkpoints, reports."""
