"""A task, a model and seeds to a run of results: what `paddle-wwm finetune` does.

run         all of it as one call
set_up      checks everything, reads the data, binds the run's folder
job         starts the workers, goes through the seeds
recipe      the numbers that change results; which rows make up each step
seed        one seed from its first step to its result: evaluations, checkpoints, the best model
trainer     the step
outputs     what the network computes for a split, shared among the workers
checkpoint  where a seed stands, and how that is saved
results     what is left of a run on disk, and in what two runs differ
result      the same as a value, with the scores over the seeds
summary     what is said before and after
"""
