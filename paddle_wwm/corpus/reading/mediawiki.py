"""Read the XML dump of a MediaWiki, such as Chinese Wikipedia's pages-articles.xml.bz2.

Articles are documents. Redirects, pages of other namespaces (talk, templates, …) and pages that are not wikitext are
left out and counted. Of a page with several revisions, the last one is read.
Source: https://www.mediawiki.org/wiki/Help:Export
"""

from __future__ import annotations

import re
from typing import Iterator
from xml.etree import ElementTree

from ...optional import need_package
from ..compressed import READ_ERRORS
from .intake import Intake, RawDocument
from .options import MAX_RECORD_BYTES
from .wiki_pages import PageTooLongError, pages_of

_ARTICLES = "0"  # the namespace
_REDIRECT = re.compile(r"\s*#(redirect|重定向)\s*:?\s*\[\[", re.IGNORECASE)


def read_mediawiki(intake: Intake) -> Iterator[RawDocument]:
    """Yield the text of every article as a document.

    Ids have the number of the page in the wiki.
    """
    need_package("mwparserfromhell", purpose="reading the dump of a wiki")
    num_pages = 0
    with intake.open() as stream:
        try:
            for page in pages_of(stream, max_bytes=MAX_RECORD_BYTES):
                num_pages += 1
                yield from _article(intake, page, num_pages)
        except PageTooLongError as error:
            place = intake.place(f", page {num_pages + 1}")
            intake.bad("broken_files", place=place, text=str(error), message=f"{error}.")
            return
        except READ_ERRORS as error:
            intake.broken(error)
            return
    if not num_pages and intake.source.part is None:
        intake.empty("the dump has no pages.")


def _article(intake: Intake, page: bytes, number: int) -> Iterator[RawDocument]:
    from .wiki_markup import plain_text

    report, name = intake.report, intake.source.name
    try:
        element = ElementTree.fromstring(page)
    except ElementTree.ParseError as error:
        shown = page[:400].decode("utf-8", "replace")
        intake.bad_record(intake.place(f", page {number} of the part"), shown, f"not valid XML ({error}).")
        return
    title, page_id = element.findtext("title") or "", element.findtext("id") or f"page-{number}"
    doc_id = f"{name}:{page_id}"
    if (element.findtext("ns") or _ARTICLES) != _ARTICLES:
        report.add("other_namespaces", place=doc_id, text=title, removed=0)
        return
    revisions = element.findall("revision")
    if len(revisions) > 1:
        report.add("old_revisions", place=doc_id, text=title, removed=0, count=len(revisions) - 1)
    last = max(revisions, key=lambda revision: revision.findtext("timestamp") or "", default=None)
    if last is None:
        intake.bad_record(intake.place(f", page {page_id}"), title, "the page has no revision.")
        return
    if (last.findtext("model") or "wikitext") != "wikitext":
        report.add("other_models", place=doc_id, text=title, removed=0)
        return
    wikitext = last.findtext("text") or ""
    if element.find("redirect") is not None or _REDIRECT.match(wikitext):
        report.add("redirects", place=doc_id, text=title, removed=0)
        return
    text = plain_text(wikitext, variant=intake.form.variant)
    removed = len(wikitext) - wikitext.count("\n") - len(text) + text.count("\n")
    if removed:
        report.characters["read"] += removed
        report.add("markup", place=doc_id, text=title, removed=removed)
    yield from intake.record(page_id, text)
