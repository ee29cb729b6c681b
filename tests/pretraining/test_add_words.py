"""`pretrain --init MODEL --add-words FILE` grows the vocabulary, trains with it, and can be resumed."""

from __future__ import annotations

import json

import pytest

from paddle_wwm.cli.main import main
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from ..finetuning.builders import write_model

STEPS = ["phases.0.max_seq_length=48", "phases.0.num_steps=2", "phases.0.num_warmup_steps=1"]


def run_command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["pretrain", *map(str, arguments)])
    return ended.value.code


@pytest.mark.integration
@pytest.mark.slow
def test_a_run_starts_from_the_grown_model_and_can_be_resumed(tmp_path, mini_vocab, capfd):
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", mini_vocab)
    (tmp_path / "words.txt").write_text("北京大学\n语言模型\n", encoding="utf-8")
    arguments = ["--init", tmp_path / "model", "--add-words", tmp_path / "words.txt", "--config", "small"]
    arguments += ["--nproc", 1, "--output", tmp_path / "run", *STEPS, "phases.0.global_batch_size=8"]
    assert run_command(*arguments) == 0
    assert "Added 2 words" in capfd.readouterr().out
    vocab = load_vocab(tmp_path / "run" / "model" / "vocab.txt")
    assert vocab.tokens == (*mini_vocab.tokens, "北京大学", "语言模型")
    [(ids, _)] = WordPieceTokenizer(vocab=vocab).encode_each(["北京大学的语言模型"])
    assert len(ids) == 3
    values = json.loads((tmp_path / "run" / "model" / "tokenizer_config.json").read_text())
    assert values["additional_special_tokens"] == ["北京大学", "语言模型"]
    assert run_command(*arguments, "--resume", "auto") == 0
    assert "already complete" in capfd.readouterr().out


def test_words_without_a_model_to_start_from_are_refused(tmp_path, capsys):
    (tmp_path / "words.txt").write_text("北京大学\n", encoding="utf-8")
    assert run_command("--add-words", tmp_path / "words.txt", "--output", tmp_path / "run") == 2
    assert "--add-words needs --init" in capsys.readouterr().err
