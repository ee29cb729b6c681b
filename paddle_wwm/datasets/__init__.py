"""Data sets of the tasks: their files, readers and metrics. This package does not need Paddle.

A data set is a record with its files, columns, labels, metric and recipe. `table.DATASETS` has all of them, and
`paddle-wwm tasks` prints them. `own_files.dataset_of_flags` makes a record for your own files::

    from pathlib import Path
    from paddle_wwm.datasets.metrics.scores import score
    from paddle_wwm.datasets.readers.splits import read_split
    from paddle_wwm.datasets.table import find_dataset

    dataset = find_dataset("cmrc2018")
    dev = read_split(dataset, data=Path("data/cmrc2018"), split="dev")    # dev.counts: what was repaired in the file
    score(dataset.metric, dev.examples, {example.example_id: example.answers[0].text for example in dev.examples})
"""
