#!/usr/bin/env python
"""Compare the MB/s of reading a MediaWiki dump with the peer, on one core, in one run.

  python benchmarks/wiki.py --dump zhwiki-latest-pages-articles-multistream.xml.bz2 --megabytes 50
  python benchmarks/wiki.py           a dump that is made of the sample corpus, with templates, tables,
                                      references, links, files and conversion markup
  python benchmarks/wiki.py --quick   check that it runs

Timed, in CPU time per MB of uncompressed XML, median over interleaved repetitions:
  ours        pages to clean documents: redirects and other namespaces left out, markup dropped, -{…}- resolved,
              templates in sentences shown
  strip_code  xml.etree's iterparse and mwparserfromhell's strip_code on articles; -{…}- and references stay
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import common

from paddle_wwm.cli.process import run_script
from paddle_wwm.corpus.compressed import compression_of, uncompressed
from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.documents import SAMPLE_CORPUS, read_documents
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.source_files import find_sources


def made_dump(corpus: Sequence[Path], num_bytes: int) -> bytes:
    """Return the XML of a dump whose articles are sentences of a corpus with markup."""
    draw = random.Random(1)
    documents = (document for document in read_documents(corpus))
    sentences = [text for document in islice(documents, 2_000) for text in document.sentences if len(text) > 10]
    pages: list[str] = []
    size = 0
    while size < num_bytes:
        number = len(pages)
        parts = [f"{{{{Infobox|名称=第{number}|图像=a.jpg|出生={{{{bd|1900|1|1}}}}|国籍=[[中国]]}}}}"]
        for _ in range(draw.randrange(4, 14)):
            line = draw.choice(sentences)
            place = draw.randrange(2, len(line) - 2)
            word = line[place : place + 2]
            kind = draw.randrange(8)
            line = (
                line[:place]
                + {
                    0: f"[[{word}|{word}]]",
                    1: f"[[{word}]]",
                    2: f"-{{zh-hans:{word};zh-hant:{word}}}-",
                    3: f"{word}<ref>{{{{cite web|url=http://example.org/{number}|title={word}|date=2001-01-01}}}}</ref>",
                    4: f"'''{word}'''",
                    5: f"{{{{lang|en|{word}}}}}",
                }.get(kind, word)
                + line[place + 2 :]
            )
            parts.append(line)
            if kind == 6:
                parts.append(f"== {word} ==")
            if kind == 7 and number % 3 == 0:
                parts.append(f'{{| class="wikitable"\n! {word} !! 头\n|-\n| {line} || [[{word}]]\n|}}')
        parts.append(f"[[File:{number}.jpg|thumb|{draw.choice(sentences)[:20]}]]\n[[Category:分类]]")
        text = escape("\n\n".join(parts))
        namespace = 10 if number % 5 == 4 else 0
        pages.append(
            f"  <page>\n    <title>第{number}</title>\n    <ns>{namespace}</ns>\n    <id>{number}</id>\n"
            "    <revision>\n"
            f"      <id>{number}</id>\n      <timestamp>2024-01-01T00:00:00Z</timestamp>\n"
            "      <model>wikitext</model>\n"
            f'      <text bytes="1" xml:space="preserve">{text}</text>\n    </revision>\n  </page>\n'
        )
        size += len(pages[-1].encode())
    return ("<mediawiki>\n" + "".join(pages) + "</mediawiki>\n").encode()


def first_pages(path: Path, num_bytes: int) -> bytes:
    """Return the XML of the first pages of a dump."""
    with open(path, "rb") as raw:
        compression = compression_of(raw.read(16))
        raw.seek(0)
        data = uncompressed(raw, compression=compression).read(num_bytes)
    begin, end = data.index(b"<page>"), data.rindex(b"</page>") + len(b"</page>")
    return b"<mediawiki>\n" + data[begin:end] + b"\n</mediawiki>\n"


def ours(path: Path) -> int:
    """Read the dump as documents; return the number of characters."""
    report = CorpusReport()
    [source] = find_sources([path]).files
    reader = DocumentReader(on_error=OnError.FAIL)
    return sum(len(line) for document in reader.read(source, report) for line in document.lines)


def peer(stream: BinaryIO) -> int:
    """Read the dump with iterparse and strip_code; return the number of characters."""
    import mwparserfromhell

    num_chars = 0
    for _, element in ElementTree.iterparse(stream):
        if element.tag.rpartition("}")[2] == "page":
            if element.findtext("ns") == "0":
                text = element.findtext("revision/text") or ""
                num_chars += len(mwparserfromhell.parse(text).strip_code())
            element.clear()
    return num_chars


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", type=Path, metavar="FILE", help="a dump (default: made of --corpus)")
    parser.add_argument(
        "--corpus", type=Path, nargs="+", metavar="PATH", help="text to make a dump of (default: the sample corpus)"
    )
    parser.add_argument("--megabytes", type=float, default=2.0, metavar="N", help="MB of XML (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=3, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    num_bytes = int((0.1 if arguments.quick else arguments.megabytes) * 1e6)
    corpus = arguments.corpus or [SAMPLE_CORPUS]
    data = first_pages(arguments.dump, num_bytes) if arguments.dump else made_dump(corpus, num_bytes)
    name = arguments.dump.name if arguments.dump else ", ".join(path.name for path in corpus)
    figures = common.print_machine(f"{name} ({len(data) / 1e6:.1f} MB of XML)")
    seconds: dict[str, list[float]] = {"ours": [], "strip_code": []}
    num_chars = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.xml"
        path.write_bytes(data)
        ours(path)  # imports
        for _ in range(1 if arguments.quick else arguments.repetitions):
            for contender, run in (("ours", lambda: ours(path)), ("strip_code", lambda: peer(io.BytesIO(data)))):
                started = time.process_time()
                num_chars[contender] = run()
                seconds[contender].append(time.process_time() - started)
    medians = {contender: statistics.median(values) for contender, values in seconds.items()}
    rows = [
        [
            contender,
            f"{len(data) / 1e6 / median:.2f}",
            f"{num_chars[contender]:,}",
            f"{medians['strip_code'] / median:.2f}x",
        ]
        for contender, median in medians.items()
    ]
    common.print_table("a dump to text, one core", ("", "MB/s of XML", "characters", "ratio"), rows)
    common.write_figures(arguments.json, figures | {"mb_per_s": {row[0]: float(row[1]) for row in rows}})
    return 0


if __name__ == "__main__":
    run_script(main)
