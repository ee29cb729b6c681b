"""What CMRC 2018's scores compare: an answer without its punctuation, for F1 in segments: characters of Chinese, words
of everything else.

The rules are those of the data set's authors (Cui et al. 2019, "A Span-Extraction Dataset for Chinese Machine Reading
Comprehension", and their script for the files in SQuAD's form):

- Lower case, no white space around.
- PUNCTUATION is removed before anything else, so "a-b" is the one word "ab". Other marks, those of ASCII (`,.()"!?`)
  and "…" among them, stay.
- A character from U+4E00 to U+9FA5 is a segment. What lies between two of them is split into words as the Penn
  Treebank's conventions have it, which is what NLTK's word_tokenize does for the authors' script.

Words are NLTK 3.9's but in one respect: where a run of foreign words holds several sentences, NLTK finds their ends by
a learned list of English abbreviations; here a full stop before white space ends a sentence unless the word has a full
stop inside, is one of ABBREVIATIONS, or is an initial or a number that a letter follows.
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
# Everything that is a word by itself wherever it stands; a comma is one unless a digit follows.
# So is an apostrophe before a single letter that is no clitic.
_MARKS = re.compile(r"\.{2,}|''|[«‘„»\"?!;@#$%&<>()\[\]{}]|,(?!\d)|'(?=(?![mtsdn])\w\b)")
_OPENING = re.compile(r"^\"|(?<=^\")\"|(?<=[ (\[{<«‘„])(?:\"|'')")
_FINAL_STOP = re.compile(r"(?<=[^.])\.(?=[\])}>\"'» ]*$)")
_SENTENCE_END = re.compile(r"(?P<word>\S*?)(?P<marks>[.?!]+[\])}>\"']*)\s+(?=(?P<next>\S))")
_NUMBER = re.compile(r"[.,]?\d[\d,.]*")
# the ends of words that are words of their own, and words that are two
_CLITIC = re.compile(r"(?<=[^' ])('s|'m|'d|'ll|'re|'ve|n't)$")
_TWO_WORDS = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n)|(d)('ye))\b|\b(wan)(na)$|^('t)(is|was)\b"
)


def without_punctuation(text: str) -> str:
    """What EM compares."""
    return "".join(character for character in text.lower().strip() if character not in PUNCTUATION)


@lru_cache(maxsize=1 << 16)
def mixed_segments(text: str) -> tuple[str, ...]:
    """What F1 compares."""
    segments: list[str] = []
    for part in _CHINESE.split(without_punctuation(text)):
        segments += [part] if _CHINESE.match(part) else words_of(part)
    return tuple(segments)


def words_of(text: str) -> list[str]:
    """The words of lower-cased text in an alphabet, punctuation marks among them. Double quotes become `` and '' by
    their side.
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
    """Whether a sentence goes on after a word with a full stop."""
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
