"""The files of this package that a file of it imports, directly or not."""

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


def all_imported_files(path: Path) -> set[Path]:
    """Return a source file and all files of this package that it needs.

    Files that only define a package are left out: they define no more than names, and modules have empty copies.
    """
    found, pending = set(), [path]
    while pending:
        file = pending.pop()
        if file not in found and file.name != "__init__.py":
            found.add(file)
            pending += imported_files(file)
    return found
