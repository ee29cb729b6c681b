"""The labels of token-cls and the text they belong to. The network is one whose labels are known: one per piece."""

import copy
import json
import pickle

import paddle
import pytest

from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.serve import make_app

BIO = ["O", "B-LOC", "I-LOC", "B-DATE", "I-DATE"]
OF_PIECES = {"北": "B-LOC", "京": "I-LOC", "20": "B-DATE", "##20": "I-DATE", "pro": "B-LOC", "##bility": "I-LOC"}
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


def module_with(weights, vocab, labels, of_pieces, **options):
    """Return a module whose network gives a piece the label in `of_pieces`, or the first label."""
    module = BertHubModule(task="token-cls", weights=str(weights), label_map=labels, **options)
    table = paddle.zeros([len(vocab), len(labels)])
    for token in vocab.ids:
        table[vocab.ids[token], labels.index(of_pieces.get(token, labels[0]))] = 20.0
    module.model.forward = lambda input_ids, token_type_ids, attention_mask: table[input_ids]
    return module


@pytest.fixture(scope="module")
def module(weights, mini_vocab):
    return module_with(weights, mini_vocab, BIO, OF_PIECES)


def test_a_plain_text_has_one_label_per_character(module):
    text = "2020年北京 的probility。"
    [labels] = module.predict([text])
    date, loc = ["B-DATE", *["I-DATE"] * 3], ["B-LOC", "I-LOC"]
    assert labels == [*date, "O", *loc, "O", "O", "B-LOC", *["I-LOC"] * 8, "O"] and len(labels) == len(text)
    assert labels.offsets == [(place, place + 1) for place in range(len(text))]
    assert labels.pieces == ["20", "##20", "[UNK]", "北", "京", "的", "pro", "##bility", "。"]
    assert [text[start:end] for start, end in labels.piece_offsets][:4] == ["20", "20", "年", "北"]
    assert [(one["text"], one["label"], one["start"], one["end"]) for one in labels.entities] == [
        ("2020", "DATE", 0, 4),
        ("北京", "LOC", 5, 7),
        ("probility", "LOC", 9, 18),
    ]
    assert all(one["score"] == pytest.approx(1.0, abs=1e-6) for one in labels.entities)


def test_the_result_is_a_list_for_comparisons_json_pickle_and_copies(module):
    [labels] = module.predict(["北京"])
    assert labels == ["B-LOC", "I-LOC"] and isinstance(labels, list) and labels[1:] == ["I-LOC"]
    assert json.dumps(labels) == '["B-LOC", "I-LOC"]'
    for other in (copy.copy(labels), copy.deepcopy(labels), copy.deepcopy([labels])[0]):
        assert other == labels and other.entities == labels.entities and other.offsets == labels.offsets
    read = pickle.loads(pickle.dumps(labels))  # as a plain list: the reader may lack the module
    assert read == labels and type(read) is list and b"paddle_wwm" not in pickle.dumps(labels)


def test_joined_tokens_keep_one_label_per_token_with_places_in_the_text_without_separators(module):
    [labels] = module.predict(["\002".join(["北京", "的", " ", "2020", "北"])])
    assert labels == ["B-LOC", "O", "O", "B-DATE", "B-LOC"]
    text = "北京的 2020北"
    assert [text[start:end] for start, end in labels.offsets] == ["北京", "的", " ", "2020", "北"]
    assert [(one["text"], text[one["start"] : one["end"]]) for one in labels.entities] == [
        ("北京", "北京"),
        ("2020", "2020"),
        ("北", "北"),
    ]
    assert [text[start:end] for start, end in labels.piece_offsets] == ["北", "京", "的", "20", "20", "北"]


def test_joined_by_white_space_the_places_are_those_of_the_callers_text(module):
    text = "pro probility 的 北 京"
    [labels] = module.predict([text], split_char=" ")
    assert labels == ["B-LOC", "B-LOC", "O", "B-LOC", "I-LOC"]
    assert [text[start:end] for start, end in labels.offsets] == text.split(" ")
    assert [one["text"] for one in labels.entities] == ["pro", "probility", "北 京"]


def test_another_separator_divides_the_text(module):
    [labels] = module.predict(["北京/的"], split_char="/")
    assert labels == ["B-LOC", "O"] and [one["text"] for one in labels.entities] == ["北京"]
    [labels] = module.predict(["北京\002的"], split_char="")
    assert len(labels) == 4


def test_a_combining_mark_belongs_to_the_character_before_it(module):
    text = "北京\u0301的"
    [labels] = module.predict([text])
    assert labels == ["B-LOC", "I-LOC", "I-LOC", "O"]
    assert [one["text"] for one in labels.entities] == ["北京\u0301"]


@pytest.mark.parametrize(
    ("labels", "of_pieces", "expected"),
    [
        (["O", "B-X", "I-X", "E-X", "S-X"], {"北": "S-X", "20": "S-X"}, ["S-X", "O", "B-X", "E-X"]),
        (["O", "B-X", "M-X", "E-X", "S-X"], {"北": "B-X", "京": "M-X", "20": "E-X"}, ["B-X", "M-X", "M-X", "E-X"]),
        (["O", "X-B", "X-I"], {"北": "X-B", "京": "X-I", "20": "X-I"}, ["X-B", "X-I", "X-I", "X-I"]),
        (["X", "Y"], {"20": "Y"}, ["X", "X", "Y", "Y"]),
    ],
)
def test_the_labels_follow_the_scheme_of_the_label_set(weights, mini_vocab, labels, of_pieces, expected):
    module = module_with(weights, mini_vocab, labels, of_pieces)
    assert module.predict(["北京20"]) == [expected]


def test_without_a_label_outside_a_space_has_none_and_the_probabilities_are_an_array(weights, mini_vocab):
    module = module_with(weights, mini_vocab, ["B", "M", "E", "S"], {"北": "B", "京": "E"})
    [labels], [probabilities] = module.predict(["北京 "], return_prob=True)
    assert labels == ["B", "E", None] and [len(row) for row in probabilities] == [4, 4, 4]
    assert [one["text"] for one in labels.entities] == ["北京"]


def test_long_texts_have_the_entities_of_all_windows(module):
    text = "北京的" * 200
    [labels] = module.predict([text])
    assert labels == ["B-LOC", "I-LOC", "O"] * 200
    assert [one["start"] for one in labels.entities] == list(range(0, 600, 3))


def test_a_request_for_entities_gets_labels_offsets_and_entities_per_text(module):
    client = make_app({"bert": module}).test_client()

    def post(**body):
        return client.post("/predict/bert", json=body).json["results"]

    text = "在北京2020"
    plain = ["O", "B-LOC", "I-LOC", "B-DATE", "I-DATE", "I-DATE", "I-DATE"]
    assert post(data=[text]) == post(data=[text], entities=False) == [plain]
    [result] = post(data=[text], entities=True)
    assert set(result) == {"labels", "offsets", "entities"} and result["labels"] == plain
    assert [text[start:end] for start, end in result["offsets"]] == list(text)
    assert [(text[one["start"] : one["end"]], one["label"]) for one in result["entities"]] == [
        ("北京", "LOC"),
        ("2020", "DATE"),
    ]
    [[result], [probabilities]] = post(data=["北/京"], split_char="/", entities=True, return_prob=True)
    assert result["labels"] == ["B-LOC", "I-LOC"] and len(probabilities) == 2
    assert module.predict_method([text], entities=True)[0]["labels"] == plain


def test_fill_mask_gives_the_place_of_every_mask(weights):
    module = BertHubModule(task="fill-mask", weights=str(weights))
    text = "使[MASK]言[MASK][MASK]"
    [result] = module.predict([text])
    assert len(result["places"]) == len(result["masks"]) == 3
    for place, candidates in zip(result["places"], result["masks"]):
        assert text[place["start"] : place["end"]] == "[MASK]"
        filled = result["text"][place["filled_start"] : place["filled_end"]]
        assert filled == candidates[0]["token"].removeprefix("##")
    assert [place["start"] for place in result["places"]] == [1, 8, 14]
