"""Flags of the commands that read a corpus: formats, fields, documents, encodings, bad input."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Sequence

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..corpus.formats import Source
    from ..corpus.reading.options import TextForm
    from ..corpus.source_files import Sources

MAX_SKIPPED_SHOWN = 3
MAX_SOURCES_SHOWN = 50


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """Define the flags, in a group of their own."""
    from ..corpus.formats import Format
    from ..corpus.reading.options import DocumentUnit, OnError
    from ..corpus.reading.wiki_variants import VARIANTS

    group = parser.add_argument_group("reading")
    group.add_argument(
        "--format",
        choices=[item.value for item in Format],
        help="format of all sources, which also takes files without an ending (default: as content and name show)",
    )
    group.add_argument(
        "--document",
        choices=[item.value for item in DocumentUnit],
        default=DocumentUnit.BLANK_LINE.value,
        help="what separates documents in text files: a blank line, every line, or every file (default: %(default)s)",
    )
    group.add_argument(
        "--text-key",
        action="append",
        metavar="KEY",
        help="JSON field, or column of CSV, TSV, Parquet or Arrow, that holds the text (default: text); a.b is a field "
        "in a field, a number is a column of CSV without a header (from 0), and repeated keys are joined",
    )
    group.add_argument(
        "--encoding",
        default="utf-8",
        metavar="NAME",
        help="encoding of the sources, for example gb18030, big5 or utf-16 (default: %(default)s)",
    )
    group.add_argument(
        "--variant",
        default="zh-cn",
        choices=list(VARIANTS),
        help="the variant that -{zh-hans:…;zh-hant:…}- in the dump of a wiki is resolved to (default: %(default)s)",
    )
    group.add_argument(
        "--on-error",
        choices=[item.value for item in OnError],
        default="fail",
        help="what to do with bad input (default: %(default)s)",
    )


def check_flags_are_used(form: TextForm, *, sources: Sources) -> None:
    """Refuse flags that no source can use, which would be ignored.

    Raises:
        ConfigError: A flag was given that has no effect.
    """
    from ..corpus.formats import Format
    from ..corpus.reading.options import TextForm

    formats = {source.format for source in sources.files}
    for flag, is_given, users in (
        ("--document", form.document is not TextForm.document, {Format.TEXT}),
        ("--text-key", form.text_keys != TextForm.text_keys, set(Format) - {Format.TEXT, Format.MEDIAWIKI}),
        ("--encoding", form.encoding != TextForm.encoding, set(Format) - {Format.PARQUET, Format.ARROW}),
        ("--variant", form.variant != TextForm.variant, {Format.MEDIAWIKI}),
    ):
        if is_given and not formats & users:
            known = ", ".join(sorted(format.value for format in users))
            found = ", ".join(sorted(format.value for format in formats))
            raise ConfigError(
                f"{flag} has an effect on {known} only, but the sources are {found}; leave it out, or give --format."
            )


def sources_of(names: Sequence[str], *, form: TextForm) -> Sources:
    """Return the sources of a command, and print what was skipped.

    Raises:
        ConfigError: A flag was given that has no effect.
        DataError: A file is missing, or there is nothing to read.
    """
    from ..corpus.source_files import find_sources

    sources = find_sources(names, format=form.format, encoding=form.encoding)
    check_flags_are_used(form, sources=sources)
    if skipped := sources.passed_over:
        shown = ", ".join(map(str, skipped[:MAX_SKIPPED_SHOWN])) + (" …" if len(skipped) > MAX_SKIPPED_SHOWN else "")
        print(f"skipped {len(skipped):,} files with other endings: {shown} (--format reads all files)")
    return sources


def print_sources(sources: Sequence[Source]) -> None:
    """Print a line for each source, up to a limit."""
    from ..amounts import size_text

    for source in sources[:MAX_SOURCES_SHOWN]:
        print(f"  {source.path}  {source.kind}  {size_text(source.size)}")
    if len(sources) > MAX_SOURCES_SHOWN:
        print(f"  … and {len(sources) - MAX_SOURCES_SHOWN:,} more")


def form_of(arguments: argparse.Namespace) -> TextForm:
    """Return how the text lies in the files, as the flags say.

    Raises:
        ConfigError: A flag is wrong.
    """
    from ..corpus.formats import Format
    from ..corpus.reading.options import DocumentUnit, TextForm

    try:
        return TextForm(
            format=Format(arguments.format) if arguments.format else None,
            text_keys=tuple(arguments.text_key or TextForm.text_keys),
            document=DocumentUnit(arguments.document),
            encoding=arguments.encoding,
            variant=arguments.variant,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
