"""Whole word masking for your own trainer: from texts, or from features that a tokenizer made.

Only numpy, the vocabulary and a segmenter are needed. paddle and torch are imported only to make their tensors.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
import sys
from collections import Counter
from functools import cached_property
from typing import Any, Mapping, Sequence

import numpy as np

from ..corpus.segment import Segmenter
from ..errors import ConfigError, DataError
from ..masking_config import MaskingConfig
from ..optional import need_package
from ..random_bits import key_of
from ..tokenization.vocab import IGNORED_LABEL, Vocab
from ..tokenization.word_boundaries import align
from ..tokenization.wordpiece import WordPieceTokenizer
from .collate import PretrainBatch, collate
from .examples import PretrainExample
from .masking import mask_example
from .text_examples import cut_sizes, example_of, group_of, whole_words
from .tokenizer_features import examples_of

logger = logging.getLogger(__name__)

DEFAULT_MASKING = MaskingConfig()
MIN_SEQ_LENGTH = 5  # [CLS] a [SEP] b [SEP]
TENSORS = ("np", "pd", "pt")


class WholeWordMasker:
    """Whole word masking of texts, or of features that a tokenizer made.

    The rule is that of pretraining (`MaskingConfig`). Whole words are selected, up to 15% of the tokens. Of their
    pieces, 80% become [MASK], 10% become a random token, and 10% stay unchanged. Special tokens are never selected.
    Source: https://github.com/ymcui/Chinese-BERT-wwm.

    Example:
        >>> from paddle_wwm import WholeWordMasker, load_segmenter, load_vocab
        >>> masker = WholeWordMasker(vocab=load_vocab("vocab.txt"), segmenter=load_segmenter("lac"))
        >>> batch = masker(["使用语言模型来预测下一个词的probability。"], seed=1)
        >>> [(name, getattr(batch, name).shape) for name in ("input_ids", "masked_lm_labels")]
        [('input_ids', (1, 20)), ('masked_lm_labels', (1, 3))]

    Args:
        vocab: The vocabulary (`load_vocab`).
        segmenter: Finds the words (`load_segmenter`). `collate` does not use it if the features have word boundaries.
        max_seq_length: The maximum number of tokens per example, special tokens included; at least 5.
        masking: Which positions are selected, and what replaces their tokens.
        do_lower_case: Whether to lowercase texts and strip accents. Use the value of the model's training.
        seed: The seed of `collate`. Use a different seed on each rank of a distributed run.

    Attributes:
        num_cut: The number of texts that calls have cut to `max_seq_length` so far. `collate` does not cut.
        num_aligned_by_piece: The number of texts, in calls and in `collate`, whose pieces could not be aligned with
            words so far. In these texts every piece is a word.

    Raises:
        ConfigError: `max_seq_length` is too small.
    """

    def __init__(
        self,
        *,
        vocab: Vocab,
        segmenter: Segmenter,
        max_seq_length: int = 512,
        masking: MaskingConfig = DEFAULT_MASKING,
        do_lower_case: bool = True,
        seed: int = 0,
    ) -> None:
        if max_seq_length < MIN_SEQ_LENGTH:
            raise ConfigError(f"`max_seq_length` must be at least {MIN_SEQ_LENGTH}, but is {max_seq_length}.")
        self.vocab = vocab
        self.segmenter = segmenter
        self.max_seq_length = max_seq_length
        self.masking = masking
        self.do_lower_case = do_lower_case
        self.seed = seed
        self.num_cut = 0
        self.num_aligned_by_piece = 0
        self._num_calls = 0
        self._process = os.getpid()

    def __call__(
        self, texts: Sequence[str | tuple[str, str]], *, seed: int, epoch: int = 0, first_index: int = 0
    ) -> PretrainBatch:
        """Segment, tokenize and mask texts.

        Args:
            texts: One example per text, or per pair (text, text_pair). Texts that are too long are cut at the end; in a
                pair, the longer text is cut first. A warning reports how many were cut. A cut never splits a word: it
                moves back to the start of the word. A word that is longer than all remaining space is cut and not
                selected.
            seed: A mask depends only on the seed, the epoch and the index of the text.
            epoch: Another epoch gives other masks. If `masking.dynamic` is false, epochs that are `dupe_factor` apart
                have the same masks.
            first_index: The index of the first text; the others follow. Pass the number of texts before this batch, so
                that no two batches of an epoch share random draws.

        Returns:
            A batch of numpy arrays, padded to its longest example. It has `next_sentence_labels=None`, also for pairs.

        Raises:
            DataError: A text is empty or has no piece, or `texts` is not a list.
        """
        examples = self._examples(texts)
        return self._masked(examples, config=self.masking, seed=seed, epoch=epoch, first_index=first_index)

    def collate(
        self,
        features: Sequence[Mapping[str, Any]],
        *,
        return_tensors: str = "np",
        pad_to_multiple_of: int = 1,
    ) -> dict[str, Any]:
        """Pad and mask features.

        This is what transformers' DataCollatorForWholeWordMask did before version 5.

        Every call draws new masks. Call number k of a process has the masks of `seed` and epoch k. In a worker of
        torch's or paddle's DataLoader, the masks also depend on the worker's number and seed. So workers never share
        draws. The framework draws new worker seeds per epoch from its own seed (`torch.manual_seed`; for paddle,
        `np.random.seed`). With torch, use `collate_fn=functools.partial(masker.collate, return_tensors="pt")`.

        Args:
            features: One mapping per example, with `input_ids` ([CLS] … [SEP] included) and the words in one of these
                forms. All features must have the same form.
                `word_starts`: 1 where a piece starts a word, else 0; special tokens have 0. Pieces before the first
                    start belong to a word that was cut; they are not selected.
                `chinese_ref`: positions that continue a word, as run_chinese_ref.py writes them. [CLS] is position 0,
                    and "##" pieces continue words without being listed.
                Neither: the pieces are joined to a text, and the segmenter finds its words. [UNK] is a word of its own.
                `token_type_ids`, `special_tokens_mask` and `attention_mask` are optional. Nothing is selected where
                special_tokens_mask is 1. attention_mask marks the padding at the end, which is removed. Other keys
                raise DataError.
            return_tensors: "np" (numpy), "pd" (paddle) or "pt" (torch).
            pad_to_multiple_of: The padded length is a multiple of this number.

        Returns:
            `input_ids`, `attention_mask` (0 at padding, else 1), `token_type_ids` and `labels` (-100 where nothing is
            predicted). int64, shape (batch_size, seq_len).

        Raises:
            DataError: A feature is wrong. The message has its number and the rule.
            ConfigError: `return_tensors` is unknown, or `pad_to_multiple_of` is too small.
        """
        if return_tensors not in TENSORS:
            raise ConfigError(f"`return_tensors` must be one of {', '.join(TENSORS)}, but is {return_tensors!r}.")
        if pad_to_multiple_of < 1:
            raise ConfigError(f"`pad_to_multiple_of` must be at least 1, but is {pad_to_multiple_of}.")
        report: Counter[str] = Counter()
        examples = examples_of(
            features,
            vocab=self.vocab,
            segmenter=self._own_segmenter(),
            max_seq_length=self.max_seq_length,
            report=report,
        )
        self.num_aligned_by_piece += report["sentences_aligned_by_piece"]
        worker = _loader_worker()
        batch = self._masked(
            examples,
            config=dataclasses.replace(self.masking, dynamic=True),  # static masks would repeat after a few calls
            seed=self.seed if worker is None else int(key_of(self.seed, *worker)),
            epoch=self._num_calls,
        )
        self._num_calls += 1
        padding = ((0, 0), (0, -batch.input_ids.shape[1] % pad_to_multiple_of))
        arrays = {
            "input_ids": np.pad(batch.input_ids, padding, constant_values=self.vocab.pad_id),
            "attention_mask": np.pad(batch.attention_mask.astype(np.int64), padding),
            "token_type_ids": np.pad(batch.token_type_ids, padding),
            "labels": np.pad(_labels(batch), padding, constant_values=IGNORED_LABEL),
        }
        return {name: _tensor(array, kind=return_tensors) for name, array in arrays.items()}

    @cached_property
    def _tokenizer(self) -> WordPieceTokenizer:
        return WordPieceTokenizer(vocab=self.vocab, do_lower_case=self.do_lower_case)

    def _own_segmenter(self) -> Segmenter:
        """Return the segmenter of this process.

        After a fork it is a copy, because processes cannot share a running model.
        """
        if self._process != os.getpid():
            self.segmenter, self._process = copy.copy(self.segmenter), os.getpid()
        return self.segmenter

    def _masked(
        self, examples: Sequence[PretrainExample], *, config: MaskingConfig, seed: int, epoch: int, first_index: int = 0
    ) -> PretrainBatch:
        try:
            config.check_limit(max_seq_length=max(len(example.input_ids) for example in examples))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        masked = [
            mask_example(
                example,
                config=config,
                mask_id=self.vocab.mask_id,
                random_token_ids=self.vocab.random_token_ids,
                seed=seed,
                epoch=epoch,
                example_index=number,
            )
            for number, example in enumerate(examples, start=first_index)
        ]
        return collate(examples, masked, pad_id=self.vocab.pad_id)

    def _examples(self, texts: Sequence[str | tuple[str, str]]) -> list[PretrainExample]:
        if isinstance(texts, str) or len(texts) == 0:
            raise DataError("`texts` must be a list of at least one text; put a single text into a list.")
        groups = [group_of(text, number=number) for number, text in enumerate(texts)]
        flat = [text for group in groups for text in group]
        pieces = self._tokenizer.encode(flat)
        report: Counter[str] = Counter()
        starts = align(pieces, boundaries=self._own_segmenter().word_starts(flat), report=report)
        self.num_aligned_by_piece += report["sentences_aligned_by_piece"]
        offsets = pieces.text_offsets.tolist()
        examples, first, num_cut = [], 0, 0
        for number, group in enumerate(groups):
            here = range(first, first + len(group))
            first += len(group)
            sizes = [offsets[place + 1] - offsets[place] for place in here]
            if 0 in sizes:
                raise DataError(
                    f"text {number} ({group[sizes.index(0)]!r}) has no piece after tokenization; leave out empty texts."
                )
            kept = cut_sizes(sizes, max_pieces=self.max_seq_length - 1 - len(group))
            num_cut += kept != sizes
            of_words = [
                whole_words(starts[slice(*offsets[place : place + 2])], size) for place, size in zip(here, kept)
            ]
            ids = [pieces.ids[offsets[place] : offsets[place] + len(words)] for place, words in zip(here, of_words)]
            examples.append(example_of(ids, of_words, vocab=self.vocab))
        if num_cut:
            logger.warning(
                "%d of %d texts are longer than %d tokens and were cut at the end; split long texts to keep all words",
                num_cut,
                len(groups),
                self.max_seq_length,
            )
            self.num_cut += num_cut
        return examples


def _labels(batch: PretrainBatch) -> np.ndarray:
    """Return the labels at their positions, and -100 elsewhere.

    Shape (batch_size, seq_len), int64.
    """
    labels = np.full(batch.input_ids.shape, IGNORED_LABEL, np.int64)
    rows, columns = np.nonzero(batch.masked_lm_labels != IGNORED_LABEL)
    labels[rows, batch.masked_lm_positions[rows, columns]] = batch.masked_lm_labels[rows, columns]
    return labels


def _loader_worker() -> tuple[int, int] | None:
    """Return the number and the seed of this DataLoader worker, or None elsewhere.

    A worker process has already imported its framework, so nothing is imported here.
    """
    for module in ("torch.utils.data", "paddle.io"):
        if module in sys.modules:
            info = sys.modules[module].get_worker_info()
            if info is not None:
                return int(info.id), int(info.seed)
    return None


def _tensor(array: np.ndarray, *, kind: str) -> Any:
    array = np.ascontiguousarray(array)
    if kind == "pd":
        need_package("paddle", purpose='`return_tensors="pd"`')
        import paddle

        return paddle.to_tensor(array)
    if kind == "pt":
        need_package("torch", purpose='`return_tensors="pt"`')
        import torch

        return torch.from_numpy(array)
    return array
