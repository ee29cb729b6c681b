import paddle
import pytest

from paddle_wwm.config import ModelConfig
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.pretraining.plan import count_parameters

SMALL = ModelConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=10,
    type_vocab_size=2,
)


def test_the_counted_parameters_are_those_of_the_model():
    paddle.seed(0)
    assert count_parameters(SMALL) == sum(parameter.size for parameter in BertForPretraining(SMALL).parameters())


LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.mark.parametrize(("sizes", "millions"), [({}, 102.9), ({"num_hidden_layers": 3}, 39.1), (LARGE, 326.6)])
def test_the_models_of_the_series_have_their_known_sizes(sizes, millions):
    """Base, RBT3 and large with the vocabulary of 21,128; the heads add 0.6 to 1.1 million to the seed's 102M, 38M and
    325M.
    """
    assert count_parameters(ModelConfig(vocab_size=21128, **sizes)) / 1e6 == pytest.approx(millions, abs=0.05)
