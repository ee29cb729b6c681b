"""`predict` of every task, on a small random model: one result per text, in order, for any batch size.

Results are also compared with PaddleNLP's classes.
"""

import copy
import subprocess
import sys
import warnings

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.inputs import TextsCutWarning

TEXTS = ["使用语言模型", "来预测", "下一个词的probability。", "使用", "", "   ", "北京大学学习"]
PAIRS = [["使用", "语言模型来预测"], ["下一个词", "的"], ["", "我们"], ["北京大学", "天气很好不是"]]
LABELS = {0: "O", 1: "B-LOC", 2: "I-LOC"}
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture(scope="module")
def module_for(weights):
    made = {}

    def make(task, **options):
        if task not in made:
            paddle.seed(3)
            made[task] = BertHubModule(task=task, weights=str(weights), label_map=LABELS, **options)
            made[task].model.classifier.weight.set_value(0.3 * paddle.randn(made[task].model.classifier.weight.shape))
        return made[task]

    return make


DATA = {"seq-cls": TEXTS + PAIRS, "multi-label": TEXTS, "token-cls": TEXTS, "text-matching": PAIRS}


@pytest.mark.parametrize("task", DATA)
@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_each_item_gets_one_result_in_order_for_any_batch_size(module_for, task, batch_size):
    module, data = module_for(task), DATA[task]
    before = copy.deepcopy(data)
    expected = [module.predict([item], return_prob=True) for item in data]
    results, probabilities = module.predict(data, batch_size=batch_size, return_prob=True)
    assert results == [result[0] for result, _ in expected]
    for values, (_, [alone]) in zip(probabilities, expected):
        np.testing.assert_allclose(np.array(values), np.array(alone), atol=1e-5)
    assert data == before


def test_a_text_and_a_list_of_one_text_give_the_same_result(module_for):
    module = module_for("seq-cls")
    assert module.predict(TEXTS, return_prob=True) == module.predict([[text] for text in TEXTS], return_prob=True)


def test_class_probabilities_sum_to_one_and_the_label_has_the_largest(module_for):
    results, probabilities = module_for("seq-cls").predict(TEXTS, return_prob=True)
    for label, values in zip(results, probabilities):
        assert sum(values) == pytest.approx(1.0, abs=1e-5) and label == LABELS[int(np.argmax(values))]


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.95])
def test_multi_label_gives_all_labels_at_or_above_the_threshold(module_for, threshold):
    results, probabilities = module_for("multi-label").predict(TEXTS, return_prob=True, threshold=threshold)
    assert results == [
        [LABELS[number] for number, value in enumerate(values) if value >= threshold] for values in probabilities
    ]


def test_the_order_of_a_pair_matters_for_one_encoder_and_for_two_towers(module_for):
    for task in ("seq-cls", "text-matching"):
        _, [one, other] = module_for(task).predict([["使用", "语言模型"], ["语言模型", "使用"]], return_prob=True)
        assert np.abs(np.array(one) - np.array(other)).max() > 1e-4


@pytest.mark.parametrize(
    ("text", "num_tokens"),
    [
        ("使用语言", 4),
        ("下一个词的probability。", 17),
        ("", 0),
        ("使 用", 3),
        ("\002".join("使用语言"), 4),
        ("使\002 \002用", 3),
        ("the\002probability\002。", 3),
    ],
)
def test_every_token_or_character_gets_exactly_one_label(module_for, text, num_tokens):
    [labels], [probabilities] = module_for("token-cls").predict([text], return_prob=True)
    assert len(labels) == len(probabilities) == num_tokens and set(labels) <= set(LABELS.values())


def test_a_token_without_pieces_gets_the_label_outside(module_for):
    [labels] = module_for("token-cls").predict(["使\002 \002用"])
    assert labels[1] == "O"


@pytest.mark.parametrize("length", [22, 23, 100, 1000])
def test_a_long_text_has_a_label_for_every_token(module_for, length):
    text = ("使用语言模型来预测下一个词" * 100)[:length]
    [labels] = module_for("token-cls").predict([text])
    assert len(labels) == length
    if length == 22:  # fits into one window
        assert labels == module_for("token-cls").predict(["\002".join(text)])[0]


def test_tokens_of_the_first_window_have_the_probabilities_of_the_cut_text(module_for):
    """The first window is the text cut at its end, so tokens that use this window have the same probabilities."""
    text = ("使用语言模型来预测下一个词" * 10)[:60]
    [whole], [cut] = (module_for("token-cls").predict([part], return_prob=True)[1] for part in (text, text[:22]))
    np.testing.assert_allclose(whole[:11], cut[:11], atol=1e-5)


def test_without_a_task_the_results_are_pooled_and_hidden_states(weights):
    module = BertHubModule(weights=str(weights))
    results = module.predict(["使用", ["使用", "语言"]], batch_size=1)
    assert [(pooled.shape, hidden.shape) for pooled, hidden in results] == [((16,), (4, 16)), ((16,), (7, 16))]
    ids = paddle.to_tensor([[module._vocab.ids[token] for token in ("[CLS]", "使", "用", "[SEP]")]])
    hidden, pooled = module(ids)
    np.testing.assert_allclose(results[0][0], pooled.numpy()[0], atol=1e-5)
    np.testing.assert_allclose(results[0][1], hidden.numpy()[0], atol=1e-5)


def test_no_data_give_no_results(module_for, weights):
    assert BertHubModule(weights=str(weights)).predict([]) == []
    for task in DATA:
        assert module_for(task).predict([]) == []


def test_one_warning_counts_all_texts_that_were_cut(module_for):
    with pytest.warns(UserWarning, match=r"2 text\(s\) had more than 24 tokens") as caught:
        long, short = module_for("seq-cls").predict(["使用" * 500, "使用" * 11, "用使" * 50], return_prob=True)[1][:2]
    assert len([one for one in caught if "tokens" in str(one.message)]) == 1
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_the_longer_text_of_a_pair_is_cut(module_for):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [one], [other] = (
            module_for("seq-cls").predict([pair], return_prob=True)[1]
            for pair in (["使用", "语言" * 50], ["使用", "语言" * 9 + "语"])
        )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_classification_and_token_labels_accept_a_text_of_100_000_characters(module_for):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(module_for("seq-cls").predict(["词" * 100_000])) == 1
    assert len(module_for("token-cls").predict(["词" * 100_000])[0]) == 100_000


@pytest.mark.parametrize("task", DATA)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("使用", "`data` must be a list of texts, but is one text"),
        (b"x", "`data` must be a list of texts, but is bytes"),
        (None, "`data` must be a list of texts, but is NoneType"),
        ([None], r"data\[0\] must be .*, but is NoneType"),
        ([["使", None]], r"data\[0\] must be .*, but holds NoneType"),
        ([["a", "b"], b"x"], r"data\[1\] must be .*, but is bytes|data\[0\] must be a text \(1 text"),
        ([[]], r"data\[0\] must be .* text\(s\)\), but holds 0"),
        ([["a", "b", "c"]], r"data\[0\] must be .* text\(s\)\), but holds 3"),
        (["\ud800", "\ud800"], r"data\[0\] holds half of a surrogate pair|data\[0\] must be a list of two"),
    ],
)
def test_the_error_names_an_item_that_is_not_a_text(module_for, task, data, message):
    with pytest.raises(HubModuleError, match=message):
        module_for(task).predict(data)


def test_integers_of_numpy_are_integers(module_for):
    module, three = module_for("seq-cls"), np.int64(3)
    assert module.predict(TEXTS, max_seq_len=np.int32(12), batch_size=three, top_k=three) == module.predict(
        TEXTS, max_seq_len=12
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"batch_size": True}, "`batch_size` must be at least 1"),
        ({"return_prob": "false"}, "`return_prob` must be True or False"),
        ({"use_gpu": "false"}, "`use_gpu` must be True or False"),
        ({"threshold": "0.5"}, "`threshold` must be between 0 and 1"),
        ({"top_k": None}, "`top_k` must be at least 1"),
        ({"max_seq_len": 25}, "between 3 and the model's 24 positions"),
        ({"max_seq_len": 2}, "between 3 and the model's 24 positions"),
        ({"use_gpu": True}, "this Paddle is built for the CPU only"),
    ],
)
def test_the_error_names_a_wrong_option(module_for, options, message):
    with pytest.raises(HubModuleError, match=message):
        module_for("seq-cls").predict(TEXTS, **options)


def test_predict_keeps_the_training_mode_of_a_module(module_for):
    module = module_for("seq-cls")
    module.train()
    try:
        assert module.predict(TEXTS) == module.predict(TEXTS) and module.training
    finally:
        module.eval()


def test_predict_warns_about_an_untrained_classifier(weights):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    with pytest.warns(UserWarning, match="the classifier of seq-cls is new and random"):
        module.predict(["使用"])


@pytest.mark.parity
@pytest.mark.parametrize("task", ["seq-cls", "token-cls", None])
def test_outputs_equal_those_of_paddlenlp(module_for, weights, task, tmp_path):
    from paddlenlp import transformers

    module = BertHubModule(weights=str(weights)) if task is None else module_for(task)
    classes = {"seq-cls": "BertForSequenceClassification", "token-cls": "BertForTokenClassification", None: "BertModel"}
    reference = getattr(transformers, classes[task])(transformers.BertConfig(**vars(module._config), num_labels=3))
    state = (
        module.model.state_dict()
        if task
        else {name.removeprefix("bert."): value for name, value in module.model.state_dict().items()}
    )
    missing = reference.set_state_dict(state)
    assert missing == ([], [])
    reference.eval()
    encoded = module.get_tokenizer()(TEXTS[:4], padding=True, return_tensors="pd")
    expected = reference(
        encoded["input_ids"], encoded["token_type_ids"], attention_mask=(encoded["input_ids"] != 0).astype("int64")
    )
    found = module(encoded["input_ids"], encoded["token_type_ids"])
    if task is None:
        real = (encoded["input_ids"] != 0).unsqueeze(-1).astype("float32")
        np.testing.assert_allclose((found[0] * real).numpy(), (expected[0] * real).numpy(), atol=1e-5)
        np.testing.assert_allclose(found[1].numpy(), expected[1].numpy(), atol=1e-5)
    else:
        np.testing.assert_allclose(found.numpy(), paddle.nn.functional.softmax(expected).numpy(), atol=1e-5)


@pytest.mark.parity
def test_two_towers_give_the_outputs_of_paddlehubs_formula(module_for):
    """Each text is the mean over its tokens, [CLS] and [SEP] included; the classifier gets both and their distance."""
    from paddlenlp.transformers import BertConfig, BertModel

    module = module_for("text-matching")
    reference = BertModel(BertConfig(**vars(module._config)))
    reference.set_state_dict({name.removeprefix("bert."): value for name, value in module.model.state_dict().items()})
    reference.eval()
    tokenizer = module.get_tokenizer()
    means = []
    for texts in zip(*PAIRS):
        encoded = tokenizer(list(texts), padding=True, return_tensors="pd")
        mask = (encoded["input_ids"] != 0).astype("float32").unsqueeze(-1)
        means.append((reference(**encoded)[0] * mask).sum(axis=1) / mask.sum(axis=1))
    logits = module.model.classifier(paddle.concat([*means, (means[0] - means[1]).abs()], axis=-1))
    expected = paddle.nn.functional.softmax(logits).numpy()
    np.testing.assert_allclose(module.predict(PAIRS, return_prob=True)[1], expected, atol=1e-5)


def test_every_call_that_cuts_texts_says_so_at_the_line_of_the_caller(module_for):
    module = module_for("seq-cls")
    with warnings.catch_warnings(record=True) as caught:  # the filters of a program: Python's defaults
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", TextsCutWarning)
        for _ in range(3):
            module.predict(["使用" * 500])
            module.get_embedding(["使用" * 500])
    assert [(one.category, one.filename) for one in caught] == [(TextsCutWarning, __file__)] * 6


def test_a_program_sees_the_warning_of_every_call_unless_it_filters_it(weights):
    code = (
        "import sys, warnings; from paddle_wwm.hub import BertHubModule\n"
        "{filters}\n"
        f"module = BertHubModule(weights={str(weights)!r})\n"
        "for _ in range(3): module.predict(['使用' * 500])"
    )
    for filters, expected in (("", 3), ("warnings.simplefilter('ignore')", 0)):
        done = subprocess.run([sys.executable, "-c", code.format(filters=filters)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("TextsCutWarning: 1 text(s) had more than 24 tokens") == expected, done.stderr
