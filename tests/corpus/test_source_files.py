"""Test finding files by names, globs and folders, and reading their bytes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from paddle_wwm.corpus import source_files
from paddle_wwm.corpus.compressed import READ_ERRORS, seekable, uncompressed
from paddle_wwm.corpus.formats import Format
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.source_files import find_sources, source_of
from paddle_wwm.errors import DataError
from paddle_wwm.file_kinds import COMPRESSIONS

from .conftest import compress, parquet_bytes


@pytest.fixture
def folder(write, tmp_path):
    """A folder with corpus files, other files and hidden files."""
    for name in (
        "b.txt",
        "a.jsonl",
        "deep/er/c.txt.gz",
        "deep/d.parquet",
        "notes.md",
        "deep/picture.png",
        ".hidden.txt",
        ".git/e.txt",
    ):
        write("x", f"corpus/{name}")
    return tmp_path / "corpus"


def names(paths, folder):
    return [str(Path(path).relative_to(folder)) for path in paths]


def test_a_folder_is_searched_in_order_and_skipped_files_are_reported(folder):
    found = find_sources([folder])
    assert names((source.path for source in found.files), folder) == [
        "a.jsonl",
        "b.txt",
        "deep/d.parquet",
        "deep/er/c.txt.gz",
    ]
    assert names(found.passed_over, folder) == ["deep/picture.png", "notes.md"]


def test_content_gives_the_compression_and_the_format_and_the_name_decides_if_it_says_nothing(write):
    text, lines, table = "今天。".encode(), b'{"text": "x"}\n{"text": "y"}\n', parquet_bytes(text=["x"])
    array, dump = b'[{"text": "x"},\n {"text": "y"}]', b"<mediawiki><page></page></mediawiki>"
    for name, data, format, compression in (
        ("a.txt", text, Format.TEXT, ""),
        ("b.TEXT.GZ", compress(text, ".gz"), Format.TEXT, ".gz"),
        ("b.txt", compress(text, ".bz2"), Format.TEXT, ".bz2"),
        ("b.txt.gz", text, Format.TEXT, ""),
        ("c.ndjson.zst", compress(lines, ".zst"), Format.JSON_LINES, ".zst"),
        ("c.txt", lines, Format.JSON_LINES, ""),
        ("d.json.xz", compress(array, ".xz"), Format.JSON, ".xz"),
        ("d.jsonl", array, Format.JSON, ""),
        ("d.txt", array, Format.JSON, ""),
        ("d2.json", text, Format.JSON_LINES, ""),
        ("d3.json", b'{\n "text": "x"\n}', Format.JSON, ""),
        ("d4.json", b'["x", "y"]', Format.JSON, ""),
        ("e.parquet.gz", compress(table, ".gz"), Format.PARQUET, ".gz"),
        ("f.txt", table, Format.PARQUET, ""),
        ("g.csv", b"text,label\nx,1\n", Format.CSV, ""),
        ("g.tsv.gz", compress(b"text\tlabel\nx\t1\n", ".gz"), Format.TSV, ".gz"),
        ("h.xml.bz2", compress(dump, ".bz2"), Format.MEDIAWIKI, ".bz2"),
        ("h.txt", b'<?xml version="1.0"?>\n' + dump, Format.MEDIAWIKI, ""),
        ("wiki_00", b'<doc id="1" title="x">\nx\n</doc>\n', Format.DOC_TAGS, ""),
    ):
        source = source_of(write(data, name), format=None)
        assert (source.format, source.compression, source.refusal) == (format, compression, ""), name
    assert source_of(write(b"x", "notes.md"), format=None) is None
    assert source_of(write(compress(b"x", ".gz"), "notes.md.gz"), format=Format.TEXT).compression == ".gz"


@pytest.mark.parametrize(
    "text",
    [
        "[图片] 今天下雨。",
        '["引用"]说，今天下雨。',
        "{今天}下雨。",
        '{"今天"}下雨。',
        "[1] 今天\n[2] 明天",
        "<今天>下雨",
        "<b> 今天",
        "PAR1 和 ORC",
        "Rar!",
        "[]x",
    ],
)
def test_text_that_only_looks_like_another_format_is_text(write, text):
    source = source_of(write(text), format=None)
    assert (source.format, source.refusal) == (Format.TEXT, "")


ARCHIVES = {
    "a.zip": (b"PK\x03\x04\x14\0\0\0", "a zip archive.*`unzip a.zip -d a`"),
    "b.txt": (b"PK\x03\x04\x14\0\0\0", "a zip archive"),
    "c.tar.gz": (compress(b"a.txt" + b"\0" * 252 + b"ustar\x0000" + b"\0" * 600, ".gz"), "tar -xf c.tar.gz -C c`"),
    "d.tar": (b"a.txt" + b"\0" * 252 + b"ustar  \0" + b"\0" * 600, "a tar archive"),
    "e.html": (b"\n<!DOCTYPE html>\n<html><p>x</p></html>", "an HTML page; extract its text"),
    "e.txt": (b"<html lang=zh><p>x</p></html>", "an HTML page"),
    "f.xml": (b"<?xml version='1.0'?>\n<urlset></urlset>", "XML, but not the dump of a MediaWiki"),
    "f.txt": (b"<rss version='2.0'><channel>x</channel></rss>", "XML, but not the dump"),
    "f2.txt": (b"<corpus>" + b"<s>x</s>" * 9000 + b"</corpus>\n", "XML, but not the dump"),
    "e2.txt": (b"<div class='a'>x</div>", "an HTML page"),
    "g.txt": (b"%PDF-1.7\n", "a PDF file.*pdftotext"),
    "h.txt": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "an old Word or Excel document"),
    "i.txt": (bytes(range(256)) * 40, "binary data, not text"),
    "j.txt": (
        "今天天气很好，我们去公园。\n".encode("utf-16-le"),
        "UTF-16 without a byte order mark.*--encoding utf-16-le",
    ),
    "k.txt": ("hello world\n".encode("utf-16-be"), "without a byte order mark.*--encoding utf-16-be"),
    "l.txt": (b"7z\xbc\xaf\x27\x1c\0\4", "7z x l.txt"),
}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("format", [None, Format.TEXT])
def test_archives_web_pages_and_other_data_are_refused_with_the_remedy(write, read, name, format):
    data, message = ARCHIVES[name]
    path = write(data, name)
    if format is Format.TEXT and name in ("e.html", "e.txt", "e2.txt", "f.xml", "f.txt", "f2.txt"):
        assert read(path, format=format, on_error=OnError.FAIL)[0], "the caller may say that markup is text"
        return
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: is .*{message}"):
        read(path, format=format, on_error=OnError.FAIL)
    documents, report = read(path, format=format)
    assert (documents, dict(report.counts)) == ([], {"not_text": 1})


def test_a_named_file_with_an_unknown_ending_is_text_and_a_given_format_holds_for_all_files(folder):
    [source] = find_sources([folder / "notes.md"]).files
    assert source.format is Format.TEXT
    everything = find_sources([folder], format=Format.JSON_LINES)
    assert (len(everything.files), everything.passed_over) == (6, ())
    assert {source.format for source in everything.files} == {Format.JSON_LINES}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["b.txt"]),
        ("**/*.txt*", ["b.txt", "deep/er/c.txt.gz"]),
        ("[ab].*", ["a.jsonl", "b.txt"]),
        # a file that a glob matches directly is taken, as if the shell had expanded the glob
        ("deep/**", ["deep/d.parquet", "deep/er/c.txt.gz", "deep/picture.png"]),
        ("*", ["a.jsonl", "b.txt", "deep/d.parquet", "deep/er/c.txt.gz", "notes.md"]),
    ],
)
def test_a_glob_takes_every_file_once(folder, pattern, expected):
    assert sorted(names((source.path for source in find_sources([f"{folder}/{pattern}"]).files), folder)) == expected


def test_the_given_order_is_kept_and_a_file_given_twice_is_read_twice(folder):
    given = [folder / "b.txt", folder / "a.jsonl", folder / "b.txt"]
    assert [source.path for source in find_sources(given).files] == given


def test_the_name_of_an_existing_file_is_not_a_glob(write):
    path = write("x", "a[1]*.txt")
    write("x", "a1b.txt")
    assert [source.path for source in find_sources([str(path)]).files] == [path]


def test_links_that_are_not_followed_are_reported(write, tmp_path):
    write("x", "corpus/a.txt")
    (tmp_path / "corpus" / "back").symlink_to(tmp_path / "corpus", target_is_directory=True)
    (tmp_path / "corpus" / "broken.txt").symlink_to(tmp_path / "absent")
    (tmp_path / "corpus" / "good.txt").symlink_to(tmp_path / "corpus" / "a.txt")
    found = find_sources([tmp_path / "corpus"])
    assert names((source.path for source in found.files), tmp_path / "corpus") == ["a.txt", "good.txt"]
    assert names(found.passed_over, tmp_path / "corpus") == ["back", "broken.txt"]


def make_pipe(folder):
    os.mkfifo(folder / "pipe.txt")
    return folder / "pipe.txt"


def make_broken_link(folder):
    (folder / "link.txt").symlink_to(folder / "absent")
    return folder / "link.txt"


def make_other_folder(folder):
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").touch()
    return folder / "pictures"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent.txt", "absent.txt: no such file"),
        (lambda folder: folder / "*.tct", r"\*\.tct: no such file"),
        (make_pipe, "pipe.txt: is not a regular file"),
        (make_broken_link, "link.txt: is a broken link"),
        (lambda folder: str(make_broken_link(folder).parent / "li*.txt"), "link.txt: is a broken link"),
        (make_other_folder, r"pictures: is a folder without files that end in \.txt,.*\.gz"),
        (lambda folder: str(make_other_folder(folder).parent / "pic*"), r"pic\*: is a folder without files"),
    ],
)
def test_an_unreadable_source_is_an_error_with_its_name_even_after_a_good_one(write, tmp_path, make, message):
    good = write("好。", "good/good.txt")
    with pytest.raises(DataError, match=message):
        find_sources([good, make(tmp_path)])


def test_an_empty_list_of_sources_is_an_error():
    with pytest.raises(DataError, match="no corpus files were given"):
        find_sources([])


def test_a_file_name_that_is_not_utf8_becomes_a_name_that_can_be_encoded(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xd6\xd0\xce\xc4.txt"))
    path.touch()
    [source] = find_sources([path]).files
    assert source.name == "\ufffd\ufffd\ufffd\ufffd.txt"


@pytest.mark.parametrize("ending", ["", *COMPRESSIONS])
@pytest.mark.parametrize("open_it", [uncompressed, seekable])
def test_the_bytes_of_a_file_are_the_same_with_every_compression(write, ending, open_it):
    data = bytes(range(256)) * 5000
    # gzip, xz and zstd read two concatenated compressed files as one
    path = write(compress(data, ending) + compress(b"and more", ending), f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    with open(path, "rb") as raw, open_it(raw, compression=source.compression) as stream:
        assert stream.read() == data + b"and more"


@pytest.mark.parametrize("ending", list(COMPRESSIONS))
@pytest.mark.parametrize("keep", [10, 0.5, -1])
def test_truncated_compressed_data_raise_an_error(write, ending, keep):
    whole = compress(os.urandom(100_000), ending)
    path = write(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep], f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    assert source.compression == ending
    with (
        pytest.raises(READ_ERRORS),
        open(path, "rb") as raw,
        uncompressed(raw, compression=ending) as stream,
    ):
        while stream.read(1 << 16):
            pass


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("top", ["1.txt", "a/1.txt", "a/b/2.txt"]),
        ("top/", ["1.txt", "a/1.txt", "a/b/2.txt"]),
        (".", ["top/1.txt", "top/a/1.txt", "top/a/b/2.txt"]),
        ("top/a/1.txt", ["1.txt"]),
        ("top/*.txt", ["1.txt"]),
        ("top/**/*.txt", ["1.txt", "a/1.txt", "a/b/2.txt"]),
        ("top/*/", ["a/1.txt", "a/b/2.txt"]),
        ("t*/a/b", ["top/a/b/2.txt"]),
        ("./top/[a]/**", ["a/1.txt", "a/b/2.txt"]),
    ],
)
@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_name_is_the_path_below_the_folder_that_was_searched(write, tmp_path, monkeypatch, given, names, is_absolute):
    for name in ("top/1.txt", "top/a/1.txt", "top/a/b/2.txt"):
        write("一。", name)
    monkeypatch.chdir(tmp_path)
    found = find_sources([f"{tmp_path}/{given}" if is_absolute else given]).files
    assert [source.name for source in found] == names
    assert [source.file_name for source in found] == [Path(name).name for name in names]


def test_in_a_folder_descriptions_of_data_sets_and_other_xml_are_skipped(write, tmp_path):
    for name in ("dataset_info.json", "state.json", "deep/dataset_dict.json"):
        write("{}", f"set/{name}")
    write("<urlset><url>x</url></urlset>", "set/sitemap.xml")
    write("今天。", "set/a.txt")
    found = find_sources([tmp_path / "set"])
    assert [source.name for source in found.files] == ["a.txt"]
    assert len(found.passed_over) == 4
    [named] = find_sources([tmp_path / "set" / "sitemap.xml"]).files
    assert "XML, but not the dump" in named.refusal


@pytest.mark.parametrize("pattern", ["**", "**/*", "*"])
def test_a_glob_looks_at_the_content_of_every_file_once(tmp_path, monkeypatch, pattern):
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    for folder in (tmp_path, *deep.parents[:3], deep):
        (folder / "x.txt").write_text("天", encoding="utf-8")
    looked_at = []
    content_of = source_files.content_of

    def noted(path, **options):
        looked_at.append(path)
        return content_of(path, **options)

    monkeypatch.setattr(source_files, "content_of", noted)
    found = find_sources([tmp_path / pattern]).files
    assert len(found) == 5 and sorted(looked_at) == sorted(source.path for source in found)


def test_a_glob_follows_a_link_to_a_folder_that_it_matches(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.txt").write_text("天", encoding="utf-8")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert [source.name for source in find_sources([tmp_path / "in" / "**"]).files] == ["link/x.txt"]
