"""A task, a model and seeds to a run of results: what `paddle-wwm finetune` does.

job       checks everything, reads the data, starts the workers, goes through the seeds
recipe    the numbers that change results; which rows make up each step
models    what --model may be
seed      one seed from its first step to its result: evaluations, checkpoints, the best model
trainer   the step
state     checkpoints of a seed
folder    the run's folder: what is there may go on, or is refused
summary   what is said before and after
"""
