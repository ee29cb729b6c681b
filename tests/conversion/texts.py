"""Texts that mix scripts, accents, capitals, control characters and emoji, and a vocabulary with pieces of them."""

from __future__ import annotations

import random
import unicodedata

CHINESE, LATIN, ACCENTED = "使用语言模型来预测下一个词的概率", "abceprABCEPR", "éÀüñÇøŁßİıǅΣς\u0301\u0308"
OTHERS = (
    "０１２ＡＢｃ",
    "，。！？、：；“”《》—…,.!?'\"-()[]#",
    "\t\n\r \u3000\u00a0\u200b\u200d\ufeff\x00\x01\x7f\u00ad",
    "😀👍🏽👨\u200d👧🇨🇳",
    "㐀㒨\U00020000\U0002a6d6\U0002b740\U0003134a\ufa0e\uf900",  # extensions A to G and compatibility
    "한국어ひらカナกค",
)
NUM_LINES = 5000


def lines() -> list[str]:
    """Return lines that mix scripts, accents, capitals, control characters and emoji."""
    rng = random.Random(0)
    pools = [CHINESE, LATIN, ACCENTED, *OTHERS]
    return [
        "".join(
            "".join(rng.choices(rng.choice(pools), k=rng.randint(1, 6))) + rng.choice(["", "", " "])
            for _ in range(rng.randint(1, 12))
        )
        for _ in range(NUM_LINES)
    ]


def vocab_tokens(*, size: int = 1000) -> list[str]:
    """Return a vocabulary with pieces of every script of the lines."""
    letters = dict.fromkeys(CHINESE + LATIN + ACCENTED + "".join(OTHERS) + "éàüñçøłßi̇ıǆσς")
    characters = [character for character in letters if unicodedata.category(character)[0] not in "ZC"]
    pieces = [*characters, *(f"##{character}" for character in characters), "cafe", "café", "Cafe", "##ab", "abc"]
    tokens = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces])
    tokens |= dict.fromkeys(f"[unused{number}]" for number in range(size - len(tokens)))
    return list(tokens)
