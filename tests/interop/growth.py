"""The part of `make interop` for grown vocabularies: 1,000 words in all formats and tokenizers."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.options import ConversionOptions
from paddle_wwm.conversion.targets import Target
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer
from tests.conversion.texts import CHINESE, lines, vocab_tokens
from tests.interop.heads import Call

NUM_WORDS = 1000


def check_growth(
    report: Any, *, work: Path, ours: Path, size: int, call: Call, torch: Path, tensorflow: Path | None
) -> None:
    """Grow a model by words, take it through all formats, and compare all tokenizers."""
    rng = random.Random(5)
    words: dict[str, None] = {"transformer": None}
    while len(words) < NUM_WORDS:
        words["".join(rng.choices(CHINESE, k=rng.randint(2, 4)))] = None
    source = shutil.copytree(ours, work / "growth-source")
    (source / "vocab.txt").write_text("\n".join(vocab_tokens(size=size)) + "\n", encoding="utf-8")
    (source / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    grown = work / "grown"
    result = convert(source, target=grown, to=Target.PADDLE, options=ConversionOptions(add_words=list(words)))
    report.line(f"{NUM_WORDS} words added", "Added 1,000 words" in result.notes[0], result.notes[0][:60])
    tokenizer = WordPieceTokenizer(vocab=load_vocab(grown / "vocab.txt"))
    texts = [text for text in lines() if text.strip()]
    (work / "words.json").write_text(json.dumps(texts))
    expected = [ids for ids, _ in tokenizer.encode_each(texts)]
    num_found = sum(one >= size for ids in expected for one in ids)
    convert(grown, target=work / "grown-hf", to=Target.HUGGING_FACE)
    call(torch, "in_torch_outward.py", "words", work / "grown-hf", work / "words.json", work / "word-ids.json")
    theirs = [ids[1:-1] for ids in json.loads((work / "word-ids.json").read_text())]
    same = sum(one == other for one, other in zip(theirs, expected, strict=True))
    detail = f"{same} of {len(texts)} lines equal, {num_found} new words in them"
    report.line("ids of AutoTokenizer of the grown model", same == len(texts) and num_found > NUM_WORDS, detail)
    # each word by itself: where two words overlap, PaddleNLP's search can miss one of them
    alone = [f"，{word}。" for word in words]
    theirs = _paddlenlp_ids(grown, alone)
    same = sum(one == ids for one, (ids, _) in zip(theirs, tokenizer.encode_each(alone), strict=True))
    are_whole = all(len(ids) == 3 for ids in theirs)
    detail = f"{same} of {NUM_WORDS} words equal"
    report.line("ids of PaddleNLP's AutoTokenizer of the grown model", same == NUM_WORDS and are_whole, detail)
    ways = {"transformers": work / "grown-hf", "PaddleNLP's safetensors": work / "grown-np"}
    convert(grown, target=work / "grown-np", to=Target.PADDLENLP)
    if tensorflow is not None:
        convert(grown, target=work / "grown-tf", to=Target.TENSORFLOW)
        call(tensorflow, "in_tensorflow.py", "save", work / "grown-tf", work / "grown-tf-saved")
        ways["TensorFlow"] = work / "grown-tf-saved"
    for name, way in ways.items():
        back = work / f"grown-back-{way.name}"
        convert(way, target=back, to=Target.PADDLE)
        report.bits(f"the grown model through {name}", _bits(back), _bits(grown))


def _bits(folder: Path) -> dict[str, tuple]:
    return {name: (one.dtype, one.shape, one.read().tobytes()) for name, one in open_model(folder).tensors.items()}


def _paddlenlp_ids(folder: Path, texts: list[str]) -> list[list[int]]:
    from paddlenlp.transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
