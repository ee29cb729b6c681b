"""Model folders: saving and loading, wrong weights reported together, and PaddleNLP opens the folders."""

from __future__ import annotations

import dataclasses
import json
import logging
import re

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.model.folder import MODEL_FILES, TIED_NAMES, read_model_config
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import load_arrays, load_model, load_weights, save_model
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams

from .builders import TINY, numbered_vocab, outputs_of, padded_inputs, scrambled_model


def arrays_of(model) -> dict[str, np.ndarray]:
    return {name: parameter.numpy() for name, parameter in model.named_parameters()}


@pytest.fixture
def model():
    return scrambled_model()


@pytest.fixture
def folder(tmp_path, model):
    save_model(tmp_path / "model", model=model, vocab=numbered_vocab(), do_lower_case=True)
    return tmp_path / "model"


def change_config(folder, **changes) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))


# ---- Round trip
# ----------------------------------------------------------------------------------------------------------------------


def test_a_model_is_read_back_bit_for_bit(folder, model):
    loaded = load_model(folder)
    assert loaded.config == model.config
    assert {name: array.tobytes() for name, array in arrays_of(loaded).items()} == {
        name: array.tobytes() for name, array in arrays_of(model).items()
    }
    loaded.eval()
    for actual, expected in zip(outputs_of(loaded, padded_inputs()), outputs_of(model, padded_inputs())):
        assert actual.numpy().tobytes() == expected.numpy().tobytes()


def test_a_folder_holds_these_files_and_no_others(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(MODEL_FILES)
    assert (folder / "vocab.txt").read_text().split("\n") == [*numbered_vocab().tokens, ""]


def test_saving_again_writes_the_same_bytes(folder, tmp_path):
    save_model(tmp_path / "again", model=load_model(folder), vocab=load_vocab(folder / "vocab.txt"), do_lower_case=True)
    for name in MODEL_FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_config_has_the_usual_keys(folder):
    values = json.loads((folder / "config.json").read_text())
    assert values["model_type"] == "bert" and values["architectures"] == ["BertForPretraining"]
    assert {name: values[name] for name in dataclasses.asdict(TINY)} == dataclasses.asdict(TINY)


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_tokenizer_config_records_do_lower_case(tmp_path, model, do_lower_case):
    save_model(tmp_path, model=model, vocab=numbered_vocab(), do_lower_case=do_lower_case)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["do_lower_case"] is do_lower_case


def test_parts_that_were_not_trained_are_recorded(tmp_path, model):
    save_model(tmp_path, model=model, vocab=numbered_vocab(), do_lower_case=True, untrained=("cls.seq_relationship",))
    assert json.loads((tmp_path / "config.json").read_text())["untrained_parameters"] == ["cls.seq_relationship"]
    assert read_model_config(tmp_path) == model.config


def test_the_tied_decoder_is_stored_under_its_other_names_without_extra_space(folder, model, tmp_path):
    stored = read_pdparams(folder / "model_state.pdparams")
    for name, source in TIED_NAMES.items():
        assert stored[name].tobytes() == stored[source].tobytes()
    assert set(stored) == set(arrays_of(model)) | set(TIED_NAMES)
    write_pdparams(tmp_path / "without.pdparams", arrays_of(model))
    sizes = [path.stat().st_size for path in (folder / "model_state.pdparams", tmp_path / "without.pdparams")]
    assert sizes[0] - sizes[1] < 200


# ---- What does not fit
# ----------------------------------------------------------------------------------------------------------------------


def test_missing_unexpected_and_misshaped_tensors_are_reported_together(model):
    arrays = arrays_of(model)
    before = {name: array.tobytes() for name, array in arrays.items()}
    del arrays["bert.pooler.dense.bias"], arrays["cls.predictions.decoder_bias"]
    arrays |= {
        "bert.extra": np.zeros(3),
        "bert.pooler.dense.weight": np.zeros((32, 8)),
        "bert.embeddings.layer_norm.bias": np.zeros(31),
    }
    with pytest.raises(CheckpointError) as caught:
        load_arrays(model, arrays, source="some/file")
    assert str(caught.value) == (
        "some/file: the weights do not fit the model. "
        "missing: bert.pooler.dense.bias, cls.predictions.decoder_bias; "
        "unexpected: bert.extra; "
        "misshaped: bert.embeddings.layer_norm.bias (31,) instead of (32,), bert.pooler.dense.weight (32, 8) "
        "instead of (32, 32)."
    )
    # no parameter was set
    assert {name: array.tobytes() for name, array in arrays_of(model).items()} == before


def test_optional_parts_may_be_missing_and_are_named(model):
    arrays = {name: array for name, array in arrays_of(scrambled_model(seed=9)).items() if not name.startswith("cls.")}
    before = arrays_of(model)
    absent = load_arrays(model, arrays, source="file", optional=("cls.seq_relationship", "cls.predictions"))
    assert sorted(absent) == sorted(name for name in before if name.startswith("cls."))
    after = arrays_of(model)
    assert all(after[name].tobytes() == (before if name in absent else arrays)[name].tobytes() for name in after)
    with pytest.raises(CheckpointError, match="missing: cls.predictions.decoder_bias"):
        load_arrays(model, arrays, source="file", optional=("cls.seq_relationship",))


def test_a_tied_decoder_that_is_stored_again_is_skipped(model):
    arrays = arrays_of(model)
    load_arrays(model, arrays | {name: arrays[source].copy() for name, source in TIED_NAMES.items()}, source="file")
    assert {name: array.tobytes() for name, array in arrays_of(model).items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }


@pytest.mark.parametrize("name", TIED_NAMES)
def test_a_decoder_that_differs_from_its_tied_weights_is_refused(model, name):
    arrays = arrays_of(model)
    with pytest.raises(CheckpointError, match=rf"file: {name} differs from {TIED_NAMES[name]}"):
        load_arrays(model, arrays | {name: arrays[TIED_NAMES[name]] + 1}, source="file")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_another_precision_keep_their_values(tmp_path, model, dtype):
    values = arrays_of(scrambled_model(seed=9))
    tensors = {name: paddle.to_tensor(array).astype(dtype) for name, array in values.items()}
    paddle.save(tensors, str(tmp_path / "x.pdparams"))
    load_arrays(model, read_pdparams(tmp_path / "x.pdparams"), source="file")
    for name, array in arrays_of(model).items():
        assert array.tolist() == tensors[name].astype("float32").numpy().tolist(), name


def test_a_vocabulary_with_another_size_than_the_config_does_not_load(folder):
    change_config(folder, vocab_size=121)
    with pytest.raises(
        CheckpointError, match=r"misshaped: bert.embeddings.word_embeddings.weight \(120, 32\) instead of \(121, 32\)"
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt"}, "`model_type` must be bert, but is 'gpt'"),
        ({"hidden_size": 30}, "`hidden_size` must be a multiple of `num_attention_heads`, but is 30 for 4 heads"),
        ({"hidden_act": "swish"}, "`hidden_act` must be gelu or relu, but is 'swish'"),
        ({"num_hidden_layers": "three"}, "config.json: "),
    ],
)
def test_a_config_of_another_model_is_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not valid JSON"), ("[]", "must hold a JSON object"), ("\ufeff{}", "not valid JSON")]
)
def test_a_config_that_is_not_a_json_object_is_refused(folder, text, message):
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        read_model_config(folder)


@pytest.mark.parametrize("name", ["config.json", "model_state.pdparams"])
def test_the_message_names_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_model(folder)


# ---- PaddleNLP
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parity
def test_paddlenlps_auto_classes_open_the_folder(tmp_path, mini_vocab, seed_words):
    from paddlenlp.transformers import AutoModel, AutoModelForPretraining, AutoTokenizer

    model = scrambled_model(vocab_size=len(mini_vocab))
    save_model(tmp_path, model=model, vocab=mini_vocab, do_lower_case=True)
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path))
    text = "".join(seed_words)
    ids = WordPieceTokenizer(vocab=mini_vocab).encode([text]).ids
    encoded = tokenizer(text)
    assert encoded["input_ids"] == [mini_vocab.cls_id, *ids, mini_vocab.sep_id]
    assert tokenizer.mask_token_id == mini_vocab.mask_id

    ids, types = (paddle.to_tensor([encoded[name]]) for name in ("input_ids", "token_type_ids"))
    expected = model.bert(ids, types, paddle.ones_like(ids).astype("bool"))
    encoder, whole = (opener.from_pretrained(str(tmp_path)) for opener in (AutoModel, AutoModelForPretraining))
    for opened in (encoder, whole.bert):
        opened.eval()
        np.testing.assert_allclose(opened(ids, types)[0].numpy(), expected.numpy(), rtol=0, atol=1e-5)
    stored = arrays_of(model)
    assert {name: array.tobytes() for name, array in stored.items()} == {
        name: whole.state_dict()[name].numpy().tobytes() for name in stored
    }


@pytest.mark.parity
def test_a_bare_encoder_that_paddlenlp_saved_is_read(folder, model, tmp_path):
    from paddlenlp.transformers import BertModel

    BertModel.from_pretrained(str(folder)).save_pretrained(str(tmp_path / "bare"))
    fresh = BertForPretraining(read_model_config(tmp_path / "bare"))
    absent = load_weights(fresh, tmp_path / "bare", optional=("cls.",))
    expected = {name: array.tobytes() for name, array in arrays_of(model).items() if name.startswith("bert.")}
    assert {name: array.tobytes() for name, array in arrays_of(fresh).items() if name.startswith("bert.")} == expected
    assert len(absent) == 7 and all(name.startswith("cls.") for name in absent)
    with pytest.raises(CheckpointError, match="missing: cls.predictions.decoder_bias"):
        load_weights(fresh, tmp_path / "bare")


def test_a_new_model_with_the_stored_config_loads_the_stored_arrays(folder, model):
    fresh = BertForPretraining(read_model_config(folder))
    assert load_arrays(fresh, read_pdparams(folder / "model_state.pdparams"), source=folder) == ()
    assert {name: array.tobytes() for name, array in arrays_of(fresh).items()} == {
        name: array.tobytes() for name, array in arrays_of(model).items()
    }


@pytest.mark.parity
def test_paddlenlp_finds_all_weights_and_leaves_out_only_the_heads(folder):
    from paddlenlp.transformers import BertForPretraining as PaddleNLPBertForPretraining
    from paddlenlp.transformers import BertModel
    from paddlenlp.utils.log import logger

    records: list[tuple[int, str]] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append((record.levelno, record.getMessage()))
    logger.logger.addHandler(handler)
    try:
        PaddleNLPBertForPretraining.from_pretrained(str(folder))
        assert [text for level, text in records if level >= logging.WARNING] == []
        assert any("All model checkpoint weights were used" in text for _, text in records)
        assert any("All the weights of BertForPretraining were initialized" in text for _, text in records)
        records.clear()
        BertModel.from_pretrained(str(folder))
        [unused] = [text for level, text in records if level >= logging.WARNING]
        assert any("All the weights of BertModel were initialized" in text for _, text in records)
    finally:
        logger.logger.removeHandler(handler)
    names = re.findall(r"'([\w.]+)'", unused.partition("\n")[0])
    assert sorted(names) == sorted(
        name for name in read_pdparams(folder / "model_state.pdparams") if name.startswith("cls.")
    )
