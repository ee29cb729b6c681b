"""Training with hub.Trainer and PaddleHub's data sets, training with a plain loop, and loading checkpoints."""

import numpy as np
import paddle
import paddlehub as hub
import pytest
from paddlehub.datasets.base_nlp_dataset import SeqLabelingDataset, TextClassificationDataset, TextMatchingDataset

from paddle_wwm.errors import CheckpointError, HubModuleError
from paddle_wwm.hub import BertHubModule
from paddle_wwm.model.weights import save_model

from .conftest import tiny_model

GOOD, BAD = ["天气很好", "我们很好", "大学生活很好", "北京很好"], ["天气不好", "我们不是", "大学生活不好", "北京不是"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory, mini_vocab):
    """Return a model without dropout, so that a few steps are enough."""
    folder = tmp_path_factory.mktemp("weights")
    model = tiny_model(mini_vocab, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2)
    save_model(folder, model=model, vocab=mini_vocab, do_lower_case=True)
    return folder


def write(path, lines):
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return path.name


def trained(module, dataset, folder, *, epochs=25, evaluate=None):
    paddle.seed(5)
    optimizer = paddle.optimizer.AdamW(learning_rate=1e-2, parameters=module.parameters())
    trainer = hub.Trainer(module, optimizer, checkpoint_dir=str(folder), use_gpu=False, use_vdl=False)
    trainer.train(
        dataset, epochs=epochs, batch_size=4, eval_dataset=evaluate or dataset, log_interval=100, save_interval=epochs
    )
    return trainer


@pytest.fixture(scope="module")
def sentiment(weights, tmp_path_factory):
    """Return a trained module, its data set in the form of ChnSentiCorp, and the folder of its checkpoints."""
    folder = tmp_path_factory.mktemp("sentiment")
    file = write(
        folder / "train.tsv", [("label", "text_a"), *(("1", text) for text in GOOD), *(("0", text) for text in BAD)]
    )
    paddle.seed(1)
    module = BertHubModule(task="seq-cls", weights=str(weights), label_map={0: "bad", 1: "good"})
    dataset = TextClassificationDataset(
        str(folder),
        module.get_tokenizer(),
        max_seq_len=16,
        data_file=file,
        label_list=["0", "1"],
        is_file_with_header=True,
    )
    trained(module, dataset, folder / "checkpoints")
    return module, dataset, folder / "checkpoints"


def test_hub_trainer_trains_a_classifier(sentiment):
    module, dataset, folder = sentiment
    assert module.predict(GOOD + BAD) == ["good"] * 4 + ["bad"] * 4
    assert hub.Trainer(
        module, paddle.optimizer.SGD(parameters=module.parameters()), checkpoint_dir=str(folder), use_vdl=False
    ).evaluate(dataset, 3)["metrics"]["acc"] == pytest.approx(1.0)


@pytest.mark.parametrize("form", ["best_model/model.pdparams", "best_model"])
def test_a_loaded_checkpoint_gives_the_predictions_of_the_trained_module(sentiment, weights, form):
    module, _, folder = sentiment
    loaded = BertHubModule(
        task="seq-cls", weights=str(weights), label_map={0: "bad", 1: "good"}, load_checkpoint=str(folder / form)
    )
    expected, found = (one.predict(GOOD + BAD, return_prob=True) for one in (module, loaded))
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"task": "seq-cls", "num_classes": 3},
            CheckpointError,
            r"misshaped: classifier.weight \(16, 2\) instead of \(16, 3\).*another task",
        ),
        (
            {"task": "text-matching"},
            CheckpointError,
            r"misshaped: classifier.weight.*another task or number of classes",
        ),
        ({"task": "fill-mask"}, CheckpointError, "missing: .*cls.predictions.*unexpected: classifier.weight"),
        ({"task": None}, CheckpointError, "unexpected: classifier.weight"),
    ],
)
def test_a_checkpoint_of_another_task_is_refused(sentiment, weights, options, error, message):
    with pytest.raises(error, match=message):
        BertHubModule(weights=str(weights), load_checkpoint=str(sentiment[2] / "best_model"), **options)


def test_a_missing_or_unreadable_checkpoint_is_refused(weights, tmp_path):
    wrong = (
        (tmp_path / "no.pdparams", "no such checkpoint"),
        (tmp_path, "holds no checkpoint"),
        (weights / "vocab.txt", "cannot be read"),
    )
    for path, message in wrong:
        with pytest.raises((HubModuleError, CheckpointError), match=message):
            BertHubModule(task="seq-cls", weights=str(weights), load_checkpoint=str(path))


def test_hub_trainer_trains_sequence_labelling(weights, tmp_path):
    lines = [
        ("\002".join(text), "\002".join(["B-LOC", "I-LOC", *"O" * (len(text) - 2)]))
        for text in ("北京天气很好", "中国大学", "北京我们这")
    ]
    file = write(tmp_path / "train.tsv", lines)
    labels = ["O", "B-LOC", "I-LOC"]
    paddle.seed(1)
    module = BertHubModule(task="token-cls", weights=str(weights), label_map=dict(enumerate(labels)))
    dataset = SeqLabelingDataset(
        str(tmp_path), module.get_tokenizer(), max_seq_len=12, data_file=file, label_list=labels
    )
    trainer = trained(module, dataset, tmp_path / "checkpoints", epochs=40)
    assert trainer.best_metrics["f1_score"] == pytest.approx(1.0)
    assert module.predict([line[0] for line in lines]) == [line[1].split("\002") for line in lines]


def test_hub_trainer_trains_two_towers(weights, tmp_path):
    pairs = [
        ("天气很好", "天气很好", "1"),
        ("我们学习", "我们学习", "1"),
        ("天气很好", "我们学习", "0"),
        ("我们学习", "天气很好", "0"),
    ]
    file = write(tmp_path / "train.tsv", pairs)
    paddle.seed(1)
    module = BertHubModule(task="text-matching", weights=str(weights))
    dataset = TextMatchingDataset(
        str(tmp_path), module.get_tokenizer(), max_seq_len=12, data_file=file, label_list=["0", "1"]
    )
    trainer = trained(module, dataset, tmp_path / "checkpoints", epochs=40)
    assert trainer.best_metrics["acc"] == pytest.approx(1.0)
    assert module.predict([list(pair[:2]) for pair in pairs]) == [1, 1, 0, 0]


def plain_loop(module, inputs, labels, *, steps=60):
    optimizer = paddle.optimizer.AdamW(learning_rate=1e-2, parameters=module.parameters())
    module.train()
    losses = []
    for _ in range(steps):
        _, loss, metrics = module(*inputs, labels=labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    module.eval()
    return losses, metrics


def tensors(module, texts):
    encoded = module.get_tokenizer()(texts, padding=True, return_tensors="pd")
    return encoded["input_ids"], encoded["token_type_ids"]


def test_a_plain_loop_trains_multi_label(weights):
    paddle.seed(2)
    module = BertHubModule(task="multi-label", weights=str(weights), label_map=["好", "北京", "大学"])
    texts = ["北京很好", "大学很好", "北京大学", "我们学习"]
    targets = [["好", "北京"], ["好", "大学"], ["北京", "大学"], []]
    labels = paddle.to_tensor([[float(name in target) for name in ("好", "北京", "大学")] for target in targets])
    losses, metrics = plain_loop(module, tensors(module, texts), labels)
    assert losses[-1] < 0.2 * losses[0] and metrics["f1"] > 0.9
    assert module.predict(texts) == targets


def test_a_plain_loop_trains_fill_mask_and_question_answering(weights):
    paddle.seed(2)
    module = BertHubModule(task="fill-mask", weights=str(weights))
    ids, types = tensors(module, ["使用[MASK]言", "语言[MASK]型"])
    labels = paddle.full_like(ids, -100)
    labels[:, 3] = paddle.to_tensor([module._vocab.ids["语"], module._vocab.ids["模"]])
    losses, _ = plain_loop(module, (ids, types), labels)
    assert losses[-1] < 0.5 * losses[0]
    module = BertHubModule(task="question-answering", weights=str(weights))
    losses, metrics = plain_loop(
        module, tensors(module, ["使用语言模型", "天气很好"]), paddle.to_tensor([[1, 2], [3, 4]])
    )
    assert losses[-1] < 0.5 * losses[0] and metrics == {"acc": 1.0}


def test_the_loss_ignores_labels_of_minus_100(weights):
    module = BertHubModule(task="token-cls", weights=str(weights), num_classes=3)
    ids, types = tensors(module, ["使用语言", "天气"])
    labels = paddle.to_tensor([[-100, 0, 1, 2, 0, -100], [-100, 1, -100, -100, -100, -100]])
    probabilities, loss, _ = module(ids, types, labels=labels)
    chosen = [
        float(probabilities[row, column, int(labels[row, column])])
        for row, column in zip(*np.nonzero(labels.numpy() != -100))
    ]
    assert float(loss) == pytest.approx(-np.mean(np.log(chosen)), rel=1e-5)


def test_layers_of_parameters_are_numbered_from_0(weights):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    layers = module.get_params_layer()
    names = {parameter.name: name for name, parameter in module.named_parameters()}
    assert set(layers.values()) == {0, 1}
    assert all(f".layers.{number}." in names[name] for name, number in layers.items())
    assert [name for name, full in names.items() if "encoder" in full and name not in layers] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "seq_cls"}, r"`task` must be None or one of .*, but is 'seq_cls'\. Did you mean 'seq-cls'\?"),
        ({"task": "ner"}, "Did you mean 'token-cls'"),
        ({"task": "seq-cls", "label_map": {0: "a", 2: "b"}}, "without gaps"),
        ({"task": "seq-cls", "label_map": {0: "a", 1: "a"}}, "a different name"),
        ({"task": "seq-cls", "label_map": {"a": 0}}, "class numbers as keys"),
        ({"task": "seq-cls", "label_map": {}}, "without gaps"),
        ({"task": "seq-cls", "label_map": "ab"}, "but is str"),
        (
            {"task": "seq-cls", "label_map": ["a", "b"], "num_classes": 3},
            "`num_classes` is 3, but `label_map` has 2 labels",
        ),
        ({"task": "seq-cls", "num_classes": 0}, "`num_classes` must be at least 1"),
        ({"task": "fill-mask", "label_map": ["a", "b"]}, "needs a task that has labels"),
    ],
)
def test_the_error_names_a_wrong_task_or_label_map(weights, options, message):
    with pytest.raises(HubModuleError, match=message):
        BertHubModule(weights=str(weights), **options)


def test_label_maps_may_be_json_or_lists(weights):
    for label_map in ({"0": "a", "1": "b"}, ["a", "b"], {1: "b", 0: "a"}):
        assert BertHubModule(task="seq-cls", weights=str(weights), label_map=label_map).label_map == {0: "a", 1: "b"}
