"""Markdown tables with aligned columns, for terminals and files."""

from __future__ import annotations

from typing import Mapping, Sequence


def aligned_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Format rows as a Markdown table, each column padded to its widest cell.

    Args:
        rows: At least one row: the cells by column name.
    """
    shown = [{column: column for column in rows[0]}, *rows]
    widths = {column: max(len(row[column]) for row in shown) for column in rows[0]}
    lines = ["| " + " | ".join(row[column].ljust(width) for column, width in widths.items()) + " |" for row in shown]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths.values()) + "|", *lines[1:]])
