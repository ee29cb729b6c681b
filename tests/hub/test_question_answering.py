"""question-answering of a module: with a random network, and with a network whose answers are known."""

import copy

import numpy as np
import paddle
import pytest

from paddle_wwm.compute.dropout import seed_dropout
from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule

CONTEXT = "我们在北京大学学习。天气很好，使用语言模型来预测下一个词的 probability 。"
DATA = [
    {"question": "在哪学习", "context": CONTEXT},
    {"question": "天气好不好？", "context": CONTEXT * 4},
    {"question": "使用", "context": "词"},
]
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture(scope="module")
def module(weights):
    paddle.seed(3)
    made = BertHubModule(task="question-answering", weights=str(weights))
    made.model.classifier.weight.set_value(0.3 * paddle.randn(made.model.classifier.weight.shape))
    return made


def test_answers_are_spans_of_the_passage_best_first(module):
    results = module.predict(DATA, top_k=3)
    assert len(results) == len(DATA)
    for result, item in zip(results, DATA):
        assert result["answers"][0] == {name: result[name] for name in ("text", "score", "start", "end")}
        scores = [answer["score"] for answer in result["answers"]]
        assert scores == sorted(scores, reverse=True) and 0.0 < sum(scores) <= 1.0 + 1e-6
        for answer in result["answers"]:
            assert answer["text"] and item["context"][answer["start"] : answer["end"]] == answer["text"]
    assert [len(result["answers"]) for result in results] == [3, 3, 1]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_results_do_not_depend_on_the_batch_size_and_data_are_not_changed(module, batch_size):
    data = copy.deepcopy(DATA)
    results = module.predict(data, batch_size=batch_size)
    assert data == DATA
    for result, item in zip(results, DATA):
        [alone] = module.predict([item])
        assert (result["text"], result["start"]) == (alone["text"], alone["start"])
        assert result["score"] == pytest.approx(alone["score"], abs=1e-5)


def test_a_dictionary_and_a_pair_give_the_same_result(module):
    assert module.predict(DATA) == module.predict([[item["question"], item["context"]] for item in DATA])


def test_an_answer_far_beyond_the_models_positions_is_found(weights, mini_vocab):
    module = BertHubModule(task="question-answering", weights=str(weights))
    wanted = mini_vocab.ids["预"]

    def knows(input_ids, token_type_ids, attention_mask):
        hits = ((input_ids == wanted) & (token_type_ids == 1)).astype("float32") * 20.0
        return paddle.stack([hits, hits], axis=-1)

    module.model.forward = knows
    context = "我们在北京大学学习。" * 20 + "预" + "天气很好，" * 20
    [result] = module.predict([["预测", context]], no_answer_threshold=0.0)
    assert (result["text"], result["start"], result["end"]) == ("预", 200, 201)
    assert result["score"] > 0.99
    [none] = module.predict([["预测", context.replace("预", "")]], no_answer_threshold=-1.0)
    assert (none["text"], none["start"], none["end"]) == ("", 0, 0)


def test_a_question_that_is_too_long_is_cut_with_a_warning(module):
    with pytest.warns(UserWarning, match="1 question.s. had more than 5 tokens"):
        [cut] = module.predict([["使用语言模型来预测", CONTEXT]], max_question_len=5)
    [short] = module.predict([["使用语言模", CONTEXT]])
    assert cut == short


def test_probabilities_are_the_scores(module):
    results, probabilities = module.predict(DATA, return_prob=True, top_k=2)
    assert probabilities == [[answer["score"] for answer in result["answers"]] for result in results]


def test_no_questions_give_no_answers(module):
    assert module.predict([]) == []


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"question": "使", "context": "用"}, {}, "must be a list"),
        ("使用", {}, "must be a list of texts"),
        ([{"question": "使"}], {}, r"data\[0\] must have the keys question and context, but has question"),
        ([["使", "用"], ["使"]], {}, r"data\[1\] must be .*'question'"),
        ([["使", None]], {}, r"data\[0\] must be .* but holds NoneType"),
        ([["使", b"x"]], {}, r"data\[0\] must be .* but holds bytes"),
        ([["使", "用"], ["使", "  "]], {}, r"data\[1\]: the context has no characters"),
        ([["", "用"]], {}, r"data\[0\]: the question has no characters"),
        ([["使", "用"]], {"top_k": 0}, "`num_answers` must be at least 1|`top_k`"),
        ([["使", "用"]], {"doc_stride": 0}, "`doc_stride` must be at least 1"),
        ([["使", "用"]], {"max_seq_len": 4}, "`max_seq_len` must be at least 5"),
        ([["使", "用"]], {"no_answer_threshold": "x"}, "`no_answer_threshold` must be None or a number"),
    ],
)
def test_the_error_names_the_fault_of_a_wrong_call(module, data, options, message):
    with pytest.raises(HubModuleError, match=message):
        module.predict(data, **options)


def test_training_lowers_the_loss(weights):
    paddle.seed(0)
    module = BertHubModule(task="question-answering", weights=str(weights))
    ids = paddle.to_tensor(np.random.default_rng(0).integers(8, 60, (4, 12)))
    labels = paddle.to_tensor([[3, 4], [5, 5], [2, 7], [6, 8]])
    optimizer = paddle.optimizer.AdamW(5e-3, parameters=module.parameters())
    module.train()
    seed_dropout(0)
    losses = []
    for _ in range(80):
        step = module.training_step([ids, paddle.zeros_like(ids), labels], 0)
        step["loss"].backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(step["loss"]))
    module.eval()
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
