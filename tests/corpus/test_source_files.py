"""Test finding files by names, globs and folders, and reading their bytes."""

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


def test_the_endings_in_upper_or_lower_case_give_format_and_compression():
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
@pytest.mark.parametrize("open_it", [open_source, open_seekable])
def test_the_bytes_of_a_file_are_the_same_with_every_compression(write, ending, open_it):
    data = bytes(range(256)) * 5000
    # gzip, xz and zstd read two concatenated compressed files as one
    path = write(compress(data, ending) + compress(b"and more", ending), f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    with open_it(source) as stream:
        assert stream.read() == data + b"and more"


@pytest.mark.parametrize("ending", COMPRESSIONS)
@pytest.mark.parametrize("keep", [1, 10, 0.5, -1])
def test_truncated_compressed_data_raise_an_error(write, ending, keep):
    whole = compress(os.urandom(100_000), ending)
    path = write(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep], f"corpus.txt{ending}")
    [source] = find_sources([path]).files
    with pytest.raises(READ_ERRORS), open_source(source) as stream:
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
