"""The evaluation: how words are counted, and when a word is correct."""

import numpy as np
import paddle
import pytest

from paddle_wwm.config import DataConfig, PhaseConfig, PretrainRecipe, RuntimeConfig
from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.pretraining.evaluation import evaluate, evaluation_tensors, held_out_batches, word_numbers, word_sums
from paddle_wwm.pretraining_data.collate import PretrainData
from paddle_wwm.pretraining_data.examples import PretrainExample, build_index
from paddle_wwm.pretraining_data.masking import MaskedExample
from paddle_wwm.pretraining_data.mixture import Mixture
from paddle_wwm.pretraining_data.segments import NO_PAIR
from paddle_wwm.runs.fleet import World


def example_of(word_starts, positions):
    starts = np.array([0, *word_starts, 0], bool)  # between [CLS] and [SEP]
    special = np.zeros(len(starts), bool)
    special[[0, -1]] = True
    zeros = np.zeros(len(starts), np.int64)
    masked = MaskedExample(
        input_ids=zeros, masked_lm_positions=np.array(positions), masked_lm_labels=np.array(positions)
    )
    example = PretrainExample(
        input_ids=zeros,
        token_type_ids=zeros,
        word_starts=starts,
        special_tokens_mask=special,
        next_sentence_label=NO_PAIR,
    )
    return example, masked


def test_predictions_have_the_same_number_only_if_they_belong_to_the_same_word():
    # 使用|语言|模 and 一个|词: positions count [CLS]
    first, second = example_of([1, 0, 1, 0, 1], [1, 2, 3, 4, 5]), example_of([1, 0, 1], [1, 2, 3])
    numbers = word_numbers([first, second]).tolist()
    assert numbers[0] == numbers[1] and numbers[2] == numbers[3] and numbers[5] == numbers[6]
    assert len(set(numbers)) == 5


class _Answers(paddle.nn.Layer):
    """A model that predicts the given token ids."""

    def __init__(self, answers):
        super().__init__()
        self.answers = paddle.nn.functional.one_hot(paddle.to_tensor(answers), 10)

    def forward(self, *inputs):
        labels = inputs[-1]
        loss = paddle.nn.functional.cross_entropy(self.answers, labels, reduction="sum")
        return (loss, self.answers.argmax(-1) == labels), None


def test_a_word_is_correct_if_all_its_masked_pieces_are_correct():
    batch = {name: paddle.zeros([1, 4], "int64") for name in ("input_ids", "token_type_ids", "attention_mask")}
    batch |= {"flat_positions": paddle.arange(5), "labels": paddle.to_tensor([1, 2, 3, 4, 5])}
    batch |= {
        "num_tokens": 4,
        "num_predictions": 5,
        "word_numbers": paddle.to_tensor([7, 7, 8, 8, 9]),
    }
    # all pieces of the words 7 and 9 are correct, but only one piece of word 8
    means = evaluate(_Answers([1, 2, 3, 0, 5]), [batch], world=World())
    assert means["masked_accuracy"] == pytest.approx(4 / 5)
    assert means["word_accuracy"] == pytest.approx(2 / 3)
    assert means["perplexity"] == pytest.approx(np.exp(means["mlm_loss"]))


def test_word_sums_count_every_word_once():
    sums = word_sums(np.array([7, 7, 8, 8, 9]), np.array([True, True, True, False, True]))
    assert (sums.words_correct, sums.num_words) == (2, 3)
    nothing = word_sums(np.zeros(0, np.int64), np.array([False]))  # one position with an ignored label
    assert (nothing.words_correct, nothing.num_words) == (0, 0)


@pytest.fixture
def held_out(prepared_sample, tmp_path):
    from collections import Counter

    documents = np.arange(20)
    index = build_index(
        prepared_sample, documents=documents, data=DataConfig(), max_seq_length=32, seed=1, report=Counter()
    )
    np.save(tmp_path / "index.npy", index)
    data = PretrainData(
        shards=prepared_sample,
        vocab=prepared_sample.vocab(),
        index_path=tmp_path / "index.npy",
        masking=MaskingConfig(),
        seed=5,
    )
    return Mixture(sources=(data,))


def test_an_evaluation_is_the_same_for_any_number_of_workers(held_out, prepared_sample):
    model_config = ModelConfig(
        vocab_size=prepared_sample.manifest.vocab_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    phases = (PhaseConfig(max_seq_length=32, global_batch_size=8, num_steps=1, learning_rate=1e-3),)
    config = PretrainRecipe(
        phases=phases, model=model_config, runtime=RuntimeConfig(micro_batch_size=4, max_evaluation_examples=30)
    )
    paddle.seed(0)
    model = BertForPretraining(model_config)

    def tensors(world):
        return evaluation_tensors(held_out_batches(config, held_out, world))

    alone = tensors(World())
    shared = [batch for rank in range(3) for batch in tensors(World(rank=rank, size=3))]
    assert sum(int(batch["input_ids"].shape[0]) for batch in alone) == 30
    first, second = (evaluate(model, batches, world=World()) for batches in (alone, shared))
    assert set(first) == {
        "loss",
        "mlm_loss",
        "masked_accuracy",
        "word_accuracy",
        "perplexity",
        "nsp_loss",
        "nsp_accuracy",
    }
    assert second == pytest.approx(first, abs=1e-5)
    for batch in alone:
        assert len(batch["word_numbers"]) == batch["num_predictions"]
