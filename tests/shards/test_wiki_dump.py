"""Test preparing the dump of a wiki: the same shards from one process, several, and parts of the dump."""

from __future__ import annotations

import bz2
from dataclasses import replace

from paddle_wwm.corpus.reading import wiki_pages
from paddle_wwm.corpus.reading.options import TextForm
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


def test_another_variant_gives_other_shards(run, tmp_path):
    path = tmp_path / "wiki.xml"
    path.write_bytes(bz2.decompress(dump_of(10)))
    simplified = run(corpus=[path], output=tmp_path / "cn")
    traditional = run(
        corpus=[path], output=tmp_path / "tw", config=replace(WITHOUT_WORDS, form=TextForm(variant="zh-tw"))
    )
    assert simplified.manifest.inputs_fingerprint != traditional.manifest.inputs_fingerprint
    assert traditional.manifest.options.variant == "zh-tw"
