"""Tokenized documents on disk, written atomically, with O(1) access to each document.

shard_format, writer, reader    the shard files
manifest                        the content of a shard set, and what it was made of
records                         kept text
preparation/                    make shards from text
inspection/                     inspect, verify, compare and export shards
"""
