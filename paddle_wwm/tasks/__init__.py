"""The tasks: one class for each, shared by fine-tuning, evaluation and hub modules.

    examples ──► rows ──► network ──► outputs ──► results
    (examples)   (rows)   (a task's class: task.py; the table of all tasks: task_table.py)

A task is a kind of problem. It defines the input, the network, the loss, and the results with their positions in the
text. Reading the examples from files is the job of `datasets`.
"""
