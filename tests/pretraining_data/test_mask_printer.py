"""Masking shown as lines: text, words, pieces and masked inputs."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.masking_config import MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.mask_printer import (
    Span,
    Style,
    first_examples,
    join_pieces,
    render,
    sentence_of_words,
    show_lines,
    shown_sentence,
    spans_of,
    words_of,
)
from paddle_wwm.pretraining_data.masking import MaskedExample
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

PIECES = "[CLS] | 使 用 | 语 言 | 模 型 | 来 | 预 测 | 下 | 一 个 | 词 | 的 | pro ##ba ##bility | 。 | [SEP]"
ALWAYS_MASK = {"mask_token_prob": 1.0, "random_token_prob": 0.0}


@pytest.fixture(scope="module")
def seed_shown(seed_words, mini_vocab):
    return shown_sentence(
        sentence_of_words("".join(seed_words), words=seed_words), tokenizer=WordPieceTokenizer(vocab=mini_vocab)
    )


@pytest.fixture(scope="module")
def lines_of(seed_shown, mini_vocab):
    def make(*, num_epochs=1, color=False, seed=42, **masking):
        lines = show_lines(
            [seed_shown],
            vocab=mini_vocab,
            config=MaskingConfig(**masking),
            seed=seed,
            num_epochs=num_epochs,
            color=color,
        )
        return list(lines)

    return make


def masked_with(example, replaced):
    """Return a mask of the example: the positions in `replaced` get these ids."""
    ids, positions = example.input_ids.copy(), np.array(sorted(replaced), np.int64)
    ids[positions] = [replaced[position] for position in positions.tolist()]
    return MaskedExample(input_ids=ids, masked_lm_positions=positions, masked_lm_labels=example.input_ids[positions])


def test_the_running_example_is_shown_as_text_words_and_pieces(lines_of, seed_words):
    text, words, pieces, *_ = lines_of()
    assert text == "text      " + "".join(seed_words)
    assert words == "words     使用|语言|模型|来|预测|下|一个|词|的|probability|。"
    assert pieces == "pieces    " + PIECES


def test_whole_words_are_masked_in_every_epoch_and_epochs_differ(lines_of):
    lines = lines_of(num_epochs=40, masked_lm_prob=0.3, **ALWAYS_MASK)[3:43]
    words = [word.split() for word in PIECES.split(" | ")]
    for number, line in enumerate(lines):
        label, shown = line[:10].strip(), line[10:].split()
        assert label == f"epoch {number}"
        for word in words:
            seen, shown = shown[: len(word)], shown[len(word) :]
            assert seen in (word, ["[MASK]"] * len(word))
        assert shown == []
    assert len({line[10:] for line in lines}) > 20


def test_the_piece_strategy_masks_parts_of_words(lines_of):
    lines = lines_of(num_epochs=20, strategy=MaskingStrategy.PIECE, **ALWAYS_MASK)[3:23]
    assert any("使 [MASK]" in line or "[MASK] 用" in line for line in lines)


def test_the_last_line_counts_everything(lines_of):
    assert lines_of(num_epochs=4, **ALWAYS_MASK)[-1] == (
        "1 example(s) x 4 epoch(s), whole-word: 80 tokens, budget 12, selected 12: 12 [MASK], 0 random, 0 kept"
    )
    assert lines_of(mask_token_prob=0.0, random_token_prob=0.0)[-1].endswith("selected 3: 0 [MASK], 0 random, 3 kept")


def test_the_same_seed_shows_the_same_lines(lines_of):
    assert lines_of(num_epochs=3) == lines_of(num_epochs=3) != lines_of(num_epochs=3, seed=43)


def test_mask_random_and_kept_pieces_have_different_styles(seed_shown, mini_vocab):
    ids = mini_vocab.ids
    masked = masked_with(seed_shown.example, {1: ids["[MASK]"], 2: ids["北"], 3: ids["语"]})
    spans = spans_of(seed_shown.example, masked, vocab=mini_vocab)
    assert [(span.text, span.original, span.style) for span in spans[:5]] == [
        ("[CLS]", "[CLS]", Style.PLAIN),
        ("[MASK]", "使", Style.MASK),
        ("北", "用", Style.RANDOM),
        ("语", "语", Style.KEPT),
        ("言", "言", Style.PLAIN),
    ]


def test_colours_or_arrows_mark_the_predicted_pieces():
    spans = [
        Span(text="使", original="使"),
        Span(text="[MASK]", original="用", style=Style.MASK),
        Span(text="北", original="语", style=Style.RANDOM),
        Span(text="言", original="言", style=Style.KEPT),
    ]
    assert render(spans, color=False) == "使 [MASK] 北←语 言←言"
    assert render(spans, color=True) == "使 \x1b[33m[MASK]\x1b[0m \x1b[35m北\x1b[0m \x1b[4m言\x1b[0m"


def test_lines_without_colour_have_no_control_characters(lines_of):
    assert "\x1b" not in "".join(lines_of(num_epochs=5)) and "\x1b" in "".join(lines_of(num_epochs=5, color=True))


def test_white_space_belongs_to_the_word_before_it():
    sentence = sentence_of_words(" the bert 模型 ", words=["the", "bert", "模型"])
    assert sentence.words == (" the ", "bert ", "模型 ")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["使用", "模型"], "'模型' is not found at '语言'"),
        (["使用"], "'语言' is left"),
        (["使用", "语言", "模"], "'模'"),
        ([], "left"),
    ],
)
def test_words_that_do_not_give_the_text_are_refused(words, part):
    with pytest.raises(ConfigError, match="must give the text when joined") as error:
        sentence_of_words("使用语言", words=words)
    assert part in str(error.value)


def test_a_text_without_pieces_is_refused(mini_vocab):
    with pytest.raises(DataError, match="nothing is left"):
        shown_sentence(sentence_of_words("\u200b", words=["\u200b"]), tokenizer=WordPieceTokenizer(vocab=mini_vocab))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["使", "用", "pro", "##ba", "##bility", "。"], "使用probability。"),
        (["new", "york", "的", "[UNK]"], "new york的[UNK]"),
        (["我", "[SEP]", "们"], "我 [SEP] 们"),
        (["##"], "##"),
    ],
)
def test_pieces_are_joined_to_text(pieces, text):
    assert join_pieces(pieces) == text


@pytest.mark.parametrize("pairing", SentencePairing)
def test_examples_of_shards_have_a_title_that_names_their_segments(prepared_sample, pairing):
    vocab = prepared_sample.vocab()
    items = first_examples(
        prepared_sample, vocab=vocab, number=5, data=DataConfig(pairing=pairing), max_seq_length=64, seed=42
    )
    assert len(items) == 5
    for number, item in enumerate(items):
        assert item.title.startswith(f"example {number}: ")
        assert len(item.words) == len(words_of(item.example, vocab=vocab)) - 2
        assert ("[SEP]" in item.words) == (pairing is SentencePairing.NEXT_SENTENCE) == ("second segment" in item.title)
        assert "".join(item.words).replace("[SEP]", "") == item.text.replace(" [SEP] ", "").replace(" ", "")
