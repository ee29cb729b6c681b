"""Turn sentences and their words into WordPiece ids with word starts."""
