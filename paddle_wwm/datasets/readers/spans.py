"""Named entities as parts of a text: JSON lines, or one JSON array, in the forms of CLUENER and doccano.

CLUENER::

    {"text": "小红在上海。", "label": {"name": {"小红": [[0, 1]]}, "address": {"上海": [[3, 4]]}}}

The end of an entity is its last character. doccano, where the end is the character after it::

    {"text": "小红在上海。", "label": [[0, 2, "name"], [3, 5, "address"]]}
    {"text": "小红在上海。", "entities": [{"label": "name", "start_offset": 0, "end_offset": 2}]}

Records with a label for every token or character are read, too::

    {"tokens": ["小", "红"], "labels": ["B-PER", "I-PER"]}

Every character of a text that is not white space becomes a token. Its label is B- or I- and the type of its entity, or
O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Mapping

from ...tasks.examples import Example, TokenExample
from ..dataset import Dataset
from .file import Record, TaskFile, excerpt
from .labels import token_label

_TEXT_KEYS, _LABEL_KEYS = ("text", "tokens"), ("label", "labels", "entities")
_FORMS = (
    'must be {{type: {{words: [[first, last]]}}}} (CLUENER), [[start, end, type]] or [{{"label": type, "start_offset": '
    '…, "end_offset": …}}] (doccano), but is {found}'
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """An entity: the characters [start, end) of a text, and its type."""

    start: int
    end: int
    type: str


def read_spans(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read texts and their entities. If a split needs no labels, they may be missing.

    If two entities overlap, the longer one is used, and the other one is counted.

    Raises:
        DataError: a key is missing, or an entity is outside of its text or does not match its words.
    """
    examples: list[Example] = []
    for record in file.json_records():
        text = _value(file, record, _keys(dataset, "tokens", _TEXT_KEYS), what="the text")
        given = _value(file, record, _keys(dataset, "labels", _LABEL_KEYS), what="the entities")
        if given is None and file.needs_labels:
            raise file.error("the entities must not be null; write {} or [] for a text without any.", line=record.line)
        if isinstance(text, str) and not _is_words(given):
            places = [place for place, character in enumerate(text) if not character.isspace()]
            tokens = tuple(text[place] for place in places)
            spans = [] if given is None else list(_spans(file, given, text=text, line=record.line))
            labels = None if given is None else _labels(file, spans, length=len(text), places=places)
        else:
            tokens = tuple(text) if isinstance(text, str) else _words(file, text, what="the tokens", line=record.line)
            labels = None if given is None else _words(file, given, what="the labels", line=record.line)
            if labels is not None and len(labels) != len(tokens):
                raise file.error(
                    f"must have a label for every token, but has {len(labels)} for {len(tokens)}.", line=record.line
                )
        if not tokens:
            raise file.error("must have a text, but it is empty.", line=record.line)
        if labels is not None:
            labels = tuple(token_label(file, label, dataset=dataset, line=record.line) for label in labels)
        example_id = str(record.values.get("id", record.number))
        examples.append(TokenExample(example_id=example_id, tokens=tokens, labels=labels))
    return examples


def _keys(dataset: Dataset, field: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    return (str(dataset.columns[field]),) if field in dataset.columns else usual


def _value(file: TaskFile, record: Record, keys: tuple[str, ...], *, what: str) -> Any:
    """Return the value of the first of the keys, or None for missing labels."""
    key = next((key for key in keys if key in record.values), None)
    if key is None and (what == "the text" or file.needs_labels):
        raise file.error(
            f"must have the key {' or '.join(keys)} for {what}, but has {', '.join(record.values) or 'none'}; see "
            f"--column.",
            line=record.line,
        )
    return None if key is None else record.values[key]


def _words(file: TaskFile, value: Any, *, what: str, line: int) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise file.error(f"{what} must be a list of words, but are {excerpt(repr(value))}.", line=line)
    return tuple(value)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _spans(file: TaskFile, given: Any, *, text: str, line: int) -> Iterator[Span]:
    if isinstance(given, Mapping):
        yield from _spans_of_cluener(file, given, text=text, line=line)
        return
    if not isinstance(given, list):
        raise file.error(f"the entities {_FORMS.format(found=excerpt(repr(given)))}.", line=line)
    for item in given:
        values = item
        if isinstance(item, Mapping):
            values = [item.get("start_offset"), item.get("end_offset"), item.get("label")]
        if not isinstance(values, list) or len(values) != 3 or not isinstance(values[2], str):
            raise file.error(f"an entity {_FORMS.format(found=excerpt(repr(item)))}.", line=line)
        start, end, kind = values
        yield _checked(file, start, end, kind=kind, text=text, line=line)


def _spans_of_cluener(file: TaskFile, given: Mapping[str, Any], *, text: str, line: int) -> Iterator[Span]:
    for kind, of_words in given.items():
        if not isinstance(of_words, Mapping):
            raise file.error(f"the entities {_FORMS.format(found=excerpt(repr(given)))}.", line=line)
        for words, pairs in of_words.items():
            for pair in pairs if isinstance(pairs, list) else [pairs]:
                if not isinstance(pair, list) or len(pair) != 2 or not all(type(place) is int for place in pair):
                    raise file.error(
                        f"the places of {excerpt(words)} must be [[first, last], …], but are {excerpt(repr(pairs))}.",
                        line=line,
                    )
                span = _checked(file, pair[0], pair[1] + 1, kind=kind, text=text, line=line)
                if text[span.start : span.end] != words:
                    raise file.error(
                        f"the entity {excerpt(words)} must be the characters {pair[0]} to {pair[1]} of its text, but "
                        f"they are {excerpt(text[span.start : span.end])}; in this form the second number is the last "
                        f"character.",
                        line=line,
                    )
                yield span


def _checked(file: TaskFile, start: Any, end: Any, *, kind: str, text: str, line: int) -> Span:
    is_inside = type(start) is int and type(end) is int and 0 <= start < end <= len(text)
    if not is_inside or not text[start:end].strip() or not kind.strip():
        raise file.error(
            f"an entity must have a type and characters from 0 to {len(text)} of its text, with the end after its last "
            f"character, but one has {start!r} to {end!r} and the type {kind!r}.",
            line=line,
        )
    return Span(start=start, end=end, type=kind.strip())


def _labels(file: TaskFile, spans: list[Span], *, length: int, places: list[int]) -> tuple[str, ...]:
    """Return the label of the character at each of the places."""
    owner: list[Span | None] = [None] * length
    for span in sorted(set(spans), key=lambda span: (span.start - span.end, span.start, span.type)):
        if any(owner[span.start : span.end]):
            file.counts["overlapping_entities_left_out"] += 1
            continue
        owner[span.start : span.end] = [span] * (span.end - span.start)
    labels: list[str] = []
    before: Span | None = None
    for current in (owner[place] for place in places):
        labels.append("O" if current is None else f"{'I' if current is before else 'B'}-{current.type}")
        before = current
    return tuple(labels)
