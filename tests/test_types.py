"""The values that cross folders refuse what they cannot mean."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from paddle_wwm.types import MaskingConfig, PretrainBatch, SegmentedSentence, TokenizedDocument


def document(ids=(5, 6, 7), starts=(1, 0, 1), offsets=(0, 2, 3)):
    return TokenizedDocument(
        input_ids=np.array(ids, np.uint16),
        word_starts=np.array(starts, bool),
        sentence_offsets=np.array(offsets, np.int32),
    )


def test_a_sentence_gives_its_words_as_text(sentence_of, seed_words):
    sentence = sentence_of(seed_words)
    assert sentence.text == "使用语言模型来预测下一个词的probability。"
    assert sentence.words == seed_words
    assert SegmentedSentence(text="", word_spans=()).words == ()


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 1), (2, 4)], r"\(2, 4\) follows position 1"),
        ([(0, 2), (1, 4)], r"\(1, 4\) follows position 2"),
        ([(0, 0), (0, 4)], r"\(0, 0\) follows position 0"),
        ([(1, 4)], r"\(1, 4\) follows position 0"),
        ([(0, 3)], "they end at 3, the text at 4"),
        ([(0, 5)], "they end at 5, the text at 4"),
        ([], "they end at 0, the text at 4"),
    ],
)
def test_words_that_leave_gaps_overlap_or_miss_the_end_are_refused(spans, message):
    with pytest.raises(ValueError, match=f"word_spans must cover the text.*{message}"):
        SegmentedSentence(text="使用语言", word_spans=tuple(spans))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"starts": (1, 0)}, "word_starts must have the shape of input_ids"),
        ({"offsets": (0, 2)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (1, 3)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (0, 2, 2, 3)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (0, 1, 3)}, "the first token of every sentence must start a word"),
        ({"starts": (0, 1, 1)}, "the first token of every sentence must start a word"),
    ],
)
def test_a_document_whose_parts_do_not_fit_together_is_refused(changes, message):
    assert document().sentence_offsets.tolist() == [0, 2, 3]
    with pytest.raises(ValueError, match=message):
        document(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masked_lm_prob": 1.5}, r"`masked_lm_prob` must be in \[0, 1\], but is 1\.5"),
        ({"masked_lm_prob": 0.0}, "`masked_lm_prob` must be above 0"),
        ({"mask_token_prob": -0.1}, r"`mask_token_prob` must be in \[0, 1\], but is -0\.1"),
        ({"random_token_prob": float("nan")}, "`random_token_prob` must be in"),
        ({"mask_token_prob": 0.8, "random_token_prob": 0.3}, r"must be at most 1, but are 0\.8 \+ 0\.3"),
        ({"max_predictions_per_seq": 0}, "`max_predictions_per_seq` must be at least 1, but is 0"),
        ({"dupe_factor": 0}, "`dupe_factor` must be at least 1, but is 0"),
    ],
)
def test_masking_that_cannot_be_is_refused_with_rule_and_value(changes, message):
    with pytest.raises(ValueError, match=message):
        MaskingConfig(**changes)


def test_masking_probabilities_may_fill_the_whole():
    assert MaskingConfig(masked_lm_prob=1.0, mask_token_prob=0.9, random_token_prob=0.1).random_token_prob == 0.1


def test_a_batch_counts_what_is_predicted_and_what_is_no_padding():
    ids = np.zeros((2, 3), np.int64)
    batch = PretrainBatch(
        input_ids=ids,
        token_type_ids=ids,
        attention_mask=np.array([[1, 1, 1], [1, 0, 0]], bool),
        masked_lm_positions=np.array([[1, 2], [1, 0]]),
        masked_lm_labels=np.array([[0, 9], [4, -100]]),
        next_sentence_labels=None,
    )
    assert (batch.num_predictions, batch.num_tokens) == (3, 4)


def test_values_are_frozen_and_take_names_only(seed_words, sentence_of):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sentence_of(seed_words).text = "别的"
    with pytest.raises(TypeError, match="positional"):
        SegmentedSentence("使用", ((0, 2),))
