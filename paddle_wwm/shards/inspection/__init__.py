"""Shards looked at: whole, checked, compared with each other, exported as JSON lines, drawn.
`paddle-wwm inspect-shards` is the command.
"""
