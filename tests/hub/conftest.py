from __future__ import annotations

import paddle
import pytest

from paddle_wwm.config import ModelConfig
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import save_model


def tiny_model(vocab, **changes) -> BertForPretraining:
    """A random model whose outputs differ well; the same sizes give the same one."""
    paddle.seed(0)
    sizes = {
        "vocab_size": len(vocab),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "initializer_range": 0.5,
    }
    return BertForPretraining(ModelConfig(**{**sizes, **changes}))


@pytest.fixture(scope="session")
def weights(tmp_path_factory, mini_vocab):
    """A model folder, as training writes it."""
    folder = tmp_path_factory.mktemp("weights")
    save_model(folder, model=tiny_model(mini_vocab), vocab=mini_vocab, do_lower_case=True)
    return folder


@pytest.fixture(scope="session")
def headless_weights(tmp_path_factory, mini_vocab):
    """A model folder whose heads and pooler are random, as a conversion of published weights may be."""
    folder = tmp_path_factory.mktemp("headless")
    untrained = ("bert.pooler", "cls.predictions", "cls.seq_relationship")
    save_model(folder, model=tiny_model(mini_vocab), vocab=mini_vocab, do_lower_case=True, untrained=untrained)
    return folder
