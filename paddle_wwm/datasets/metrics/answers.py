"""EM and F1 of one question, from 0 to 1, by the rules of CMRC 2018, CJRC and SQuAD 2.0.

The rules differ in the units that are compared, in the overlap of F1, and in the use of several gold answers:

    rule     units                                     overlap of F1              several gold answers
    cmrc     characters and words (`words`)            longest common substring   the best match
    cjrc     single letters and digits, lower case     common multiset            leave out each gold answer in turn;
             (Chinese characters are letters)                                     the best of the others; the mean
    squad2   like cmrc                                 like cmrc                  the best match; "no answer" is
                                                                                  right or wrong

Sources: cmrc: Cui et al. 2019 and its authors' script. cjrc: Duan et al. 2019, "CJRC: A Reliable Human-Annotated
Benchmark DataSet for Chinese Judicial Reading Comprehension", and its authors' script, which follows CoQA's. squad2:
Rajpurkar et al. 2018, for questions without an answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Callable, Sequence

from .words import mixed_segments, without_punctuation


@dataclass(frozen=True, kw_only=True)
class AnswerScore:
    """The scores of one question, from 0 to 1."""

    exact_match: float = 0.0
    f1: float = 0.0


AnswerRule = Callable[[str, Sequence[str]], AnswerScore]


def score_cmrc(answer: str, gold: Sequence[str]) -> AnswerScore:
    """Score an answer as CMRC 2018 does.

    The best gold text counts, separately for EM and F1.
    """
    distinct = dict.fromkeys(gold)
    return AnswerScore(
        exact_match=float(without_punctuation(answer) in map(without_punctuation, distinct)),
        f1=max(_f1_of_substring(mixed_segments(answer), mixed_segments(text)) for text in distinct),
    )


def score_squad2(answer: str, gold: Sequence[str]) -> AnswerScore:
    """Score an answer as SQuAD 2.0 does.

    An empty gold text means that the passage has no answer. Then only the empty answer is right. For all other
    questions the empty answer is wrong.
    """
    if not answer.strip() or not all(text.strip() for text in gold):
        right = float(not answer.strip() and not all(text.strip() for text in gold))
        return AnswerScore(exact_match=right, f1=right)
    return score_cmrc(answer, gold)


def score_cjrc(answer: str, gold: Sequence[str]) -> AnswerScore:
    """Score an answer as CJRC does.

    A single gold text is compared directly. Two texts without letters and digits are equal. This rule scores "no
    answer", the empty text.
    """
    mine = _letters(answer)
    by_text = {
        text: (float(mine == _letters(text)), _f1_of_multiset(mine, _letters(text))) for text in dict.fromkeys(gold)
    }
    each = [by_text[text] for text in gold]
    groups = [each[:place] + each[place + 1 :] for place in range(len(each))] if len(each) > 1 else [each]
    best = [[max(scores[value] for scores in group) for group in groups] for value in (0, 1)]
    return AnswerScore(exact_match=sum(best[0]) / len(groups), f1=sum(best[1]) / len(groups))


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha() or character.isdigit())


def _f1_of_multiset(answer: str, gold: str) -> float:
    if not answer or not gold:
        return float(answer == gold)
    return _f1((Counter(answer) & Counter(gold)).total(), len(answer), len(gold))


def _f1_of_substring(answer: Sequence[str], gold: Sequence[str]) -> float:
    return _f1(longest_common_substring(answer, gold), len(answer), len(gold))


def _f1(num_common: int, num_answer: int, num_gold: int) -> float:
    if not num_common:
        return 0.0
    precision, recall = num_common / num_answer, num_common / num_gold
    return 2 * precision * recall / (precision + recall)


def longest_common_substring(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the number of segments in the longest run that both have."""
    places: dict[str, list[int]] = {}
    for place, segment in enumerate(other):
        places.setdefault(segment, []).append(place)
    longest = 0
    runs: dict[int, int] = {}
    for segment in one:
        runs = {place: runs.get(place - 1, 0) + 1 for place in places.get(segment, ())}
        longest = max(longest, *runs.values()) if runs else longest
    return longest
