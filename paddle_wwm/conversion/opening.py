"""Open a source of any known format as a BERT with Paddle's parameter names.

Nothing is dropped, filled or renamed silently. All tensors that do not fit are reported in one error. The opened model
lists what is absent, and counts what was skipped.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..errors import CheckpointError, ConfigError
from ..files import read_json
from ..model.config_keys import UNTRAINED
from ..model.tokenizer_settings import TokenizerSettings, read_tokenizer_settings
from ..model_config import ModelConfig
from ..tokenization.vocab import Vocab
from ..weights import PATTERNS
from ..weights.opening import open_weights
from ..weights.tensors import Tensor
from .description import read_description
from .families import check_family
from .heads import Head, find_kind, kind_of, with_labels
from .names import OPTIONAL_PARTS, Naming, parameters
from .sorting import check_fit, listed, num_outputs_of, sort_tensors, with_bias_of_head
from .spelling import spelling_of, with_pooler_of_roberta_class
from .vocabulary import AddedToken, Vocabulary, read_vocabulary

ADAPTER_CONFIG_NAME = "adapter_config.json"  # of peft
ADAPTER_WEIGHTS_NAMES = ("adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A BERT whose tensors are still in their files.

    Args:
        tensors: by their names in Paddle, with their shapes in Paddle. Those of `absent` parts are missing.
        head: the head of a fine-tuned model; None: a model with the heads of pretraining.
        absent: parts that the source does not have.
        untrained: parts with random values, as recorded in the configuration of the source.
        filled: parameters that the source does not have and that are zeros.
        passed_over: reason -> the tensors that were skipped.
        unexpected: tensors that were left out because of `drop_unexpected`.
        taken_off: keys and parts of names around the BERT that were removed, such as "state_dict" and "module.".
        left_out: keys of the file next to the weights, such as "optimizer".
        config_values: all values of the configuration.
        vocab: the vocabulary, with added tokens and names for padding rows; None if the source has none.
        added_tokens: the tokens that were added to the vocabulary after pretraining.
        is_roberta_class: whether the source is a model of PaddleNLP's Roberta class.
    """

    description: str
    naming: Naming
    files: tuple[Path, ...]
    config: ModelConfig
    head: Head | None
    tensors: Mapping[str, Tensor]
    absent: tuple[str, ...]
    untrained: tuple[str, ...]
    filled: tuple[str, ...]
    passed_over: Mapping[str, tuple[str, ...]]
    unexpected: tuple[str, ...]
    taken_off: tuple[str, ...]
    left_out: tuple[str, ...]
    config_values: Mapping[str, Any]
    vocab: Vocab | None
    added_tokens: Mapping[str, AddedToken]
    tokenizer: TokenizerSettings
    notes: tuple[str, ...]
    is_roberta_class: bool

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The data types of the tensors, sorted."""
        return tuple(sorted({tensor.dtype for tensor in self.tensors.values()}))

    @property
    def do_lower_case(self) -> bool:
        """True if the model is uncased."""
        return self.tokenizer.do_lower_case is not False

    @property
    def num_parameters(self) -> int:
        """Number of parameters. Tied copies are not counted."""
        return sum(tensor.num_values for tensor in self.tensors.values())


def open_model(
    source: str | Path,
    *,
    config: str | Path | None = None,
    vocab: str | Path | None = None,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    drop_unexpected: bool = False,
    ignore_crc: bool = False,
    ignored_config_keys: Sequence[str] = (),
) -> OpenedModel:
    """Open a TensorFlow checkpoint or a Hugging Face, PaddleNLP or paddle_wwm folder.

    Archives are unpacked by `convert`, not here.

    Args:
        config: a configuration to use instead of the one next to the weights.
        vocab: a vocabulary to use instead of the one next to the weights.
        task: the task of a fine-tuned head; None: the task that the configuration states.
        labels: the labels of a fine-tuned head by number; None: those of the configuration.
        drop_unexpected: leave out tensors that are not part of a BERT with its pretraining heads, such as a
            fine-tuned classifier.
        ignore_crc: do not compare the checksums of PyTorch files; torch can write files without them.
        ignored_config_keys: names of keys of the configuration to read as if they were absent.

    Raises:
        CheckpointError: the source cannot be read or is not a BERT. One message lists all missing, unexpected and
            misshaped tensors.
    """
    _check_is_no_adapter(Path(source))
    weights = open_weights(source, ignore_crc=ignore_crc)
    spelling = spelling_of(weights.tensors, source=weights.files[0])
    description = read_description(
        weights.folder, config=Path(config) if config else None, ignored_keys=ignored_config_keys
    )
    if spelling is None:
        raise CheckpointError(
            f"{weights.files[0]}: the tensors must have the names of a BERT in Paddle, Hugging Face or TensorFlow, "
            f"but are {listed(sorted(weights.tensors))}."
        )
    naming = spelling.naming
    is_roberta_class, notes = check_family(spelling, description.values, path=description.path)
    kind = None
    if not drop_unexpected:
        given = kind_of(task) if task is not None else None
        kind = find_kind(spelling.names.values(), description.values, given=given, path=description.path)
    if is_roberta_class and kind is not None:
        spelling = with_pooler_of_roberta_class(spelling)
    if description.config.num_hidden_layers > len(weights.tensors):
        raise CheckpointError(
            f"{description.path}: states {description.config.num_hidden_layers:,} layers, but "
            f"{weights.files[0]} has only {len(weights.tensors):,} tensors."
        )
    found = with_bias_of_head(sort_tensors(weights, spelling, kind=kind))
    sizes = _with_sizes_of_tensors(description.config, found.tensors, given=description.values)
    head = Head(kind=kind, num_outputs=num_outputs_of(found.tensors)) if kind is not None else None
    if head is None and labels is not None:
        raise ConfigError(f"{source}: has no fine-tuned head, so --label-map cannot name its labels.")
    parts = [part for part in OPTIONAL_PARTS if kind is None or (part == "bert.pooler" and not kind.reads_pooler)]
    absent = tuple(part for part in parts if not any(name.startswith(f"{part}.") for name in found.tensors))
    check_fit(
        found,
        naming=naming,
        sizes=sizes,
        head=head,
        absent=absent,
        drop_unexpected=drop_unexpected,
        what=f"{source}: the weights do not fit the BERT that {description.path} describes.",
    )
    notes_of_head: tuple[str, ...] = ()
    if head is not None:
        head, notes_of_head = with_labels(head, values=description.values, given=labels, path=description.path)
    vocabulary = read_vocabulary(weights.folder, given=Path(vocab) if vocab else None, num_embeddings=sizes.vocab_size)
    order = (parameter.name for parameter in parameters(naming, sizes, head))
    return OpenedModel(
        description=f"{weights.format} with {_OWNERS[naming]} names",
        naming=naming,
        files=weights.files,
        config=sizes,
        head=head,
        tensors={name: found.tensors[name] for name in order if name in found.tensors},
        absent=absent,
        untrained=tuple(
            part
            for part in description.values.get(UNTRAINED, ())
            if part in OPTIONAL_PARTS and (not kind or part in parts)
        ),
        passed_over=found.skipped,
        unexpected=found.unexpected,
        taken_off=(*weights.wrappers, *spelling.taken_off),
        left_out=weights.left_out,
        config_values=description.values,
        vocab=vocabulary.vocab if vocabulary else None,
        added_tokens=vocabulary.added if vocabulary else {},
        tokenizer=_tokenizer_settings(weights.folder, vocabulary),
        filled=found.filled,
        notes=(
            *description.notes,
            *notes,
            *notes_of_head,
            *(f"The source has no {name}; without it, a BERT computes as with zeros." for name in found.filled),
            *(vocabulary.notes if vocabulary else ()),
        ),
        is_roberta_class=is_roberta_class,
    )


def with_command_of_flags(error: CheckpointError, *, source: Path | str, own: tuple[str, ...] = ()) -> CheckpointError:
    """Return the error with the command that has the flags it names.

    Other commands than `convert` open models, too, and do not have these flags.

    Args:
        own: flags that the other command has, too.
    """
    flags = [flag for flag in dict.fromkeys(re.findall(r"--[a-z][a-z-]+", str(error))) if flag not in own]
    if not flags:
        return error
    return CheckpointError(
        f"{error} ({' and '.join(flags)}: of `paddle-wwm convert {source} NEW_FOLDER --to paddle`, whose result can be "
        "used instead.)"
    )


def _check_is_no_adapter(source: Path) -> None:
    """Raise CheckpointError if the source is an adapter of peft without its base."""
    folder = source if source.is_dir() else source.parent
    has_weights = source.is_dir() and any(path for pattern in PATTERNS for path in folder.glob(pattern))
    if (folder / ADAPTER_CONFIG_NAME).exists() and not has_weights and (source.is_dir() or "adapter" in source.name):
        base = read_json(folder / ADAPTER_CONFIG_NAME).get("base_model_name_or_path")
        raise CheckpointError(
            f"{source}: is an adapter of peft, not a model. Convert its base model ({base}) with --merge {folder}."
        )


_OWNERS = {Naming.PADDLE: "Paddle's", Naming.HUGGING_FACE: "Hugging Face's", Naming.TENSORFLOW: "Google's"}


def _with_sizes_of_tensors(
    config: ModelConfig, tensors: Mapping[str, Tensor], *, given: Mapping[str, Any]
) -> ModelConfig:
    """Return the config, with sizes from the weights where its file states none.

    The defaults of other programs differ, so the defaults of `ModelConfig` could be wrong.
    """
    sizes = {
        key: tensors[f"bert.embeddings.{name}.weight"].shape[0]
        for key, name in (
            ("vocab_size", "word_embeddings"),
            ("max_position_embeddings", "position_embeddings"),
            ("type_vocab_size", "token_type_embeddings"),
        )
        if not given.get(key) and tensors.get(f"bert.embeddings.{name}.weight", _EMPTY).shape
    }
    return dataclasses.replace(
        config,
        vocab_size=sizes.get("vocab_size", config.vocab_size),
        max_position_embeddings=sizes.get("max_position_embeddings", config.max_position_embeddings),
        type_vocab_size=sizes.get("type_vocab_size", config.type_vocab_size),
    )


_EMPTY = Tensor(dtype="none", shape=())


def _tokenizer_settings(folder: Path, vocabulary: Vocabulary | None) -> TokenizerSettings:
    """Read the settings of the tokenizer.

    If do_lower_case is not stated, a vocabulary without capital letters is uncased.
    """
    settings = read_tokenizer_settings(folder)
    if settings.do_lower_case is not None:
        return settings
    tokens = vocabulary.vocab.tokens if vocabulary else ()
    is_uncased = all(token == token.lower() for token in tokens if not token.startswith(("[", "<")))
    return dataclasses.replace(settings, do_lower_case=is_uncased)
