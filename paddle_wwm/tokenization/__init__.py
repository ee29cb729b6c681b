"""Sentences and their words to WordPiece ids with word starts."""
