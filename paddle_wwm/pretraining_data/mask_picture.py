"""A picture of masked sentences as SVG: one row for the words, and one row per epoch.

GitHub and browsers show SVG. Pieces are boxes, and the boxes of one word touch. Amber is [MASK], violet is a random
token, and a dashed frame is a kept piece that is predicted anyway.
"""

from __future__ import annotations

from typing import Sequence
from xml.sax.saxutils import escape

from ..masking_config import MaskingConfig
from ..tokenization.vocab import Vocab
from .mask_printer import Shown, Span, Style, masked_spans, words_of

_EM, _HEIGHT, _ROW, _GAP, _LABEL, _MARGIN = 15, 26, 38, 7, 84, 12
_FILLS = {
    Style.PLAIN: ("#eef2f7", "#c3ccd9", ""),
    Style.MASK: ("#f6c344", "#a87900", ""),
    Style.RANDOM: ("#d9b8ff", "#7d3fc4", ""),
    Style.KEPT: ("#eef2f7", "#2b6cb0", ' stroke-dasharray="4 2"'),
}


def picture_of(items: Sequence[Shown], *, vocab: Vocab, config: MaskingConfig, seed: int, num_epochs: int) -> str:
    """Draw the words and the masked input of every example.

    Args:
        items: Examples from `shown_sentence` or `first_examples`.
        vocab: The vocabulary of their pieces.
        config: The masking.
        seed: The seed of the masks.
        num_epochs: The number of masked rows per example.

    Returns:
        The text of an SVG file.
    """
    rows: list[tuple[str, list[list[Span]]]] = []
    for number, item in enumerate(items):
        words = [[Span(text=piece, original=piece) for piece in word] for word in words_of(item.example, vocab=vocab)]
        rows.append(("words", words))
        for epoch in range(num_epochs):
            spans = masked_spans(item, vocab=vocab, config=config, seed=seed, epoch=epoch, number=number)
            rest = iter(spans)
            rows.append((f"epoch {epoch}", [[next(rest) for _ in word] for word in words]))
    widest = max(sum(_GAP + sum(map(_width, word)) for word in words) for _, words in rows)
    size = (_LABEL + widest + 2 * _MARGIN, _ROW * len(rows) + 2 * _MARGIN)
    boxes = [line for number, row in enumerate(rows) for line in _row(row, top=_MARGIN + _ROW * number)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
            f'viewBox="0 0 {size[0]} {size[1]}" font-size="{_EM}" '
            'font-family="Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif">',
            f'<rect width="{size[0]}" height="{size[1]}" fill="#ffffff"/>',
            *boxes,
            "</svg>\n",
        ]
    )


def _row(row: tuple[str, list[list[Span]]], *, top: int) -> list[str]:
    label, words = row
    middle = top + _HEIGHT // 2 + 5
    lines = [f'<text x="{_MARGIN}" y="{middle}" fill="#5a6675">{escape(label)}</text>']
    left = _MARGIN + _LABEL
    for word in words:
        for span in word:
            width = _width(span)
            fill, stroke, dashes = _FILLS[span.style]
            lines.append(
                f'<rect x="{left}" y="{top}" width="{width}" height="{_HEIGHT}" fill="{fill}" stroke="{stroke}"'
                f"{dashes}><title>{escape(span.original)}</title></rect>"
            )
            lines.append(
                f'<text x="{left + width // 2}" y="{middle}" text-anchor="middle" fill="#1a2330">'
                f"{escape(span.text)}</text>"
            )
            left += width
        left += _GAP
    return lines


def _width(span: Span) -> int:
    """Return the width of a piece's box in pixels.

    The wider of the shown and the original piece decides, so that the rows align.
    """
    texts = (span.text, span.original)
    ems = max(sum(1.0 if ord(character) > 0x2E7F else 0.62 for character in text) for text in texts)
    return round(ems * _EM) + 12
