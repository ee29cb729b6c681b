"""Weights between file formats; every reader treats its file as untrusted."""
