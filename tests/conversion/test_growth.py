"""A vocabulary grows by words, and all formats and tokenizers carry them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from paddlenlp import transformers as paddlenlp
from tokenizers import Tokenizer

from paddle_wwm.cli.main import main
from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.verify import verify
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.model.weights import load_model
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .fine_tuned import fine_tuned
from .sources import HF_FOLDER, bits_of, converted, hf_arrays, hf_folder

CHARACTERS = "使用语言模型来预测下一个词的北京大学学习天气"
LATIN = ("trans", "##for", "##mer", "##s", "bert")
UNUSED = tuple(f"[unused{number}]" for number in range(1, 4))
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TOKENS = (*SPECIAL, *UNUSED, *dict.fromkeys(CHARACTERS), *LATIN)
TOKENS = (*TOKENS, *(f"t{number}" for number in range(1000 - len(TOKENS))))
WORDS = ("北京大学", "语言模型", "Transformer", "“", "—")
TEXT = "“北京大学”学习Transformers语言模型—bert天气"
EMBEDDINGS, BIAS = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder_bias"


@pytest.fixture
def source(tmp_path):
    folder = hf_folder(tmp_path / "source", hf_arrays())
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    return folder


def arrays_of(folder):
    return {name: tensor.read() for name, tensor in open_model(folder).tensors.items()}


def tokenizer_of(folder):
    return WordPieceTokenizer(vocab=load_vocab(folder / "vocab.txt"))


def test_a_new_row_is_the_mean_of_its_pieces_and_all_old_rows_keep_their_bits(tmp_path, source):
    result = converted(source, tmp_path / "out", add_words=WORDS)
    old, new = arrays_of(source), arrays_of(tmp_path / "out")
    assert new[EMBEDDINGS].shape == (1005, 64) and new[BIAS].shape == (1005,)
    for name in old:
        assert np.array_equal(new[name][: len(old[name])], old[name]), name
    for number, pieces in enumerate(
        (list("北京大学"), list("语言模型"), ["trans", "##for", "##mer"], ["[UNK]"], ["[UNK]"])
    ):
        ids = [TOKENS.index(piece) for piece in pieces]
        for name in (EMBEDDINGS, BIAS):
            np.testing.assert_allclose(new[name][1000 + number], old[name][ids].mean(0), atol=1e-7)
    assert "Added 5 words to the vocabulary: 5 new entries" in result.notes[0]
    assert "2 of them were only [UNK]" in result.notes[1] and "“, —" in result.notes[1]
    assert load_vocab(tmp_path / "out" / "vocab.txt").tokens == (
        *TOKENS,
        "北京大学",
        "语言模型",
        "transformer",
        "“",
        "—",
    )
    assert load_model(tmp_path / "out").config.vocab_size == 1005


def test_unused_entries_are_taken_over_first(tmp_path, source):
    converted(source, tmp_path / "out", add_words=WORDS, use_unused=True)
    tokens = load_vocab(tmp_path / "out" / "vocab.txt").tokens
    assert (
        len(tokens) == 1002 and tokens[5:8] == ("北京大学", "语言模型", "transformer") and tokens[1000:] == ("“", "—")
    )
    old, new = arrays_of(source)[EMBEDDINGS], arrays_of(tmp_path / "out")[EMBEDDINGS]
    np.testing.assert_allclose(new[5], old[[TOKENS.index(one) for one in "北京大学"]].mean(0), atol=1e-7)
    kept = [number for number in range(1000) if number not in (5, 6, 7)]
    assert np.array_equal(new[kept], old[kept])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_weights_keep_their_type_and_their_old_bits(tmp_path, source, dtype):
    converted(source, tmp_path / "half", dtype=dtype)
    converted(tmp_path / "half", tmp_path / "out", add_words=WORDS)
    old, new = arrays_of(tmp_path / "half"), arrays_of(tmp_path / "out")
    assert open_model(tmp_path / "out").dtypes == (dtype,)
    assert all(np.array_equal(new[name][: len(old[name])], old[name]) for name in old)


@pytest.mark.parity
@pytest.mark.parametrize("way", ["huggingface", "tensorflow", "paddlenlp"])
def test_grown_vocabularies_cross_all_formats(tmp_path, source, way):
    converted(source, tmp_path / "grown", add_words=WORDS)
    converted(tmp_path / "grown", tmp_path / "way", to=way)
    converted(tmp_path / "way", tmp_path / "back")
    assert bits_of(open_model(tmp_path / "back")) == bits_of(open_model(tmp_path / "grown"))
    assert verify(tmp_path / "grown", tmp_path / "way").largest <= 1e-5
    assert load_vocab(tmp_path / "back" / "vocab.txt").tokens == load_vocab(tmp_path / "grown" / "vocab.txt").tokens
    names = ("vocab.txt", "tokenizer_config.json", "config.json")
    for name in names:
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "grown" / name).read_bytes()


@pytest.mark.parity
def test_all_tokenizers_cut_the_new_words(tmp_path, source):
    converted(source, tmp_path / "grown", add_words=WORDS)
    converted(tmp_path / "grown", tmp_path / "hf", to="huggingface")
    tokens = load_vocab(tmp_path / "grown" / "vocab.txt").tokens
    [(ids, _)] = tokenizer_of(tmp_path / "grown").encode_each([TEXT])
    names = [tokens[one] for one in ids]
    assert names == ["“", "北京大学", "[UNK]", "学", "习", "transformer", "##s", "语言模型", "—", "bert", "天", "气"]
    assert (
        Tokenizer.from_file(str(tmp_path / "hf" / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids == ids
    )
    theirs = paddlenlp.AutoTokenizer.from_pretrained(str(tmp_path / "grown"))
    assert theirs(TEXT)["input_ids"] == [2, *ids, 3]


def test_words_that_are_there_or_given_twice_are_counted(tmp_path, source):
    result = converted(source, tmp_path / "out", add_words=["北京大学", "北京大学", "BERT", "bert", "京"])
    assert "Added 1 words" in result.notes[0] and "4 of 5 words were there already, or given twice" in result.notes[0]


def test_more_words_can_be_added_later(tmp_path, source):
    converted(source, tmp_path / "one", add_words=["北京", "大学"])
    converted(tmp_path / "one", tmp_path / "two", add_words=["北京大学"])
    one, two = arrays_of(tmp_path / "one")[EMBEDDINGS], arrays_of(tmp_path / "two")[EMBEDDINGS]
    np.testing.assert_allclose(two[1002], one[[1000, 1001]].mean(0), atol=1e-7)


@pytest.mark.parametrize("word", ["C++", "BERT模型", "北京 大学", "[new]", "##ing", "", "a" * 101, "北京-大学"])
def test_a_word_that_no_tokenizer_would_find_is_refused(tmp_path, source, word):
    with pytest.raises(ConfigError, match="1 words cannot be single entries"):
        converted(source, tmp_path / "out", add_words=["北京大学", word])
    assert not (tmp_path / "out").exists()


def test_a_fine_tuned_model_grows_without_an_output_layer_for_words(tmp_path, source):
    tuned = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE)
    (tuned / "vocab.txt").write_bytes((source / "vocab.txt").read_bytes())
    converted(tuned, tmp_path / "out", add_words=WORDS)
    assert arrays_of(tmp_path / "out")[EMBEDDINGS].shape == (1005, 64)


def test_a_model_without_a_vocabulary_cannot_grow(tmp_path):
    with pytest.raises(CheckpointError, match="has no vocabulary"):
        converted(HF_FOLDER, tmp_path / "out", add_words=WORDS)


def run_command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return ended.value.code


def test_the_command_takes_words_and_files_of_words(tmp_path, source, capsys):
    (tmp_path / "words.txt").write_text("北京大学\t12\t北 京 大 学\n\n语言模型\n", encoding="utf-8")
    arguments = ["extend-vocab", source, "“", tmp_path / "words.txt", "--output", tmp_path / "out"]
    assert run_command(*arguments) == 0
    assert "Added 3 words" in capsys.readouterr().out
    assert load_vocab(tmp_path / "out" / "vocab.txt").tokens[1000:] == ("“", "北京大学", "语言模型")
    assert run_command("extend-vocab", source, tmp_path / "absent.txt", "--output", tmp_path / "other") == 2
    assert "no such file of words" in capsys.readouterr().err


def test_proposed_words_of_a_corpus_are_written_and_can_be_added(tmp_path, source, capsys):
    lines = ["“我们在北京大学学习语言模型。”"] * 12 + ["今天天气很好，Transformers来预测天气。"] * 3
    (tmp_path / "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = [
        "propose-words",
        tmp_path / "corpus.txt",
        "--vocab",
        source / "vocab.txt",
        "--output",
        tmp_path / "w.txt",
    ]
    assert run_command(*arguments, "--min-pieces", "3") == 0
    rows = [line.split("\t") for line in (tmp_path / "w.txt").read_text(encoding="utf-8").splitlines()]
    found = {word: (int(count), pieces) for word, count, pieces in rows}
    assert found["北京大学"] == (12, "北 京 大 学") and found["“"] == (12, "[UNK]")
    assert "Transformers" not in found and "今天天气" not in found  # too rare
    output = capsys.readouterr().out
    assert "counted" in output and "with a count below 10" in output
    assert run_command("extend-vocab", source, tmp_path / "w.txt", "--output", tmp_path / "out") == 0
    assert run_command(*arguments) == 2  # the file exists
