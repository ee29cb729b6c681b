"""The files of data sets, as their authors publish them, to examples: `splits.read_split`. Without Paddle."""
