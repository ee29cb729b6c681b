"""The `masking` section of a recipe: which pieces are selected for prediction, and how they are replaced."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .errors import require


class MaskingStrategy(enum.Enum):
    """The unit that is selected for prediction.

    PIECE: One WordPiece.
    WHOLE_WORD: All pieces of a word.
    NGRAM_WORD: One to four consecutive words (MacBERT).
    """

    PIECE = "piece"
    WHOLE_WORD = "whole-word"
    NGRAM_WORD = "ngram-word"


class ActionUnit(enum.Enum):
    """The unit that draws its own action: [MASK], a random token, or unchanged.

    PIECE: Every piece (BERT).
    WORD: Every selected word.
    """

    PIECE = "piece"
    WORD = "word"


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Whole word masking as in BERT-wwm. Probabilities are in [0, 1].

    Attributes:
        ngram_shares: Shares of 1-, 2-, … grams of words for the ngram-word strategy. The default is that of MacBERT
            (Cui et al. 2020).
        max_predictions_per_seq: Maximum number of selected pieces per example, for data with a fixed number of
            predictions: BERT uses 20 for 128 tokens and 80 for 512. None: no limit, so that the rate alone decides. A
            limit below the rate is an error (`check_limit`).
        dynamic: Draw a new mask in each epoch. Otherwise each example has `dupe_factor` fixed masks.
    """

    strategy: MaskingStrategy = MaskingStrategy.WHOLE_WORD
    actions: ActionUnit = ActionUnit.PIECE
    ngram_shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    masked_lm_prob: float = 0.15
    mask_token_prob: float = 0.8
    random_token_prob: float = 0.1
    max_predictions_per_seq: int | None = None
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
            value = getattr(self, name)
            require(value is None or value >= 1, f"`{name}` must be at least 1, but is {value}.")

    def budget(self, num_tokens: int) -> int:
        """Return the number of pieces to select in an example.

        Args:
            num_tokens: The length of the example, [CLS] and [SEP] included.
        """
        wanted = max(1, round(num_tokens * self.masked_lm_prob))
        return wanted if self.max_predictions_per_seq is None else min(self.max_predictions_per_seq, wanted)

    def check_limit(self, *, max_seq_length: int) -> None:
        """Check that the limit leaves room for the rate in the longest example.

        Raises:
            ValueError: With the limit, fewer pieces would be selected than `masked_lm_prob` says.
        """
        wanted, limit = max(1, round(max_seq_length * self.masked_lm_prob)), self.max_predictions_per_seq
        require(
            limit is None or limit >= wanted,
            f"`max_predictions_per_seq` must be at least {wanted}, as `masked_lm_prob` {self.masked_lm_prob:g} of "
            f"{max_seq_length} tokens needs, but is {limit}; leave `max_predictions_per_seq` out, or lower "
            "`masked_lm_prob`.",
        )
