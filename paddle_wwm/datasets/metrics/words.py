"""The texts that the metric of CMRC 2018 compares.

EM compares answers without punctuation. F1 compares segments: Chinese characters, and words of other languages. The
rules are those of the data set's authors (Cui et al. 2019, "A Span-Extraction Dataset for Chinese Machine Reading
Comprehension", and their script for files in SQuAD's format):

- Text is lower-cased, and white space around it is removed.
- PUNCTUATION is removed first, so "a-b" becomes the single word "ab". Other marks are kept, among them ASCII
  (`,.()"!?`) and "…".
- A character from U+4E00 to U+9FA5 is a segment. The text between two of them is split into words by the conventions
  of the Penn Treebank, as NLTK's word_tokenize does in the authors' script.

The words are those of NLTK 3.9, except for the ends of sentences in foreign text. NLTK uses a learned list of English
abbreviations. Here a full stop before white space ends a sentence, unless the word contains another full stop, is one
of ABBREVIATIONS, or is an initial or a number before a letter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Iterator

PUNCTUATION = frozenset("-:_*^/\\~`+=" + "，。：？！“”；’《》·、「」（）－～『』")
ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "inc", "co", "corp", "ltd", "vol", "no", "etc")
    + ("gen", "sen", "rep", "gov", "lt", "col", "sgt", "capt", "fig")
)
_CHINESE = re.compile("([\u4e00-\u9fa5])")
# Marks that are words in any position. A comma is a word unless a digit follows. An apostrophe is a word before a
# single letter that is not a clitic.
_MARKS = re.compile(r"\.{2,}|''|[«‘„»\"?!;@#$%&<>()\[\]{}]|,(?!\d)|'(?=(?![mtsdn])\w\b)")
_OPENING = re.compile(r"^\"|(?<=^\")\"|(?<=[ (\[{<«‘„])(?:\"|'')")
_FINAL_STOP = re.compile(r"(?<=[^.])\.(?=[\])}>\"'» ]*$)")
_SENTENCE_END = re.compile(r"(?P<word>\S*?)(?P<marks>[.?!]+[\])}>\"']*)\s+(?=(?P<next>\S))")
_NUMBER = re.compile(r"[.,]?\d[\d,.]*")
# clitics, which become separate words, and words that are split into two
_CLITIC = re.compile(r"(?<=[^' ])('s|'m|'d|'ll|'re|'ve|n't)$")
_TWO_WORDS = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n)|(d)('ye))\b|\b(wan)(na)$|^('t)(is|was)\b"
)


def without_punctuation(text: str) -> str:
    """Return the text that EM compares."""
    return "".join(character for character in text.lower().strip() if character not in PUNCTUATION)


@lru_cache(maxsize=1 << 16)
def mixed_segments(text: str) -> tuple[str, ...]:
    """Return the segments that F1 compares."""
    segments: list[str] = []
    for part in _CHINESE.split(without_punctuation(text)):
        segments += [part] if _CHINESE.match(part) else words_of(part)
    return tuple(segments)


def words_of(text: str) -> list[str]:
    """Return the words of a lower-cased text without Chinese characters.

    Punctuation marks are words, too. A double quote becomes `` at the start of a quotation and '' at its end.
    """
    return [word for sentence in _sentences(text) for word in _words_of_sentence(sentence)]


def _sentences(text: str) -> Iterator[str]:
    first = 0
    for found in _SENTENCE_END.finditer(text):
        word = found["word"].lstrip("([{<\"'")
        if not (found["marks"].startswith(".") and (found["marks"].startswith("..") or _goes_on(word, found["next"]))):
            yield text[first : found.end()].rstrip()
            first = found.end()
    yield text[first:]


def _goes_on(word: str, next_character: str) -> bool:
    """Return True if the sentence continues after a word with a full stop."""
    if _NUMBER.fullmatch(word) or (len(word) == 1 and word.isalpha()):
        return next_character.isalpha()
    return "." in word or word in ABBREVIATIONS


def _words_of_sentence(sentence: str) -> Iterator[str]:
    sentence = _OPENING.sub(" `` ", sentence)
    sentence = _FINAL_STOP.sub(" . ", sentence)
    for word in _MARKS.sub(r" \g<0> ", sentence).split():
        if word == '"':
            yield "''"
            continue
        ends: list[str] = []
        if re.search("[^']'$", word):
            word, ends = word[:-1], ["'"]
        clitic = _CLITIC.search(word)
        if clitic:
            word, ends = word[: clitic.start()], [clitic[0], *ends]
        yield from _TWO_WORDS.sub(lambda two: " ".join(filter(None, two.groups())).join("  "), word).split()
        yield from ends
