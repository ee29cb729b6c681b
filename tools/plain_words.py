"""Find words and sentences that an engineer who reads English as a second language stumbles over.

    python tools/plain_words.py              # the whole repository; exit status 1 where something is found
    python tools/plain_words.py PATH …       # some files or folders

It reads Python files (comments, strings, names of tests, docstrings), pages (.md) and recipes (.yaml). `PATTERNS` are
the phrases that are not used here, each with what to write; `ALLOWED` are the exceptions, each with its reason.
Docstrings of functions begin with a verb in the imperative, and their first line has at most 80 characters. `make lint`
runs this.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[1]
MAX_FIRST_LINE = 80
ENDINGS = (".py", ".pyi", ".md", ".yaml", ".yml", ".toml", ".sh")
LEFT_OUT = ("README.zh.md", "LICENSE", "tests/fixtures/", "tools/plain_words.py", "tests/test_plain_words.py")
UNITS = (
    "second|minute|hour|day|step|worker|core|process|seed|epoch|token|piece|word|text|row|line|item|question|parameter"
)
THINGS = "tensor|text|number|folder|file|model|module|word|character|archive|key|map|shard set|run"
AMOUNTS = "tokens|texts|steps|characters|chars|examples|rows|bytes|pieces|MB|GB|kB|memory|numbers|times|sentences"
PATTERNS = {
    r"\b(anew|a-new)\b": "again",
    r"\b(mend|mends|mended|mending)\b": "fix",
    r"\bgo(es|ing|ne)? on\b(?! (the|a) )|\bwent on\b": "continue",
    r"\ball the same\b": "anyway",
    r"\bbeside\b": "next to, or: compared with",
    r"\bpass(es|ed|ing)? over\b": "skip",
    r"\b(told|tells|tell apart|telling|tell)\b": "reported, prints, raises; distinguish",
    r"\bsaid\b|\b(is|are) said\b": "reported, printed",
    r"\b(is|are|was|were) (?-i:none)\b(?! of)": "is None; does not exist; there are no …",
    r"\bthat there (is|are) (not|none)\b|\bthat is none\b": "unknown; missing",
    r"\b(is|are) none of (ours|them|those)\b": "is not one of …",
    rf"\b(is|are) no ({THINGS})\b": "is not a …",
    rf"\b({AMOUNTS}) an? ({UNITS})\b": "tokens/s; per worker",
    rf"\b(one|once|twice) an? ({UNITS})\b": "one per …",
    r"\b(a|the) half of\b": "half of",
    r"\bhave to do with\b": "(say what it is)",
    r"\b(believed in|of whose|wherefore|thereof|hitherto|whereupon|therein|thereby)\b": "(a plain sentence)",
    r"\bunasked\b": "without being asked",
    r"\b(alike|likewise)\b": "the same way; also",
    r"\b(reckon|reckons|reckoned)\b": "estimate, compute",
    r"\bby the bye\b|\bfor its part\b": "(leave it out)",
}
# a docstring of a function that begins so describes a thing instead of saying what the function does
NOT_IMPERATIVE = re.compile(
    r"^((The|A|An|What|Whether|How|Where|Who|All|Every|Each|Those|Their|Its|It|This|These|That|Which|Both|One|Two|No|"
    r"Of|As|In|For|From|With|Without|By|On|At|To|Raises|Returns|Yields|Only|Same|Inside|Names|Places|Files|Text|Texts|"
    r"Paths|Numbers|Rows|Lines)\b|{|\d|`|\")"
)
# path (or its beginning), phrase: reason. A phrase is what stands in the text.
ALLOWED: dict[tuple[str, str], str] = {
    **dict.fromkeys(
        [("docs/evidence.md", phrase) for phrase in ("anew", "tell", "alike")],
        "quotes of the plan, which was written before the experiment and is not edited afterwards",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A place in a file, what stands there, and what to write instead."""

    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r}: {self.instead}"


def findings_in(path: str, text: str) -> Iterator[Finding]:
    """Yield what is to be changed in a file."""
    parts = python_parts(text) if path.endswith((".py", ".pyi")) else enumerate(text.splitlines(), 1)
    for number, part in parts:
        for place, line in enumerate(part.splitlines() or [part]):
            for pattern, instead in PATTERNS.items():
                for match in re.finditer(pattern, line, re.IGNORECASE):
                    yield Finding(path=path, line=number + place, found=match[0], instead=instead)
    if path.endswith(".py") and not path.startswith("tests/"):
        yield from docstring_findings(path, text)


def python_parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments, strings and names of tests, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.start[0], token.string
        elif token.type == tokenize.NAME and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")


def docstring_findings(path: str, text: str) -> Iterator[Finding]:
    """Yield docstrings whose first line is long, or does not say what the function does."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        docstring = ast.get_docstring(node)
        if not docstring:
            continue
        first, line = docstring.splitlines()[0], node.body[0].lineno
        if len(first) > MAX_FIRST_LINE:
            yield Finding(path=path, line=line, found=first, instead=f"a first line of at most {MAX_FIRST_LINE}")
        is_thing = isinstance(node, ast.ClassDef) or any("property" in ast.unparse(one) for one in node.decorator_list)
        if not is_thing and NOT_IMPERATIVE.match(first):
            yield Finding(path=path, line=line, found=first, instead="a verb in the imperative: Return …, Write …")


def is_allowed(finding: Finding) -> bool:
    """Return True if the exceptions name this place and phrase."""
    return any(finding.path.startswith(path) and phrase in finding.found for path, phrase in ALLOWED)


def files_of(arguments: list[str]) -> list[str]:
    """Return the text files of the project, all or those below the given paths."""
    names = [name for name in listed_files(arguments) if name.endswith(ENDINGS) or Path(name).name == "Makefile"]
    return [name for name in names if not name.startswith(LEFT_OUT) and not name.endswith(".zh.md")]


def listed_files(arguments: list[str]) -> list[str]:
    """Return the files that git tracks; without git, those outside of hidden and generated folders."""
    listed = subprocess.run(["git", "ls-files", *arguments], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    starts = [ROOT / argument for argument in arguments] or [ROOT]
    paths = [path for start in starts for path in ([start] if start.is_file() else sorted(start.rglob("*")))]
    names = [path.relative_to(ROOT) for path in paths if path.is_file()]
    return [name.as_posix() for name in names if not is_generated(name)]


def is_generated(path: Path) -> bool:
    """Return True for a file that is not part of the project's sources; its path is relative to the project."""
    hidden = [part for part in path.parts[:-1] if part.startswith(".") and part != ".ci"]
    return bool(hidden) or path.parts[0] in ("runs", "build", "dist") or path.parts[0].endswith(".egg-info")


def main() -> int:
    """Print what is found; return 1 where there is something."""
    if "--help" in sys.argv:
        print(__doc__)
        return 0
    names = files_of(sys.argv[1:])
    found = [
        finding
        for name in names
        for finding in findings_in(name, (ROOT / name).read_text(encoding="utf-8"))
        if not is_allowed(finding)
    ]
    print("\n".join(map(str, found)) or f"{len(names)} files: plain words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
