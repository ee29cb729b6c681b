"""`compatible=True`: PaddleHub 2.4's own predict, run on our network, is the reference.

The programs below do what PaddleHub's demos do (demo/sequence_labeling, text_classification and text_matching).
"""

import copy

import numpy as np
import paddle
import pytest
from paddlehub.module.nlp_module import TransformerModule

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.serve import make_app
from paddle_wwm.model.weights import save_model

from .conftest import tiny_model

SPLIT_CHAR = "\002"
TEXT_A = ["我们在北京大学学习生活", "天气很好，不是有人", "的"]
LABEL_LIST = ["B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "O"]
PAIRS = [["使用语言", "语言模型来预测"], ["天气很好", "天气不是很好"]]
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture(scope="module")
def long_weights(tmp_path_factory, mini_vocab):
    """Return a model with more positions than PaddleHub's default length of 128."""
    folder = tmp_path_factory.mktemp("long_weights")
    model = tiny_model(mini_vocab, max_position_embeddings=160)
    save_model(folder, model=model, vocab=mini_vocab, do_lower_case=True)
    return folder


@pytest.fixture(scope="module")
def module_for(long_weights):
    def make(task=None, labels=None, **options):
        module = BertHubModule(
            task=task, weights=str(long_weights), label_map=labels, **{"compatible": True, **options}
        )
        if task is not None:
            paddle.seed(3)
            module.model.classifier.weight.set_value(0.3 * paddle.randn(module.model.classifier.weight.shape))
        return module

    return make


def official(module, data, **options):
    """Return what PaddleHub's own predict gives for the same network. It changes the data that it gets."""
    return TransformerModule.predict(module, copy.deepcopy(data), **options)


def test_the_sequence_labelling_demo_prints_the_right_labels(module_for):
    module, ours = (module_for("token-cls", LABEL_LIST, compatible=value) for value in (True, False))
    data = [[SPLIT_CHAR.join(text)] for text in TEXT_A]
    before = copy.deepcopy(data)
    results = module.predict(data=data, max_seq_len=128, batch_size=1, use_gpu=False)
    expected = official(module, data, max_seq_len=128, batch_size=1)
    for index, (text, labels) in enumerate(zip(TEXT_A, ours.predict(data))):
        assert results[index][1 : len(text) + 1] == labels == expected[index][1 : len(text) + 1]
        assert results[index] == expected[index][: len(text) + 2]
        assert len(", ".join(results[index][1 : len(text) + 1]).split(", ")) == len(text)
    assert data == before


def test_the_slice_of_the_demo_is_right_for_plain_text_and_for_texts_of_several_windows(module_for):
    module, ours = (module_for("token-cls", LABEL_LIST, compatible=value) for value in (True, False))
    texts = ["2020年 使用probility", "天气很好" * 100, ""]
    results = module.predict([[text] for text in texts], max_seq_len=50)
    for text, result, labels in zip(texts, results, ours.predict(texts, max_seq_len=50)):
        assert len(result) == len(text) + 2 and result[1 : len(text) + 1] == labels
        assert result.entities == labels.entities and len(result.offsets) == len(result)


def test_the_probabilities_of_token_labels_include_those_of_cls_and_sep(module_for):
    module = module_for("token-cls", LABEL_LIST)
    data = [[SPLIT_CHAR.join(text)] for text in TEXT_A]
    results, probabilities = module.predict(data, return_prob=True)
    _, expected = official(module, data, return_prob=True)
    for labels, ours, theirs in zip(results, probabilities, expected):
        np.testing.assert_allclose(ours, theirs[: len(labels)], atol=1e-5)


@pytest.mark.parametrize(
    ("task", "data"),
    [
        ("seq-cls", [["房间很好，天气不是很好"], ["使用语言模型来预测下一个词" * 3]]),
        ("seq-cls", PAIRS),
        ("text-matching", PAIRS),
    ],
)
def test_the_classification_and_matching_demos_give_the_same_results(module_for, task, data):
    module = module_for(task, {0: "negative", 1: "positive"})
    before = copy.deepcopy(data)
    results, probabilities = module.predict(data, max_seq_len=50, batch_size=1, use_gpu=False, return_prob=True)
    expected, expected_probabilities = official(module, data, max_seq_len=50, batch_size=1, return_prob=True)
    assert results == expected == module.predict(data) and data == before
    assert type(results) is type(expected) and type(probabilities) is type(expected_probabilities)
    np.testing.assert_allclose(probabilities, expected_probabilities, atol=1e-5)


@pytest.mark.parametrize("data", [[["使用语言模型"]], PAIRS])
def test_an_embedding_is_a_list_of_pooled_and_sequence_padded_to_128_tokens(module_for, data):
    module = module_for()
    before = copy.deepcopy(data)
    results, expected = module.get_embedding(data, use_gpu=False), official(module, data)
    assert data == before and len(results) == len(expected)
    for result, theirs in zip(results, expected):
        pooled, sequence = result
        assert [type(part) for part in (result, pooled, sequence, sequence[0], sequence[0][0])] == [list] * 4 + [float]
        assert np.shape(pooled) == np.shape(theirs[0]) == (16,) and np.shape(sequence) == np.shape(theirs[1]) == (
            128,
            16,
        )
        np.testing.assert_allclose(pooled, theirs[0], atol=1e-4)
        np.testing.assert_allclose(sequence, theirs[1], atol=1e-4)
    assert module.predict(data) == results


@pytest.mark.filterwarnings("ignore:1 text")
def test_max_seq_len_sets_the_length_and_the_models_positions_limit_the_default(module_for, weights):
    sizes = [np.shape(sequence) for _, sequence in module_for().predict([["使用"], ["的" * 200]], max_seq_len=20)]
    assert sizes == [(20, 16), (20, 16)]
    [[_, sequence]] = BertHubModule(weights=str(weights), compatible=True).get_embedding(["使用"])
    assert np.shape(sequence) == (24, 16)
    assert module_for().get_embedding([]) == module_for().predict([]) == []


def test_an_embedding_does_not_depend_on_the_task_or_the_batch_size(module_for):
    expected = module_for().get_embedding(TEXT_A)
    for module, batch_size in ((module_for("seq-cls"), 1), (module_for("token-cls", LABEL_LIST), 2)):
        for ours, theirs in zip(module.get_embedding(TEXT_A, batch_size=batch_size), expected):
            for part, other in zip(ours, theirs):
                np.testing.assert_allclose(part, other, atol=1e-4)


def test_weights_without_a_trained_pooler_have_no_pooled_state(headless_weights):
    [[pooled, sequence]] = BertHubModule(weights=str(headless_weights), compatible=True).get_embedding(["使用"])
    assert pooled is None and np.shape(sequence) == (24, 16)


def test_compatible_is_a_property_of_one_module(module_for):
    modules = [module_for(compatible=value) for value in (True, False)]
    assert [type(module.get_embedding(["使用"])) for module in modules] == [list, np.ndarray]
    assert [module.compatible for module in modules] == [True, False]


def test_a_pooling_and_a_value_that_is_not_a_bool_are_refused(module_for, long_weights):
    with pytest.raises(HubModuleError, match="`pooling` must not be given .* without compatible=True"):
        module_for().get_embedding(["使用"], pooling="mean")
    with pytest.raises(HubModuleError, match="`compatible` must be True or False, but is 'false'"):
        BertHubModule(weights=str(long_weights), compatible="false")


def test_a_server_gives_the_labels_of_the_text_as_paddlehub_does(module_for):
    labelling, states = module_for("token-cls", LABEL_LIST), module_for()
    client = make_app({"labelling": labelling, "states": states}).test_client()
    body = {"data": [[SPLIT_CHAR.join(text)] for text in TEXT_A], "max_seq_len": 128, "batch_size": 1}
    results = client.post("/predict/labelling", json=body).json["results"]
    assert [len(result) for result in results] == list(map(len, TEXT_A))
    assert results == [result[1:-1] for result in labelling.predict(body["data"])]
    [labels], [probabilities] = labelling.predict_method(["使用"], return_prob=True)
    assert len(labels) == len(probabilities) == 2
    pooled, sequence = client.post("/predict/states", json={"data": [["使用"]]}).json["results"][0]
    assert (np.shape(pooled), np.shape(sequence)) == ((16,), (128, 16))
    answer = client.post("/predict/states", json={"data": [["使用"]] * 500})
    assert answer.status_code == 400 and "at most 488 texts of 128 tokens, but asks for 500" in answer.json["msg"]
    answer = client.post("/predict/states", json={"data": [["使用"]], "max_seq_len": 0})
    assert answer.status_code == 400 and "`max_seq_len` must be between 3 and" in answer.json["msg"]
