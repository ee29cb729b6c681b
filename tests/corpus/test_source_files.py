"""Names, globs and folders to files, and files to their bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paddle_wwm.corpus.source_files import (
    COMPRESSIONS,
    READ_ERRORS,
    Format,
    find_sources,
    open_seekable,
    open_source,
    source_of,
)
from paddle_wwm.errors import DataError

from .conftest import compress


@pytest.fixture
def folder(write, tmp_path):
    """A folder like those that people have."""
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


def test_a_folder_is_searched_in_order_and_what_is_passed_over_is_told(folder):
    found = find_sources([folder])
    assert names((source.path for source in found.files), folder) == [
        "a.jsonl",
        "b.txt",
        "deep/d.parquet",
        "deep/er/c.txt.gz",
    ]
    assert names(found.passed_over, folder) == ["deep/picture.png", "notes.md"]


def test_the_format_and_the_compression_are_known_by_the_endings_in_any_case():
    endings = {
        "a.txt": "",
        "b.TEXT.GZ": ".gz",
        "c.ndjson.zst": ".zst",
        "d.json.xz": ".xz",
        "e.parquet.gz": ".gz",
        "f.PARQUET": "",
    }
    formats = [Format.TEXT, Format.TEXT, Format.JSON_LINES, Format.JSON_LINES, Format.PARQUET, Format.PARQUET]
    found = [source_of(Path(name), format=None) for name in endings]
    assert [source.format for source in found] == formats
    assert [source.compression for source in found] == list(endings.values())
    assert source_of(Path("notes.md"), format=None) is None
    assert source_of(Path("notes.md.gz"), format=Format.TEXT).compression == ".gz"


def test_a_file_named_by_itself_is_text_where_its_ending_says_nothing_and_a_given_format_takes_all(folder):
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
        (
            "deep/**",
            ["deep/d.parquet", "deep/er/c.txt.gz", "deep/picture.png"],
        ),  # what a glob names by itself is taken, as from a shell
        ("*", ["a.jsonl", "b.txt", "deep/d.parquet", "deep/er/c.txt.gz", "notes.md"]),
    ],
)
def test_a_glob_takes_every_file_once(folder, pattern, expected):
    assert sorted(names((source.path for source in find_sources([f"{folder}/{pattern}"]).files), folder)) == expected


def test_the_order_of_what_is_given_is_kept_and_a_file_given_twice_is_read_twice(folder):
    given = [folder / "b.txt", folder / "a.jsonl", folder / "b.txt"]
    assert [source.path for source in find_sources(given).files] == given


def test_a_name_that_is_there_is_no_glob(write):
    path = write("x", "a[1]*.txt")
    write("x", "a1b.txt")
    assert [source.path for source in find_sources([str(path)]).files] == [path]


def test_links_in_a_folder_are_told_when_they_are_not_followed(write, tmp_path):
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
        (make_broken_link, "link.txt: is a link to nothing"),
        (lambda folder: str(make_broken_link(folder).parent / "li*.txt"), "link.txt: is a link to nothing"),
        (make_other_folder, r"pictures: is a folder without files that end in \.txt,.*\.gz"),
        (lambda folder: str(make_other_folder(folder).parent / "pic*"), r"pic\*: is a folder without files"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_that_names_it_even_behind_a_good_one(write, tmp_path, make, message):
    good = write("好。", "good/good.txt")
    with pytest.raises(DataError, match=message):
        find_sources([good, make(tmp_path)])


def test_no_source_at_all_is_an_error():
    with pytest.raises(DataError, match="no corpus files were given"):
        find_sources([])


def test_a_name_that_is_not_utf8_on_the_disk_has_a_name_that_can_be_written(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xd6\xd0\xce\xc4.txt"))
    path.touch()
    [source] = find_sources([path]).files
    assert source.name == "\ufffd\ufffd\ufffd\ufffd.txt"


@pytest.mark.parametrize("ending", ["", *COMPRESSIONS])
@pytest.mark.parametrize("open_it", [open_source, open_seekable])
def test_the_bytes_of_a_file_are_the_same_however_it_is_compressed(write, ending, open_it):
    data = bytes(range(256)) * 5000
    # two compressed files laid end to end are one, as gzip, xz and zstd themselves have it
    path = write(compress(data, ending) + compress(b"and more", ending), f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    with open_it(source) as stream:
        assert stream.read() == data + b"and more"


@pytest.mark.parametrize("ending", COMPRESSIONS)
@pytest.mark.parametrize("keep", [1, 10, 0.5, -1])
def test_compressed_data_that_are_cut_short_are_noticed(write, ending, keep):
    whole = compress(os.urandom(100_000), ending)
    path = write(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep], f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    with pytest.raises(READ_ERRORS), open_source(source) as stream:
        while stream.read(1 << 16):
            pass
