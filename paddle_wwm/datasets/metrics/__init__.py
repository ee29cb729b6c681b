"""Predictions to scores, the same numbers as the authors' scripts give: `scores.score`. Without Paddle."""
