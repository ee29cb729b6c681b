"""Show masking as in the authors' table that explains whole word masking, for any sentence or example.

`text` is 原始文本, and `words` is 分词文本. Each `epoch` line is 原始Mask输入 or 全词Mask输入, by the strategy::

    text      使用语言模型来预测下一个词的probability。
    words     使用|语言|模型|来|预测|下|一个|词|的|probability|。
    pieces    [CLS] | 使 用 | 语 言 | 模 型 | 来 | 预 测 | 下 | 一 个 | 词 | 的 | pro ##ba ##bility | 。 | [SEP]
    epoch 0   [CLS] 使 用 语 言 [MASK] [MASK] 来 预 测 下 一 个 词 的 pro ##ba ##bility 。 [SEP]

The functions print nothing. They return lines.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import Iterator, Sequence

import numpy as np

from ..config import DataConfig
from ..corpus.segment import SegmentedSentence
from ..errors import ConfigError, DataError
from ..masking_config import MaskingConfig
from ..shards.reader import ShardSet
from ..tokenization.pieces import group_pieces, join_pieces
from ..tokenization.tokenized import tokenize_sentence
from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import PretrainExample, build_index, make_example
from .masking import MaskedExample, mask_example, num_to_predict
from .segments import NO_PAIR
from .text_examples import example_of

# Random second segments come from this many documents, so that a large corpus need not be indexed completely.
NUM_DOCUMENTS_READ = 1000
LABEL_WIDTH = 10


class Style(enum.Enum):
    """Style of a piece in a masked input. Values: ANSI yellow, magenta, underline."""

    PLAIN = ""
    MASK = "33"
    RANDOM = "35"
    KEPT = "4"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece as the model sees it, and the original piece.

    The model must predict the original unless the style is PLAIN.
    """

    text: str
    original: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An example with its unmasked text and words."""

    example: PretrainExample
    text: str
    words: tuple[str, ...]
    title: str = ""


def sentence_of_words(text: str, *, words: Sequence[str]) -> SegmentedSentence:
    """Return a text as a sentence that is cut into these words.

    The joined words must give the text. White space is not compared; it belongs to the word before it.

    Raises:
        ConfigError: A word does not fit. The message names the first one.
    """
    starts, position = [], 0
    for word in words:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith(word, position):
            raise ConfigError(
                f"the words must give the text when joined, but {word!r} is not found at "
                f"{text[position : position + 12]!r}."
            )
        starts.append(position)
        position += len(word)
    if not words or text[position:].strip():
        raise ConfigError(f"the words must give the text when joined, but {text[position:]!r} is left over.")
    return SegmentedSentence(text=text, word_spans=tuple(zip([0, *starts[1:]], [*starts[1:], len(text)])))


def shown_sentence(sentence: SegmentedSentence, *, tokenizer: WordPieceTokenizer) -> Shown:
    """Return [CLS] sentence [SEP] as an example to show.

    Raises:
        DataError: The sentence has no piece after tokenization.
    """
    ids, starts = tokenize_sentence(sentence, tokenizer=tokenizer, report=Counter())
    if len(ids) == 0:
        raise DataError(f"{sentence.text!r}: nothing is left of this text after tokenization; give a text with words.")
    words = tuple(word.strip() for word in sentence.words if word.strip())
    return Shown(example=example_of([ids], [starts], vocab=tokenizer.vocab), text=sentence.text, words=words)


def first_examples(
    shards: ShardSet, *, vocab: Vocab, number: int, data: DataConfig, max_seq_length: int, seed: int
) -> list[Shown]:
    """Return the first `number` examples of a shard set, or all if there are fewer.

    Their text is joined from their pieces.
    """
    documents = np.arange(min(shards.num_documents, max(number, NUM_DOCUMENTS_READ)))
    index = build_index(
        shards, documents=documents, data=data, max_seq_length=max_seq_length, seed=seed, report=Counter()
    )
    meanings = {NO_PAIR: "full sentences", 0: "the second segment follows the first", 1: "the second segment is random"}
    result = []
    for place, row in enumerate(index[:number]):
        example = make_example(shards, row, vocab=vocab)
        words = words_of(example, vocab=vocab)[1:-1]  # without [CLS] and the last [SEP]
        result.append(
            Shown(
                example=example,
                text=join_pieces([piece for word in words for piece in word]),
                words=tuple(join_pieces(word) for word in words),
                title=f"example {place}: {meanings[example.next_sentence_label]}",
            )
        )
    return result


def words_of(example: PretrainExample, *, vocab: Vocab) -> list[list[str]]:
    """Return the pieces of each word. A special token counts as a word."""
    pieces = [vocab.tokens[token] for token in example.input_ids.tolist()]
    return group_pieces(pieces, (example.word_starts | example.special_tokens_mask).tolist())


def spans_of(example: PretrainExample, masked: MaskedExample, *, vocab: Vocab) -> tuple[Span, ...]:
    """Return the masked input, piece by piece.

    A random token that equals the original is shown and counted as kept.
    """
    selected = np.zeros(len(example.input_ids), bool)
    selected[masked.masked_lm_positions] = True
    spans = []
    for token, original, is_selected in zip(masked.input_ids.tolist(), example.input_ids.tolist(), selected):
        style = Style.PLAIN
        if is_selected:
            style = Style.MASK if token == vocab.mask_id else Style.KEPT if token == original else Style.RANDOM
        spans.append(Span(text=vocab.tokens[token], original=vocab.tokens[original], style=style))
    return tuple(spans)


def masked_spans(
    item: Shown, *, vocab: Vocab, config: MaskingConfig, seed: int, epoch: int, number: int
) -> tuple[Span, ...]:
    """Return the masked input of an epoch, piece by piece.

    number: the index of the example, which is part of its mask's key.
    """
    masked = mask_example(
        item.example,
        config=config,
        mask_id=vocab.mask_id,
        random_token_ids=vocab.random_token_ids,
        seed=seed,
        epoch=epoch,
        example_index=number,
    )
    return spans_of(item.example, masked, vocab=vocab)


def render(spans: Sequence[Span], *, color: bool) -> str:
    """Join pieces with spaces.

    Without colour, a random or kept piece is followed by "←" and the original piece.
    """
    return " ".join(_render_span(span, color=color) for span in spans)


def _render_span(span: Span, *, color: bool) -> str:
    if span.style is Style.PLAIN:
        return span.text
    if color:
        return f"\x1b[{span.style.value}m{span.text}\x1b[0m"
    return span.text if span.style is Style.MASK else f"{span.text}←{span.original}"


def show_lines(
    items: Sequence[Shown], *, vocab: Vocab, config: MaskingConfig, seed: int, num_epochs: int, color: bool
) -> Iterator[str]:
    """Yield the lines to print.

    Each example has its text, words and pieces, and its masked input in epochs 0 to num_epochs - 1. A legend and the
    counts follow.
    """
    counts: Counter = Counter()
    for number, item in enumerate(items):
        if item.title:
            yield item.title
        yield _labelled("text", item.text)
        yield _labelled("words", "|".join(item.words))
        yield _labelled("pieces", " | ".join(" ".join(word) for word in words_of(item.example, vocab=vocab)))
        for epoch in range(num_epochs):
            spans = masked_spans(item, vocab=vocab, config=config, seed=seed, epoch=epoch, number=number)
            yield _labelled(f"epoch {epoch}", render(spans, color=color))
            counts["tokens"] += len(spans)
            counts["budget"] += num_to_predict(len(spans), config)
            counts.update(span.style for span in spans)
        yield ""
    yield "legend: " + ", ".join(_render_span(span, color=color) for span in _LEGEND)
    selected = sum(counts[style] for style in (Style.MASK, Style.RANDOM, Style.KEPT))
    yield (
        f"{len(items)} example(s) x {num_epochs} epoch(s), {config.strategy.value}: {counts['tokens']:,} "
        f"tokens, budget {counts['budget']:,}, "
        f"selected {selected:,}: {counts[Style.MASK]:,} [MASK], {counts[Style.RANDOM]:,} random, "
        f"{counts[Style.KEPT]:,} kept"
    )


_LEGEND = (
    Span(text="[MASK]", original="", style=Style.MASK),
    Span(text="random", original="original", style=Style.RANDOM),
    Span(text="kept", original="kept", style=Style.KEPT),
)


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"
