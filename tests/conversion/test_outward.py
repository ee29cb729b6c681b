"""Folders for transformers, sentence-transformers and PaddleNLP have all files that these libraries read."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest
from paddlenlp import transformers as paddlenlp
from safetensors import safe_open
from tokenizers import Tokenizer

from paddle_wwm import load_model
from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .fine_tuned import KINDS, config_of, expected_logits, fine_tuned, inputs
from .sources import HF_FOLDER, REFERENCE, bits_of, converted, hf_arrays, hf_folder
from .texts import lines, vocab_tokens


def folder_with_vocabulary(folder, *, tokens=None, **settings):
    hf_folder(folder, hf_arrays())
    tokens = tokens or vocab_tokens(size=1000)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


# ---- transformers


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_tokenizer_json_gives_the_ids_of_our_tokenizer(tmp_path, do_lower_case):
    source = folder_with_vocabulary(tmp_path / "source", do_lower_case=do_lower_case)
    converted(source, tmp_path / "out", to="huggingface")
    library = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    ours = WordPieceTokenizer(vocab=load_vocab(source / "vocab.txt"), do_lower_case=do_lower_case)
    texts = lines()
    found = [encoding.ids for encoding in library.encode_batch(texts, add_special_tokens=False)]
    assert found == [list(ids) for ids, _ in ours.encode_each(texts)]


def test_settings_of_the_tokenizer_and_added_tokens_are_in_tokenizer_json(tmp_path):
    tokens = [*vocab_tokens(size=998), "[NEW]", "<e1>"]
    added = {"998": {"content": "[NEW]", "special": True}, "999": {"content": "<e1>", "normalized": False}}
    settings = {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}
    source = folder_with_vocabulary(tmp_path / "source", tokens=tokens, added_tokens_decoder=added, **settings)
    converted(source, tmp_path / "out", to="huggingface")
    values = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    normalizer = values["normalizer"]
    assert (normalizer["strip_accents"], normalizer["handle_chinese_chars"], normalizer["lowercase"]) == (
        False,
        False,
        True,
    )
    flags = {item["content"]: (item["id"], item["special"]) for item in values["added_tokens"]}
    assert flags["[NEW]"] == (998, True) and flags["<e1>"] == (999, False) and len(flags) == 7
    again = open_model(tmp_path / "out")  # tokenizer.json and vocab.txt agree
    assert again.vocab.tokens == tuple(tokens)


def test_a_tokenizer_that_the_library_cannot_hold_is_noted(tmp_path):
    source = folder_with_vocabulary(tmp_path / "source", never_split=["abc"])
    result = converted(source, tmp_path / "out", to="huggingface")
    assert any("There is no tokenizer.json" in note and "never_split" in note for note in result.notes)
    assert not (tmp_path / "out" / "tokenizer.json").exists()


def test_the_card_states_only_what_the_files_show(tmp_path):
    converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE), tmp_path / "out", to="huggingface")
    card = (tmp_path / "out" / "README.md").read_text()
    for part in (
        "pipeline_tag: text-classification",
        "| 1 | 好评 |",
        "AutoModelForSequenceClassification",
        "3 layers x 64",
    ):
        assert part in card
    converted(HF_FOLDER, tmp_path / "plain", to="huggingface")
    assert "pipeline_tag: fill-mask" in (tmp_path / "plain" / "README.md").read_text()


# ---- sentence-transformers


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", False), ("cls", True), ("max", False)])
def test_the_modules_of_sentence_transformers_are_written(tmp_path, pooling, normalize):
    source = folder_with_vocabulary(tmp_path / "source", model_max_length=100)
    result = converted(source, tmp_path / "out", to="sentence-transformers", pooling=pooling, normalize=normalize)
    types = [one["type"].rpartition(".")[2] for one in json.loads((tmp_path / "out" / "modules.json").read_text())]
    assert types == ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    modes = json.loads((tmp_path / "out" / "1_Pooling" / "config.json").read_text())
    assert [name for name, chosen in modes.items() if chosen is True] == [
        {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}[pooling]
    ]
    assert json.loads((tmp_path / "out" / "sentence_bert_config.json").read_text())["max_seq_length"] == 100
    opened = open_model(tmp_path / "out")
    assert opened.absent == ("cls.predictions", "cls.seq_relationship") and config_of(tmp_path / "out")[
        "architectures"
    ] == ["BertModel"]
    assert any("heads of pretraining" in note for note in result.notes)


def test_a_fine_tuned_head_and_options_of_other_targets_are_refused(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE)
    with pytest.raises(CheckpointError, match="no place for the head of seq-cls.*--drop-unexpected"):
        converted(source, tmp_path / "out", to="sentence-transformers")
    converted(source, tmp_path / "out", to="sentence-transformers", drop_unexpected=True)
    with pytest.raises(ConfigError, match="for sentence-transformers"):
        converted(source, tmp_path / "other", to="huggingface", normalize=True)
    with pytest.raises(ConfigError, match="`pooling` must be one of"):
        converted(source, tmp_path / "other", to="sentence-transformers", pooling="sum")


# ---- PaddleNLP with safetensors


@pytest.mark.parity
@pytest.mark.parametrize("name", ["BertModel", "BertForMaskedLM", "BertForPretraining"])
def test_paddlenlp_reads_safetensors_without_a_missing_key(tmp_path, name, caplog):
    converted(HF_FOLDER, tmp_path / "out", to="paddlenlp")
    with safe_open(tmp_path / "out" / "model.safetensors", framework="np") as stream:
        assert stream.metadata() == {"format": "np"}
    with caplog.at_level("WARNING", logger="PaddleNLP"):
        network = getattr(paddlenlp, name).from_pretrained(str(tmp_path / "out"))
    shown = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert not [text for text in shown if "newly initialized" in text or "not initialized" in text], shown
    network.eval()
    ids, types, mask = inputs()
    with paddle.no_grad():
        found = network(ids, token_type_ids=types, attention_mask=mask)
    expected = np.load(REFERENCE)
    wanted = {"BertModel": "last_hidden_state", "BertForMaskedLM": "prediction_logits"}.get(name, "prediction_logits")
    found = found[0] if isinstance(found, (tuple, list)) else found
    np.testing.assert_allclose(found.numpy(), expected[wanted], atol=1e-5)


@pytest.mark.parity
@KINDS
def test_a_fine_tuned_folder_with_safetensors_is_read_by_paddlenlp_and_by_us(tmp_path, kind, caplog):
    converted(fine_tuned(tmp_path / "hf", kind), tmp_path / "out", to="paddlenlp")
    ids, types, mask = inputs()
    np.testing.assert_allclose(
        load_model(tmp_path / "out", task=kind.value)(ids, types, mask).numpy(), expected_logits(kind), atol=1e-5
    )
    with caplog.at_level("WARNING", logger="PaddleNLP"):
        network = getattr(paddlenlp, kind.architecture).from_pretrained(str(tmp_path / "out"))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
    network.eval()
    with paddle.no_grad():
        found = network(ids, token_type_ids=types, attention_mask=mask)
    found = np.stack([one.numpy() for one in found], -1) if kind is HeadKind.ANSWERS else found.numpy()
    np.testing.assert_allclose(found, expected_logits(kind), atol=1e-5)


def test_safetensors_of_paddlenlp_go_back_bit_for_bit(tmp_path, paddle_folder, expected_bits):
    converted(paddle_folder, tmp_path / "out", to="paddlenlp")
    assert bits_of(open_model(tmp_path / "out")) == expected_bits
    converted(tmp_path / "out", tmp_path / "back")
    assert (tmp_path / "back" / "model_state.pdparams").read_bytes() == (
        paddle_folder / "model_state.pdparams"
    ).read_bytes()
