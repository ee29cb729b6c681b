"""Compute the scores of predictions, as the authors' scripts do: `scores.score`. Without Paddle."""
