"""Test reading the dumps of wikis: pages, markup, variants of Chinese, and parts of large dumps."""

from __future__ import annotations

import bz2
import gzip
import io
import random
from dataclasses import replace
from xml.sax.saxutils import escape

import mwparserfromhell
import pytest

from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading import wiki_pages
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.reading.wiki_markup import plain_text
from paddle_wwm.corpus.reading.wiki_pages import PageTooLongError, pages_of, parts_of
from paddle_wwm.corpus.reading.wiki_variants import VARIANTS, resolve_variants
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import DataError

from ..call_counts import num_calls

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="zh">\n'
    "<siteinfo></siteinfo>\n"
)


def page(number, text, *, ns=0, title="题", more="", model="wikitext"):
    return (
        f"  <page>\n    <title>{title}</title>\n    <ns>{ns}</ns>\n    <id>{number}</id>\n{more}    <revision>\n"
        f"      <id>1</id>\n      <model>{model}</model>\n      <text xml:space='preserve'>{escape(text)}</text>\n"
        "    </revision>\n  </page>\n"
    )


def dump(*pages):
    return HEAD + "".join(pages) + "</mediawiki>\n"


def test_articles_are_documents_and_other_pages_are_left_out_and_counted(write, read):
    old = "<revision><timestamp>2001-01-01T00:00:00Z</timestamp><text>旧</text></revision>"
    new = "<revision><timestamp>2002-01-01T00:00:00Z</timestamp><text>新</text></revision>"
    content = dump(
        page(1, "'''数学'''是[[学科]]。\n\n[[Category:数学]]"),
        page(2, "#重定向 [[数学]]"),
        page(3, "x", more='    <redirect title="数学" />\n'),
        page(4, "讨论", ns=1),
        page(5, "return {}", model="Scribunto"),
        f"<page><title>史</title><ns>0</ns><id>6</id>{new}{old}</page>",
    )
    documents, report = read(write(content, "zhwiki.xml"), on_error=OnError.FAIL)
    assert documents == [("zhwiki.xml:1", "数学是学科。"), ("zhwiki.xml:6", "新")]
    counts = {"redirects": 2, "other_namespaces": 1, "other_models": 1, "old_revisions": 1, "markup": 1}
    assert dict(report.counts) == counts
    assert report.characters["read"] == report.characters["markup"] + len("数学是学科。新")


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''粗''' ''斜'' '''''两'''''", "粗 斜 两"),
        ("[[甲]]、[[乙|丙]]、[[:en:Foo|丁]]、[http://a.b 戊]、[http://a.b]。", "甲、丙、丁、戊、。"),
        ("{{Infobox|名 = {{lang|en|x}}}}正文。{{cite web|url=http://a.b}}", "正文。"),
        ("甲{{lang|en|Math}}乙{{link-en|丙|Bing}}{{tsl|en|Ding|丁|戊}}{{lang-de|Gauß}}", "甲Math乙丙戊Gauß"),
        ('甲<ref>注{{cite book|title=书}}</ref>乙<ref name="a/b"/>丙<ref name=c>x</ref>。', "甲乙丙。"),
        ("甲<!-- 注 {{ -->乙<math>x^2</math>丙<sub>2</sub>丁<br />戊", "甲乙丙2丁\n戊"),
        ("{| class=wikitable\n! 头\n|-\n| 格 || {{T|\n|}}\n{|\n| 内\n|}\n|}\n正文", "正文"),
        (
            "== 历史 ==\n甲。\n=== 参考 ===\n{{reflist}}\n== 外部链接 ==\n* [[乙]]\n# 丙\n:: 丁\n; 戊",
            "历史\n甲。\n外部链接\n乙\n丙\n丁\n戊",
        ),
        ("甲（{{lang-en|}}）乙（，）丙（丁）", "甲乙丙（丁）"),
        ("甲（{{lang-en|A}}，{{IPA|x}}；）乙（{{IPA|x}}、丙）", "甲（A）乙（丙）"),
        ("长{{convert|6300|km|mi}}，高{{cvt|5|m}}", "长6300km，高5m"),
        ("[[File:a.jpg|thumb|说明[[甲]]]]乙[[文件:b.png]][[分类:丙]][[en:Math]]__NOTOC__ __目录__", "乙"),
        ("a &lt; b &amp;nbsp; c&nbsp;d <foo> e<f", "a < b &nbsp; c d <foo> e<f"),
        ("<nowiki>[[甲]] {{乙}}</nowiki>", "[[甲]] {{乙}}"),
        ("{{{参数|默认}}}", "默认"),
        ("{{未关闭 [[甲", "{{未关闭 [[甲"),
        ("{|\n没有关闭的表", "没有关闭的表"),
        ("甲<gallery>\nFile:a.jpg|x\n</gallery>乙<timeline>x</timeline>", "甲乙"),
        ("-{zh-hans:[[软件]];zh-hant:[[軟體]];}-", "软件"),
        ("1990{{ndash}}1995年", "1990–1995年"),
    ],
)
def test_markup_becomes_text(wikitext, text):
    assert plain_text(wikitext, variant="zh-cn") == text


@pytest.mark.parametrize(
    ("markup", "variant", "text"),
    [
        ("-{zh-hans:软件;zh-hant:軟體}-", "zh-cn", "软件"),
        ("-{zh-hans:软件;zh-hant:軟體}-", "zh-tw", "軟體"),
        ("-{zh-hans:软件; zh-hk:軟件; zh-tw:軟體;}-", "zh-mo", "軟件"),
        ("-{zh-cn:内存;zh-tw:記憶體}-", "zh-hans", "内存"),
        ("-{zh-tw:記憶體}-", "zh-cn", "記憶體"),
        ("-{不转换}-", "zh-cn", "不转换"),
        ("-{A|zh-cn:甲;zh-tw:乙}-", "zh-tw", "乙"),
        ("前-{H|zh-cn:甲;zh-tw:乙}-后", "zh-cn", "前后"),
        ("-{T|zh-cn:甲;zh-tw:乙}--{-|zh-cn:甲}-", "zh-cn", ""),
        ("-{zh-hans|甲}-", "zh-tw", "甲"),
        ("-{R|甲;乙}-", "zh-tw", "甲;乙"),
        ("-{zh-cn:甲&nbsp;;zh-tw:乙&nbsp;}-", "zh-cn", "甲&nbsp;"),
        ("-{zh-cn:甲-{zh-cn:内;zh-tw:裡}-乙;zh-tw:丙}-", "zh-cn", "甲内乙"),
        ("-{H|甲=>zh-cn:乙;}--{甲=>zh-tw:乙;}-", "zh-cn", "甲"),
        ("-{zh-hans:http://a.b/c;zh-hant:d}-", "zh-cn", "http://a.b/c"),
        ("1990-{{年}}-{未关闭", "zh-cn", "1990-{{年}}-{未关闭"),
    ],
)
def test_conversion_markup_is_resolved_to_the_chosen_variant(markup, variant, text):
    assert resolve_variants(markup, variant=variant) == text


def test_every_variant_falls_back_to_others_of_its_script_first():
    for variant, others in VARIANTS.items():
        is_simplified = variant in ("zh-cn", "zh-sg", "zh-my", "zh-hans")
        text = resolve_variants("-{zh-hans:简;zh-hant:繁}-", variant=variant)
        assert text == ("简" if is_simplified else "繁") and len(set(others)) == 3


@pytest.mark.parametrize(
    "piece",
    [
        "{{",
        "[[",
        "-{",
        "<ref>",
        "\n{|",
        "<div>",
        "<a ",
        "[http://a ",
        "[[File:a|",
        "{{{a|",
        "\n== ",
        "<!--",
        "-{zh-cn:",
        "|}\n",
    ],
)
def test_markup_that_is_never_closed_does_not_take_quadratic_time(monkeypatch, piece):
    """Before it was resolved by us, the parser took from 20 s to many minutes for 20,000 of most of these."""
    monkeypatch.setattr(mwparserfromhell.parser, "use_c", False)  # the same algorithm, and its calls can be counted
    plain_text("x", variant="zh-cn")
    small = num_calls(lambda: plain_text(piece * 100, variant="zh-cn"))
    large = num_calls(lambda: plain_text(piece * 200, variant="zh-cn"))
    assert large < 2.5 * small


@pytest.mark.parametrize("block_bytes", [1, 7, 1_000, 1 << 18])
def test_pages_are_cut_out_wherever_the_blocks_end(monkeypatch, block_bytes):
    monkeypatch.setattr(wiki_pages, "_BLOCK_BYTES", block_bytes)
    draw = random.Random(5)
    pages = [f"<page>{'字' * draw.randrange(9)}{'<pag' * draw.randrange(2)}</page>".encode() for _ in range(50)]
    between = [draw.choice([b"", b"\n", b"</page>", b"<pag", b" " * 20]) for _ in pages]
    data = b"<mediawiki>" + b"".join(page + rest for page, rest in zip(pages, between))
    assert list(pages_of(io.BytesIO(data), max_bytes=1_000)) == pages
    longest = max(map(len, pages))
    assert list(pages_of(io.BytesIO(data), max_bytes=longest)) == pages
    with pytest.raises(PageTooLongError, match="longer than"):
        list(pages_of(io.BytesIO(data), max_bytes=longest - 1))
    found = pages_of(io.BytesIO(data + b"<page>x</pag"), max_bytes=1_000)
    assert [next(found) for _ in pages] == pages
    with pytest.raises(PageTooLongError, match="not closed"):
        next(found)


def documents_of(sources):
    report = CorpusReport()
    reader = DocumentReader(on_error=OnError.FAIL)
    return [document for source in sources for document in reader.read(source, report)], report


@pytest.mark.parametrize("form", ["plain", "multistream", "blocks", "one stream", "gz"])
def test_the_parts_of_a_dump_give_every_page_once_in_order(write, monkeypatch, form):
    draw = random.Random(3)
    pages = [page(n, "。".join("字" * draw.randrange(1, 90) for _ in range(draw.randrange(9)))) for n in range(400)]
    head, whole = HEAD.encode(), dump(*pages).encode()
    if form == "multistream":
        streams = [head, *("".join(pages[n : n + 10]).encode() for n in range(0, 400, 10)), b"</mediawiki>\n"]
        data, name = b"".join(map(bz2.compress, streams)), "d.xml.bz2"
    elif form == "blocks":  # as pbzip2 writes it: streams end anywhere, also within a tag
        cut = sorted(
            {0, len(whole), *draw.sample(range(len(whole)), 60), *(whole.index(b"<page>") + n for n in range(7))}
        )
        data, name = b"".join(bz2.compress(whole[a:b]) for a, b in zip(cut, cut[1:])), "d.xml.bz2"
    else:
        data, name = {
            "plain": (whole, "d.xml"),
            "one stream": (bz2.compress(whole), "d.xml.bz2"),
            "gz": (gzip.compress(whole), "d.xml.gz"),
        }[form]
    [source] = find_sources([write(data, name)]).files
    expected, expected_report = documents_of([source])
    assert len(expected) == 400
    for part_bytes in (300, 1_000, 3_000, 1 << 20):
        monkeypatch.setattr(wiki_pages, "PART_BYTES", {"": part_bytes * 10, ".bz2": part_bytes})
        parts = parts_of(source, encoding="utf-8")
        assert form not in ("plain", "multistream", "blocks") or part_bytes > 10_000 or len(parts) > 3
        assert sum(part.size for part in parts) == source.size
        documents, report = documents_of(parts)
        assert documents == expected
        assert report.characters == expected_report.characters


def test_damage_in_a_dump_is_reported_with_its_place(write, read, monkeypatch):
    whole = dump(page(1, "一。"), page(2, "二。"))
    path = write(whole[: whole.rindex("</page>")], "cut.xml")
    with pytest.raises(DataError, match=r"cut\.xml, page 2: the last page is not closed; the file is cut short"):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert documents == [("cut.xml:1", "一。")] and report.counts["broken_files"] == 1
    path = write(dump(page(1, "一。").replace("</title>", "</titel>"), page(2, "二。")), "bad.xml")
    with pytest.raises(DataError, match="not valid XML"):
        read(path, on_error=OnError.FAIL)
    assert read(path)[0] == [("bad.xml:2", "二。")]
    with pytest.raises(DataError, match="the dump has no pages"):
        read(write(HEAD + "</mediawiki>", "none.xml"), on_error=OnError.FAIL)
    monkeypatch.setattr("paddle_wwm.corpus.reading.mediawiki.MAX_RECORD_BYTES", 5_000)
    with pytest.raises(DataError, match="is longer than"):
        read(write(dump(page(1, "字" * (1 << 18))), "long.xml"), on_error=OnError.FAIL)


def test_entities_that_a_document_type_defines_are_not_expanded(write, read):
    bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    content = (
        f'<?xml version="1.0"?>{bomb}<mediawiki><page><ns>0</ns><id>1</id><revision><text>&b;</text></revision></page>'
    )
    with pytest.raises(DataError, match="not valid XML .*undefined entity"):
        read(write(content, "x.xml"), on_error=OnError.FAIL)


def test_a_part_names_the_same_source(write):
    [source] = find_sources([write(dump(page(1, "一。")), "a.xml")]).files
    [part] = parts_of(source, encoding="utf-8")
    assert part == source
    half = replace(source, part=(0, 10))
    assert (half.size, half.name) == (10, "a.xml")
