"""The schemes of entity labels, and the labels of characters that share a piece."""

import numpy as np
import pytest

from paddle_wwm.tasks.entities import EncodedTokens, LabelScheme, entities_of, labels_of_tokens

BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")
BMES = ("O", "B-PER", "M-PER", "E-PER", "S-PER")
BILOU = ("O", "B-PER", "I-PER", "L-PER", "U-PER")


@pytest.mark.parametrize(
    ("labels", "row", "spans"),
    [
        (BIO, "B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        (BIO, "B-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        (BIO, "I-PER I-PER O I-LOC B-LOC", [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "LOC")]),  # IOB1
        (BIO, "B-PER I-LOC I-LOC", [(0, 1, "PER"), (1, 3, "LOC")]),
        (("O", "I-PER", "I-LOC"), "I-PER I-PER I-LOC O", [(0, 2, "PER"), (2, 3, "LOC")]),
        (BIOES, "B-PER I-PER E-PER S-PER S-PER O", [(0, 3, "PER"), (3, 4, "PER"), (4, 5, "PER")]),
        (BIOES, "E-PER I-PER E-PER B-PER", [(0, 1, "PER"), (1, 3, "PER"), (3, 4, "PER")]),
        (BMES, "B-PER M-PER E-PER S-PER O", [(0, 3, "PER"), (3, 4, "PER")]),
        (BILOU, "B-PER I-PER L-PER U-PER O", [(0, 3, "PER"), (3, 4, "PER")]),
        (("O", "B_PER", "I_PER"), "B_PER I_PER O", [(0, 2, "PER")]),
        (("PER-B", "PER-I", "O"), "PER-B PER-I O PER-B", [(0, 2, "PER"), (3, 4, "PER")]),
        (("nz-B", "nz-I", "v-B", "v-I"), "nz-B nz-I v-B nz-I", [(0, 2, "nz"), (2, 3, "v"), (3, 4, "nz")]),
        (("B", "M", "E", "S"), "B M E S B E", [(0, 3, ""), (3, 4, ""), (4, 6, "")]),
        (("B", "I"), "B I I B", [(0, 3, ""), (3, 4, "")]),
        (("B", "I", "O"), "B I O I", [(0, 2, ""), (3, 4, "")]),
        (("PER", "LOC", "O"), "PER PER O LOC PER", [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "PER")]),
        (("S-curve", "M-size", "O"), "S-curve S-curve M-size", [(0, 2, "S-curve"), (2, 3, "M-size")]),
        (("O", "B"), "B B O", [(0, 2, "B")]),  # one class, not a scheme
        (("O", "B-PER", "I-PER", "X"), "X B-PER I-PER", [(0, 1, "X"), (1, 3, "PER")]),
    ],
)
def test_the_set_of_labels_shows_the_scheme_of_the_entities(labels, row, spans):
    assert LabelScheme(labels).spans(row.split()) == spans


def test_numbers_as_labels_are_names():
    assert LabelScheme((0, 1, 2)).spans([0, 0, 2]) == [(0, 2, 0), (2, 3, 2)]


def test_labels_that_can_be_read_in_both_ways_follow_suffix():
    labels = ("O", "B-I", "I-B")
    assert LabelScheme(labels).spans(["B-I", "O"]) == [(0, 1, "I")]
    assert LabelScheme(labels, suffix=True).spans(["B-I", "O"]) == [(0, 1, "B")]


@pytest.mark.parametrize(
    ("labels", "label", "expected"),
    [
        (BIO, "B-PER", "B-PER I-PER I-PER"),
        (BIO, "I-PER", "I-PER I-PER I-PER"),
        (BIO, "O", "O O O"),
        (BIOES, "B-PER", "B-PER I-PER I-PER"),
        (BIOES, "E-PER", "I-PER I-PER E-PER"),
        (BIOES, "S-PER", "B-PER I-PER E-PER"),
        (BMES, "S-PER", "B-PER M-PER E-PER"),
        (BILOU, "U-PER", "B-PER I-PER L-PER"),
        (("PER-B", "PER-I", "O"), "PER-B", "PER-B PER-I PER-I"),
        (("B", "M", "E", "S"), "S", "B M E"),
        (("PER", "O"), "PER", "PER PER PER"),
        (("O", "B"), "B", "B B B"),
    ],
)
def test_the_characters_of_one_piece_get_labels_of_one_entity(labels, label, expected):
    scheme = LabelScheme(labels)
    assert scheme.spread(label, 3) == expected.split()
    assert scheme.spread(label, 1) == [label]
    assert len(scheme.spans(scheme.spread(label, 3))) == (label != "O")


def encoded(text, places, *, is_divided=False):
    """Return a text of these pieces. Every character is a token."""
    firsts = [-1] * len(text)
    for number, (start, end) in enumerate(places):
        firsts[start:end] = [number] * (end - start)
    return EncodedTokens(
        text=text,
        is_divided=is_divided,
        characters=[(place, place + 1) for place in range(len(text))],
        first_pieces=firsts,
        piece_ids=np.zeros(len(places), np.int32),
        piece_places=np.array(places, np.int32).reshape(-1, 2),
    )


@pytest.mark.parametrize(
    ("labels", "of_pieces", "expected"),
    [
        (BIO, ["B-LOC", "I-LOC", "O"], ["B-LOC", *["I-LOC"] * 7, "O", "O"]),
        (BIO, ["B-LOC", "B-LOC", "O"], ["B-LOC", "I-LOC", "I-LOC", "O", "B-LOC", *["I-LOC"] * 3, "O", "O"]),
        (BIOES, ["B-PER", "E-PER", "O"], ["B-PER", *["I-PER"] * 6, "E-PER", "O", "O"]),
        (BIOES, ["O", "S-PER", "O"], ["O"] * 4 + ["B-PER", "I-PER", "I-PER", "E-PER", "O", "O"]),
        (("LOC", "O"), ["LOC", "LOC", "O"], ["LOC"] * 8 + ["O", "O"]),
    ],
)
def test_a_space_belongs_to_an_entity_only_if_it_is_inside(labels, of_pieces, expected):
    tokens = encoded("New York !", [(0, 3), (4, 8), (9, 10)])
    scheme = LabelScheme(labels)
    assert labels_of_tokens(tokens, of_pieces, scheme=scheme, outside="O") == expected
    found = entities_of(tokens, of_pieces, scores_of_pieces=[0.5, 0.9, 1.0], scheme=scheme)
    assert [(start, end) for start, end, _ in scheme.spans(expected)] == [(one.start, one.end) for one in found]
    assert all(tokens.text[one.start : one.end] == one.text for one in found)


def test_the_score_of_an_entity_is_the_mean_over_its_pieces():
    tokens = encoded("New York", [(0, 3), (4, 8)])
    [entity] = entities_of(tokens, ["B-LOC", "I-LOC"], scores_of_pieces=[0.5, 0.9], scheme=LabelScheme(BIO))
    assert (entity.text, entity.label, entity.score) == ("New York", "LOC", pytest.approx(0.7))


def test_a_space_that_the_caller_made_a_token_keeps_its_label_and_does_not_cut_the_entity():
    tokens = encoded("北 京", [(0, 1), (2, 3)], is_divided=True)
    scheme = LabelScheme(BIO)
    assert labels_of_tokens(tokens, ["B-LOC", "I-LOC"], scheme=scheme, outside="O") == ["B-LOC", "O", "I-LOC"]
    [entity] = entities_of(tokens, ["B-LOC", "I-LOC"], scores_of_pieces=[1.0, 1.0], scheme=scheme)
    assert (entity.start, entity.end, entity.text) == (0, 3, "北 京")
