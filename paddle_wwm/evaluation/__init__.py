"""The scores of a fine-tuned model, or of a file of predictions, on a split of a data set."""
