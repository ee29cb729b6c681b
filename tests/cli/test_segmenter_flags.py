"""The flags of the segmenter and its dictionaries, through the commands that take them."""

from __future__ import annotations

import pytest

from paddle_wwm.cli.main import main, parse
from paddle_wwm.cli.segmenter_flags import segmenter_of


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with two dictionaries and a text; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.dic").write_text("语言模型\n花\t开\n", encoding="utf-8")
    (tmp_path / "second.dic").write_bytes("\ufeff下一个词\r\n".encode())
    (tmp_path / "text.txt").write_text("使用语言模型来预测下一个词。\n", encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n语\n", encoding="utf-8")
    return tmp_path


def run(*argv):
    """Run a command in this process and return its exit status."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code or 0


def test_the_flags_become_a_configuration_with_absolute_paths(files):
    flags = ["--custom-dictionary", "first.dic", "--custom-dictionary", "second.dic", "--dictionary-separator", r"\t"]
    config = segmenter_of(parse("prepare-corpus", ["text.txt", "--vocab", "v", "--output", "o", *flags]))
    assert config.custom_dictionary == (files / "first.dic", files / "second.dic")
    assert (config.name, config.dictionary_separator) == ("lac", "\t")


def test_prepare_corpus_takes_several_dictionaries_and_prints_their_counts(files, capsys):
    flags = ["--custom-dictionary", "first.dic", "--custom-dictionary", "second.dic", "--workers", "1"]
    assert run("prepare-corpus", "text.txt", "--vocab", "vocab.txt", "--output", "shards", *flags) == 0
    printed = capsys.readouterr().out
    assert "3 phrases (0 lines without effect) of first.dic, second.dic" in printed
    assert "dictionary: 3 phrases; 2 occur in the corpus (2 times), 2 as the words of the dictionary" in printed
    assert "1 phrases that are not in the corpus\n      first.dic:2: 花开" in printed
    assert run("inspect-shards", "shards") == 0
    assert "dictionary: 3 phrases; 2 occur in the corpus" in capsys.readouterr().out


def test_a_dry_run_checks_the_dictionaries(files, capsys):
    (files / "jieba.dic").write_text("语言模型 5 n\n", encoding="utf-8")
    command = ["prepare-corpus", "text.txt", "--vocab", "vocab.txt", "--output", "shards", "--dry-run"]
    assert run(*command, "--custom-dictionary", "jieba.dic") == 2
    assert "jieba.dic:1: '语言模型 5 n' has the form of jieba's dictionaries" in capsys.readouterr().err
    assert run(*command, "--custom-dictionary", "jieba.dic", "--segmenter", "jieba") == 0
    assert "words: jieba 0.42.1, 1 words (0 without effect) of jieba.dic" in capsys.readouterr().out
    assert not (files / "shards").exists()


def test_show_masking_uses_the_dictionaries(files, capsys):
    flags = ["--vocab", "vocab.txt", "--epochs", "1"]
    assert run("show-masking", "使用语言模型来预测下一个词", *flags, "--custom-dictionary", "first.dic") == 0
    assert "使用|语言模型|来|预测|下一个|词" in capsys.readouterr().out
    assert run("show-masking", "使用语言模型", *flags, "--segmenter", "none") == 0
    assert "使|用|语|言|模|型" in capsys.readouterr().out
