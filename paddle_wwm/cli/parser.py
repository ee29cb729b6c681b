"""The parser of a command: an error names the nearest right flag, or shows an example."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from typing import NoReturn, Sequence

from ..errors import USER_ERROR_EXIT_STATUS

CUTOFF = 0.6  # of difflib: how similar a word must be to be suggested


class CommandParser(argparse.ArgumentParser):
    """Parser of one command.

    Attributes:
        argv: the arguments that are parsed, for messages.
    """

    argv: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Print the error with a command that works, and exit with status 2."""
        lines = [f"error: {self.prog}: {message}"]
        corrected = self._corrected(message)
        if corrected is not None:
            reason, words = corrected
            lines = [f"error: {self.prog}: {reason}", "Did you mean:", f"  {self.prog} {_joined(words)}"]
        elif example := first_example(self.epilog or "", program=self.prog):
            lines += ["For example:", example]
        lines.append(f"`{self.prog} --help` explains every flag.")
        self.exit(USER_ERROR_EXIT_STATUS, "\n".join(lines) + "\n")

    def _corrected(self, message: str) -> tuple[str, list[str]] | None:
        """Return the reason, and the arguments with the nearest right words.

        None: no word is near.
        """
        words = list(self.argv)
        for place, word in enumerate(words):
            name, equals, value = word.partition("=")
            if name.startswith("--") and not self._is_flag(name):
                # one dash more or less, _ for -, and misspelled names
                near = _nearest(name.replace("_", "-"), [flag for flag in self._flags() if flag.startswith("--")])
                if near:
                    return f"unknown flag {name}", [*words[:place], f"{near}{equals}{value}", *words[place + 1 :]]
        found = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if found and found[1] in words:
            near = _nearest(found[1], re.findall(r"'(.*?)'", found[2]))
            if near:
                return message, [near if word == found[1] else word for word in words]
        return None

    def _flags(self) -> list[str]:
        return [flag for action in self._actions if action.help != argparse.SUPPRESS for flag in action.option_strings]

    def _is_flag(self, name: str) -> bool:
        """Return True for a flag, also if it is abbreviated."""
        return any(flag.startswith(name) for action in self._actions for flag in action.option_strings)


def _nearest(word: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=CUTOFF)), None)


def _joined(words: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def first_example(text: str, *, program: str) -> str | None:
    """Return the first example in the help of a command.

    It can have several lines.
    """
    lines = text.splitlines()
    start = next((place for place, line in enumerate(lines) if line.strip().startswith(f"{program} ")), None)
    if start is None:
        return None
    end = start
    while lines[end].endswith("\\") and end + 1 < len(lines):
        end += 1
    return "\n".join(lines[start : end + 1])
