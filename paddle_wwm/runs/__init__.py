"""The parts of a training run that pretraining and fine-tuning share.

job           set up the run folder, then train in this process or in workers
folder        the run folder: its lock, its record, and which files may be deleted
checkpoints   checkpoints, each written completely or not at all
log           the log as JSON lines, which survives a kill; reading it from another process
launch        start fleet workers on this machine
processes     start, watch and end processes
lifetime      end a process with its parent, or after the current step when a signal comes
fleet         communication between workers; the only file that imports paddle.distributed
accumulation  one training step over several micro-batches
devices  optim  fused_update  precision  schedules  sharding   what a step needs
"""
