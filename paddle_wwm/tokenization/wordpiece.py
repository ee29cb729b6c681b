"""WordPiece with character offsets, by the `tokenizers` library (BERT's normalizer, pre-tokenizer and WordPiece)."""

from __future__ import annotations

from typing import Sequence

from .vocab import CLS, MASK, PAD, SEP, UNK, Vocab


class WordPieceTokenizer:
    """Texts to pieces. Offsets are characters of the original text, whatever the normalizer removes or replaces."""

    def __init__(self, *, vocab: Vocab, do_lower_case: bool = True) -> None:
        from tokenizers import BertWordPieceTokenizer

        self.vocab = vocab
        self.do_lower_case = do_lower_case
        self._tokenizer = BertWordPieceTokenizer(
            vocab=dict(vocab.ids), unk_token=UNK, sep_token=SEP, cls_token=CLS, pad_token=PAD, mask_token=MASK, lowercase=do_lower_case
        )
        # a literal "[MASK]" in running text is text
        self._tokenizer._tokenizer.encode_special_tokens = True

    @property
    def options(self) -> dict[str, object]:
        """What the ids depend on besides the vocabulary; goes into the manifest."""
        return {"implementation": "tokenizers.BertWordPieceTokenizer", "do_lower_case": self.do_lower_case}

    def encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """For every text the ids of its pieces and their character spans [start, end), without special tokens."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]
