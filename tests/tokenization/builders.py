"""Helpers for the tests of tokenization: pieces as plain lists, and texts that are hard to tokenize."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from paddle_wwm.tokenization.library import Pieces, offsets_of

properties = settings(deadline=None, derandomize=True, max_examples=200)

# Characters of every kind: removed, joined, decomposed, reordered, split in two, or with a special class.
HARD_CHARACTERS = (
    *(
        "\u0000",
        "\u200b",
        "\ufffd",
        "\ud800",
        "\udfff",
        "\x85",
        "\t",
        "\r",
        " ",
        "\u3000",
        "\u2028",
        "\xa0",
    ),  # removed, or white space
    *"使用龘語，。…·—［＃Ａａ２aZ09.[]-_'",
    *(
        "\uf900",
        "\u2f00",
        "\U0002f800",
        "\U00020000",
        "\u3007",
        "\u3042",
        "\u30ac",
        "\u30ab\u3099",
    ),  # ideographs, some compatible, and kana
    *(
        "é",
        "e\u0301",
        "\u0301",
        "\u0338",
        "\u302e",
        "\u0327\u0301",
        "\u0301\u0327",
        "\U0001d165",
        "ǆ",
        "İ",
        "ß",
        "Σ",
        "ΐ",
    ),  # marks and case
    *("\u2260", "\u226e", "\u1fef", "\u1fee", "\u037e", "\u0387", "\u2000"),  # decomposed to punctuation or white space
    *("[MASK]", "[UNK]", "the", "probability"),
    *(
        "\uac00",
        "\uac01",
        "\u1100",
        "\u1161",
        "😀",
        "👨\u200d👩",
        "\U000e0041",
        "\ue000",
        "\U0010ffff",
    ),  # Hangul, emoji, tags, private use
)
hard_texts = st.lists(st.one_of(st.sampled_from(HARD_CHARACTERS), st.characters()), max_size=20).map("".join)


def flat_pieces(spans_of_texts, lengths) -> Pieces:
    """Return pieces at these spans, which count from the start of each text. All ids are 0.

    lengths: the length of each text.
    """
    begins = offsets_of(lengths)
    spans = [(begin + start, begin + end) for begin, spans in zip(begins, spans_of_texts) for start, end in spans]
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return Pieces(
        ids=np.zeros(len(spans), np.int32),
        starts=starts,
        ends=ends,
        text_offsets=offsets_of([len(spans) for spans in spans_of_texts]),
    )


def plain(pieces: Pieces):
    """Return pieces as lists."""
    return pieces.ids.tolist(), pieces.starts.tolist(), pieces.ends.tolist(), pieces.text_offsets.tolist()


def pieces_of(tokenizer, text):
    """Return the pieces of one text, and the parts of the text that they stand for."""
    pieces = tokenizer.encode([text])
    return [tokenizer.vocab.tokens[number] for number in pieces.ids], [
        text[start:end] for start, end in zip(pieces.starts, pieces.ends)
    ]


class GivenWords:
    """A segmenter that returns the words marked in the given texts, for example 使用|语言."""

    name, model_sha256, description = "given", "none", "words given by a test"

    def __init__(self, marked):
        self._words = {text.replace("|", ""): text.split("|") for text in marked}

    def word_starts(self, texts):
        """Return True for the first character of each word."""
        starts = [[True, *[False] * (len(word) - 1)] for text in texts for word in self._words[text] if word]
        return np.array([start for word in starts for start in word], bool)
