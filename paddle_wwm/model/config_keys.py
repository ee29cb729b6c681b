"""The keys of config.json: those that may have any value, and those that must have the neutral one.

A BERT of this package has one form. A key that asks for another form, such as a decoder, is refused unless its value
asks for nothing. So a setting that changes the outputs is never dropped silently.

The tables have every key that transformers 4.46 and 5, PaddleNLP 2 and 3 and Google's code write for a BERT.
tests/conversion/test_config_keys.py compares them with PaddleNLP's classes and with lists from the others.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Mapping

from ..errors import CheckpointError, ConfigError
from ..model_config import ModelConfig

SIZES = tuple(item.name for item in dataclasses.fields(ModelConfig))
BERT_TOKENIZER_CLASSES = (
    *("BertTokenizer", "BertTokenizerFast", "BertWordPieceTokenizer"),
    *("RobertaTokenizer", "RobertaChineseTokenizer"),  # PaddleNLP's name for the BERT tokenizer of this series
)

# This project's own records in config.json
UNTRAINED = "untrained_parameters"  # name prefixes of the parts whose values are random
TASK_KEY = "finetuning_task"  # the task's name; transformers' examples write the name of a data set here
LABELS_KEY = "id2label"
READING_KEY = "finetuning_reading"  # how training read the examples; evaluation uses the same values
DATA_LABELS_KEY = (
    "finetuning_labels"  # the labels in the data files, by class number, if the label map has names for them
)

# The labels of a question-answering model that also predicts the kind of an answer: a span of the passage, or one of
# the other kinds. The order is that of the classifier's outputs.
ANSWER_KINDS = ("span", "yes", "no", "none")

# These have no influence on the outputs, or are read elsewhere.
_FREE_KEYS = frozenset(
    (
        # names, versions, and this project's own records
        *("_name_or_path", "_commit_hash", "architectures", "model_type", "transformers_version", "paddlenlp_version"),
        *("transformers.js_config", "is_composition", "use_return_dict"),
        *("custom_pipelines", "init_class", "init_args"),
        *(UNTRAINED, TASK_KEY, READING_KEY, DATA_LABELS_KEY),
        # how the model is run: number type, memory, parallel processes, what is returned
        *("torch_dtype", "dtype", "use_bfloat16", "torchscript", "tf_legacy_loss", "xla_device", "use_cache"),
        *("_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "use_flash_attention"),
        *("_attn_implementation_internal", "_flash_attn_2_enabled"),
        *("output_attentions", "output_hidden_states", "output_past", "return_dict", "gradient_checkpointing"),
        *("recompute", "recompute_granularity", "recompute_use_reentrant", "refined_recompute", "no_recompute_layers"),
        *("offload_recompute_inputs", "pp_recompute_interval", "tensor_parallel_degree", "tensor_parallel_rank"),
        *("tensor_parallel_output", "pipeline_parallel_degree", "virtual_pp_degree", "sep_parallel_degree"),
        *("context_parallel_degree", "sequence_parallel", "fuse_sequence_parallel_allreduce"),
        *("use_fused_rms_norm", "use_fused_rope", "use_fused_linear", "use_fused_dropout_add"),
        "use_fused_linear_cross_entropy",
        # classifiers, and dropout in front of them
        *(LABELS_KEY, "label2id", "num_labels", "_num_labels", "num_classes", "num_choices", "problem_type"),
        *("task_specific_params", "classifier_dropout", "dropout"),
        # special tokens; the vocabulary has them
        *("bos_token_id", "eos_token_id", "eos_token_ids", "sep_token_id", "cls_token_id", "mask_token_id"),
        *("unk_token_id", "decoder_start_token_id", "prefix"),
        # the weights decide: an output layer that differs from the word embeddings is refused
        *("tie_word_embeddings", "tie_encoder_decoder"),
        # sizes of layers that Google's code does not have
        *("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head"),
        # generation of text
        *("bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping"),
        *("encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id"),
        *("forced_eos_token_id", "length_penalty", "max_length", "max_new_tokens", "min_length", "min_new_tokens"),
        *("no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores"),
        *("remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "suppress_tokens"),
        *("temperature", "top_k", "top_p", "typical_p"),
    )
)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """Keys that must have one of the neutral values.

    Attributes:
        why: What any other value changes.
    """

    names: tuple[str, ...]
    neutral: tuple[Any, ...]
    why: str


_SIZE_RULES = ("embedding_size", "emb_size")
_RULES = (
    _Rule(
        names=("is_decoder",),
        neutral=(False, None),
        why="in a decoder, every token attends to the tokens before it only",
    ),
    _Rule(
        names=("add_cross_attention", "is_encoder_decoder", "cross_attention_hidden_size"),
        neutral=(False, None),
        why="its layers also attend to the outputs of another encoder",
    ),
    _Rule(names=("pruned_heads",), neutral=({}, [], None), why="some attention heads were removed"),
    _Rule(
        # null is not neutral: transformers 4 then adds no positions at all
        names=("position_embedding_type",),
        neutral=("absolute",),
        why="its positions are not added to the embeddings, but used inside of the attention",
    ),
    _Rule(
        names=("rotary", "use_rotary", "use_rope", "rotary_value", "rope_theta", "rope_scaling", "rope_parameters"),
        neutral=(False, None),
        why="its positions rotate the queries and keys",
    ),
    _Rule(
        names=(
            "relative_attention",
            "max_relative_position",
            "max_relative_positions",
            "use_relative_position",
            "alibi",
        ),
        neutral=(False, None),
        why="its attention depends on the distance of two tokens",
    ),
    _Rule(
        names=("pre_norm", "prenorm", "norm_first", "normalize_before", "do_layer_norm_before"),
        neutral=(False, None),
        why="it normalizes before each layer instead of after it",
    ),
    _Rule(
        names=("chunk_size_feed_forward",),
        neutral=(0,),
        why="its feed-forward layers work in chunks, and take only lengths that are a multiple of this number",
    ),
    _Rule(
        names=("pool_act",), neutral=("tanh",), why="the pooled output has another activation than that of BERT, tanh"
    ),
    _Rule(names=("pooler_type",), neutral=("first_token_transform",), why="the pooled output is made in another way"),
    _Rule(names=("directionality",), neutral=("bidi",), why="its tokens do not attend to the text on both sides"),
    _Rule(
        names=("fuse", "fuse_attention_qkv", "fuse_attention_ffn"),
        neutral=(False, None),
        why="its matrices are stored in another form",
    ),
    _Rule(names=("use_task_id",), neutral=(False, None), why="a task embedding is added to every token"),
    _Rule(names=("adapters", "adapter_config"), neutral=({}, None), why="it has adapter layers between those of BERT"),
    _Rule(names=("auto_map",), neutral=({}, None), why="the model has code of its own, which can compute anything"),
    _Rule(
        names=("tokenizer_class",),
        neutral=(*BERT_TOKENIZER_CLASSES, None),
        why="another tokenizer makes other tokens of a text",
    ),
    _Rule(names=("quantization_config",), neutral=({}, None), why="its weights are stored with few bits each"),
    _Rule(
        names=_SIZE_RULES,
        neutral=(None,),  # or the value of `hidden_size`
        why="its word embeddings have another size than its layers",
    ),
)
_RULE_OF = {name: rule for rule in _RULES for name in rule.names}
# PaddleNLP's quantization_config always has many keys; all of these are null unless the weights are quantized.
_QUANTIZING = ("weight_quantize_algo", "quant_type", "quant_method", "load_in_8bit", "load_in_4bit")


def without_ignored(values: Mapping[str, Any], ignored: Collection[str]) -> dict[str, Any]:
    """Return the values without the keys that the user ignores.

    Raises:
        ConfigError: One of these keys is a size, which every model needs.
    """
    for name in ignored:
        if name in SIZES:
            raise ConfigError(f"--ignore-config-key: `{name}` is a size of the model, which cannot be ignored.")
    return {name: value for name, value in values.items() if name not in ignored}


def check_config_keys(values: Mapping[str, Any], *, source: str | Path, may_be_unknown: bool = False) -> None:
    """Check the keys of a config.json other than the sizes.

    Args:
        values: What the file holds.
        source: The file, for messages.
        may_be_unknown: Accept unknown keys.

    Raises:
        CheckpointError: A key has a value that changes the outputs, or is unknown. The message has all of them.
    """
    if values.get("model_type", "bert") not in ("bert", "roberta"):
        raise CheckpointError(f"{source}: `model_type` must be bert, but is {values['model_type']!r}.")
    faults = [
        f"{_demand(name)}, but is {_json(value)}: {_RULE_OF[name].why}, which this package's BERT cannot do"
        for name, value in values.items()
        if name in _RULE_OF and not _is_neutral(name, value, values)
    ]
    unknown = [name for name in values if name not in _FREE_KEYS and name not in _RULE_OF and name not in SIZES]
    if unknown and not may_be_unknown:
        flags = " ".join(f"--ignore-config-key {name}" for name in unknown)
        listed = ", ".join(f"`{name}` = {_json(values[name])}" for name in unknown)
        faults.append(f"{listed}: unknown for a BERT, so it may change the outputs. If it does not, add {flags}")
    if faults:
        raise CheckpointError(f"{source}: {'; '.join(faults)}.")


def _is_neutral(name: str, value: Any, values: Mapping[str, Any]) -> bool:
    if name == "quantization_config" and isinstance(value, dict):
        return all(value.get(key) in (None, False) for key in _QUANTIZING)
    if name in _SIZE_RULES and value is not None:
        return value == values.get("hidden_size", ModelConfig.hidden_size)
    # compared as JSON, because Python's True equals 1
    return _json(value) in [_json(item) for item in _RULE_OF[name].neutral]


def _demand(name: str) -> str:
    if name in _SIZE_RULES:
        return f"`{name}` must be equal to `hidden_size`"
    allowed = (item if isinstance(item, str) else _json(item) for item in _RULE_OF[name].neutral)
    return f"`{name}` must be {' or '.join(allowed)}"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"
