"""Flags of the commands that read a corpus: formats, fields, documents, encodings, bad input."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..corpus.reading.options import TextForm
    from ..corpus.source_files import Sources


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
    with_fields = {
        Format.DOC_TAGS,
        Format.JSON_LINES,
        Format.JSON,
        Format.CSV,
        Format.TSV,
        Format.PARQUET,
        Format.ARROW,
    }
    for flag, is_given, users in (
        ("--document", form.document is not TextForm.document, {Format.TEXT}),
        ("--text-key", form.text_keys != TextForm.text_keys, with_fields),
        ("--variant", form.variant != TextForm.variant, {Format.MEDIAWIKI}),
    ):
        if is_given and not formats & users:
            known = ", ".join(sorted(format.value for format in users))
            found = ", ".join(sorted(format.value for format in formats))
            raise ConfigError(
                f"{flag} has an effect on {known} only, but the sources are {found}; leave it out, or give --format."
            )


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
