"""Tables for a terminal that are Markdown as well."""

from __future__ import annotations

from typing import Mapping, Sequence


def aligned_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of cells by column, at least one, as a Markdown table whose columns are padded to their widest cell."""
    shown = [{column: column for column in rows[0]}, *rows]
    widths = {column: max(len(row[column]) for row in shown) for column in rows[0]}
    lines = ["| " + " | ".join(row[column].ljust(width) for column, width in widths.items()) + " |" for row in shown]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths.values()) + "|", *lines[1:]])
