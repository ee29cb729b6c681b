"""Static masks as Parquet: rows equal the masked examples, and files are reproducible and complete."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.examples import build_index, make_example, split_documents
from paddle_wwm.pretraining_data.masking import mask_example
from paddle_wwm.pretraining_data.parquet_export import ROWS_PER_GROUP, ExportOptions, export_examples, resolve_options

from .builders import numbered_vocab, words_of

COPIES, LENGTH, SEED = 3, 40, 5
NAMES = [
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
    "next_sentence_labels",
]


@pytest.fixture(scope="module")
def shards(shards_of):
    rng = np.random.default_rng(3)
    corpus = [[rng.integers(1, 5, rng.integers(1, 10)).tolist() for _ in range(rng.integers(2, 9))] for _ in range(30)]
    return shards_of(corpus, max_tokens_per_shard=1000)


def options_of(pairing=SentencePairing.NEXT_SENTENCE, *, seed=SEED, held_out_share=None, **masking):
    return ExportOptions(
        max_seq_length=LENGTH,
        data=DataConfig(pairing=pairing),
        masking=MaskingConfig(dynamic=False, **{"dupe_factor": COPIES, **masking}),
        seed=seed,
        held_out_share=held_out_share,
    )


@pytest.fixture(scope="module")
def export(shards, tmp_path_factory):
    """Return a function that exports into a new folder and returns the summary."""

    def make(options, *, shards=shards):
        output = tmp_path_factory.mktemp("export") / "new" / "examples.parquet"
        summary = export_examples(shards, vocab=numbered_vocab(), output=output, options=options)
        assert [path.name for path in output.parent.iterdir()] == [output.name]
        return summary

    return make


@pytest.fixture(scope="module", params=SentencePairing, ids=lambda pairing: pairing.value)
def exported(request, export):
    return request.param, export(options_of(request.param))


def columns_of(path):
    """Return every column as an array, shape (rows, entries)."""
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == NAMES
    return {name: np.array(table[name].to_pylist()) for name in NAMES}


def examples_of(shards, pairing):
    data = DataConfig(pairing=pairing)
    index = build_index(
        shards, documents=np.arange(shards.num_documents), data=data, max_seq_length=LENGTH, seed=SEED, report=Counter()
    )
    return [make_example(shards, row, vocab=numbered_vocab()) for row in index]


def padded(values, width):
    return [*values.tolist(), *[0] * (width - len(values))]


def test_rows_are_the_masked_examples_ordered_by_copy_and_example(exported, shards):
    pairing, summary = exported
    columns, vocab, options = columns_of(summary.path), numbered_vocab(), options_of(pairing)
    examples = examples_of(shards, pairing)
    assert summary.num_rows == len(columns["input_ids"]) == COPIES * len(examples)
    assert vocab.pad_id == 0
    row = 0
    for copy in range(COPIES):
        for number, example in enumerate(examples):
            masked = mask_example(
                example,
                config=options.masking,
                mask_id=vocab.mask_id,
                random_token_ids=vocab.random_token_ids,
                seed=SEED,
                epoch=copy,
                example_index=number,
            )
            ones = np.ones(len(example.input_ids), np.int64), np.ones(len(masked.masked_lm_positions), np.int64)
            expected = {
                "input_ids": padded(masked.input_ids, LENGTH),
                "input_mask": padded(ones[0], LENGTH),
                "segment_ids": padded(example.token_type_ids, LENGTH),
                "masked_lm_positions": padded(masked.masked_lm_positions, 6),
                "masked_lm_ids": padded(masked.masked_lm_labels, 6),
                "masked_lm_weights": padded(ones[1], 6),
                "next_sentence_labels": [max(0, example.next_sentence_label)],
            }
            assert {name: columns[name][row].tolist() for name in NAMES} == expected
            row += 1


def test_columns_have_the_names_and_types_of_google(exported):
    schema = pyarrow.parquet.read_schema(exported[1].path)
    types = {name: schema.field(name).type.value_type for name in NAMES}
    assert types.pop("masked_lm_weights") == pyarrow.float32()
    assert set(types.values()) == {pyarrow.int32()}


def test_only_whole_words_are_predicted_in_every_copy(exported, shards):
    pairing, summary = exported
    columns, examples = columns_of(summary.path), examples_of(shards, pairing)
    for row, (positions, weights) in enumerate(zip(columns["masked_lm_positions"], columns["masked_lm_weights"])):
        chosen = set(positions[weights == 1].tolist())
        words = [set(word) for word in words_of(examples[row % len(examples)])]
        assert chosen == set().union(*(word for word in words if word & chosen))


def test_copies_differ_only_in_their_masks(exported):
    _, summary = exported
    columns = {
        name: values.reshape(COPIES, summary.num_examples, -1) for name, values in columns_of(summary.path).items()
    }
    for name in ("input_mask", "segment_ids", "next_sentence_labels"):
        assert (columns[name] == columns[name][0]).all()
    differing = (columns["masked_lm_positions"][0] != columns["masked_lm_positions"][1]).any(axis=1)
    assert differing.mean() > 0.8


def test_metadata_has_the_origin_of_the_rows(exported, shards):
    pairing, summary = exported
    metadata = {
        key.decode(): value.decode() for key, value in pyarrow.parquet.read_schema(summary.path).metadata.items()
    }
    masking = json.loads(metadata.pop("masking"))
    assert (masking["strategy"], masking["dynamic"], masking["dupe_factor"]) == ("whole-word", False, COPIES)
    assert metadata == {
        "format_version": "1",
        "shard_fingerprint": shards.manifest.fingerprint,
        "vocab_sha256": shards.manifest.vocab_sha256,
        "seed": str(SEED),
        "pairing": pairing.value,
        "short_seq_prob": "0.1",
        "held_out_share": "0",
        "max_seq_length": str(LENGTH),
        "max_predictions_per_seq": "6",
        "num_documents": "30",
        **{name: str(getattr(summary, name)) for name in ("num_examples", "num_rows", "num_tokens", "num_predictions")},
        "num_rows_without_prediction": str(summary.num_rows_without_prediction),
    }
    columns = columns_of(summary.path)
    assert (
        summary.num_tokens == columns["input_mask"].sum()
        and summary.num_predictions == columns["masked_lm_weights"].sum()
    )
    assert summary.num_rows_without_prediction == (columns["masked_lm_weights"].sum(axis=1) == 0).sum()


def test_the_same_shards_and_options_give_the_same_bytes(exported, export):
    pairing, summary = exported
    assert export(options_of(pairing)).path.read_bytes() == summary.path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [options_of(seed=6), options_of(strategy=MaskingStrategy.PIECE), options_of(strategy=MaskingStrategy.NGRAM_WORD)],
)
def test_other_options_give_other_masks(exported, export, options):
    pairing, summary = exported
    if pairing is SentencePairing.NEXT_SENTENCE:
        assert (
            columns_of(export(options).path)["masked_lm_positions"].tolist()
            != columns_of(summary.path)["masked_lm_positions"].tolist()
        )


def test_row_groups_have_a_maximum_size_and_zstd_compression(export, shards_of):
    copies = 2 * ROWS_PER_GROUP + 5
    summary = export(
        options_of(SentencePairing.FULL_SENTENCES, dupe_factor=copies), shards=shards_of([[[1, 2, 1, 2, 2]]])
    )
    metadata = pyarrow.parquet.read_metadata(summary.path)
    assert [metadata.row_group(number).num_rows for number in range(3)] == [ROWS_PER_GROUP, ROWS_PER_GROUP, 5]
    assert metadata.num_rows == copies and metadata.row_group(0).column(0).compression == "ZSTD"


def test_an_example_whose_words_all_exceed_the_budget_is_counted_and_has_no_weight(export, shards_of):
    summary = export(options_of(SentencePairing.FULL_SENTENCES), shards=shards_of([[[9]], [[9]]]))
    assert (summary.num_rows, summary.num_rows_without_prediction, summary.num_predictions) == (
        2 * COPIES,
        2 * COPIES,
        0,
    )
    assert not columns_of(summary.path)["masked_lm_weights"].any()


def test_documents_are_held_out_only_on_request(export, shards):
    share = 0.3
    held_out = split_documents(shards, held_out_share=share).held_out
    summary = export(
        options_of(SentencePairing.FULL_SENTENCES, held_out_share=share, mask_token_prob=0.0, random_token_prob=0.0)
    )
    assert summary.num_documents == 30 - len(held_out) < 30
    written = set(columns_of(summary.path)["input_ids"].reshape(-1).tolist())
    assert all(written.isdisjoint(shards.document(number)[1].input_ids.tolist()) for number in held_out.tolist())


def test_an_existing_file_is_kept_without_overwrite(export, shards):
    summary = export(options_of())
    before, other = summary.path.read_bytes(), options_of(seed=6)
    with pytest.raises(ConfigError, match="exists already; add --overwrite"):
        export_examples(shards, vocab=numbered_vocab(), output=summary.path, options=other)
    assert summary.path.read_bytes() == before
    export_examples(shards, vocab=numbered_vocab(), output=summary.path, options=other, overwrite=True)
    assert summary.path.read_bytes() != before


def test_a_folder_as_output_is_refused(shards, tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        export_examples(shards, vocab=numbered_vocab(), output=tmp_path, options=options_of(), overwrite=True)


def test_shards_without_examples_are_an_error_and_leave_no_file(shards_of, tmp_path):
    shards = shards_of([[[1]]])  # one piece, and nothing to pair it with
    with pytest.raises(DataError, match="no example could be made"):
        export_examples(shards, vocab=numbered_vocab(), output=tmp_path / "new" / "x.parquet", options=options_of())
    assert list(tmp_path.iterdir()) == []


def test_options_override_the_recipe_and_the_recipe_overrides_the_defaults(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 2, learning_rate: 1e-3}]\n"
        "data: {pairing: full-sentences, short_seq_prob: 0.2}\nmasking: {strategy: piece, dupe_factor: 7}\nseed: 9\n"
    )
    plain = resolve_options(max_seq_length=128)
    assert (plain.masking, plain.data, plain.seed) == (MaskingConfig(dynamic=False), DataConfig(), 42)
    of_recipe = resolve_options(max_seq_length=128, recipe=recipe)
    assert (of_recipe.masking.strategy, of_recipe.masking.dupe_factor, of_recipe.seed) == (MaskingStrategy.PIECE, 7, 9)
    assert (of_recipe.data.pairing, of_recipe.data.short_seq_prob) == (SentencePairing.FULL_SENTENCES, 0.2)
    given = resolve_options(
        max_seq_length=64,
        recipe=recipe,
        dupe_factor=2,
        seed=0,
        pairing="next-sentence",
        strategy="ngram-word",
        actions="word",
        held_out_share=0.1,
    )
    assert (given.masking.strategy, given.masking.actions, given.masking.dupe_factor) == (
        MaskingStrategy.NGRAM_WORD,
        ActionUnit.WORD,
        2,
    )
    assert (given.data.pairing, given.seed, given.held_out_share) == (SentencePairing.NEXT_SENTENCE, 0, 0.1)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"max_seq_length": 7}, "`max_seq_length` must be from 8 to 65,535, but is 7"),
        ({"max_seq_length": 1 << 16}, "must be from 8 to 65,535"),
        ({"max_predictions_per_seq": 0}, "`max_predictions_per_seq` must be at least 1, but is 0"),
        ({"dupe_factor": 0}, "`dupe_factor` must be at least 1, but is 0"),
        ({"held_out_share": 1.0}, "`held_out_share` must be in"),
        ({"strategy": "letters"}, "'letters' is not a valid MaskingStrategy"),
    ],
)
def test_options_that_break_a_rule_are_refused(given, rule):
    with pytest.raises(ConfigError, match=rule):
        resolve_options(**{"max_seq_length": 128, **given})


def test_dynamic_masks_cannot_be_exported():
    with pytest.raises(ValueError, match="`masking.dynamic` must be false"):
        ExportOptions(max_seq_length=128, masking=MaskingConfig())
