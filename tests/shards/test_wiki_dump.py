"""Test preparing the dump of a wiki: the same shards from one process, several, and parts of the dump."""

from __future__ import annotations

import bz2
from dataclasses import replace

import pytest

from paddle_wwm.corpus.reading import wiki_pages
from paddle_wwm.corpus.reading.options import TextForm
from paddle_wwm.shards.inspection.kept_texts import read_texts
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.reader import ShardSet

from .small import WITHOUT_WORDS


def dump_of(num_pages):
    pages = [
        f"<page><title>题</title><ns>{0 if n % 7 else 1}</ns><id>{n}</id><revision><text>{{{{表|{n}}}}}'''第{n}个'''。"
        f"\n\n== 史 ==\n-{{zh-hans:软件;zh-hant:軟體}}-{n}很好。&lt;ref&gt;注&lt;/ref&gt;</text></revision></page>\n"
        for n in range(num_pages)
    ]
    streams = ["<mediawiki>\n", *("".join(pages[n : n + 5]) for n in range(0, num_pages, 5)), "</mediawiki>\n"]
    return b"".join(bz2.compress(stream.encode()) for stream in streams)


def test_the_parts_of_a_dump_are_read_by_several_workers_to_the_same_bytes(run, tmp_path, monkeypatch):
    path = tmp_path / "zhwiki-pages-articles-multistream.xml.bz2"
    path.write_bytes(dump_of(100))
    config = replace(WITHOUT_WORDS, keep_text=True)
    whole = run(corpus=[path], config=config, output=tmp_path / "whole", engine=EngineConfig(num_workers=1))
    monkeypatch.setattr(wiki_pages, "PART_BYTES", {"": 1_000, ".bz2": 1_000})
    parts = run(corpus=[path], config=config, output=tmp_path / "parts", engine=EngineConfig(num_workers=2))
    assert parts.manifest == whole.manifest and parts.report.counts == whole.report.counts
    assert parts.manifest.num_documents == 85 and parts.report.counts["other_namespaces"] == 15
    names = sorted(item.name for item in (tmp_path / "whole").iterdir())
    assert names == sorted(item.name for item in (tmp_path / "parts").iterdir())
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert [source.format for source in parts.manifest.sources] == ["mediawiki.bz2"]
    assert ShardSet(tmp_path / "parts").manifest.options.variant == "zh-cn"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("ending", [".xml", ".xml.bz2"])
def test_a_dump_in_another_encoding_is_read_once_with_any_number_of_workers(
    run, tmp_path, monkeypatch, encoding, ending
):
    path = tmp_path / f"wiki{ending}"
    data = bz2.decompress(dump_of(60)).decode().encode(encoding)
    if ending.endswith(".bz2"):
        data = b"".join(bz2.compress(data[n : n + 1_000]) for n in range(0, len(data), 1_000))
    path.write_bytes(data)
    config = replace(WITHOUT_WORDS, keep_text=True, form=TextForm(encoding=encoding))
    whole = run(corpus=[path], config=config, output=tmp_path / "whole")
    shards = ShardSet(whole.directory)
    places = [text.doc_id for text in read_texts(shards, documents=range(shards.num_documents))]
    assert places == [f"wiki{ending}:{number}" for number in range(60) if number % 7]
    monkeypatch.setattr(wiki_pages, "PART_BYTES", {"": 1_000, ".bz2": 1_000})
    for num_workers in (1, 2):
        engine = EngineConfig(num_workers=num_workers)
        made = run(corpus=[path], config=config, output=tmp_path / str(num_workers), engine=engine)
        assert made.manifest == whole.manifest and made.report.counts == whole.report.counts


def test_another_variant_gives_other_shards(run, tmp_path):
    path = tmp_path / "wiki.xml"
    path.write_bytes(bz2.decompress(dump_of(10)))
    simplified = run(corpus=[path], output=tmp_path / "cn")
    traditional = run(
        corpus=[path], output=tmp_path / "tw", config=replace(WITHOUT_WORDS, form=TextForm(variant="zh-tw"))
    )
    assert simplified.manifest.inputs_fingerprint != traditional.manifest.inputs_fingerprint
    assert traditional.manifest.options.variant == "zh-tw"
