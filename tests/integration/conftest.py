from __future__ import annotations

import pytest

RECIPE = """\
model: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 64}
data: {pairing: next-sentence, held_out_share: 0.1}
phases:
  - {max_seq_length: 32, global_batch_size: 8, num_steps: 12, learning_rate: 1e-3, num_warmup_steps: 2}
  - {max_seq_length: 64, global_batch_size: 4, num_steps: 6, learning_rate: 5e-4, num_warmup_steps: 1}
runtime: {micro_batch_size: 2, log_every_steps: 1, evaluate_every_steps: 6, save_every_steps: 4, max_evaluation_examples: 16}
seed: 7
"""  # noqa: E501
WITHOUT_DROPOUT = ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0"]


@pytest.fixture(scope="session")
def corpus(sample_corpus, tmp_path_factory):
    """Write the first forty documents of the sample corpus to a file."""
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")[:40]
    path = tmp_path_factory.mktemp("corpus") / "forty.txt"
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Write a recipe of two phases, small enough for tests."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Return the folder for the prepared corpus of all these runs."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def arguments(corpus, recipe, prepared):
    """Return the arguments that the runs share."""
    return ["--corpus", corpus, "--config", recipe, "--prepared", prepared]
