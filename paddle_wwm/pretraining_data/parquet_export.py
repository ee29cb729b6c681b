"""Export static masks as Parquet, with the feature names of Google's create_pretraining_data.py.

Every row has fixed lengths. T = max_seq_length; P = max_predictions_per_seq, the budget of a full-length example::

    input_ids, input_mask, segment_ids       list<int32>, T entries; padded with [PAD], 0, 0
    masked_lm_positions, masked_lm_ids       list<int32>, P entries; padded with 0
    masked_lm_weights                        list<float32>, P entries; 1 for a prediction, 0 for padding
    next_sentence_labels                     list<int32>, one entry; 1 = random second segment, 0 for full sentences

Rows are ordered by copy, then by example. The file is a function of (shards, options) alone, byte for byte with one
version of pyarrow. Its origin is in the metadata of the schema (`pyarrow.parquet.read_schema(path).metadata`).
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ..config import DataConfig, PretrainRecipe, SentencePairing, to_plain
from ..errors import ConfigError, require
from ..files import atomic_write
from ..masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from ..optional import need_package
from ..progress import Progress, counted
from ..recipe_file import load_config
from ..shards.reader import ShardSet
from ..tokenization.vocab import IGNORED_LABEL, Vocab
from .collate import PretrainBatch, PretrainData, Taken, compiled_batch, numpy_batch
from .examples import build_index, split_documents
from .masking import num_to_predict
from .segments import INDEX_ROW

FORMAT_VERSION = 1
ROWS_PER_GROUP = 10_000
ROWS_AT_ONCE = 1_000  # per batch: its int64 arrays are far larger than the rows made from them
LEAST_SEQ_LENGTH, MOST_SEQ_LENGTH = 8, int(np.iinfo(INDEX_ROW["first_length"]).max)


def _is_prediction(batch: PretrainBatch) -> np.ndarray:
    return batch.masked_lm_labels != IGNORED_LABEL


def _next_sentence_labels(batch: PretrainBatch) -> np.ndarray:
    # Google's readers need this column, even without pairs
    labels = batch.next_sentence_labels
    return (np.zeros(len(batch.input_ids)) if labels is None else labels)[:, None]


# name -> entries per row (T, P or 1), type, and the values of a batch before they are padded
_COLUMNS: dict[str, tuple[str, type, Callable[[PretrainBatch], np.ndarray]]] = {
    "input_ids": ("T", np.int32, lambda batch: batch.input_ids),
    "input_mask": ("T", np.int32, lambda batch: batch.attention_mask),
    "segment_ids": ("T", np.int32, lambda batch: batch.token_type_ids),
    "masked_lm_positions": ("P", np.int32, lambda batch: batch.masked_lm_positions),
    "masked_lm_ids": ("P", np.int32, lambda batch: np.where(_is_prediction(batch), batch.masked_lm_labels, 0)),
    "masked_lm_weights": ("P", np.float32, _is_prediction),
    "next_sentence_labels": ("1", np.int32, _next_sentence_labels),
}


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options that decide the rows of an export.

    Attributes:
        masking: must be static (`dynamic` false).
        held_out_share: the share of the documents to leave out, as in pretraining. None exports all documents
            (`data.held_out_share` is ignored).
    """

    max_seq_length: int
    data: DataConfig = field(default_factory=DataConfig)
    masking: MaskingConfig = field(default_factory=lambda: MaskingConfig(dynamic=False))
    seed: int = PretrainRecipe.seed
    held_out_share: float | None = None

    def __post_init__(self) -> None:
        require(
            LEAST_SEQ_LENGTH <= self.max_seq_length <= MOST_SEQ_LENGTH,
            f"`max_seq_length` must be from {LEAST_SEQ_LENGTH} to {MOST_SEQ_LENGTH:,}, but is {self.max_seq_length}.",
        )
        self.masking.check_limit(max_seq_length=self.max_seq_length)
        require(not self.masking.dynamic, "`masking.dynamic` must be false: exported masks are frozen copies.")
        share = self.held_out_share
        require(share is None or 0.0 < share < 1.0, f"`held_out_share` must be in (0, 1), but is {share}.")

    @property
    def max_predictions_per_seq(self) -> int:
        """Number of entries in the masked_lm_… columns."""
        return num_to_predict(self.max_seq_length, self.masking)


@dataclass(frozen=True, kw_only=True)
class ExportSummary:
    """The result of an export. `report` counts what was split, forced or left out."""

    path: Path
    num_bytes: int
    num_documents: int
    num_examples: int
    num_rows: int
    num_tokens: int
    num_predictions: int
    num_rows_without_prediction: int
    report: dict[str, int]


def resolve_options(
    *,
    max_seq_length: int,
    recipe: Path | None = None,
    dupe_factor: int | None = None,
    max_predictions_per_seq: int | None = None,
    seed: int | None = None,
    pairing: SentencePairing | str | None = None,
    strategy: MaskingStrategy | str | None = None,
    actions: ActionUnit | str | None = None,
    held_out_share: float | None = None,
) -> ExportOptions:
    """Return the options of a recipe (or the defaults), overridden by the given ones.

    Enums may be given by value.

    Raises:
        ConfigError: An option breaks a rule, which the message names.
    """
    config = load_config(recipe) if recipe is not None else None
    masking, data = (config.masking, config.data) if config else (MaskingConfig(), DataConfig())
    try:
        return ExportOptions(
            max_seq_length=max_seq_length,
            masking=dataclasses.replace(
                masking,
                dynamic=False,
                dupe_factor=masking.dupe_factor if dupe_factor is None else dupe_factor,
                max_predictions_per_seq=(
                    masking.max_predictions_per_seq if max_predictions_per_seq is None else max_predictions_per_seq
                ),
                strategy=MaskingStrategy(strategy or masking.strategy),
                actions=ActionUnit(actions or masking.actions),
            ),
            data=dataclasses.replace(data, pairing=SentencePairing(pairing or data.pairing)),
            seed=seed if seed is not None else config.seed if config else PretrainRecipe.seed,
            held_out_share=held_out_share,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def export_examples(
    shards: ShardSet,
    *,
    vocab: Vocab,
    output: str | Path,
    options: ExportOptions,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ExportSummary:
    """Write masking.dupe_factor frozen copies of every example.

    The file appears at `output` when it is complete, or not at all.

    Raises:
        ConfigError: `output` exists and `overwrite` is false, or it is a folder.
        DataError: The shards give no example.
    """
    output = Path(output)
    if output.is_dir():
        raise ConfigError(f"{output}: is a folder; name a file, for example {output / 'examples.parquet'}.")
    if output.exists() and not overwrite:
        raise ConfigError(f"{output}: exists already; add --overwrite to replace it.")
    documents = np.arange(shards.num_documents)
    if options.held_out_share is not None:
        documents = split_documents(shards, held_out_share=options.held_out_share).train
    report: Counter = Counter()
    index = build_index(
        shards,
        documents=documents,
        data=options.data,
        max_seq_length=options.max_seq_length,
        seed=options.seed,
        report=report,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    # map the index from disk instead of holding it in memory; the output's disk must have room for the rows anyway
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
        index_path = Path(folder) / "index.npy"
        np.save(index_path, index)
        del index
        data = PretrainData(
            shards=shards, vocab=vocab, index_path=index_path, masking=options.masking, seed=options.seed
        )
        counts = _write(data, output=output, options=options, num_documents=len(documents), progress=progress)
    return ExportSummary(path=output, num_bytes=output.stat().st_size, report=dict(sorted(report.items())), **counts)


def _write(
    data: PretrainData,
    *,
    output: Path,
    options: ExportOptions,
    num_documents: int,
    progress: Callable[[Progress], None] | None,
) -> dict[str, int]:
    need_package("pyarrow", purpose="exporting examples")
    import pyarrow.parquet

    num_rows = data.num_examples * options.masking.dupe_factor
    counts = Counter(num_documents=num_documents, num_examples=data.num_examples, num_rows=num_rows)
    # no pyarrow copy of the schema: it would hide the metadata that is added at the end
    options_of_writer = {"compression": "zstd", "store_schema": False}
    with (
        counted(progress, stage="export", total=num_rows, unit=" examples") as exported,
        atomic_write(output) as stream,
        pyarrow.parquet.ParquetWriter(stream, _schema(), **options_of_writer) as writer,
    ):
        for first in range(0, num_rows, ROWS_PER_GROUP):
            numbers = np.arange(first, min(first + ROWS_PER_GROUP, num_rows))
            parts = []
            for start in range(0, len(numbers), ROWS_AT_ONCE):
                parts.append(feature_arrays(data, numbers[start : start + ROWS_AT_ONCE], options=options))
                exported.update(len(parts[-1]["input_ids"]))
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            weights = columns["masked_lm_weights"]
            counts["num_tokens"] += int(columns["input_mask"].sum())
            counts["num_predictions"] += int(weights.sum(dtype=np.float64))
            counts["num_rows_without_prediction"] += int((weights[:, 0] == 0).sum())
            writer.write_table(_table(columns))
        writer.add_key_value_metadata(metadata_of(data, options=options, counts=counts))
    return dict(counts)


def feature_arrays(data: PretrainData, numbers: np.ndarray, *, options: ExportOptions) -> dict[str, np.ndarray]:
    """Return rows by column. Row number = copy * num_examples + example index (int64).

    Shape:
        (n, T) for the first three columns, (n, P) for masked_lm_…, (n, 1) for next_sentence_labels.
        masked_lm_weights is float32; the others are int32.
    """
    copies, indices = np.divmod(numbers, data.num_examples)
    taken = Taken(
        rows=data.index[indices], epochs=copies, indices=indices, sources=np.zeros(len(numbers), np.int64), data=(data,)
    )
    batch = (compiled_batch if data.compiled else numpy_batch)(taken)
    widths = {"T": options.max_seq_length, "P": options.max_predictions_per_seq, "1": 1}
    result: dict[str, np.ndarray] = {}
    for name, (entries, dtype, values_of) in _COLUMNS.items():
        values, padding = values_of(batch), data.vocab.pad_id if name == "input_ids" else 0
        result[name] = np.full((len(numbers), widths[entries]), padding, dtype)
        result[name][:, : values.shape[1]] = values
    return result


def _schema() -> Any:
    import pyarrow

    ints, floats = pyarrow.list_(pyarrow.int32()), pyarrow.list_(pyarrow.float32())
    return pyarrow.schema([(name, floats if dtype is np.float32 else ints) for name, (_, dtype, _) in _COLUMNS.items()])


def _table(columns: dict[str, np.ndarray]) -> Any:
    import pyarrow

    schema = _schema()
    lists = []
    for name in schema.names:
        rows, width = columns[name].shape
        offsets = pyarrow.array(np.arange(0, rows * width + 1, width, dtype=np.int32))
        lists.append(pyarrow.ListArray.from_arrays(offsets, pyarrow.array(columns[name].reshape(-1))))
    return pyarrow.table(lists, schema=schema)


def metadata_of(data: PretrainData, *, options: ExportOptions, counts: dict[str, int]) -> dict[str, str]:
    """Return the metadata of the schema: the origin of the rows and their counts.

    Every value is text; `masking` is JSON.
    """
    manifest = data.shards.manifest
    values = {
        "format_version": FORMAT_VERSION,
        "shard_fingerprint": manifest.fingerprint,
        "vocab_sha256": manifest.vocab_sha256,
        "masking": json.dumps(to_plain(options.masking)),
        "seed": options.seed,
        "pairing": options.data.pairing.value,
        "short_seq_prob": options.data.short_seq_prob,
        "held_out_share": options.held_out_share or 0,
        "max_seq_length": options.max_seq_length,
        "max_predictions_per_seq": options.max_predictions_per_seq,
        **counts,
    }
    return {name: str(value) for name, value in values.items()}
