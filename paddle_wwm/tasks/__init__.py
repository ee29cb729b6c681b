"""What the tasks of the series are beyond the network: from files to examples, from examples to what it reads, from
its outputs to scores.

    files ──► examples ──► rows of tokens ──► network ──► predictions ──► scores ──► tables
    (readers) (types)      (network)          (network,   (predictions)   (metrics)  (results,
                           reading_            finetuning)                            reports)
                           comprehension)

A task is a record (`table.TASKS`; `paddle-wwm tasks` prints them): its files, columns, labels, metric and
recipe. A user's files become one by `own_data.task_of_flags`. Reading, scoring and the windows of reading comprehension
need no Paddle::

    from pathlib import Path
    from paddle_wwm.tasks.metrics.scores import score
    from paddle_wwm.tasks.readers.splits import read_split
    from paddle_wwm.tasks.table import find_task

    task = find_task("cmrc2018")
    dev = read_split(task, data=Path("data/cmrc2018"), split="dev")    # dev.counts: what was repaired in the file
    score(task.metric, dev.examples, {example.example_id: example.answers[0].text for example in dev.examples})
"""
