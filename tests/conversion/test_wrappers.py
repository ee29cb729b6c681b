"""What trainers and the user's own classes put around a BERT is taken off, and this is printed and recorded."""

from __future__ import annotations

import functools
import json
import pickle

import numpy as np
import pytest

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME, describe
from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.pdparams import read_pdparams
from paddle_wwm.weights.tensorflow import open_tensorflow, write_tensorflow

from .sources import CONFIG, TF_FOLDER, bits_of, converted, hf_arrays, hf_folder, torch_zip


def under(prefix):
    return lambda arrays: {f"{prefix}{name}": array for name, array in arrays.items()}


def renamed(old, new):
    return lambda arrays: {name.replace(old, new): array for name, array in arrays.items()}


def bare_under(prefix):
    """Return a BertModel as an attribute of the user's class: its names have no "bert."."""
    return lambda arrays: {
        name.replace("bert.", prefix, 1): array for name, array in arrays.items() if name.startswith("bert.")
    }


PREFIXES = {
    "DataParallel": (under("module."), ("module.",)),
    "DataParallel twice": (under("module.module."), ("module.module.",)),
    "torch.compile": (under("_orig_mod."), ("_orig_mod.",)),
    "torch.compile in DataParallel": (under("module._orig_mod."), ("module._orig_mod.",)),
    "Lightning": (under("model."), ("model.",)),
    "an attribute in an attribute": (under("net.base."), ("net.base.",)),
    "DataParallel in Lightning": (under("model.module."), ("module.", "model.")),
    "an attribute with the name of the model's own": (under("bert."), ("bert.",)),
    "torch.compile of a part": (renamed("bert.", "bert._orig_mod."), ("_orig_mod.",)),
    "FSDP of layers": (renamed("layer.1.", "layer.1._fsdp_wrapped_module."), ("_fsdp_wrapped_module.",)),
}
BARE_PREFIXES = {
    "an attribute": (bare_under("bert_model."), ("bert_model.",)),
    "sentence-transformers": (bare_under("0.auto_model."), ("0.auto_model.",)),
    "no prefix": (bare_under(""), ()),
}


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_common_prefix_is_taken_off_printed_and_recorded(tmp_path, kind, expected_bits):
    rename, taken_off = PREFIXES[kind]
    result = converted(hf_folder(tmp_path / "source", rename(hf_arrays())), tmp_path / "out")
    assert bits_of(open_model(tmp_path / "out")) == expected_bits
    assert result.taken_off == taken_off and f"taken off   {', '.join(taken_off)}" in describe(result)
    assert json.loads((tmp_path / "out" / RECORD_NAME).read_text())["taken_off"] == list(taken_off)


@pytest.mark.parametrize("kind", BARE_PREFIXES)
def test_a_bare_bert_under_any_name_is_read(tmp_path, kind, expected_bits):
    rename, taken_off = BARE_PREFIXES[kind]
    opened = open_model(hf_folder(tmp_path / "source", rename(hf_arrays())))
    assert opened.taken_off == taken_off
    assert bits_of(opened) == {name: value for name, value in expected_bits.items() if name.startswith("bert.")}


@pytest.mark.parametrize("prefix", ["_layers.", "_layers._layers.", "model."])
def test_a_common_prefix_of_paddle_is_taken_off(tmp_path, prefix, paddle_folder, expected_bits):
    from paddle_wwm.weights.pdparams import write_pdparams

    arrays = read_pdparams(paddle_folder / "model_state.pdparams")
    write_pdparams(tmp_path / "model_state.pdparams", under(prefix)(arrays))
    opened = open_model(tmp_path, config=paddle_folder / "config.json")
    assert (bits_of(opened), opened.taken_off) == (expected_bits, (prefix,))


@pytest.mark.parametrize("scope", ["tower/", "model/student/"])
def test_a_scope_of_tensorflow_is_taken_off(tmp_path, scope, expected_bits):
    tensors = open_tensorflow(TF_FOLDER / "bert_model.ckpt")
    write_tensorflow(tmp_path / "bert_model.ckpt", under(scope)(tensors))
    opened = open_model(tmp_path, config=CONFIG)
    assert (bits_of(opened), opened.taken_off) == (expected_bits, (scope,))
    assert {reason: len(names) for reason, names in opened.passed_over.items()} == {"optimizer slots": 3, "counters": 1}


def test_a_head_outside_of_the_prefix_is_still_unexpected(tmp_path):
    arrays = under("model.")(hf_arrays()) | {"fc.weight": np.zeros((2, 64), np.float32)}
    with pytest.raises(CheckpointError, match="unexpected: fc.weight. To leave out .* add --drop-unexpected"):
        open_model(hf_folder(tmp_path / "source", arrays))


def test_averaged_copies_of_the_weights_are_skipped_next_to_the_weights(tmp_path, expected_bits):
    arrays = hf_arrays() | {f"ema.{name}": array + 1 for name, array in hf_arrays().items()}
    opened = open_model(hf_folder(tmp_path / "source", arrays))
    assert bits_of(opened) == expected_bits
    assert {reason: len(names) for reason, names in opened.passed_over.items()} == {"moving averages of weights": 62}


def test_two_encoders_in_a_file_are_refused_with_their_places(tmp_path):
    arrays = under("query.")(hf_arrays()) | under("doc.")(hf_arrays())
    with pytest.raises(CheckpointError, match="holds 2 encoders, under 'doc.bert.' and 'query.bert.'; save"):
        open_model(hf_folder(tmp_path / "source", arrays))


@pytest.mark.parametrize("family", ["electra", "roberta"])
def test_another_model_with_the_names_of_a_bert_is_refused_unless_the_configuration_states_bert(tmp_path, family):
    folder = hf_folder(tmp_path / "source", bare_under(f"{family}.")(hf_arrays()))
    assert open_model(folder).taken_off == (f"{family}.",)
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"begin with '{family}', which is not a BERT"):
        open_model(folder)


# ---- Files of training programs
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["state_dict", "model", "net", "model_state_dict", "module", "network", "model_state", "weights", "params", "mine"],
)
def test_the_weights_in_a_file_of_a_training_program_are_found(tmp_path, key, expected_bits):
    source = torch_zip(
        tmp_path / "last.ckpt",
        hf_arrays(),
        around=lambda values: {"epoch": 3, key: values, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    )
    result = converted(source, tmp_path / "out", config=CONFIG)
    assert bits_of(open_model(tmp_path / "out")) == expected_bits
    assert (result.taken_off, result.left_out) == ((key,), ("epoch", "optimizer"))
    assert "not read    epoch, optimizer" in describe(result)


def test_keys_and_prefixes_are_taken_off_together(tmp_path, expected_bits):
    source = torch_zip(
        tmp_path / "a.bin",
        under("module.")(hf_arrays()),
        around=lambda values: {"checkpoint": {"model": {"state_dict": values}}},
    )
    opened = open_model(source, config=CONFIG)
    assert bits_of(opened) == expected_bits
    assert opened.taken_off == ("checkpoint", "model", "state_dict", "module.")


def test_the_model_is_preferred_to_its_average_and_several_models_are_refused(tmp_path, expected_bits):
    opened = open_model(
        torch_zip(tmp_path / "a.bin", hf_arrays(), around=lambda values: {"ema": values, "model": values}),
        config=CONFIG,
    )
    assert (bits_of(opened), opened.left_out) == (expected_bits, ("ema",))
    for keys in (("student", "teacher"), ("model", "net")):
        source = torch_zip(tmp_path / "b.bin", hf_arrays(), around=functools.partial(dict.fromkeys, keys))
        with pytest.raises(CheckpointError, match=rf"tensors under several keys \({', '.join(keys)}\)"):
            open_model(source, config=CONFIG)


def test_a_tensor_next_to_the_weights_does_not_hide_them(tmp_path, expected_bits):
    source = torch_zip(
        tmp_path / "a.bin",
        hf_arrays(),
        around=lambda values: {"step": next(iter(values.values())), "state_dict": values},
    )
    opened = open_model(source, config=CONFIG)
    assert (bits_of(opened), opened.taken_off, opened.left_out) == (expected_bits, ("state_dict",), ("step",))


def test_a_mapping_inside_itself_ends(tmp_path):
    inside: dict = {}
    inside["model"] = inside
    path = torch_zip(tmp_path / "a.bin", {}, data_pickle=pickle.dumps(inside, protocol=2))
    with pytest.raises(CheckpointError, match="must be a tensor, but is dict|names of a BERT"):
        open_model(path, config=CONFIG)
