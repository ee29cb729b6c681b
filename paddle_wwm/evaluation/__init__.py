"""Evaluation: score a fine-tuned model or a file of predictions on a split of a data set."""
