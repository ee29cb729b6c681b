"""The rules for the options of calls: their types and ranges, in one table.

Python calls, requests to a server, commands and the dataclasses of options all use it, so an option has the same rule
and the same message everywhere. This module does not need Paddle.
"""

from __future__ import annotations

import os
import reprlib
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from ..errors import is_integer, is_number

MAX_SHOWN = 60  # characters of a wrong value: a request may hold megabytes


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule of an option.

    Attributes:
        wanted: the rule in words, after "must be".
        holds: returns True for an allowed value.
        convert: makes a Python value of an allowed value, which may be of numpy.
        optional: True if None is allowed, too.
    """

    wanted: str
    holds: Callable[[Any], bool]
    convert: Callable[[Any], Any]
    optional: bool = False


def _integer(minimum: int, *, optional: bool = False) -> Rule:
    return Rule(
        wanted=f"at least {minimum} (an integer{', or None' if optional else ''})",
        holds=lambda value: is_integer(value) and value >= minimum,
        convert=int,
        optional=optional,
    )


_SWITCH = Rule(wanted="True or False", holds=lambda value: isinstance(value, (bool, np.bool_)), convert=bool)
_PATH = Rule(
    wanted="a path, or None",
    holds=lambda value: isinstance(value, (str, os.PathLike)),
    convert=lambda value: value,
    optional=True,
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(("batch_size", "top_k", "num_answers", "doc_stride", "max_question_len"), _integer(1)),
    "max_answer_len": _integer(1),
    # its range depends on the model: see hub.inputs.reading_of
    "max_seq_len": Rule(wanted="an integer, or None", holds=is_integer, convert=int, optional=True),
    "num_classes": _integer(1, optional=True),
    "threshold": Rule(
        wanted="between 0 and 1 (a number)", holds=lambda value: is_number(value) and 0.0 < value < 1.0, convert=float
    ),
    "no_answer_threshold": Rule(wanted="None or a number", holds=is_number, convert=float, optional=True),
    **dict.fromkeys(("use_gpu", "return_prob", "entities", "suffix", "compatible"), _SWITCH),
    "split_char": Rule(
        wanted="a text (an empty one splits nothing)", holds=lambda value: isinstance(value, str), convert=str
    ),
    **dict.fromkeys(("weights", "load_checkpoint"), _PATH),
}


def checked(**given: Any) -> dict[str, Any]:
    """Return the given options as Python values.

    Raises:
        ValueError: a value breaks its rule. The message names the option, the rule and the value.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        rule = RULES[name]
        if value is None and rule.optional:
            values[name] = None
        elif rule.holds(value):
            values[name] = rule.convert(value)
        else:
            raise ValueError(f"`{name}` must be {rule.wanted}, but is {shown(value)}{_kind(value)}.")
    return values


def shown(value: Any) -> str:
    """Return a value as Python writes it, shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = MAX_SHOWN
    return short.repr(value)


def _kind(value: Any) -> str:
    """Return the type of a text, so that "0.5" is not mistaken for 0.5."""
    return " (a text)" if isinstance(value, str) else ""
