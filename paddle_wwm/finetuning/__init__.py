"""Fine-tuning of a model on a task, over several seeds: the work of `paddle-wwm finetune`.

run         fine-tuning in one call
set_up      check the job, read the data, write the record of the run folder
job         start the workers, train the seeds
recipe      the settings that change results; the rows of each step
seed        one seed, from its first step to its result: evaluations, checkpoints, the best model
trainer     the training step
outputs     the outputs of the network for a split, computed by all workers
checkpoint  the state of a seed, and how it is saved
results     the files of a run, and the differences between two runs
result      the result of a run as a value, with the scores over the seeds
summary     the text before and after a run
"""
