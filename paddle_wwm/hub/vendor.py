"""The copy of our code that a module takes along: what it imports and no more, under a name made of its content.

Two versions of a module, or a reinstalled one, never get each other's code from sys.modules.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
ROOM = "hub"
ENTRY = PACKAGE_ROOT / ROOM / "__init__.py"


def vendored_contents() -> dict[Path, bytes]:
    """The files that a module needs, relative to the package, found by their import statements.

    Of a package that imports only pass through (`from ..download.home import …`), the __init__.py is empty in the
    copy, so that what it imports need not come along.
    """
    found: set[Path] = set()
    pending = [ENTRY]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                modules = [
                    base.with_suffix(".py"),
                    base / "__init__.py",
                    *(base / f"{alias.name}.py" for alias in node.names),
                ]
                pending += [module for module in modules if module.exists()]
    passed = {
        parent / "__init__.py" for path in found for parent in path.parents if parent.is_relative_to(PACKAGE_ROOT)
    } - found
    contents = {path: path.read_bytes() for path in found} | dict.fromkeys(passed, b"")
    return {path.relative_to(PACKAGE_ROOT): contents[path] for path in sorted(contents)}


def vendor_into(folder: Path) -> str:
    """Write the copy into a module's folder; returns its name."""
    contents = vendored_contents()
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(f"{path.as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    name = f"wwm_{digest.hexdigest()[:12]}"
    for path, content in contents.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return name
