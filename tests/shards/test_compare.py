"""Comparing two shard sets: documents are paired by their tokens, then their words are compared."""

from __future__ import annotations

from paddle_wwm.shards.inspection.compare import Agreement, compare
from paddle_wwm.shards.inspection.inspect import comparison_lines

from ..conftest import vocab_of
from .builders import DOCUMENTS, WORDS


def compared(here, there):
    here_vocab, there_vocab = here.vocab(), there.vocab()
    comparison = compare(here, there, here_vocab=here_vocab, there_vocab=there_vocab)
    lines = comparison_lines(here, there, here_vocab=here_vocab, there_vocab=there_vocab, comparison=comparison)
    return comparison, "\n".join(lines)


def counts(comparison):
    it = comparison
    return it.num_identical, it.num_other_words, it.num_other_sentences, it.num_only_here, it.num_only_there


def test_a_set_is_identical_to_itself_for_any_shard_size(make, prepared_sample):
    for here, there in [
        (prepared_sample, prepared_sample),
        (make("one", *DOCUMENTS), make("many", *DOCUMENTS, max_tokens_per_shard=1)),
    ]:
        comparison, page = compared(here, there)
        assert comparison.is_identical and comparison.first_difference is None
        assert counts(comparison) == (here.num_documents, 0, 0, 0, 0)
        assert page.endswith("\nidentical: the same documents in the same order")


def test_word_boundaries_and_whole_words_are_compared(make):
    here = make("here", [WORDS], ["天气|很好"])
    there = make("there", ["使用|语言模型|来|预测|下|一|个|词|的|probability|。"], ["天气|很好"])
    comparison, page = compared(here, there)
    assert counts(comparison) == (1, 1, 0, 0, 0)
    assert comparison.agreement == Agreement(
        num_tokens=22,
        num_tokens_where_agreed=20,
        num_boundaries_here=11,  # 10 in the first sentence, 1 in the second
        num_boundaries_there=11,
        num_boundaries_in_both=10,
        num_words_here=13,
        num_words_there=13,
        num_words_in_both=10,  # all except 语言, 模型 and 一个
    )
    assert "10      76.92%      76.92%      76.92%" in page
    assert "first difference, sentence 0:" in page
    assert f"  here        document 0: {WORDS}" in page
    assert page.endswith("\ndifferent")


def test_the_first_token_of_a_sentence_is_not_counted_as_a_boundary(make):
    comparison, _ = compared(make("here", ["使用|语言|模型"]), make("there", ["使用", "语言模型"]))
    it = comparison.agreement
    assert (it.num_boundaries_here, it.num_boundaries_there, it.num_boundaries_in_both) == (1, 0, 0)
    assert (it.num_words_here, it.num_words_there, it.num_words_in_both) == (3, 2, 1)


def test_the_first_difference_of_any_kind_is_reported(make):
    same, words, other = ["的"], (["使用"], ["使|用"]), (["模型"], ["天气"])
    for name, order, expected in [
        ("words first", (words, other), (1, 1)),
        ("tokens first", (other, words), (1, 1)),
        ("only", (other,), (1, 1)),
    ]:
        here, there = ([same, *(pair[side] for pair in order)] for side in (0, 1))
        comparison, _ = compared(make(f"{name} here", *here), make(f"{name} there", *there))
        assert comparison.first_difference == expected, name
    comparison, page = compared(make("here", same, ["使用"], ["模型"]), make("there", same, ["模型"], ["使|用"]))
    assert comparison.first_difference == (1, 2), "the counterpart of a document is the one with the same tokens"
    assert "  here        document 1: 使用" in page and "  there       document 2: 使|用" in page


def test_documents_are_paired_by_tokens_not_by_numbers(make):
    here = make("here", ["的"], ["使用"], ["模型"], ["模型"], ["天气"])
    there = make("there", ["使用"], ["模型"], ["语|言"], ["天气"], ["模型"], ["模型"])
    comparison, page = compared(here, there)
    assert counts(comparison) == (4, 0, 0, 1, 2)
    assert not comparison.in_order
    assert comparison.first_difference == (0, 0)
    assert "  here        document 0: 的" in page and "  there       document 0: 使用" in page
    comparison, page = compared(there, here)
    assert counts(comparison) == (4, 0, 0, 2, 1)


def test_other_sentences_other_order_and_missing_documents_are_distinguished(make):
    here = make("here", ["使用|语言", "模型"], ["的"])
    comparison, page = compared(here, make("sentences", ["使用|语言|模型"], ["的"]))
    assert counts(comparison) == (1, 0, 1, 0, 0)
    assert "  there       document 0: 使用|语言|模型" in page
    comparison, page = compared(here, make("order", ["的"], ["使用|语言", "模型"]))
    assert counts(comparison) == (2, 0, 0, 0, 0) and not comparison.is_identical
    assert page.endswith("different (the documents in both are in another order)")
    comparison, page = compared(here, make("shorter", ["使用|语言", "模型"]))
    assert comparison.first_difference == (1, None)
    assert "  here        document 1: 的" in page and "  there       (no such document)" in page
    comparison, page = compared(make("longer", ["使用|语言", "模型"]), here)
    assert comparison.first_difference == (None, 1)


def test_pieces_are_compared_as_text_for_different_vocabularies(make, mini_vocab):
    other = vocab_of((*mini_vocab.tokens[:8], "龘", *mini_vocab.tokens[8:]))
    comparison, page = compared(make("here", *DOCUMENTS), make("there", *DOCUMENTS, vocab=other))
    assert counts(comparison) == (3, 0, 0, 0, 0)
    assert comparison.num_shared_entries == len(mini_vocab)
    assert page.endswith("identical documents in the same order, with other ids: the vocabularies differ")
    smaller = vocab_of(tuple(token for token in mini_vocab.tokens if token != "北"))
    comparison, _ = compared(make("again", ["使用"], ["北京"]), make("smaller", ["使用"], ["?京"], vocab=smaller))
    assert counts(comparison) == (1, 0, 0, 1, 1)


def test_different_segmenters_are_compared_over_the_same_tokens(kept):
    lac, jieba, none = (kept(name) for name in ("lac", "jieba", "none"))
    comparison, page = compared(lac, none)
    it = comparison.agreement
    assert counts(comparison) == (0, 3, 0, 0, 0)
    assert (it.num_tokens, it.num_words_here, it.num_words_there) == (
        lac.manifest.num_tokens,
        lac.manifest.num_words,
        lac.manifest.num_tokens,
    )
    assert it.num_boundaries_in_both == it.num_boundaries_here == lac.manifest.num_words - lac.manifest.num_sentences
    assert "segmenter   name: lac here, none there" in page
    comparison, page = compared(lac, jieba)
    assert "来|预测|下一个|词" in page and "来|预测|下|一个|词" in page
    comparison, page = compared(lac, kept("lac", do_lower_case=False))
    assert comparison.is_identical and "do_lower_case: True here, False there" in page
