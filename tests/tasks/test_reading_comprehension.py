"""Windows, labels and answers: a gold answer at any position is decoded to the same text."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.tasks.reading_comprehension import (
    Answer,
    DecodingConfig,
    EncodedQuestion,
    Window,
    answer_characters,
    decode,
    encode,
    label_of,
    windows_of,
)
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

CONTEXT = "我们在北京大学学习。天气很好，使用语言模型来预测下一个词的 probability 。"


@pytest.fixture(scope="module")
def tokenizer(mini_vocab):
    return WordPieceTokenizer(vocab=mini_vocab)


def encoded_of(tokenizer, *, question="在哪学习？", context=CONTEXT):
    return encode([question], [context], tokenizer=tokenizer)[0]


def passage_of(num_pieces, *, num_question_pieces=3):
    """Return a passage of `num_pieces` different pieces, one character each."""
    context = "".join(chr(0x4E00 + place) for place in range(num_pieces))
    offsets = np.stack([np.arange(num_pieces), np.arange(1, num_pieces + 1)], axis=1)
    ids = list(range(100, 100 + num_pieces))
    return EncodedQuestion(
        context=context,
        question_ids=list(range(10, 10 + num_question_pieces)),
        context_ids=ids,
        context_offsets=offsets,
    )


def logits_of(window, label, *, high=20.0):
    """Return logits with high values at a label."""
    values = np.zeros((len(window.input_ids), 2), np.float32)
    values[label[0], 0] += high
    values[label[1], 1] += high
    return values


def read_back(encoded, windows, characters, **options):
    labels = [label_of(window, encoded=encoded, characters=characters) for window in windows]
    logits = [logits_of(window, label) for window, label in zip(windows, labels)]
    return decode(encoded, windows=windows, logits=logits, config=DecodingConfig(**options))


def test_a_window_has_the_question_and_a_part_of_the_passage(tokenizer, mini_vocab):
    encoded = encoded_of(tokenizer, question="在哪", context="使用语言模型")
    [window] = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    tokens = [mini_vocab.tokens[token] for token in window.input_ids]
    assert tokens == ["[CLS]", "在", "[UNK]", "[SEP]", *"使用语言模型", "[SEP]"]
    assert window.token_type_ids == [0] * 4 + [1] * 7
    assert (window.first_column, window.first_piece, window.num_pieces) == (4, 0, 6)


@settings(max_examples=200, deadline=None)
@given(
    num_pieces=st.integers(0, 120),
    max_seq_len=st.integers(7, 40),
    doc_stride=st.integers(1, 40),
    max_question_len=st.integers(1, 20),
    num_question_pieces=st.integers(1, 12),
)
def test_windows_show_every_piece_and_overlap_by_the_stride(
    mini_vocab, num_pieces, max_seq_len, doc_stride, max_question_len, num_question_pieces
):
    encoded = passage_of(num_pieces, num_question_pieces=num_question_pieces)
    windows = windows_of(
        encoded, vocab=mini_vocab, max_seq_len=max_seq_len, doc_stride=doc_stride, max_question_len=max_question_len
    )
    assert all(len(window.input_ids) == len(window.token_type_ids) <= max_seq_len for window in windows)
    shown = [set(range(window.first_piece, window.first_piece + window.num_pieces)) for window in windows]
    assert set().union(*shown) == set(range(num_pieces))
    room = max_seq_len - windows[0].first_column - 1
    assert [len(one & other) for one, other in zip(shown, shown[1:])] == [min(doc_stride, room // 2)] * (
        len(windows) - 1
    )
    assert all(not (one <= other or other <= one) for one, other in zip(shown, shown[1:]))
    for window in windows:
        columns = window.input_ids[window.first_column : window.first_column + window.num_pieces]
        assert columns == encoded.context_ids[window.first_piece : window.first_piece + window.num_pieces]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), num_pieces=st.integers(1, 150), max_seq_len=st.integers(12, 40), doc_stride=st.integers(2, 30))
def test_an_answer_not_longer_than_the_stride_is_decoded_at_any_position(
    mini_vocab, data, num_pieces, max_seq_len, doc_stride
):
    encoded = passage_of(num_pieces)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=max_seq_len, doc_stride=doc_stride)
    shared = min(doc_stride, (max_seq_len - 3 - 3) // 2)
    start = data.draw(st.integers(0, num_pieces - 1))
    length = data.draw(st.integers(1, min(shared, num_pieces - start)))
    [answer] = read_back(encoded, windows, (start, start + length))
    assert (answer.start, answer.end, answer.text) == (start, start + length, encoded.context[start : start + length])


def test_the_score_is_a_softmax_over_all_spans_each_counted_once(mini_vocab):
    encoded = passage_of(30)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=17, doc_stride=4)
    assert len(windows) > 2
    logits = [logits_of(window, (0, 0)) for window in windows]
    answers = decode(encoded, windows=windows, logits=logits, config=DecodingConfig(num_answers=1000, max_answer_len=1))
    assert sorted(answer.start for answer in answers) == list(range(30))
    assert [answer.score for answer in answers] == pytest.approx([1 / 30] * 30)


def test_a_span_with_the_same_context_in_two_windows_counts_once():
    """Pieces 2 to 5 are in both windows; pieces 3 and 4 have the same number of neighbours in each."""
    question = passage_of(8, num_question_pieces=1)
    windows = [
        Window(input_ids=[], token_type_ids=[], first_column=0, first_piece=first, num_pieces=6) for first in (0, 2)
    ]
    config = DecodingConfig(num_answers=50, max_answer_len=4)
    answers = decode(question, windows=windows, logits=[np.zeros((6, 2))] * 2, config=config)
    num_spans = sum(min(4, 8 - start) for start in range(8))
    assert len(answers) == num_spans == 26
    assert sum(answer.score for answer in answers) == pytest.approx(1.0)
    assert {round(answer.score * num_spans, 6) for answer in answers} == {1.0}


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), num_pieces=st.integers(1, 40), max_answer_len=st.integers(1, 50))
def test_the_vectorised_search_matches_a_brute_force_search(mini_vocab, seed, num_pieces, max_answer_len):
    encoded, rng = passage_of(num_pieces), np.random.default_rng(seed)
    [window] = windows_of(encoded, vocab=mini_vocab, max_seq_len=64)
    values = rng.normal(size=(len(window.input_ids), 2))
    context = values[window.first_column : window.first_column + num_pieces]
    spans = {
        (first, last + 1): context[first, 0] + context[last, 1]
        for first in range(num_pieces)
        for last in range(first, min(num_pieces, first + max_answer_len))
    }
    total = sum(np.exp(value) for value in spans.values())
    expected = sorted(spans, key=spans.get, reverse=True)[:7]
    answers = decode(
        encoded, windows=[window], logits=[values], config=DecodingConfig(num_answers=7, max_answer_len=max_answer_len)
    )
    assert [(answer.start, answer.end) for answer in answers] == expected
    assert [answer.score for answer in answers] == pytest.approx([np.exp(spans[span]) / total for span in expected])


def test_answers_have_different_texts_and_are_exact_parts_of_the_passage(tokenizer, mini_vocab):
    context = "Bert 使用 语言。bert 使用 语言。"
    encoded = encoded_of(tokenizer, context=context)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    rng = np.random.default_rng(0)
    answers = decode(
        encoded,
        windows=windows,
        logits=[rng.normal(size=(len(one.input_ids), 2)) for one in windows],
        config=DecodingConfig(num_answers=50),
    )
    texts = [answer.text for answer in answers]
    assert len(set(texts)) == len(texts) == 50 - max(0, 50 - len(texts)) and len(texts) > 20
    assert all(context[answer.start : answer.end] == answer.text for answer in answers)
    assert [answer.score for answer in answers] == sorted((answer.score for answer in answers), reverse=True)


def test_logits_of_padding_are_ignored(mini_vocab):
    encoded = passage_of(6)
    [window] = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    logits = np.concatenate([logits_of(window, (5, 6)), np.full((9, 2), 99.0)])
    [answer] = decode(encoded, windows=[window], logits=[logits], config=DecodingConfig())
    assert (answer.start, answer.end) == (5 - window.first_column, 7 - window.first_column)


@pytest.mark.parametrize(("threshold", "expected"), [(None, "span"), (0.0, "none"), (100.0, "span"), (-100.0, "none")])
def test_no_answer_is_predicted_only_if_allowed_and_above_the_threshold(mini_vocab, threshold, expected):
    encoded = passage_of(6)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    config = DecodingConfig(num_answers=3, no_answer_threshold=threshold)
    answers = decode(encoded, windows=windows, logits=[logits_of(windows[0], (0, 0))], config=config)
    assert (answers[0].text == "") == (expected == "none")
    assert sum(answer.score for answer in answers) <= 1.0 and len(answers) == 3
    if expected == "none":
        assert [answers[0].plain] == [{"text": "", "score": pytest.approx(1.0), "start": 0, "end": 0}]


def test_no_answer_is_predicted_only_if_all_windows_agree(mini_vocab):
    encoded = passage_of(40)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    labels = [label_of(window, encoded=encoded, characters=(2, 4)) for window in windows]
    assert labels[0] != (0, 0) and labels[-1] == (0, 0)
    answers = decode(
        encoded,
        windows=windows,
        logits=[logits_of(*both) for both in zip(windows, labels)],
        config=DecodingConfig(no_answer_threshold=0.0),
    )
    assert answers[0].start == 2 and answers[0].end == 4


@pytest.mark.parametrize(
    ("text", "stated", "expected"),
    [
        ("北京", 3, (3, 5)),
        ("北京", -1, (3, 5)),
        ("北京", 0, (3, 5)),
        ("学", 6, (6, 7)),
        ("学", 9, (6, 7)),
        ("学", 2, (5, 6)),
        (" probability ", 29, (30, 41)),
        ("南京", 3, None),
        (" ", 3, None),
    ],
)
def test_a_gold_answer_is_at_the_stated_position_or_the_nearest_one(text, stated, expected):
    context = "我们在北京学学习。天气很好，使用语言模型来预测下一个词的。 probability 。"
    assert answer_characters(context=context, text=text, answer_start=stated) == expected


def test_a_label_includes_a_piece_that_the_answer_covers_partly(tokenizer, mini_vocab):
    encoded = encoded_of(tokenizer, context="有20个词")
    [window] = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    first, last = label_of(window, encoded=encoded, characters=(2, 4))
    assert [mini_vocab.tokens[token] for token in window.input_ids[first : last + 1]] == ["20", "个"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_seq_len": 4}, "at least 5"),
        ({"max_seq_len": 24, "doc_stride": 0}, "`doc_stride`"),
        ({"max_seq_len": 24, "max_question_len": 0}, "question_len"),
    ],
)
def test_numbers_too_small_for_a_window_are_refused(mini_vocab, options, message):
    with pytest.raises(ValueError, match=message):
        windows_of(passage_of(3), vocab=mini_vocab, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_answers": 0}, "num_answers"),
        ({"max_answer_len": 1.5}, "max_answer_len"),
        ({"no_answer_threshold": "a"}, "threshold"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DecodingConfig(**options)


def test_a_passage_without_pieces_has_no_answer(mini_vocab):
    encoded = passage_of(0)
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    logits = [np.zeros((len(window.input_ids), 2)) for window in windows]
    assert decode(encoded, windows=windows, logits=logits, config=DecodingConfig()) == []
    none = Answer(text="", score=1.0, start=0, end=0)
    assert decode(encoded, windows=windows, logits=logits, config=DecodingConfig(no_answer_threshold=0.0)) == [none]


def test_an_answer_includes_the_combining_marks_of_its_last_letter(tokenizer, mini_vocab):
    encoded = encoded_of(tokenizer, context="the the\u0301 the")
    windows = windows_of(encoded, vocab=mini_vocab, max_seq_len=24)
    [answer] = read_back(encoded, windows, (4, 7))
    assert (answer.text, answer.end) == ("the\u0301", 8)


@pytest.mark.parametrize("mark", ["\u0301", "\ufe0f", "\u05bc"])
def test_an_answer_includes_marks_that_the_tokenizer_removes(tokenizer, mini_vocab, mark):
    context = f"使用语{mark}言"
    encoded = encoded_of(tokenizer, context=context)
    [answer] = read_back(encoded, windows_of(encoded, vocab=mini_vocab, max_seq_len=24), (0, 3))
    assert answer.text == f"使用语{mark}"


# Counts for every seventh question. "answers": gold answers. "absent": not in the passage. "inside": the answer starts
# or ends inside a piece, so the label is longer. "longer": the answer has more pieces than the overlap of windows. All
# other answers must be decoded exactly. (The counts for all questions: 9,657, 193, 3, 0; 1,002, 0, 1, 6; 7,048, 0, 2,
# 0.)
@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("cmrc2018/cmrc2018_dev.json", {"answers": 1380, "absent": 30, "inside": 0, "longer": 0}),
        ("cmrc2018/cmrc2018_trial.json", {"answers": 144, "absent": 0, "inside": 1, "longer": 1}),
        ("drcd/DRCD_dev.json", {"answers": 1008, "absent": 0, "inside": 0, "longer": 0}),
    ],
)
def test_gold_answers_of_real_data_are_decoded_from_their_labels(shared_data, file, expected):
    tokenizer = WordPieceTokenizer(vocab=load_vocab(shared_data / "vocab" / "vocab.txt"))
    data = json.loads((shared_data / "tasks" / file).read_text(encoding="utf-8"))["data"]
    pairs = [
        (question, passage["context"])
        for article in data
        for passage in article["paragraphs"]
        for question in passage["qas"]
    ]
    all_encoded = encode(
        [question["question"] for question, _ in pairs], [context for _, context in pairs], tokenizer=tokenizer
    )
    counts = dict.fromkeys(expected, 0)
    for (question, context), encoded in zip(pairs[::7], all_encoded[::7]):
        windows = windows_of(encoded, vocab=tokenizer.vocab, max_seq_len=512, doc_stride=220)
        starts, ends = set(encoded.context_offsets[:, 0]), set(encoded.context_offsets[:, 1])
        for gold in question["answers"]:
            counts["answers"] += 1
            characters = answer_characters(context=context, text=gold["text"], answer_start=gold["answer_start"])
            if characters is None:
                counts["absent"] += 1
                continue
            [answer] = read_back(encoded, windows, characters, max_answer_len=220)
            if characters[0] in starts and characters[1] in ends and (answer.start, answer.end) != characters:
                counts["longer"] += 1
                assert len(tokenizer.encode([gold["text"]])) > 220
            elif characters[0] not in starts or characters[1] not in ends:
                counts["inside"] += 1
                assert gold["text"].strip() in answer.text
            else:
                assert answer.text == gold["text"].strip()
    assert counts == expected
