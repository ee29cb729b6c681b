"""Settings of tokenizers: carried where the target can hold them, refused where not; ids are equal on both sides."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tokenizers import BertWordPieceTokenizer

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.errors import CheckpointError
from paddle_wwm.hub.checks import check_model_folder
from paddle_wwm.model.folder import read_model_config
from paddle_wwm.model.tokenizer_settings import read_do_lower_case, read_tokenizer_settings
from paddle_wwm.tasks.fine_tuned import load_tokenizer
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .sources import converted, hf_arrays, hf_folder
from .texts import lines, vocab_tokens


@pytest.fixture(scope="module")
def vocab(tmp_path_factory) -> Path:
    """A vocabulary of 1000 entries with pieces of every script of the lines."""
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(vocab_tokens()) + "\n", encoding="utf-8")
    return path


def source_folder(folder: Path, vocab: Path, settings: dict | None, **files: dict) -> Path:
    """Write a Hugging Face folder with a tokenizer_config.json and other files of the tokenizer."""
    hf_folder(folder, hf_arrays())
    (folder / "vocab.txt").write_bytes(vocab.read_bytes())
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return folder


def as_transformers(folder: Path) -> BertWordPieceTokenizer:
    """Return the tokenizer that transformers 4 and 5 make from tokenizer_config.json and vocab.txt."""
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    made = BertWordPieceTokenizer(
        vocab=dict(load_vocab(folder / "vocab.txt").ids),
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    made._tokenizer.encode_special_tokens = True
    return made


@pytest.mark.parity
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_texts_have_the_same_ids_in_both_directions(tmp_path, vocab, do_lower_case):
    source = source_folder(tmp_path / "source", vocab, {"do_lower_case": do_lower_case})
    converted(source, tmp_path / "ours")
    converted(tmp_path / "ours", tmp_path / "theirs", to="huggingface")
    converted(tmp_path / "theirs", tmp_path / "back")
    texts = lines()
    expected = [one.ids for one in as_transformers(source).encode_batch(texts, add_special_tokens=False)]
    theirs = [one.ids for one in as_transformers(tmp_path / "theirs").encode_batch(texts, add_special_tokens=False)]
    assert theirs == expected
    for folder in (tmp_path / "ours", tmp_path / "back"):
        ours = load_tokenizer(folder, read_model_config(folder))
        assert ours.do_lower_case is do_lower_case
        assert [ids for ids, _ in ours.encode_each(texts)] == expected


@pytest.mark.parity
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_texts_without_symbols_have_the_same_ids_in_paddlenlp(tmp_path, vocab, do_lower_case):
    """PaddleNLP alone takes every symbol, such as an emoji, for a word."""
    from paddlenlp.transformers import BertTokenizer

    converted(source_folder(tmp_path / "source", vocab, {"do_lower_case": do_lower_case}), tmp_path / "ours")
    texts = [text for text in lines() if text.strip() and not any(unicodedata.category(c)[0] == "S" for c in text)]
    assert len(texts) > 1000
    theirs = BertTokenizer.from_pretrained(str(tmp_path / "ours"))
    ours = WordPieceTokenizer(vocab=load_vocab(vocab), do_lower_case=do_lower_case)
    expected = [theirs.convert_tokens_to_ids(theirs.tokenize(text)) for text in texts]
    assert [ids for ids, _ in ours.encode_each(texts)] == expected


OTHER_SETTINGS = [
    ({"do_lower_case": True, "strip_accents": False}, "strip_accents"),
    ({"do_lower_case": False, "strip_accents": True}, "strip_accents"),
    ({"strip_accents": False}, "strip_accents"),
    ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars"),
    ({"never_split": ["中国"]}, "never_split"),
    ({"do_basic_tokenize": False}, "do_basic_tokenize"),
    ({"padding_side": "left"}, "padding_side"),
    ({"truncation_side": "left"}, "truncation_side"),
    ({"cls_token": "<s>"}, "cls_token"),
    ({"unk_token": {"content": "<unk>", "lstrip": False}}, "unk_token"),
]


@pytest.mark.parametrize(("settings", "name"), OTHER_SETTINGS)
def test_a_setting_that_only_transformers_has_is_carried_there_and_refused_elsewhere(tmp_path, vocab, settings, name):
    source = source_folder(tmp_path / "source", vocab, settings)
    for target in ("paddle", "tensorflow"):
        with pytest.raises(CheckpointError, match=rf"tokenizer_config\.json: `{name}` is"):
            converted(source, tmp_path / target, to=target)
        assert not (tmp_path / target).exists()
    converted(source, tmp_path / "theirs", to="huggingface")
    assert read_tokenizer_settings(tmp_path / "theirs").others == read_tokenizer_settings(source).others != {}


def test_a_folder_that_is_used_without_a_conversion_is_refused_too(tmp_path, vocab):
    source = source_folder(tmp_path / "source", vocab, {"do_lower_case": True})
    converted(source, tmp_path / "ours")
    (tmp_path / "ours" / "tokenizer_config.json").write_text('{"strip_accents": false}')
    with pytest.raises(CheckpointError, match="`strip_accents` is False"):
        load_tokenizer(tmp_path / "ours", read_model_config(tmp_path / "ours"))
    with pytest.raises(CheckpointError, match="`strip_accents` is False"):
        check_model_folder(tmp_path / "ours", variant=None, allow_other_sizes=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"strip_accents": None, "never_split": None, "do_basic_tokenize": True, "tokenize_chinese_chars": True},
        {"do_lower_case": False, "strip_accents": False, "never_split": [], "padding_side": "right"},
        {"do_lower_case": True, "strip_accents": True, "never_split": ["[UNK]", "[MASK]"], "cls_token": "[CLS]"},
        {"mask_token": {"content": "[MASK]", "special": True}, "tokenizer_class": "BertTokenizerFast"},
        {"model_max_length": 1000000000000000019884624838656, "backend": "tokenizers", "is_local": True},
    ],
)
def test_neutral_settings_are_read(tmp_path, vocab, settings):
    source = source_folder(tmp_path / "source", vocab, settings)
    converted(source, tmp_path / "ours")
    assert read_do_lower_case(tmp_path / "ours") is settings.get("do_lower_case", open_model(source).do_lower_case)


@pytest.mark.parametrize(("stated", "carried"), [(100, 100), (None, 128), (10**30, 128), (512, 128)])
def test_the_maximum_length_is_carried_up_to_the_number_of_positions(tmp_path, vocab, stated, carried):
    source = source_folder(tmp_path / "source", vocab, {"model_max_length": stated})
    for name, target in (("ours", "paddle"), ("theirs", "huggingface"), ("google", "tensorflow")):
        converted(source, tmp_path / name, to=target)
        assert json.loads((tmp_path / name / "tokenizer_config.json").read_text())["model_max_length"] == carried


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "`tokenizer_class` must be BertTokenizer"),
        ({"tokenizer_class": "XLMRobertaTokenizer"}, "`tokenizer_class` must be BertTokenizer"),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, "`tokenizer_class` must be BertTokenizer"),
        ({"auto_map": {"AutoTokenizer": ["x.Y", None]}}, "`auto_map` must be absent"),
        ({"do_lower_case": "false"}, "`do_lower_case` must be true or false, but is 'false'"),
        ({"do_lower_case": None}, "`do_lower_case` must be true or false"),
        ({"tokenize_chinese_chars": None}, "`tokenize_chinese_chars` must be true or false"),
        ({"strip_accents": 1}, "`strip_accents` must be true or false"),
        ({"never_split": "中国"}, "`never_split` must be a list of words"),
        ({"model_max_length": 0}, "`model_max_length` must be a whole number from 1"),
        ({"model_max_length": "512"}, "`model_max_length` must be a whole number from 1"),
    ],
)
def test_another_tokenizer_and_wrong_types_are_refused_for_every_target(tmp_path, vocab, settings, message):
    source = source_folder(tmp_path / "source", vocab, settings)
    for target in ("paddle", "huggingface"):
        with pytest.raises(CheckpointError, match=rf"tokenizer_config\.json: {message}"):
            converted(source, tmp_path / target, to=target)


# ---- tokenizer.json and special_tokens_map.json
# ----------------------------------------------------------------------------------------------------------------------


def library_file(**normalizer) -> dict:
    """Return a tokenizer.json of BERT; normalizer: changed settings."""
    settings = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    return {
        "normalizer": {"type": "BertNormalizer", **settings, **normalizer},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": {}},
    }


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({"do_lower_case": True}, library_file()),
        ({"do_lower_case": False}, library_file(lowercase=False)),
        ({}, library_file(strip_accents=True)),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, library_file()),
    ],
)
def test_a_tokenizer_json_that_agrees_is_read(tmp_path, vocab, settings, values):
    source = source_folder(tmp_path / "source", vocab, settings, tokenizer=values)
    assert open_model(source).do_lower_case is settings.get("do_lower_case", True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (library_file(lowercase=False), "`lowercase` of the normalizer is False"),
        (library_file(strip_accents=False), "`strip_accents` of the normalizer is False"),
        (library_file(handle_chinese_chars=False), "`handle_chinese_chars` of the normalizer is False"),
        (library_file(clean_text=False), "`clean_text` of the normalizer is False"),
        (library_file(type="NFKC"), "`normalizer` must be a BertNormalizer"),
        ({**library_file(), "normalizer": None}, "`normalizer` must be a BertNormalizer"),
        ({**library_file(), "pre_tokenizer": {"type": "Metaspace"}}, "`pre_tokenizer` must be a BertPreTokenizer"),
        ({**library_file(), "model": {"type": "Unigram"}}, "(`model`|the model) must be"),
        (
            {**library_file(), "model": {"unk_token": "[UNK]", "continuing_subword_prefix": "@@", "vocab": {}}},
            "`continuing_subword_prefix` of the model is '@@'",
        ),
    ],
)
@pytest.mark.parametrize("settings", [{"do_lower_case": True}, {}])
def test_a_tokenizer_json_that_disagrees_is_refused(tmp_path, vocab, settings, values, message):
    source = source_folder(tmp_path / "source", vocab, settings, tokenizer=values)
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json: {message}"):
        open_model(source)


@pytest.mark.parametrize("settings", [None, {"tokenizer_class": "PreTrainedTokenizerFast"}])
def test_a_tokenizer_json_alone_or_of_a_general_class_decides(tmp_path, vocab, settings):
    source = source_folder(tmp_path / "cased", vocab, settings, tokenizer=library_file(lowercase=False))
    assert open_model(source).do_lower_case is False
    source = source_folder(tmp_path / "accents", vocab, settings, tokenizer=library_file(strip_accents=False))
    assert read_tokenizer_settings(source).others == {"strip_accents": False}
    source = source_folder(tmp_path / "other", vocab, settings, tokenizer=library_file(clean_text=False))
    with pytest.raises(CheckpointError, match="`clean_text` of the normalizer is False"):
        open_model(source)


def test_special_tokens_of_the_map_count_unless_the_configuration_has_them(tmp_path, vocab):
    tokens = {"cls_token": "<s>", "sep_token": {"content": "[SEP]"}}
    source = source_folder(tmp_path / "one", vocab, {}, special_tokens_map=tokens)
    assert read_tokenizer_settings(source).others == {"cls_token": "<s>"}
    source = source_folder(tmp_path / "two", vocab, {"cls_token": "[CLS]"}, special_tokens_map=tokens)
    assert read_tokenizer_settings(source).others == {}
