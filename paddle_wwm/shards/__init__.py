"""Tokenized documents on disk: written atomically, any of them read in O(1).

shard_format, writer, reader    the files
manifest                        what a set holds, and what it was made of
records                         kept text
preparation/                    how they come about
inspection/                     what is in them
"""
