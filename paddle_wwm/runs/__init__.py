"""One way to run, which pretraining and fine-tuning are built on.

job          from a job to a trained run: set-up, then this process or workers
folder       the run's folder: who works in it, what it is bound to, what may be deleted
checkpoints  checkpoints that are written whole or not at all
log          the log as JSON lines, also across a kill; following it from another process
launch       fleet workers on this machine
processes    starting, watching and ending processes
lifetime     how a process ends: with its parent, or on a signal after its step
fleet        the workers' communication, the only file that imports paddle.distributed
devices  optim  fused_update  precision  sharding   what a step needs
"""
