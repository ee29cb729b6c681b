"""Tokenized documents on disk: written atomically, read memory-mapped."""
