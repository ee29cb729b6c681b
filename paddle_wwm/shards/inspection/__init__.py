"""Inspect, verify, compare, export and plot shards. `paddle-wwm inspect-shards` is the command."""
