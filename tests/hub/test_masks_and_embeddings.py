"""fill-mask and embeddings, on a small random model."""

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule

TEXTS = ["使用语言[MASK]型", "来预测", "下一个词的probability。", "使用"]


@pytest.fixture(scope="module")
def module(weights):
    return BertHubModule(task="fill-mask", weights=str(weights))


def test_every_mask_gets_its_best_tokens_in_descending_order(module, mini_vocab):
    [result] = module.predict(["使用[MASK]言模[MASK]来"], top_k=3)
    assert len(result["masks"]) == 2
    for candidates in result["masks"]:
        scores = [item["score"] for item in candidates]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True) and sum(scores) <= 1.0
        assert all(item["token"] in mini_vocab.ids for item in candidates)
    first, second = (candidates[0]["token"].removeprefix("##") for candidates in result["masks"])
    assert result["text"] == f"使用{first}言模{second}来"


def test_the_probabilities_of_all_candidates_sum_to_one(module, mini_vocab):
    [result] = module.predict(["使[MASK]"], top_k=len(mini_vocab))
    assert sum(item["score"] for item in result["masks"][0]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_results_do_not_depend_on_the_batch_size_or_the_order(module, batch_size):
    texts = ["使[MASK]", "使用语言模型来[MASK]测下一个词", "[MASK]言", "模[MASK]来预测"]
    expected = [module.predict([text])[0] for text in texts]
    results = module.predict(texts, batch_size=batch_size)
    assert [result["text"] for result in results] == [result["text"] for result in expected]
    vectors = module.get_embedding(TEXTS, batch_size=batch_size)
    np.testing.assert_allclose(vectors, np.concatenate([module.get_embedding([text]) for text in TEXTS]), atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_embeddings_are_one_vector_per_text_from_the_hidden_states(module, mini_vocab, pooling):
    vectors = module.get_embedding(["使用语言"], pooling=pooling)
    ids = paddle.to_tensor([[mini_vocab.ids[token] for token in ("[CLS]", *"使用语言", "[SEP]")]])
    hidden = module.model.bert(ids, paddle.zeros_like(ids), paddle.ones_like(ids).astype("bool"))
    expected = {"cls": hidden[:, 0], "mean": hidden[:, 1:-1].mean(1), "pooler": module.model.bert.pooler(hidden[:, 0])}[
        pooling
    ]
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)


def test_no_texts_give_no_results(module):
    assert module.predict([]) == []
    assert module.get_embedding([]).shape == (0, 16)


def test_an_empty_text_has_a_finite_vector(module):
    for pooling in ("cls", "mean", "pooler"):
        assert np.isfinite(module.get_embedding(["", "   "], pooling=pooling)).all()


def test_lists_of_one_text_are_accepted_and_not_changed(module):
    data = [["使[MASK]"], ["[MASK]言"]]
    results = module.predict(data)
    assert data == [["使[MASK]"], ["[MASK]言"]]
    assert results == module.predict(["使[MASK]", "[MASK]言"])


@pytest.mark.filterwarnings("ignore:1 text")
def test_a_text_that_is_too_long_is_cut_at_its_end(module):
    np.testing.assert_allclose(module.get_embedding(["使用" * 11]), module.get_embedding(["使用" * 5000]), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda module: module.predict("使[MASK]"), "must be a list of texts"),
        (lambda module: module.predict(["使用"]), r"data\[0\]: a text for fill-mask must contain \[MASK\]"),
        (lambda module: module.predict(["使[MASK]", None]), r"data\[1\] must be a text, but is NoneType"),
        (lambda module: module.predict([b"x"]), r"data\[0\] must be a text, but is bytes"),
        (lambda module: module.predict(["使" * 30 + "[MASK]"]), "beyond the first 22 tokens"),
        (lambda module: module.predict(["[MASK]"], top_k=0), "`top_k` must be at least 1"),
        (lambda module: module.predict(["[MASK]"], batch_size=0), "`batch_size` must be at least 1"),
        (lambda module: module.get_embedding(["x"], pooling="max"), "`pooling` must be one of cls, mean, pooler"),
        (lambda module: module.get_embedding(["x"], max_seq_len=25), "between 3 and the model's 24 positions"),
    ],
)
def test_the_error_names_the_fault_of_a_wrong_call(module, call, message):
    with pytest.raises(HubModuleError, match=message):
        call(module)


def test_weights_without_a_trained_mlm_head_give_embeddings_but_no_fill_mask(headless_weights):
    with pytest.raises(
        HubModuleError, match="fill-mask needs the masked language model's head, which these weights lack"
    ):
        BertHubModule(task="fill-mask", weights=str(headless_weights))
    module = BertHubModule(weights=str(headless_weights))
    assert module.get_embedding(["使用"], pooling="mean").shape == (1, 16)
    assert module.predict(["使用"])[0][0] is None
    with pytest.raises(HubModuleError, match="no trained pooler"):
        module.get_embedding(["使用"], pooling="pooler")


@pytest.mark.parametrize("task", ["seq-cls", "token-cls", "text-matching", None])
def test_embeddings_do_not_depend_on_the_task(module, weights, task):
    other = BertHubModule(task=task, weights=str(weights))
    np.testing.assert_allclose(
        other.get_embedding(TEXTS, pooling="mean"), module.get_embedding(TEXTS, pooling="mean"), atol=1e-6
    )


def test_many_masks_are_computed_in_batches_of_bounded_memory(module):
    results = module.predict(["[MASK]" * 20] * 80, top_k=1, batch_size=1000)
    assert [len(result["masks"]) for result in results] == [20] * 80
