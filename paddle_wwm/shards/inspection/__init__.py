"""Shards looked at: whole, checked, compared with each other, exported as JSON lines, drawn.
`scripts/inspect_shards.py` is the command.
"""
