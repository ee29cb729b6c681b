"""Tokenized documents on disk: written atomically, any of them read in O(1)."""
