"""WholeWordMasker: masks of texts and of features, by the rule of pretraining."""

from __future__ import annotations

import copy
import pickle
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.segment import load_segmenter
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.masking_config import MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.collate import collate
from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.pretraining_data.masker import WholeWordMasker
from paddle_wwm.pretraining_data.masking import mask_example, num_to_predict
from paddle_wwm.pretraining_data.segments import NO_PAIR
from paddle_wwm.tokenization.tokenized import tokenize_sentence
from paddle_wwm.tokenization.vocab import IGNORED_LABEL
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

FIELDS = ("input_ids", "token_type_ids", "attention_mask", "masked_lm_positions", "masked_lm_labels")
OUTPUTS = {"input_ids", "attention_mask", "token_type_ids", "labels"}
LATIN = ("bert", "the", "##s")
STATIC = MaskingConfig(dynamic=False, dupe_factor=2)


class ListedWords:
    """A segmenter with a list of words.

    It takes the longest word at each place, else a single character.
    """

    name = model_sha256 = description = "listed"

    def __init__(self, words) -> None:
        self.words = sorted(words, key=len, reverse=True)

    def word_starts(self, texts):
        starts = []
        for text in texts:
            position = 0
            while position < len(text):
                word = next((word for word in self.words if text.startswith(word, position)), text[position])
                starts += [True, *[False] * (len(word) - 1)]
                position += len(word)
        return np.array(starts, bool)


@pytest.fixture(scope="module")
def seed_text(seed_words):
    return "".join(seed_words)


@pytest.fixture(scope="module")
def make_masker(mini_vocab, seed_words):
    """Return a function that makes a masker with the words of the running example."""

    def make(**options):
        return WholeWordMasker(**{"vocab": mini_vocab, "segmenter": ListedWords(seed_words), **options})

    return make


@pytest.fixture(scope="module")
def seed_feature(mini_vocab):
    """The running example as a feature of a tokenizer, with its words as word_starts."""
    pieces = [*"使用语言模型来预测下一个词的", "pro", "##ba", "##bility", "。"]
    ids = [mini_vocab.ids[piece] for piece in ("[CLS]", *pieces, "[SEP]")]
    return {"input_ids": ids, "word_starts": [0, *map(int, "101010110110111001"), 0]}


def in_form(feature, form):
    """Return the same feature with its words in another form."""
    ids, starts = feature["input_ids"], feature["word_starts"]
    if form == "chinese_ref":
        # "##" pieces (positions 16 and 17 of the running example) are not listed
        inside = [place for place in range(1, len(ids) - 1) if not starts[place] and place not in (16, 17)]
        return {"input_ids": ids, "chinese_ref": inside}
    return dict(feature) if form == "word_starts" else {"input_ids": ids}


def assert_same(first, second):
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def predicted(output):
    return np.flatnonzero(output["labels"][0] != IGNORED_LABEL)


# ---- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (1, 1), (7, 3)])
def test_the_masker_gives_the_same_arrays_as_calling_every_function(
    make_masker, mini_vocab, sentence_of, seed_words, seed_text, seed, epoch
):
    tokenizer = WordPieceTokenizer(vocab=mini_vocab)
    ids, starts = tokenize_sentence(sentence_of(seed_words), tokenizer=tokenizer, report=Counter())
    example = PretrainExample(
        input_ids=np.concatenate([[mini_vocab.cls_id], ids, [mini_vocab.sep_id]]).astype(np.int64),
        token_type_ids=np.zeros(len(ids) + 2, np.int64),
        word_starts=np.concatenate([[False], starts, [False]]),
        special_tokens_mask=np.array([True, *[False] * len(ids), True]),
        next_sentence_label=NO_PAIR,
    )
    masked = mask_example(
        example,
        config=MaskingConfig(),
        mask_id=mini_vocab.mask_id,
        random_token_ids=mini_vocab.random_token_ids,
        seed=seed,
        epoch=epoch,
        example_index=0,
    )
    expected = collate([example], [masked], pad_id=mini_vocab.pad_id)
    batch = make_masker()([seed_text], seed=seed, epoch=epoch)
    for name in FIELDS:
        array, other = getattr(batch, name), getattr(expected, name)
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other, err_msg=name)
    assert batch.next_sentence_labels is None
    assert batch.num_predictions > 0


def test_a_mask_depends_only_on_seed_epoch_and_index(make_masker, seed_text):
    masker = make_masker()
    one = masker([seed_text, seed_text], seed=1, epoch=2)
    again = masker([seed_text, "我们", seed_text], seed=1, epoch=2)
    np.testing.assert_array_equal(one.input_ids[0], again.input_ids[0])
    masks = {
        masker([seed_text], seed=seed, epoch=epoch).masked_lm_positions.tobytes()
        for seed in range(4)
        for epoch in (0, 1)
    }
    assert len(masks) > 4
    static = make_masker(masking=STATIC)
    np.testing.assert_array_equal(
        static([seed_text], seed=1, epoch=0).input_ids, static([seed_text], seed=1, epoch=2).input_ids
    )


def test_a_pair_is_one_example_with_two_segments(make_masker, mini_vocab):
    batch = make_masker()([("我们", "学习pro")], seed=1)
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]
    assert (batch.input_ids[0, [0, 3, 7]] == [mini_vocab.cls_id, mini_vocab.sep_id, mini_vocab.sep_id]).all()
    assert batch.next_sentence_labels is None


def test_texts_that_are_cut_are_counted_and_reported_once_per_call(make_masker, seed_text, logged):
    masker = make_masker(max_seq_length=9)
    batch = masker([seed_text, "我们", seed_text, (seed_text, "我们"), ("我们", seed_text)], seed=1)
    assert batch.attention_mask.sum(axis=1).tolist() == [9, 4, 9, 9, 9]
    assert batch.token_type_ids.sum(axis=1).tolist() == [0, 0, 0, 3, 5]
    assert masker.num_cut == 4
    assert len(logged) == 1
    assert "4 of 5 texts" in logged[0]
    masker(["我们"], seed=1)
    assert (masker.num_cut, len(logged)) == (4, 1)


@pytest.mark.parametrize(("max_seq_length", "num_pieces"), [(5, 2), (6, 4), (7, 4), (8, 6)])
def test_a_cut_moves_back_to_the_start_of_a_word(make_masker, seed_text, max_seq_length, num_pieces):
    """The words are 使用|语言|模型|来: three pieces would leave a part of 语言."""
    batch = make_masker(max_seq_length=max_seq_length)([seed_text], seed=1)
    assert batch.input_ids.shape == (1, num_pieces + 2)


@given(seed=st.integers(0, 1000), max_seq_length=st.integers(5, 20))
@settings(max_examples=60, deadline=None)
def test_only_whole_words_of_a_cut_text_are_selected(mini_vocab, seed_words, seed, max_seq_length):
    masker = WholeWordMasker(vocab=mini_vocab, segmenter=ListedWords(seed_words), max_seq_length=max_seq_length)
    batch = masker(["".join(seed_words)], seed=seed)
    selected = set(batch.masked_lm_positions[0][batch.masked_lm_labels[0] != IGNORED_LABEL].tolist())
    starts = [1, 3, 5, 7, 8, 10, 11, 13, 14, 15, 18]  # of the words of the running example; [CLS] is at 0
    for first, end in zip(starts, [*starts[1:], 19]):
        assert selected & set(range(first, end)) in (set(), set(range(first, end)))


def test_a_word_longer_than_the_limit_is_cut_and_not_selected(mini_vocab):
    masker = WholeWordMasker(vocab=mini_vocab, segmenter=ListedWords(["我们在中国学习"]), max_seq_length=6)
    batch = masker(["我们在中国学习"], seed=1)
    assert batch.input_ids.shape == (1, 6) and batch.num_predictions == 0 and masker.num_cut == 1


def test_batches_with_first_index_have_the_masks_of_one_large_batch(make_masker, seed_text):
    masker = make_masker()
    whole = masker([seed_text] * 6, seed=3)
    second = masker([seed_text] * 3, seed=3, first_index=3)
    np.testing.assert_array_equal(second.input_ids, whole.input_ids[3:])
    assert (second.input_ids != whole.input_ids[:3]).any()


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["我们", ""], r"text 1 \(''\) has no piece"),
        (["我们", "学习", " \u200b"], "text 2 .*has no piece"),
        ([("我们", "")], "text 0 .*has no piece"),
        (["我们", 3], "text 1 must be a str or a pair"),
        ([("一", "二", "三")], "text 0 must be a str or a pair"),
        ("我们", "must be a list"),
        ([], "must be a list"),
    ],
)
def test_the_message_names_the_index_of_a_text_that_cannot_be_masked(make_masker, texts, rule):
    with pytest.raises(DataError, match=rule):
        make_masker()(texts, seed=1)


# ---- features --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=30), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    strategy=st.sampled_from([MaskingStrategy.WHOLE_WORD, MaskingStrategy.NGRAM_WORD]),
    multiple=st.sampled_from([1, 8]),
)
def test_labels_are_whole_words_within_the_budget(make_masker, mini_vocab, words, seed, strategy, multiple):
    config = MaskingConfig(strategy=strategy)
    masker = make_masker(seed=seed, masking=config)
    token = mini_vocab.ids["的"]
    features = []
    for lengths in words:
        starts = [int(place == 0) for length in lengths for place in range(length)]
        features.append(
            {
                "input_ids": [mini_vocab.cls_id, *[token] * len(starts), mini_vocab.sep_id],
                "word_starts": [0, *starts, 0],
            }
        )
    output = masker.collate(features, pad_to_multiple_of=multiple)
    assert set(output) == OUTPUTS
    assert all(array.dtype == np.int64 for array in output.values())
    assert output["labels"].shape[1] % multiple == 0
    for feature, ids, attention, labels in zip(
        features, output["input_ids"], output["attention_mask"], output["labels"]
    ):
        length = len(feature["input_ids"])
        assert attention.tolist() == [1] * length + [0] * (len(attention) - length)
        selected = labels != IGNORED_LABEL
        assert not selected[[0, *range(length - 1, len(labels))]].any()
        assert (labels[selected] == token).all()
        assert (ids[:length][~selected[:length]] == np.array(feature["input_ids"])[~selected[:length]]).all()
        assert (ids[length:] == mini_vocab.pad_id).all()
        assert selected.sum() <= num_to_predict(length, config)
        word_numbers = np.cumsum(feature["word_starts"])[1:-1]
        for number in np.unique(word_numbers):
            assert len(set(selected[1 : length - 1][word_numbers == number])) == 1


@pytest.mark.parametrize("form", ["word_starts", "chinese_ref", "text"])
def test_all_forms_of_a_feature_give_the_masks_of_the_text(make_masker, seed_text, seed_feature, form):
    texts, features = make_masker(), make_masker(seed=5)
    for call in range(8):
        batch = texts([seed_text, seed_text], seed=5, epoch=call)
        output = features.collate([in_form(seed_feature, form)] * 2)
        np.testing.assert_array_equal(output["input_ids"], batch.input_ids)
        np.testing.assert_array_equal(output["attention_mask"], batch.attention_mask)
        rows, columns = np.nonzero(output["labels"] != IGNORED_LABEL)
        assert len(rows) == batch.num_predictions
        for row, column in zip(rows, columns):
            place = batch.masked_lm_positions[row].tolist().index(column)
            assert output["labels"][row, column] == batch.masked_lm_labels[row, place]


def test_masks_depend_on_the_seed_and_the_number_of_the_call(make_masker, seed_feature):
    one, same, other = make_masker(seed=3), make_masker(seed=3, masking=STATIC), make_masker(seed=4)
    draws = [one.collate([seed_feature]) for _ in range(6)]
    for draw in draws:
        assert_same(draw, same.collate([seed_feature]))
    others = [other.collate([seed_feature]) for _ in range(6)]
    assert len({draw["labels"].tobytes() for draw in draws}) > 3
    assert [draw["labels"].tobytes() for draw in draws] != [draw["labels"].tobytes() for draw in others]


def test_an_unknown_piece_is_a_word_and_splits_the_word_around_it(make_masker, mini_vocab):
    # 使用 is a word, but with [UNK] inside it is two words. The ids spell 使 [UNK] 用 使用 bert thes
    ids = [mini_vocab.ids[piece] for piece in ("[CLS]", "使", "[UNK]", *"用使用", *LATIN, "[SEP]", *"我们", "[SEP]")]
    seen = []

    class Recording(ListedWords):
        def word_starts(self, texts):
            seen.extend(texts)
            return super().word_starts(texts)

    masker = make_masker(segmenter=Recording(["使\ufffd用", "使用", "bert", " thes", "thes", "我们"]))
    feature = {"input_ids": ids, "token_type_ids": [0] * 10 + [1] * 3}
    sets = set()
    for _ in range(60):
        output = masker.collate([feature])
        sets.add(tuple(predicted(output)))
        assert output["token_type_ids"][0].tolist() == feature["token_type_ids"]
    assert seen[:2] == ["使\ufffd用使用bert thes", "我们"]
    assert sets == {(1, 2), (1, 3), (2, 3), (1, 6), (2, 6), (3, 6), (4, 5), (7, 8), (10, 11)}


def test_padding_is_removed_by_the_attention_mask(make_masker, mini_vocab, seed_feature):
    length, more = len(seed_feature["input_ids"]), 4
    padded = {
        "input_ids": np.array(seed_feature["input_ids"] + [mini_vocab.pad_id] * more),
        "attention_mask": [1] * length + [0] * more,
        "special_tokens_mask": [1] + [0] * (length - 2) + [1] * (1 + more),
        "word_starts": seed_feature["word_starts"] + [0] * more,
    }
    assert_same(make_masker().collate([padded]), make_masker().collate([seed_feature]))


def test_nothing_is_selected_where_the_special_tokens_mask_is_1(make_masker, seed_feature):
    marked = {**seed_feature, "special_tokens_mask": [1, 1, 1, *[0] * 16, 1]}
    marked["word_starts"] = [0, 0, 0, *seed_feature["word_starts"][3:]]
    masker = make_masker()
    places = {place for _ in range(60) for place in predicted(masker.collate([marked]))}
    assert places == set(range(3, 19))


def test_a_feature_without_words_has_the_words_of_lac(make_masker, seed_text, seed_feature):
    lac = load_segmenter("lac")
    words = ["使用", "语言", "模型", "来", "预测", "下一个", "词", "的", "probability", "。"]
    texts, features, listed = (
        make_masker(segmenter=lac),
        make_masker(segmenter=lac),
        make_masker(segmenter=ListedWords(words)),
    )
    for call in range(10):
        output = features.collate([{"input_ids": seed_feature["input_ids"]}])
        np.testing.assert_array_equal(output["input_ids"], texts([seed_text], seed=0, epoch=call).input_ids)
        assert_same(output, listed.collate([{"input_ids": seed_feature["input_ids"]}]))


# ---- tensors, processes ----------------------------------------------------------------------------------------------


def test_paddle_tensors_have_the_values_of_the_arrays(make_masker, seed_feature):
    paddle = pytest.importorskip("paddle")
    output = make_masker().collate([seed_feature], return_tensors="pd")
    assert all(isinstance(value, paddle.Tensor) and value.dtype == paddle.int64 for value in output.values())
    assert_same({name: value.numpy() for name, value in output.items()}, make_masker().collate([seed_feature]))


@pytest.mark.parametrize("name", ["lac", "jieba", "whitespace", "none", "rjieba"])
def test_a_masker_and_its_segmenter_can_be_pickled_and_copied(make_masker, seed_text, seed_feature, name):
    if name == "rjieba":
        pytest.importorskip("rjieba")
    masker = make_masker(segmenter=load_segmenter(name))
    masker([seed_text], seed=1)  # creates the tokenizer
    masker.collate([seed_feature])
    again = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(again([seed_text], seed=2).input_ids, masker([seed_text], seed=2).input_ids)
    bare = {"input_ids": seed_feature["input_ids"]}
    assert_same(again.collate([bare]), masker.collate([bare]))
    assert (
        copy.copy(masker.segmenter).word_starts([seed_text]).tolist()
        == masker.segmenter.word_starts([seed_text]).tolist()
    )


def test_a_pickled_segmenter_keeps_its_user_dictionary(tmp_path, seed_text):
    path = tmp_path / "words.txt"
    path.write_text("语言模型\n", encoding="utf-8")
    for name in ("lac", "jieba"):
        starts = load_segmenter(name, user_dictionary=str(path)).word_starts([seed_text])
        again = pickle.loads(pickle.dumps(load_segmenter(name, user_dictionary=path)))
        assert again.word_starts([seed_text]).tolist() == starts.tolist()
        assert not starts[4]


@pytest.mark.parametrize("module", ["torch.utils.data", "paddle.io"])
def test_data_loader_workers_draw_different_masks(monkeypatch, make_masker, seed_feature, module):
    def draws(worker):
        info = worker and SimpleNamespace(id=worker[0], seed=worker[1])
        for name in ("torch.utils.data", "paddle.io"):
            known = info if name == module else None
            monkeypatch.setitem(sys.modules, name, SimpleNamespace(get_worker_info=lambda known=known: known))
        masker = make_masker(seed=3)
        return [masker.collate([seed_feature])["labels"].tobytes() for _ in range(8)]

    workers = [None, (0, 11), (1, 11), (0, 12)]  # the main process, two workers, and a worker of the next epoch
    all_draws = [draws(worker) for worker in workers]
    assert all_draws == [draws(worker) for worker in workers]
    assert len({tuple(of_one) for of_one in all_draws}) == len(workers)


def test_paddle_data_loader_workers_mask_whole_words(make_masker, seed_feature):
    io = pytest.importorskip("paddle").io

    class Features(io.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return {"input_ids": seed_feature["input_ids"]}

    loader = io.DataLoader(Features(), batch_size=2, num_workers=2, collate_fn=make_masker().collate)
    batches = list(loader)
    assert len(batches) == 4
    for batch in batches:
        for labels in np.asarray(batch["labels"]):
            selected = labels != IGNORED_LABEL
            word_numbers = np.cumsum(seed_feature["word_starts"])
            assert selected.any()
            assert all(
                len(set(selected[1:-1][word_numbers[1:-1] == number])) == 1 for number in set(word_numbers[1:-1])
            )


# ---- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"input_ids": None}, "feature 1 .*(flat list|list of numbers)"),
        ({"input_ids": [[5, 6], [7, 8]]}, "feature 1 .*flat list"),
        ({"input_ids": [4, 9.5, 5]}, "feature 1 .*integers"),
        ({"input_ids": [4, 10_000, 5]}, "feature 1 has the id 10000"),
        ({"input_ids": [4, -1, 5]}, "feature 1 has the id -1"),
        ({"input_ids": [4, 5], "word_starts": [0, 0]}, r"feature 1 must have \[CLS\]"),
        ({"input_ids": [40, 41, 5], "word_starts": [0, 1, 0]}, r"feature 1 must have \[CLS\]"),
        ({"input_ids": [4, 41, 5, 0], "word_starts": [0, 1, 0, 0]}, "feature 1 .*attention_mask"),
        ({"input_ids": [4, *[41] * 20, 5]}, "feature 1 has 22 ids, but `max_seq_length` is 20"),
        ({"word_starts": [0, 1, 0]}, "feature 1 has 3 values in word_starts, but 20"),
        ({"word_starts": [1, *[1] * 18, 0]}, "feature 1 .*special token at position 0"),
        ({"word_starts": [0, *[2] * 18, 0]}, "feature 1 .*other than 0 and 1 in word_starts"),
        ({"token_type_ids": [0, 0]}, "feature 1 has 2 values in token_type_ids"),
        ({"attention_mask": [0, *[1] * 19]}, "feature 1 .*padding at the end"),
        ({"special_tokens_mask": [1]}, "feature 1 has 1 values in special_tokens_mask"),
        ({"labels": [0] * 20}, "feature 1 has the unknown key 'labels'"),
        ({"chinese_ref": [2]}, "feature 1 has word_starts and chinese_ref"),
    ],
)
def test_the_message_names_a_wrong_feature_and_the_rule(make_masker, seed_feature, change, rule):
    with pytest.raises(DataError, match=rule):
        make_masker(max_seq_length=20).collate([seed_feature, {**seed_feature, **change}])


@pytest.mark.parametrize(
    ("places", "rule"),
    [
        ([0], "position 0 in chinese_ref, a special token"),
        ([1, 3], r"position 1 in chinese_ref.*count \[CLS\] as 0"),
        ([19], "position 19 in chinese_ref, a special token"),
        ([20], "position 20 in chinese_ref, but only 20 ids"),
        ([-2], "position -2 in chinese_ref"),
    ],
)
def test_the_message_names_a_wrong_position_of_chinese_ref(make_masker, seed_feature, places, rule):
    with pytest.raises(DataError, match=f"feature 0 has {rule}"):
        make_masker().collate([{"input_ids": seed_feature["input_ids"], "chinese_ref": places}])


def test_features_of_different_forms_are_refused(make_masker, seed_feature):
    features = [in_form(seed_feature, form) for form in ("word_starts", "word_starts", "chinese_ref")]
    with pytest.raises(DataError, match="feature 2 has chinese_ref, but feature 0 has word_starts"):
        make_masker().collate(features)
    with pytest.raises(DataError, match="feature 1 has no word boundaries"):
        make_masker().collate([features[0], in_form(seed_feature, "text")])
    for wrong in ([], seed_feature, [seed_feature["input_ids"]]):
        with pytest.raises(DataError, match="mapping with `input_ids`"):
            make_masker().collate(wrong)


def test_wrong_options_are_refused(make_masker, seed_feature):
    with pytest.raises(ConfigError, match="`max_seq_length`"):
        make_masker(max_seq_length=4)
    with pytest.raises(ConfigError, match="`return_tensors`"):
        make_masker().collate([seed_feature], return_tensors="tf")
    with pytest.raises(ConfigError, match="`pad_to_multiple_of`"):
        make_masker().collate([seed_feature], pad_to_multiple_of=0)
    with pytest.raises(ConfigError, match="`segmenter` must be one of"):
        load_segmenter("ltp")
    with pytest.raises(DataError, match="no such file"):
        load_segmenter("lac", user_dictionary="/nowhere/words.txt")


def test_features_that_are_masked_already_are_refused(make_masker, mini_vocab):
    ids = [mini_vocab.cls_id, mini_vocab.mask_id, mini_vocab.sep_id]
    with pytest.raises(DataError, match=r"feature 0 has \[MASK\] at position 1"):
        make_masker().collate([{"input_ids": ids, "word_starts": [0, 1, 0]}])


def test_texts_that_cannot_be_aligned_are_counted(make_masker, seed_text, monkeypatch):
    def align_by_piece(pieces, *, boundaries, report):
        report["sentences_aligned_by_piece"] += len(pieces.text_offsets) - 1
        return np.ones(len(pieces), bool)

    monkeypatch.setattr("paddle_wwm.pretraining_data.masker.align", align_by_piece)
    masker = make_masker()
    masker([seed_text, "我们"], seed=1)
    assert masker.num_aligned_by_piece == 2


def test_a_limit_below_the_rate_is_an_error_and_without_one_the_rate_is_reached(make_masker, seed_text):
    text = seed_text * 12
    batch = make_masker(masking=MaskingConfig(masked_lm_prob=0.4))([text], seed=1)
    num_tokens, num_masked = int(batch.attention_mask.sum()), int((batch.masked_lm_labels >= 0).sum())
    assert num_masked == pytest.approx(0.4 * num_tokens, abs=2)
    limited = make_masker(masking=MaskingConfig(masked_lm_prob=0.4, max_predictions_per_seq=8))
    with pytest.raises(ConfigError, match="`max_predictions_per_seq` must be at least .*`masked_lm_prob` 0.4"):
        limited([text], seed=1)
