"""Read how a model's text becomes tokens: tokenizer_config.json, special_tokens_map.json and tokenizer.json.

The tokenizer of this package, like that of Google's code, has one setting: do_lower_case, which also strips accents.
transformers has more. A folder for transformers can hold them. Any other use of the model refuses them, because the
ids of a text would differ.

As in transformers 4 and 5, tokenizer_config.json decides, and tokenizer.json must not contradict it. tokenizer.json
decides if it is alone, or if its class is not one of BERT.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError, is_integer, is_number
from ..files import read_json
from ..tokenization.vocab import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK
from .config_keys import BERT_TOKENIZER_CLASSES

TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
SPECIAL_TOKENS_NAME, TOKENIZER_NAME = "special_tokens_map.json", "tokenizer.json"
UNLIMITED_LENGTH = 1_000_000_000  # transformers writes 1e30 for "no limit"
_SPECIAL_TOKENS = {"unk_token": UNK, "sep_token": SEP, "pad_token": PAD, "cls_token": CLS, "mask_token": MASK}
_GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")  # for these, tokenizer.json decides
# setting -> its neutral value, and what another value changes
_RULES: dict[str, tuple[Any, str]] = {
    "strip_accents": (None, "accents are not stripped exactly when capitals are lowered"),
    "tokenize_chinese_chars": (True, "Chinese characters are not separated"),
    "never_split": (None, "some words are never split"),
    "do_basic_tokenize": (True, "text is not split at punctuation"),
    "padding_side": ("right", "padding moves the positions of all tokens"),
    "truncation_side": ("right", "long texts lose their beginning"),
    **{name: (token, "a special token has another name") for name, token in _SPECIAL_TOKENS.items()},
}


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """The settings of a BERT tokenizer.

    Attributes:
        do_lower_case: None: the files do not state it.
        model_max_length: None: the files state none.
        others: Settings that only transformers has, by their names in tokenizer_config.json.
    """

    do_lower_case: bool | None = None
    model_max_length: int | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    def check_ours(self, folder: str | Path) -> None:
        """Check that this package's tokenizer gives the same ids.

        Args:
            folder: The folder of the settings, for the message.

        Raises:
            CheckpointError: There are settings that only transformers has.
        """
        if self.others:
            settings = "; ".join(f"`{name}` is {value!r}: {_RULES[name][1]}" for name, value in self.others.items())
            raise CheckpointError(
                f"{Path(folder) / TOKENIZER_CONFIG_NAME}: {settings}. The tokenizers of this package and of Google's "
                "code cannot do that, so texts would get other ids. Such a model can be converted to transformers only "
                "(--to huggingface). If it was not trained so, remove the setting from the file."
            )


def read_tokenizer_settings(folder: str | Path) -> TokenizerSettings:
    """Read the settings of the tokenizer in a folder. All files may be absent.

    Raises:
        CheckpointError: The tokenizer is not one of BERT, a setting has a wrong type, or two files disagree.
    """
    folder = Path(folder)
    path, library_path = folder / TOKENIZER_CONFIG_NAME, folder / TOKENIZER_NAME
    values = {**_read(folder / SPECIAL_TOKENS_NAME), **_read(path)}
    library = _read(library_path) if library_path.exists() else None
    _check_class(values, path=path, has_library_file=library is not None)
    if library is not None and (not path.exists() or values.get("tokenizer_class") in _GENERIC_CLASSES):
        values |= _settings_in(library)
    # True is the default of transformers. Without its files, as in a folder of Google's, nothing is stated.
    is_of_transformers = path.exists() or library is not None
    do_lower_case = _flag(values, "do_lower_case", path=path, default=True if is_of_transformers else None)
    strip_accents = None if values.get("strip_accents") is None else _flag(values, "strip_accents", path=path)
    if strip_accents is do_lower_case:
        strip_accents = None
    never_split = values.get("never_split") or []
    if not isinstance(never_split, list) or not all(isinstance(word, str) for word in never_split):
        raise CheckpointError(f"{path}: `never_split` must be a list of words, but is {never_split!r}.")
    stated = {
        "strip_accents": strip_accents,
        "never_split": never_split if set(never_split) - set(SPECIAL_TOKENS) else None,
        "tokenize_chinese_chars": _flag(values, "tokenize_chinese_chars", path=path, default=True),
        "do_basic_tokenize": _flag(values, "do_basic_tokenize", path=path, default=True),
        **{name: values.get(name) or "right" for name in ("padding_side", "truncation_side")},
        **{name: _token(values[name]) for name in _SPECIAL_TOKENS if values.get(name) is not None},
    }
    if library is not None:
        _check_library_file(library, stated, do_lower_case=bool(do_lower_case), path=library_path)
    return TokenizerSettings(
        do_lower_case=do_lower_case,
        model_max_length=_max_length(values.get("model_max_length"), path=path),
        others={name: value for name, value in stated.items() if value != _RULES[name][0]},
    )


def read_do_lower_case(folder: str | Path) -> bool:
    """Return do_lower_case of a model folder of this package (default: True).

    Raises:
        CheckpointError: The folder has another tokenizer than this package.
    """
    settings = read_tokenizer_settings(folder)
    settings.check_ours(folder)
    return settings.do_lower_case is not False


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _check_class(values: Mapping[str, Any], *, path: Path, has_library_file: bool) -> None:
    name = values.get("tokenizer_class")
    if name is not None and name not in (*BERT_TOKENIZER_CLASSES, *(_GENERIC_CLASSES if has_library_file else ())):
        raise CheckpointError(
            f"{path}: `tokenizer_class` must be BertTokenizer, but is {name!r}: another tokenizer makes other tokens."
        )
    if values.get("auto_map"):
        raise CheckpointError(
            f"{path}: `auto_map` must be absent: the tokenizer has code of its own, which is not run."
        )


def _flag(values: Mapping[str, Any], name: str, *, path: Path, default: bool | None = None) -> bool | None:
    if name not in values:
        return default
    if not isinstance(values[name], bool):
        raise CheckpointError(f"{path}: `{name}` must be true or false, but is {values[name]!r}.")
    return values[name]


def _token(value: Any) -> Any:
    """Return the text of a token, which may be written with its attributes."""
    return value.get("content") if isinstance(value, dict) else value


def _max_length(value: Any, *, path: Path) -> int | None:
    if value is None or (is_number(value) and value >= UNLIMITED_LENGTH):
        return None
    if not is_integer(value) or value < 1:
        raise CheckpointError(f"{path}: `model_max_length` must be a whole number from 1, but is {value!r}.")
    return value


def _settings_in(library: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tokenizer.json states, with the names of tokenizer_config.json."""
    normalizer = library.get("normalizer")
    found = normalizer if isinstance(normalizer, dict) else {}
    names = {
        "lowercase": "do_lower_case",
        "strip_accents": "strip_accents",
        "handle_chinese_chars": "tokenize_chinese_chars",
    }
    return {ours: found[theirs] for theirs, ours in names.items() if theirs in found}


def _check_library_file(
    values: Mapping[str, Any], stated: Mapping[str, Any], *, do_lower_case: bool, path: Path
) -> None:
    """Check that tokenizer.json describes a BERT tokenizer with the stated settings."""
    kinds = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer", "model": "WordPiece"}
    parts = {name: values[name] if isinstance(values.get(name), dict) else {} for name in kinds}
    for name, kind in kinds.items():
        if parts[name].get("type", "WordPiece" if name == "model" else None) != kind:
            raise CheckpointError(
                f"{path}: `{name}` must be a {kind}, as in a BERT, but is {parts[name].get('type')!r}."
            )
    strip_accents = do_lower_case if stated["strip_accents"] is None else stated["strip_accents"]
    expected: dict[str, dict[str, tuple[Any, ...]]] = {
        "normalizer": {
            "clean_text": (True,),
            "lowercase": (do_lower_case,),
            "handle_chinese_chars": (stated["tokenize_chinese_chars"],),
            "strip_accents": (strip_accents, None) if strip_accents is do_lower_case else (strip_accents,),
        },
        "model": {"unk_token": (stated.get("unk_token", UNK),), "continuing_subword_prefix": ("##",)},
    }
    for part, settings in expected.items():
        for name, allowed in settings.items():
            if parts[part].get(name) not in allowed:
                raise CheckpointError(
                    f"{path}: `{name}` of the {part} is {parts[part].get(name)!r}, but {TOKENIZER_CONFIG_NAME}, or its "
                    f"default, says {allowed[0]!r}. transformers uses {TOKENIZER_CONFIG_NAME}. Correct the wrong one."
                )
