"""Write tokenizer.json, the whole tokenizer of a model in one file of the `tokenizers` library."""

from __future__ import annotations

from pathlib import Path

from ..files import atomic_write
from ..optional import need_package
from ..tokenization.vocab import CLS, MASK, PAD, SEP, UNK
from .opening import OpenedModel
from .vocabulary import TOKENIZER_NAME

_SPECIAL = {"unk_token": UNK, "sep_token": SEP, "pad_token": PAD, "cls_token": CLS, "mask_token": MASK}
# Settings of transformers' Python tokenizer that the library does not have.
_PYTHON_ONLY = ("never_split", "do_basic_tokenize")


def write_tokenizer_json(folder: Path, model: OpenedModel) -> str | None:
    """Write tokenizer.json for a model with a vocabulary.

    Returns:
        The reason, in words, if there is no such file; else None.
    """
    if model.vocab is None:
        return "the source has no vocabulary"
    settings = model.tokenizer.others
    if python_only := [name for name in _PYTHON_ONLY if name in settings]:
        return f"the library tokenizers does not have {' and '.join(python_only)}"
    special = {name: str(settings.get(name, token)) for name, token in _SPECIAL.items()}
    ids = model.vocab.ids
    if missing := [token for token in special.values() if token not in ids]:
        return f"the vocabulary has no {', '.join(missing)}"
    need_package("tokenizers", purpose=TOKENIZER_NAME)
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece(dict(ids), unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(settings.get("tokenize_chinese_chars", True)),
        strip_accents=settings.get("strip_accents"),
        lowercase=model.do_lower_case,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    cls, sep = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, ids[cls]), (sep, ids[sep])],
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special.values()])
    for token, added in model.added_tokens.items():
        flags = dict(added.flags)
        add = tokenizer.add_special_tokens if flags.get("special") else tokenizer.add_tokens
        add([AddedToken(token, **flags)])
    with atomic_write(folder / TOKENIZER_NAME, "w") as stream:
        stream.write(tokenizer.to_str(pretty=True))
    return None
