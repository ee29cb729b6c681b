"""Recipes: dataclasses, read from YAML with dotted overrides. Unknown keys are refused; a config is never changed after parsing.

What changes the numbers (`model`, `data`, `masking`, `optimizer`, `phases`, `seed`) and what changes only the speed or what is written
(`runtime`) live apart: `numbers_fingerprint` covers the first group only, so a run may be resumed with another `runtime`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import hashlib
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

import yaml

from .errors import ConfigError
from .types import MaskingConfig
from .types import require as _require


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The sizes of a BERT, under the names of config.json. `vocab_size` 0 means "that of the vocabulary file"."""

    vocab_size: int = 0
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size"):
            _require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")
        _require(
            self.hidden_size % self.num_attention_heads == 0,
            f"`hidden_size` must be a multiple of `num_attention_heads`, but is {self.hidden_size} for {self.num_attention_heads} heads.",
        )
        _require(self.hidden_act in ("gelu", "relu"), f"`hidden_act` must be gelu or relu, but is {self.hidden_act!r}.")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            _require(0.0 <= getattr(self, name) < 1.0, f"`{name}` must be in [0, 1), but is {getattr(self, name)}.")


class SentencePairing(enum.Enum):
    """What an example is made of: two segments with next-sentence prediction (BERT-wwm), or full sentences (RoBERTa-wwm-ext)."""

    NEXT_SENTENCE = "next-sentence"
    FULL_SENTENCES = "full-sentences"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """From text to examples."""

    segmenter: str = "lac"
    do_lower_case: bool = True
    pairing: SentencePairing = SentencePairing.NEXT_SENTENCE
    short_seq_prob: float = 0.1
    held_out_share: float = 0.02
    mixture_weights: tuple[float, ...] = ()  # of several prepared corpora, in their order; none: in proportion to their sizes

    def __post_init__(self) -> None:
        _require(0.0 <= self.short_seq_prob <= 1.0, f"`short_seq_prob` must be in [0, 1], but is {self.short_seq_prob}.")
        _require(0.0 < self.held_out_share < 1.0, f"`held_out_share` must be in (0, 1), but is {self.held_out_share}.")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW as BERT uses it: no decay on biases and LayerNorm, the gradient clipped by its global norm."""

    name: str = "adamw"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        _require(self.name == "adamw", f"`optimizer.name` must be adamw, but is {self.name!r}.")
        _require(self.clip_norm > 0, f"`clip_norm` must be above 0, but is {self.clip_norm}.")


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of training at one length, batch and schedule (warm-up, then linear decay to 0)."""

    max_seq_length: int
    global_batch_size: int
    num_steps: int
    learning_rate: float
    num_warmup_steps: int = 0

    def __post_init__(self) -> None:
        _require(self.max_seq_length >= 8, f"`max_seq_length` must be at least 8, but is {self.max_seq_length}.")
        for name in ("global_batch_size", "num_steps"):
            _require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")
        _require(self.learning_rate > 0, f"`learning_rate` must be above 0, but is {self.learning_rate}.")
        _require(
            0 <= self.num_warmup_steps <= self.num_steps,
            f"`num_warmup_steps` must be between 0 and `num_steps` ({self.num_steps}), but is {self.num_warmup_steps}.",
        )


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """What changes the speed and what is written, never the numbers (beyond floating-point order)."""

    micro_batch_size: int = 16
    log_every_steps: int = 10
    evaluate_every_steps: int = 500
    save_every_steps: int = 1000
    keep_checkpoints: int = 3
    max_evaluation_examples: int = 512
    num_loader_processes: int = 1  # for every fleet worker; 0: batches are made in the training process

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            least = 0 if item.name == "num_loader_processes" else 1
            _require(getattr(self, item.name) >= least, f"`{item.name}` must be at least {least}, but is {getattr(self, item.name)}.")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole recipe."""

    phases: tuple[PhaseConfig, ...]
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: int = 42

    def __post_init__(self) -> None:
        _require(len(self.phases) >= 1, "`phases` must have at least one phase, but is empty.")
        longest = max(phase.max_seq_length for phase in self.phases)
        _require(
            longest <= self.model.max_position_embeddings,
            f"`max_seq_length` must be at most `model.max_position_embeddings` ({self.model.max_position_embeddings}), but is {longest}.",
        )

    @property
    def num_steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.num_steps for phase in self.phases)


def to_plain(value: Any) -> Any:
    """A config as dicts, lists, numbers and strings (for YAML, JSON and fingerprints)."""
    if dataclasses.is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def numbers_fingerprint(config: RunConfig) -> str:
    """sha256 of everything in the config that changes the numbers; `runtime` is left out."""
    plain = to_plain(config)
    del plain["runtime"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def load_config(path: str | Path, *, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a recipe and apply `key.path=value` overrides (lists by index: phases.0.num_steps=100).

    Raises ConfigError naming the file, the line, the rule and the known keys.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such recipe; the ones that ship are in scripts/recipes.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}.") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise ConfigError(f"{path}: the recipe is empty.")
        for override in overrides:
            _apply_override(root, override)
        return _build(RunConfig, root, where=str(path), key="")
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _apply_override(root: yaml.Node, override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"{override!r}: an override must have the form key.path=value, for example phases.0.num_steps=100.")
    try:
        value = yaml.compose(text, Loader=yaml.SafeLoader) or yaml.ScalarNode("tag:yaml.org,2002:null", "null")
    except yaml.YAMLError as error:
        raise ConfigError(f"{override!r}: not valid YAML: {' '.join(str(error).split())}") from None
    _mark(value, override)
    node, parts = root, key.split(".")
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(node, yaml.SequenceNode):
            if not part.isdigit() or int(part) >= len(node.value):
                raise ConfigError(f"{override!r}: {part!r} must be an index from 0 to {len(node.value) - 1}.")
            if last:
                node.value[int(part)] = value
            node = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if last:
                node.value = [pair for pair in node.value if pair is not found]
            if last or found is None:
                key_node = yaml.ScalarNode("tag:yaml.org,2002:str", part)
                child = value if last else yaml.MappingNode("tag:yaml.org,2002:map", [])
                _mark(key_node, override)
                _mark(child, override)
                found = (key_node, child)
                node.value.append(found)
            node = found[1]
        else:
            raise ConfigError(f"{override!r}: {'.'.join(parts[:depth])} holds a value, not keys.")


def _mark(node: yaml.Node, override: str) -> None:
    node.override = override  # where the value comes from, for error messages
    for child in node.value if isinstance(node.value, list) else []:
        for part in child if isinstance(child, tuple) else (child,):
            _mark(part, override)


def _place(node: yaml.Node, where: str) -> str:
    if hasattr(node, "override"):
        return f"override {node.override!r}"
    return f"{where}, line {node.start_mark.line + 1}"


def _build(kind: type, node: yaml.Node, *, where: str, key: str) -> Any:
    """The value of type `kind` that the YAML node stands for; errors carry the place of the node."""
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, node, where=where, key=key)
    if typing.get_origin(kind) is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise ConfigError(f"{_place(node, where)}: `{key}` must be a list.")
        return tuple(_build(typing.get_args(kind)[0], child, where=where, key=f"{key}.{index}") for index, child in enumerate(node.value))
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{_place(node, where)}: `{key}` must be a single value.")
    return _scalar(kind, node, where=where, key=key)


def _scalar(kind: type, node: yaml.ScalarNode, *, where: str, key: str) -> Any:
    text = node.value
    try:
        if issubclass(kind, enum.Enum):
            return kind(text)
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        # YAML 1.1 reads 1e-4 as a string: the type of the field decides, not YAML's guess
        return kind(text.replace("_", "")) if kind in (int, float) else kind(text)
    except (ValueError, KeyError):
        rules = {bool: "true or false", int: "a whole number", float: "a number"}
        allowed = " or ".join(item.value for item in kind) if issubclass(kind, enum.Enum) else rules[kind]
        raise ConfigError(f"{_place(node, where)}: `{key}` must be {allowed}, but is {text!r}.") from None


def _build_dataclass(kind: type, node: yaml.Node, *, where: str, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{_place(node, where)}: `{key or 'the recipe'}` must be a mapping of keys to values.")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        name = key_node.value if isinstance(key_node, yaml.ScalarNode) else "(not a name)"
        full = f"{key}.{name}" if key else name
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise ConfigError(f"{_place(key_node, where)}: unknown key `{full}`; {hint}known keys: {', '.join(hints)}.")
        if name in values:
            raise ConfigError(f"{_place(key_node, where)}: `{full}` is given twice.")
        values[name] = _build(hints[name], value_node, where=where, key=full)
    required = [item.name for item in dataclasses.fields(kind) if item.default is dataclasses.MISSING is item.default_factory]
    if missing := [name for name in required if name not in values]:
        raise ConfigError(f"{_place(node, where)}: `{key or 'the recipe'}` lacks {', '.join(missing)}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{_place(node, where)}: {error}") from None
