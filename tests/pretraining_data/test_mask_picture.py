"""The picture of masked sentences is valid SVG and shows masked pieces in their colours."""

import xml.etree.ElementTree as ElementTree

from paddle_wwm.corpus.segment import SegmentedSentence
from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.pretraining_data.mask_picture import picture_of
from paddle_wwm.pretraining_data.mask_printer import (
    Style,
    masked_spans,
    sentence_of_words,
    shown_sentence,
)
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

SVG = "{http://www.w3.org/2000/svg}"


def sentence() -> SegmentedSentence:
    return sentence_of_words(
        "使用语言模型来预测下一个词。", words=["使用", "语言", "模型", "来", "预测", "下", "一个", "词", "。"]
    )


def test_the_picture_shows_words_and_every_masked_piece(mini_vocab):
    item = shown_sentence(sentence(), tokenizer=WordPieceTokenizer(vocab=mini_vocab))
    config = MaskingConfig(masked_lm_prob=0.5)
    root = ElementTree.fromstring(picture_of([item], vocab=mini_vocab, config=config, seed=3, num_epochs=2))
    boxes = root.findall(f"{SVG}rect")[1:]
    pieces = len(item.example.input_ids)
    assert len(boxes) == 3 * pieces  # the words and two epochs
    spans = [
        span
        for epoch in range(2)
        for span in masked_spans(item, vocab=mini_vocab, config=config, seed=3, epoch=epoch, number=0)
    ]
    masked = [box for box in boxes if box.get("fill") == "#f6c344"]
    assert len(masked) == sum(span.style is Style.MASK for span in spans) > 0
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert texts.count("[MASK]") == len(masked) and "words" in texts and "epoch 1" in texts


def test_special_characters_of_xml_are_escaped(mini_vocab):
    item = shown_sentence(sentence_of_words("<&", words=["<", "&"]), tokenizer=WordPieceTokenizer(vocab=mini_vocab))
    ElementTree.fromstring(picture_of([item], vocab=mini_vocab, config=MaskingConfig(), seed=1, num_epochs=1))
