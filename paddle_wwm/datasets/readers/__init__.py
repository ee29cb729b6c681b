"""Readers of the published files of data sets: `splits.read_split` returns examples. Without Paddle."""
