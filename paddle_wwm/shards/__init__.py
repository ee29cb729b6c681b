"""Tokenized documents on disk: written atomically, any of them read in O(1).

format, writer, reader    the files
preparation/              how they come about
inspection/               what is in them
"""
