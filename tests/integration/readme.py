"""The code blocks of the READMEs and of the pages in docs/, each with the marker before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh.md")
_PAGES = (
    "install",
    "pretrain",
    "prepare",
    "clusters",
    "modules",
    "official-modules",
    "finetune",
    "archives",
    "serve",
    "weights",
    "masking",
    "recipes",
)
# pages in both languages, in the order in which their commands depend on each other
PAGES = (READMES, *((f"docs/{name}.md", f"docs/zh/{name}.md") for name in _PAGES))
_BLOCK = re.compile(r"(?:<!-- ([^>]*?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block. marker: "", "make", "needs: network", "needs: cluster" or "example: …"."""

    marker: str
    language: str
    code: str

    @property
    def commands(self) -> str:
        """The code without comments, for comparing translations."""
        lines = [re.sub(r"(^|\s)#.*", "", line).rstrip() for line in self.code.splitlines()]
        return "\n".join(line for line in lines if line)


def blocks_of(name: str) -> list[Block]:
    """Return the code blocks of a page in their order."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(marker=marker or "", language=language, code=code) for marker, language, code in _BLOCK.findall(text)]
