"""Read the `moduleinfo` of a module.py without running it, as PaddleHub's installer does, and change its summary."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Iterator

from ..errors import HubModuleError

MODULE_FILE = "module.py"


def module_info(source: str, *, path: Path) -> dict[str, str]:
    """Return the literals of `moduleinfo`, read in the same way as `hub install`.

    Raises:
        HubModuleError: `hub install` could not read them.
    """
    for call in _calls(source, path=path):
        try:
            info = {
                keyword.arg: ast.literal_eval(keyword.value)
                for keyword in call.keywords
                if keyword.arg is not None and keyword.arg != "meta"
            }
        except ValueError:
            raise HubModuleError(
                f"{path}: `moduleinfo` must hold literals only: PaddleHub reads it without running the file."
            ) from None
        if all(isinstance(info.get(key), str) for key in ("name", "version")):
            return info
    raise HubModuleError(f"{path}: has no class decorated by moduleinfo(name=…, version=…).")


def read_module_info(folder: Path) -> dict[str, str]:
    """Return the literals of `moduleinfo` of a module's folder.

    Raises:
        HubModuleError: The folder holds no module that `hub install` could read.
    """
    path = folder / MODULE_FILE
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HubModuleError(f"{path}: cannot be read: {error}.") from None
    return module_info(source, path=path)


def with_summary(source: str, summary: str, *, path: Path) -> str:
    """Return the text of a module.py with another summary."""
    call = next(_calls(source, path=path))
    literal = json.dumps(summary, ensure_ascii=False).encode()
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    text = b"".join(lines)
    for keyword in call.keywords:
        if keyword.arg == "summary":
            value = keyword.value
            assert value.end_lineno is not None and value.end_col_offset is not None
            first, last = starts[value.lineno - 1] + value.col_offset, starts[value.end_lineno - 1]
            return (text[:first] + literal + text[last + value.end_col_offset :]).decode()
    place = starts[call.keywords[0].lineno - 1] + call.keywords[0].col_offset
    return (text[:place] + b"summary=" + literal + b", " + text[place:]).decode()


def _calls(source: str, *, path: Path) -> Iterator[ast.Call]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise HubModuleError(f"{path}: is not valid Python: {error}.") from None
    for node in body:
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "moduleinfo":
                yield decorator
