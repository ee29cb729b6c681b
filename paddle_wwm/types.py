"""Every value that crosses a folder: frozen, keyword-only, validated when made. They describe memory, not the disk
format.

The running example is 使用语言模型来预测下一个词的probability。 with the words
使用|语言|模型|来|预测|下|一个|词|的|probability|。::

    pieces       使 用 语 言 模 型 来 预 测 下 一 个 词 的 pro ##ba ##bility 。
    word_starts  1  0  1  0  1  0  1  1  0  1  1  0  1  1  1   0    0        1
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds: the checks of values are tables of rules."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of raw text. `doc_id` is "file name:line of its first sentence"."""

    doc_id: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SegmentedSentence:
    """A sentence and its words as character spans [start, end), in order, covering the text without gaps."""

    text: str
    word_spans: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        position = 0
        for start, end in self.word_spans:
            if start != position or end <= start:
                raise ValueError(
                    f"word_spans must cover the text in order, but ({start}, {end}) follows position {position}."
                )
            position = end
        if position != len(self.text):
            raise ValueError(f"word_spans must cover the text: they end at {position}, the text at {len(self.text)}.")

    @property
    def words(self) -> tuple[str, ...]:
        """The words as text."""
        return tuple(self.text[start:end] for start, end in self.word_spans)


@dataclass(frozen=True, kw_only=True)
class TokenizedDocument:
    """A document as WordPiece ids.

    input_ids: uint16 or uint32, shape (num_tokens,), without special tokens.
    word_starts: bool, shape (num_tokens,); True where a token begins a word. A sentence's first token always does.
    sentence_offsets: int32, shape (num_sentences + 1,); sentence i is tokens [offsets[i], offsets[i + 1]).
    """

    input_ids: np.ndarray
    word_starts: np.ndarray
    sentence_offsets: np.ndarray

    def __post_init__(self) -> None:
        if self.input_ids.shape != self.word_starts.shape or self.input_ids.ndim != 1:
            raise ValueError(
                f"word_starts must have the shape of input_ids {self.input_ids.shape}, but has "
                f"{self.word_starts.shape}."
            )
        offsets = self.sentence_offsets
        if offsets[0] != 0 or offsets[-1] != len(self.input_ids) or np.any(np.diff(offsets) <= 0):
            raise ValueError("sentence_offsets must rise from 0 to num_tokens.")
        if not self.word_starts[offsets[:-1]].all():
            raise ValueError("the first token of every sentence must start a word.")


@dataclass(frozen=True, kw_only=True)
class ShardManifest:
    """What a shard set is: its counts, how it was made, and the fingerprint of its content. Written as
    manifest.json.
    """

    format_version: int
    num_documents: int
    num_sentences: int
    num_words: int
    num_tokens: int
    num_unknown_tokens: int
    vocab_size: int
    vocab_sha256: str
    segmenter: dict[str, str]  # name, sha256 of the model
    tokenizer: dict[str, object]  # do_lower_case, implementation
    options: dict[str, object]  # sentence ends, cleaning rules, text_key, keep_text
    sources: tuple[dict[str, object], ...]  # name, size, sha256, format of every source file
    report: dict[str, int]  # what was skipped, split or fell back, counted by rule; report.json has samples
    shards: tuple[dict[str, object], ...]  # file, sha256, num_documents, num_sentences, num_tokens
    texts: tuple[dict[str, object], ...]  # file, sha256, num_documents, where the text was kept
    inputs_fingerprint: (
        str  # of sources, vocabulary, segmenter, tokenizer, options, format: equal means "need not be prepared again"
    )
    fingerprint: str  # of the content (vocabulary and shard checksums): what a training run is bound to


class MaskingStrategy(enum.Enum):
    """What is selected for prediction as a whole: a WordPiece, all pieces of a word, or one to four words in a row
    (MacBERT).
    """

    PIECE = "piece"
    WHOLE_WORD = "whole-word"
    NGRAM_WORD = "ngram-word"


class ActionUnit(enum.Enum):
    """What draws an action ([MASK], random token, unchanged) of its own: every piece (BERT), or every selected word."""

    PIECE = "piece"
    WORD = "word"


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Whole word masking as the BERT-wwm authors define it; probabilities in [0, 1].

    max_predictions_per_seq caps an example's budget. BERT's 20 (for 128 tokens) and 80 (for 512) lie just above 15% of
    the length, so one value of 80 serves both lengths. `dynamic`: a new mask each epoch; otherwise `dupe_factor`
    frozen copies.
    ngram_shares: the shares of 1-, 2-, … grams of words (MacBERT's, Cui et al. 2020), for the ngram-word strategy.
    """

    strategy: MaskingStrategy = MaskingStrategy.WHOLE_WORD
    actions: ActionUnit = ActionUnit.PIECE
    ngram_shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    masked_lm_prob: float = 0.15
    mask_token_prob: float = 0.8
    random_token_prob: float = 0.1
    max_predictions_per_seq: int = 80
    dynamic: bool = True
    dupe_factor: int = 5

    def __post_init__(self) -> None:
        for name in ("masked_lm_prob", "mask_token_prob", "random_token_prob"):
            require(0.0 <= getattr(self, name) <= 1.0, f"`{name}` must be in [0, 1], but is {getattr(self, name)}.")
        require(self.masked_lm_prob > 0.0, "`masked_lm_prob` must be above 0, but is 0: nothing would be predicted.")
        require(
            self.mask_token_prob + self.random_token_prob <= 1.0 + 1e-9,
            (
                f"`mask_token_prob` + `random_token_prob` must be at most 1, but are {self.mask_token_prob} + "
                f"{self.random_token_prob}."
            ),
        )
        shares = self.ngram_shares
        require(
            len(shares) > 0 and min(shares) >= 0 and abs(sum(shares) - 1.0) <= 1e-6,
            f"`ngram_shares` must be shares that sum to 1, but are {list(shares)}.",
        )
        for name in ("max_predictions_per_seq", "dupe_factor"):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")


NO_PAIR = -1


@dataclass(frozen=True, kw_only=True)
class PretrainExample:
    """One unmasked sequence, special tokens in place. All arrays have shape (seq_len,).

    input_ids int64; token_type_ids int64; word_starts bool (False at special tokens); special_tokens_mask bool (True
    at [CLS] and [SEP]); next_sentence_label: 0 the second segment follows the first, 1 it is random, NO_PAIR (-1)
    there is one segment only.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    word_starts: np.ndarray
    special_tokens_mask: np.ndarray
    next_sentence_label: int


@dataclass(frozen=True, kw_only=True)
class MaskedExample:
    """An example after masking: input_ids int64 (seq_len,) as the model sees them; positions and labels int64
    (num_predictions,).
    """

    input_ids: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_labels: np.ndarray


IGNORED_LABEL = -100


@dataclass(frozen=True, kw_only=True)
class PretrainBatch:
    """A micro-batch, padded to its longest example.

    input_ids, token_type_ids: int64, shape (batch_size, seq_len). attention_mask: bool, same shape, True = may be
    attended to.
    masked_lm_positions, masked_lm_labels: int64, shape (batch_size, max_predictions); label -100 and position 0 where
    there is none.
    next_sentence_labels: int64, shape (batch_size,), or None where the examples are no pairs.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_labels: np.ndarray
    next_sentence_labels: np.ndarray | None

    @property
    def num_predictions(self) -> int:
        """Number of pieces that the loss is taken over."""
        return int((self.masked_lm_labels != IGNORED_LABEL).sum())

    @property
    def num_tokens(self) -> int:
        """Number of tokens that are not padding."""
        return int(self.attention_mask.sum())
