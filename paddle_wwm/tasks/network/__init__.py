"""Examples to rows of tokens (features, rows), a network's head and loss (heads), its outputs to predictions
(inference).
"""
