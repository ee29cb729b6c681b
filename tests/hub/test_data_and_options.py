"""What a caller may give as data and options, in Python and over HTTP, and the messages for everything else."""

import copy
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest
from werkzeug.serving import make_server

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule, request_limits
from paddle_wwm.hub.serve import make_app
from paddle_wwm.tasks.options import RULES, checked
from paddle_wwm.tasks.task import ResultOptions

TEXTS = ["使用语言", "来预测", "下一个词"]
PAIRS = [["使用", "语言"], ["来", "预测"]]
QUESTIONS = [["在哪学习", "我们在北京大学学习"], ["天气", "天气很好"]]
ITEMS = [{"question": question, "context": context} for question, context in QUESTIONS]
TASKS = ("seq-cls", "multi-label", "token-cls", "text-matching", "question-answering", "fill-mask")
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture(scope="module")
def modules(weights):
    return {task: BertHubModule(task=task, weights=str(weights)) for task in (*TASKS, None)}


# ---- Data


@pytest.mark.parametrize(
    "data",
    [
        tuple(TEXTS),
        pd.Series(TEXTS),
        pd.Series(TEXTS, index=["a", "b", "c"], dtype="string"),
        pd.DataFrame({"text": TEXTS})["text"],
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS).reshape(3, 1),
        (text for text in TEXTS),
        dict(enumerate(TEXTS)).values(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_every_ordered_row_of_texts_works(modules, data):
    module = modules["seq-cls"]
    assert module.predict(data, return_prob=True) == module.predict(TEXTS, return_prob=True)


@pytest.mark.parametrize(
    "make", [np.array, lambda pairs: np.array(pairs, dtype=object), lambda pairs: map(tuple, pairs)]
)
def test_two_dimensional_arrays_of_pairs_work(modules, make):
    for task, pairs in (("seq-cls", PAIRS), ("text-matching", PAIRS), ("question-answering", QUESTIONS)):
        assert modules[task].predict(make(pairs)) == modules[task].predict(pairs)
    frame = pd.DataFrame(PAIRS, columns=["text", "other"])
    assert modules["text-matching"].predict(frame[["text", "other"]].values) == modules["text-matching"].predict(PAIRS)


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        ("seq-cls", pd.DataFrame({"text": TEXTS}), r'is a DataFrame; pass df\["text"\].tolist\(\), or .* for pairs'),
        ("token-cls", pd.DataFrame({"text": TEXTS}), r'is a DataFrame; pass df\["text"\].tolist\(\)\.$'),
        ("text-matching", pd.DataFrame(PAIRS), r'pass df\[\["text", "other"\]\].values.tolist\(\)'),
        ("question-answering", pd.DataFrame(ITEMS), r'pass df.to_dict\("records"\)'),
        ("seq-cls", {"a": "使用"}, r"is dict; pass list\(data.values\(\)\)"),
        ("question-answering", ITEMS[0], r"is dict; pass \[item\]"),
        ("seq-cls", set(TEXTS), r"is a set, which has no order; pass a list"),
        ("seq-cls", frozenset(TEXTS), r"is a frozenset, which has no order"),
        ("seq-cls", "使用".encode(), r'is bytes; decode it, and pass \[data.decode\("utf-8"\)\]'),
        ("seq-cls", bytearray(b"x"), "is bytearray; decode it"),
        ("seq-cls", np.array("使用"), r"is ndarray; pass \[text\]"),
        ("seq-cls", 3, r"is int; pass \[text\]"),
        ("question-answering", "使用", r"is one text; pass \[\[question, context\]\]"),
        ("seq-cls", ["使用", None], r"data\[1\] must be .*, but is NoneType, a missing value; remove the item"),
        ("seq-cls", pd.Series(["使用", np.nan]), r"data\[1\] must be .*, but is nan, a missing value"),
        ("seq-cls", pd.Series(["使用", None], dtype="string"), r"data\[1\] must be .*, but is NAType, a missing value"),
        (
            "text-matching",
            [["使", "用"], ["使", float("nan")]],
            r"data\[1\] must be .*, but holds nan, a missing value",
        ),
        ("question-answering", [{"question": "使", "context": None}], r"data\[0\] must be .*, but holds NoneType"),
        ("seq-cls", ["使用", b"x"], r"data\[1\] must be .*, but is bytes; decode it"),
        ("seq-cls", np.array([b"x"]), r"data\[0\] must be .*, but is bytes_; decode it"),
        ("seq-cls", [{"text": "使用"}], r'data\[0\] must be .*, but is dict; pass its text, such as item\["text"\]'),
        ("text-matching", [{"使", "用"}], r"data\[0\] must be .*, but is set, which has no order"),
        ("seq-cls", np.array([1.5]), r"data\[0\] must be .*, but is float64 \(1.5\)"),
        ("seq-cls", np.array([[["使"]]]), r"data\[0\] must be .*, but is ndarray"),
        ("seq-cls", [["使", ["用"]]], r"data\[0\] must be .*, but holds list"),
    ],
)
def test_data_of_another_form_are_refused_with_the_right_way(modules, task, data, message):
    with pytest.raises(HubModuleError, match=message):
        modules[task].predict(data)
    if task != "question-answering":
        with pytest.raises(HubModuleError, match="must be"):
            modules[None].get_embedding(data)


def test_a_question_with_extra_keys_is_answered_and_they_are_returned(modules):
    module = modules["question-answering"]
    items = [{"id": 7, "title": "北京", "answers": ["x"], **ITEMS[0]}, {"meta": {"a": [1]}, **ITEMS[1]}, QUESTIONS[0]]
    before = copy.deepcopy(items)
    results = module.predict(items)
    plain = module.predict([ITEMS[0], ITEMS[1], ITEMS[0]])
    assert items == before
    assert results[0] == {"id": 7, "title": "北京", **plain[0]}  # the result's own "answers" stay
    assert results[1] == {"meta": {"a": [1]}, **plain[1]} and results[2] == plain[2]


# ---- Options

WRONG = [
    ("batch_size", 0, "`batch_size` must be at least 1"),
    ("batch_size", "8", r"`batch_size` must be at least 1 \(an integer\), but is '8' \(a text\)"),
    ("batch_size", 2.0, "`batch_size` must be at least 1"),
    ("batch_size", None, "`batch_size` must be at least 1"),
    ("batch_size", True, "`batch_size` must be at least 1"),
    ("max_seq_len", 2, "`max_seq_len` must be between 3 and the model's 24 positions, but is 2"),
    ("max_seq_len", 25, "`max_seq_len` must be between 3 and the model's 24 positions, but is 25"),
    ("max_seq_len", "16", "`max_seq_len` must be an integer, or None, but is '16'"),
    ("max_seq_len", [16], "`max_seq_len` must be an integer, or None"),
    ("use_gpu", "false", "`use_gpu` must be True or False, but is 'false'"),
    ("use_gpu", 0, "`use_gpu` must be True or False, but is 0"),
    ("return_prob", "no", "`return_prob` must be True or False"),
    ("return_prob", None, "`return_prob` must be True or False"),
    ("split_char", None, "`split_char` must be a text"),
    ("split_char", 2, "`split_char` must be a text"),
    ("top_k", 0, "`top_k` must be at least 1"),
    ("top_k", "3", "`top_k` must be at least 1"),
    ("top_k", [3], "`top_k` must be at least 1"),
    ("threshold", "0.5", r"`threshold` must be between 0 and 1 \(a number\), but is '0.5' \(a text\)"),
    ("threshold", None, "`threshold` must be between 0 and 1"),
    ("threshold", [0.5], r"`threshold` must be between 0 and 1 \(a number\), but is \[0.5\]"),
    ("threshold", float("nan"), "`threshold` must be between 0 and 1"),
    ("threshold", 1.5, "`threshold` must be between 0 and 1"),
    ("threshold", True, "`threshold` must be between 0 and 1"),
    ("doc_stride", 0, "`doc_stride` must be at least 1"),
    ("max_question_len", "x", "`max_question_len` must be at least 1"),
    ("max_answer_len", None, "`max_answer_len` must be at least 1"),
    ("no_answer_threshold", "0", "`no_answer_threshold` must be None or a number"),
    ("no_answer_threshold", False, "`no_answer_threshold` must be None or a number"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_option_is_named_as_the_caller_wrote_it_in_python_and_in_a_request(modules, name, value, message):
    for task, data in (("seq-cls", TEXTS), ("question-answering", ITEMS), ("multi-label", [])):
        with pytest.raises(HubModuleError, match=message):
            modules[task].predict(data, **{name: value})
        with pytest.raises(HubModuleError, match=message):
            modules[task].predict_method(list(data), **{name: value})
    if name in ("batch_size", "max_seq_len", "use_gpu"):
        for call in (modules[None].get_embedding, modules[None].predict_method):
            with pytest.raises(HubModuleError, match=message):
                call(TEXTS, **{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suffix": "yes"}, "`suffix` must be True or False"),
        ({"compatible": 1}, "`compatible` must be True or False"),
        ({"num_classes": "3"}, r"`num_classes` must be at least 1 \(an integer, or None\), but is '3'"),
        ({"num_classes": True}, "`num_classes` must be at least 1"),
        ({"load_checkpoint": True}, "`load_checkpoint` must be a path, or None, but is True"),
    ],
)
def test_a_wrong_option_of_a_new_module_is_named(weights, options, message):
    with pytest.raises(HubModuleError, match=message):
        BertHubModule(task="token-cls", weights=str(weights), **options)


def test_values_of_numpy_are_values_of_python(modules, weights):
    given = {"batch_size": np.uint8(3), "max_seq_len": np.uint8(12), "top_k": np.int16(2), "doc_stride": np.uint8(4)}
    module = modules["question-answering"]
    options = {"max_answer_len": np.int32(5), "no_answer_threshold": np.float32(0.5), "return_prob": np.bool_(True)}
    plain = {name: value.item() for name, value in {**given, **options}.items()}
    assert module.predict(ITEMS, **given, **options, use_gpu=np.False_) == module.predict(ITEMS, **plain)
    assert checked(**given) == {name: value.item() for name, value in given.items()}
    assert {type(value) for value in checked(**given, **options).values()} == {int, float, bool}
    assert modules["multi-label"].predict(TEXTS, threshold=np.float64(0.4)) is not None
    assert len(BertHubModule(task="seq-cls", weights=str(weights), num_classes=np.int64(3)).label_map) == 3


def test_a_long_wrong_value_is_shortened_in_the_message():
    for value in ("x" * 10_000, list(range(10_000)), {"x" * 10_000: 1}):
        with pytest.raises(ValueError, match="`top_k` must be at least 1") as caught:
            ResultOptions(top_k=value)
        assert len(str(caught.value)) < 200


def test_every_option_of_a_request_has_a_rule():
    names = {*request_limits.COMMON_OPTIONS, *request_limits.OPTIONS} - {"data"}
    assert names <= RULES.keys()


# ---- Requests, over a socket


@pytest.fixture(scope="module")
def address(modules):
    """Run our server for all modules, named by their tasks, on a free port."""
    server = make_server("127.0.0.1", 0, make_app({str(task): module for task, module in modules.items()}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def post(address, task, **body):
    """Send a request; return the HTTP status and the JSON answer."""
    request = urllib.request.Request(
        f"{address}/predict/{task}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("task", "body", "message"),
    [
        ("multi-label", {"threshold": "0.5"}, "`threshold` must be between 0 and 1"),
        ("multi-label", {"threshold": None}, "`threshold` must be between 0 and 1"),
        ("multi-label", {"threshold": [0.5]}, "`threshold` must be between 0 and 1"),
        ("seq-cls", {"return_prob": "no"}, "`return_prob` must be True or False"),
        ("seq-cls", {"max_seq_len": "16"}, "`max_seq_len` must be an integer"),
        ("seq-cls", {"max_seq_len": 999}, "`max_seq_len` must be between 3 and the model's 24 positions"),
        ("seq-cls", {"self": 1}, "also holds self"),
        ("seq-cls", {"topk": 3}, "also holds topk. Did you mean 'top_k'?"),
        ("seq-cls", {"max_seq_length": 16}, "Did you mean 'max_seq_len'?"),
        ("None", {"pooling": ["cls"]}, "`pooling` must be one of cls, mean, pooler"),
        ("None", {"top_k": 3}, "also holds top_k"),
        ("seq-cls", {"entities": True}, "`entities` is for modules of the task token-cls"),
        ("token-cls", {"entities": "true"}, "`entities` must be True or False"),
        ("token-cls", {"split_char": 1}, "`split_char` must be a text"),
        ("question-answering", {"data": [{"id": "\ud800", **ITEMS[0]}]}, "data[0] holds half of a surrogate pair"),
        ("question-answering", {"data": [{"id": 1, "question": "使"}]}, "must have the keys question and context"),
        ("seq-cls", {"data": {"text": "使用"}}, "`data` must be a list"),
        ("seq-cls", {"data": [None]}, "data[0] must be"),
    ],
)
def test_a_bad_request_is_answered_with_the_option_it_holds(address, task, body, message):
    status, answer = post(address, task, **{"data": TEXTS, **body})
    assert (status, answer["status"], answer["results"]) == (400, "101", "") and message in answer["msg"]


def test_a_question_keeps_its_id_over_http(address):
    status, answer = post(address, "question-answering", data=[{"id": "q1", **ITEMS[0]}], max_seq_len=None)
    assert status == 200 and answer["results"][0]["id"] == "q1" and answer["results"][0]["text"]


def test_entities_and_places_come_over_http(address):
    _, answer = post(address, "token-cls", data=["2020年"], entities=True)
    assert set(answer["results"][0]) == {"labels", "offsets", "entities"} and len(answer["results"][0]["labels"]) == 5
    _, answer = post(address, "fill-mask", data=["使[MASK]"], top_k=1)
    assert answer["results"][0]["places"] == [{"start": 1, "end": 7, "filled_start": 1, "filled_end": 2}]
