"""What the tasks of the series are: one class for each, used by fine-tuning, evaluation and hub modules alike.

    examples ──► rows ──► network ──► outputs ──► results
    (examples)   (rows)   (a task's class: task.py, and task_table.py, the table of all)

A task is a kind of problem: what it reads, its network, its loss, its results with their places in the text. Where its
examples come from is the affair of `datasets`.
"""
