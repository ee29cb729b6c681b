"""The calls of PaddleHub 1.x, which exist no more, and what replaces them."""

from __future__ import annotations

from ..errors import HubModuleError

REPLACED = {
    "context": "call the module itself: module(input_ids, token_type_ids) returns tensors",
    "get_vocab_path": "module.get_tokenizer() reads the vocabulary; module.get_tokenizer().vocab is a table of it",
    "get_spm_path": "module.get_tokenizer() is enough; a BERT has no SentencePiece model",
    "get_word_dict_path": "module.get_tokenizer() is enough; a BERT has no word dictionary",
    "param_prefix": "module.named_parameters() returns the parameters with their names",
}


class OldCallError(HubModuleError, AttributeError):
    """A method of PaddleHub 1.x was used. `hasattr` returns False for it."""


def check_not_old(name: str) -> None:
    """Raise OldCallError if a missing attribute is a method of PaddleHub 1.x."""
    if name in REPLACED:
        raise OldCallError(f"`{name}` is a call of PaddleHub 1.x, which modules no longer have: {REPLACED[name]}.")
