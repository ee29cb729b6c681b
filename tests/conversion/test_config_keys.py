"""Keys of config.json: settings that change the outputs are refused, also null, unknown keys and wrong types."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.cli.main import main
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.model.config_keys import check_config_keys
from paddle_wwm.model.folder import read_model_config
from paddle_wwm.model_config import ModelConfig

from .sources import HF_FOLDER, converted, hf_arrays, hf_folder

WRITTEN = json.loads((Path(__file__).parent.parent / "fixtures" / "bert_configs.json").read_text())


@pytest.mark.parametrize("program", WRITTEN)
def test_every_key_that_a_program_writes_for_a_bert_is_known(program):
    check_config_keys(WRITTEN[program], source="config.json")


@pytest.mark.parametrize("name", ["BertConfig", "RobertaConfig"])
def test_every_key_that_paddlenlp_writes_is_known(name, tmp_path):
    from paddlenlp import transformers

    config = getattr(transformers, name)()
    check_config_keys(config.to_dict(), source="config.json")
    config.save_pretrained(str(tmp_path))
    check_config_keys(json.loads((tmp_path / "config.json").read_text()), source="config.json")


CHANGING = [
    ("is_decoder", True, "attends to the tokens before it only"),
    ("add_cross_attention", True, "outputs of another encoder"),
    ("is_encoder_decoder", True, "outputs of another encoder"),
    ("cross_attention_hidden_size", 64, "outputs of another encoder"),
    ("pruned_heads", {"0": [1]}, "attention heads were removed"),
    ("position_embedding_type", "relative_key", "used inside of the attention"),
    ("position_embedding_type", None, "used inside of the attention"),
    ("rope_theta", 10000.0, "rotate the queries and keys"),
    ("rotary_value", True, "rotate the queries and keys"),
    ("max_relative_position", 64, "distance of two tokens"),
    ("normalize_before", True, "before each layer"),
    ("chunk_size_feed_forward", 8, "in chunks"),
    ("pool_act", "relu", "another activation"),
    ("pool_act", None, "another activation"),
    ("directionality", "uni", "both sides"),
    ("fuse", True, "another form"),
    ("quantization_config", {"quant_method": "bitsandbytes", "load_in_8bit": True}, "few bits"),
    ("quantization_config", {"weight_quantize_algo": "weight_only_int8"}, "few bits"),
    ("embedding_size", 128, "another size than its layers"),
    ("auto_map", {"AutoModel": "modeling.MyBert"}, "code of its own"),
    ("tokenizer_class", "BertJapaneseTokenizer", "another tokenizer"),
    ("is_decoder", 1, "attends to the tokens before it only"),
]


@pytest.mark.parametrize(("name", "value", "why"), CHANGING)
def test_a_key_that_changes_the_outputs_is_refused_with_the_reason(tmp_path, name, value, why):
    folder = hf_folder(tmp_path / "source", hf_arrays(), config={name: value})
    with pytest.raises(CheckpointError, match=rf"config\.json: `{name}` must be .*{why}"):
        open_model(folder)
    with pytest.raises(CheckpointError, match=f"`{name}` must be"):  # a folder that is used without a conversion
        read_model_config(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"is_decoder": None, "add_cross_attention": None, "pruned_heads": None, "quantization_config": None},
        {"pad_token_id": None, "bos_token_id": None, "classifier_dropout": None, "tokenizer_class": None},
        {"embedding_size": 64, "auto_map": {}, "tie_word_embeddings": False, "chunk_size_feed_forward": 0},
    ],
)
def test_neutral_values_and_null_are_read(tmp_path, values):
    folder = hf_folder(tmp_path / "source", hf_arrays(), config=values)
    assert open_model(folder).config == open_model(HF_FOLDER).config == read_model_config(folder)


def test_all_faults_are_in_one_message(tmp_path):
    folder = hf_folder(tmp_path / "source", hf_arrays(), config={"is_decoder": True, "pool_act": "relu", "x": 1})
    with pytest.raises(CheckpointError, match="`is_decoder`.*`pool_act`.*`x` = 1: unknown"):
        open_model(folder)


def test_an_unknown_key_is_refused_unless_it_is_ignored_and_the_record_says_so(tmp_path, capsys):
    folder = hf_folder(tmp_path / "source", hf_arrays(), config={"my_scale": 2.0, "my_name": "中"})
    command = ["convert", str(folder), str(tmp_path / "out"), "--to", "paddle"]
    with pytest.raises(SystemExit) as refused:
        main(command)
    assert refused.value.code == 2
    flags = ["--ignore-config-key", "my_scale", "--ignore-config-key", "my_name"]
    message = capsys.readouterr().err
    assert '`my_scale` = 2.0, `my_name` = "中": unknown for a BERT' in message and " ".join(flags) in message
    with pytest.raises(SystemExit) as done:
        main([*command, *flags])
    assert not done.value.code
    notes = json.loads((tmp_path / "out" / RECORD_NAME).read_text())["notes"]
    assert [note for note in notes if "ignored" in note] == [
        "`my_scale` = 2.0 in config.json was ignored (--ignore-config-key).",
        '`my_name` = "中" in config.json was ignored (--ignore-config-key).',
    ]


def test_a_size_cannot_be_ignored(tmp_path):
    with pytest.raises(ConfigError, match="`hidden_act` is a size of the model"):
        converted(HF_FOLDER, tmp_path / "out", ignored_config_keys=("hidden_act",))


# ---- Types of the sizes
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings"])
@pytest.mark.parametrize("value", ["64", 3.0, True, None, -1, [64], math.nan])
def test_a_size_that_is_not_a_whole_number_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        ModelConfig(**{name: value})


@pytest.mark.parametrize("name", ["layer_norm_eps", "initializer_range", "hidden_dropout_prob"])
@pytest.mark.parametrize("value", ["1e-12", True, None, -1, math.nan, math.inf, [0.1]])
def test_a_number_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        ModelConfig(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": 770}, "`hidden_size` must be a multiple of `num_attention_heads`"),
        ({"hidden_act": None}, "`hidden_act` must be a string"),
        ({"hidden_act": "gelu_new"}, "`hidden_act` must be gelu or relu"),
        ({"layer_norm_eps": 0}, "`layer_norm_eps` must be greater than 0"),
        ({"vocab_size": 5, "pad_token_id": 5}, "`pad_token_id` must be less than `vocab_size`, 5"),
        ({"type_vocab_size": 0}, "`type_vocab_size` must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**values)


def test_numbers_of_numpy_and_whole_numbers_for_probabilities_are_read():
    config = ModelConfig(vocab_size=np.int64(9), hidden_dropout_prob=0, layer_norm_eps=np.float32(1e-6))
    assert (config.vocab_size, config.hidden_dropout_prob) == (9, 0)


def test_a_wrong_type_in_a_file_names_the_file_and_the_key(tmp_path):
    folder = hf_folder(tmp_path / "source", hf_arrays(), config={"layer_norm_eps": "1e-12"})
    for read in (open_model, read_model_config):
        with pytest.raises(
            CheckpointError, match=r"config\.json: `layer_norm_eps` must be a finite number, but is '1e"
        ):
            read(folder)
