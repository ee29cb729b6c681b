"""Flags of commands that find words: the segmenter and the user's own dictionaries."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..corpus.segment import SegmenterConfig


def add_segmenter_flags(group: argparse._ActionsContainer) -> None:
    """Define --segmenter, --custom-dictionary and --dictionary-separator."""
    from ..corpus.segment import SEGMENTERS

    group.add_argument(
        "--segmenter", default="lac", choices=list(SEGMENTERS), help="the word segmenter (default: %(default)s)"
    )
    group.add_argument(
        "--custom-dictionary",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="your own dictionary, in the format of lac or jieba; may be repeated: for a phrase that is in several "
        "files, the last one counts",
    )
    group.add_argument(
        "--dictionary-separator",
        metavar="TEXT",
        help=r"what separates the words of a phrase in a dictionary for lac, such as # or '\t' (default: white space)",
    )


def segmenter_of(arguments: argparse.Namespace) -> SegmenterConfig:
    """Return the segmenter that the flags describe.

    Paths become absolute, for workers with another folder.
    """
    from ..corpus.segment import SegmenterConfig

    separator = arguments.dictionary_separator
    return SegmenterConfig(
        name=arguments.segmenter,
        custom_dictionary=tuple(path.absolute() for path in arguments.custom_dictionary) or None,
        dictionary_separator=None if separator is None else separator.replace(r"\t", "\t"),
    )
