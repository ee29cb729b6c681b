"""The files of this package that a file of it imports."""

from __future__ import annotations

import ast
from pathlib import Path


def imported_files(path: Path) -> list[Path]:
    """Return the files that the relative imports of a Python file name.

    For `from .room import name` these are room.py or room/__init__.py, and room/name.py if it exists.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            named = (base / f"{alias.name}.py" for alias in node.names)
            found += [file for file in (base.with_suffix(".py"), base / "__init__.py", *named) if file.exists()]
    return found
