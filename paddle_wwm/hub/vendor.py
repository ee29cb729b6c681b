"""The copy of our code inside a module: only the files that it imports, in a package named by a hash of its content.

So two versions of a module, or a reinstalled one, never share code through sys.modules.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..imported_files import imported_files

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
ROOM = "hub"
ENTRY = PACKAGE_ROOT / ROOM / "__init__.py"


def vendored_contents() -> dict[Path, bytes]:
    """Return the files that a module imports, by their path in the package.

    If only a submodule of a package is imported (`from ..download.home import …`), the package's __init__.py is empty
    in the copy, so that its own imports are not needed.
    """
    found: set[Path] = set()
    pending = [ENTRY]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        pending += imported_files(path)
    passed = {
        parent / "__init__.py" for path in found for parent in path.parents if parent.is_relative_to(PACKAGE_ROOT)
    } - found
    contents = {path: path.read_bytes() for path in found} | dict.fromkeys(passed, b"")
    return {path.relative_to(PACKAGE_ROOT): contents[path] for path in sorted(contents)}


def vendor_into(folder: Path) -> str:
    """Write the copy into a module's folder; return its name."""
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
