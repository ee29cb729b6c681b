"""What the tasks of the series are: one class for each, used by fine-tuning, evaluation and hub modules alike.

    a data set's files ──► examples ──► rows ──► network ──► outputs ──► results ──► predictions ──► scores
    (dataset_table,        (examples)   (rows)   (a task's class: task.py,           (prediction_    (metrics)
     own_data, readers)                           task_table.py)                      files)

A task is a class (`task_table.TASKS`): what it reads, its network, its loss, its results with their places in the text.
A data set is a record (`dataset_table.DATASETS`; `paddle-wwm tasks` prints them): its files, columns, labels, metric
and recipe. A user's files become one by `own_data.dataset_of_flags`. Reading files, scoring and the windows of reading
comprehension need no Paddle::

    from pathlib import Path
    from paddle_wwm.tasks.dataset_table import find_dataset
    from paddle_wwm.tasks.metrics.scores import score
    from paddle_wwm.tasks.readers.splits import read_split

    dataset = find_dataset("cmrc2018")
    dev = read_split(dataset, data=Path("data/cmrc2018"), split="dev")    # dev.counts: what was repaired in the file
    score(dataset.metric, dev.examples, {example.example_id: example.answers[0].text for example in dev.examples})
"""
