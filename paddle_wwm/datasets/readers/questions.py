"""Reading comprehension in the JSON format of SQuAD.

CMRC 2018 and DRCD use this format, SQuAD 2.0 adds `is_impossible`, and CJRC adds YES and NO as answers. The first
version of CMRC 2018 was a list of passages, with answers as texts without starts. Those files can be read, too, and so
can one object per question (JSON lines or an array), as the data sets of Hugging Face have them.

If the position of a gold answer is wrong or missing, the reader searches for the answer in the passage. `Split.counts`
has the number of answers by `AnswerPlace`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Iterator, Mapping

from ...tasks.answer_kinds import KIND_TEXTS
from ...tasks.examples import AnswerKind, Example, GoldAnswer, QuestionExample
from ..dataset import Dataset
from .answer_places import AnswerPlace, locate_answer
from .file import Reader, TaskFile, excerpt

_KINDS = {text: kind for kind, text in KIND_TEXTS.items()}


def read_questions(file: TaskFile, dataset: Dataset, *, yes_no: bool = False) -> list[Example]:
    """Return the questions of a file in order, and count its answers.

    An impossible question, or one with empty texts as answers, gets an answer of kind NONE. A question without answers
    has no label.

    Args:
        file: the file to read.
        dataset: the data set that it belongs to.
        yes_no: True if the answers "YES" and "NO" are kinds of answers instead of parts of the passage.

    Raises:
        DataError: the file is not valid, or a question of train, dev or trial has no answer. The message names the
            file and the question.
    """
    file.counts.update({name: 0 for name in ("answers", *(place.value for place in AnswerPlace), "without_place")})
    flat = list(_flat_paragraphs(file))
    examples: list[Example] = []
    for place, paragraph in flat or _paragraphs(file, file.json()):
        context = _get(file, paragraph, "context", str, place=place)
        for index, item in enumerate(_get(file, paragraph, "qas", list, place=place)):
            here = f"{place}.qas[{index}]"
            question_id = str(_get(file, item, "id", (str, int), place=here)).strip()
            question = _get(file, item, "question", str, place=here)
            answers = tuple(_answers(file, item, context=context, yes_no=yes_no, question_id=question_id))
            if not answers and file.needs_labels:
                raise file.error(
                    f"question {question_id!r} must have an answer or `is_impossible`: true in {file.split}, "
                    f"but has neither."
                )
            examples.append(
                QuestionExample(example_id=question_id, question=question, context=context, answers=answers)
            )
    return examples


READERS_OF_QUESTIONS: Mapping[str, Reader] = {"squad": read_questions, "cjrc": partial(read_questions, yes_no=True)}


def _flat_paragraphs(file: TaskFile) -> Iterator[tuple[str, Any]]:
    """Yield a paragraph per question if every record is a question; else nothing.

    `answers` may be lists of texts and of starts: {"text": [...], "answer_start": [...]}.
    """
    if not _begins_with_question(file):
        return
    for record in file.json_records():
        item = dict(record.values)
        answers = item.get("answers")
        if isinstance(answers, dict):
            texts, starts = answers.get("text"), answers.get("answer_start", [])
            if not isinstance(texts, list) or not isinstance(starts, list) or len(starts) not in (0, len(texts)):
                raise file.error("`answers` must hold lists `text` and `answer_start` of one length.", line=record.line)
            starts = starts or [-1] * len(texts)
            item["answers"] = [{"text": text, "answer_start": start} for text, start in zip(texts, starts)]
        item.setdefault("id", f"line {record.line}")
        yield f"line {record.line}", {"context": item.get("context"), "qas": [item]}


def _begins_with_question(file: TaskFile) -> bool:
    """Return True if the first JSON object of the file is a question with its passage."""
    text = file.content.decode("utf-8", "replace")
    try:
        first = json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    except (ValueError, RecursionError):
        return False
    return {"context", "question"} <= set(first)


def _paragraphs(file: TaskFile, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for number, passage in enumerate(value):
            yield f"[{number}]", _in_squads_words(passage)
        return
    for number, article in enumerate(_get(file, value, "data", list, place="the file")):
        for index, paragraph in enumerate(_get(file, article, "paragraphs", list, place=f"data[{number}]")):
            yield f"data[{number}].paragraphs[{index}]", paragraph


def _in_squads_words(passage: Any) -> Any:
    """Convert a passage from the first format of CMRC 2018 to SQuAD's.

    Missing and invalid values stay missing and invalid, so that the caller reports them.
    """
    if not isinstance(passage, dict) or not isinstance(passage.get("qas"), list):
        return {}
    return {"context": passage.get("context_text"), "qas": [_question_in_squads_words(item) for item in passage["qas"]]}


def _question_in_squads_words(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    answers = item.get("answers")
    texts = [{"text": text} for text in answers] if isinstance(answers, list) else answers
    return {"id": item.get("query_id"), "question": item.get("query_text"), "answers": texts}


def _answers(
    file: TaskFile, item: Mapping[str, Any], *, context: str, yes_no: bool, question_id: str
) -> Iterator[GoldAnswer]:
    impossible = str(item.get("is_impossible", False)).lower() == "true"  # CJRC writes "true", SQuAD 2.0 true
    given = item.get("answers") or []
    if not isinstance(given, list):
        raise file.error(f"question {question_id!r}: `answers` must be a list, but is {excerpt(repr(given))}.")
    if impossible and not yes_no:  # SQuAD 2.0 may list plausible answers
        given = []
    if impossible and not given:
        yield GoldAnswer(text="", kind=AnswerKind.NONE)
    for number, answer in enumerate(given):
        place = f"question {question_id!r}, answer {number}"
        text = _get(file, answer, "text", str, place=place)
        kind = _KINDS.get(text.strip()) if yes_no or not text.strip() else None
        if kind is not None:
            yield GoldAnswer(text=KIND_TEXTS[kind], kind=kind)
            file.counts["without_place"] += 1
            continue
        start = answer.get("answer_start", -1)
        if isinstance(start, bool) or not isinstance(start, int):
            raise file.error(f"{place}: `answer_start` must be a whole number, but is {excerpt(repr(start))}.")
        characters, how = locate_answer(context=context, text=text, answer_start=start)
        file.counts.update(("answers", how.value))
        yield GoldAnswer(text=text, characters=characters)


def _get(file: TaskFile, value: Any, key: str, kind: Any, *, place: str) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(key), kind) or isinstance(value[key], bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join({"str": "a text", "list": "a list", "int": "a whole number"}[one.__name__] for one in kinds)
        found = f"has {excerpt(repr(value[key]))}" if isinstance(value, dict) and key in value else "has none"
        raise file.error(f"{place} must have the key {key!r} with {names} (SQuAD's format), but {found}.")
    return value[key]
