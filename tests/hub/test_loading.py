"""The order in which a module searches for weights, the error without weights, and modules of fine-tuned models."""

import ast
import json
import shutil
import subprocess
import sys

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import CheckpointError, DataError, HubModuleError
from paddle_wwm.files import write_json
from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.finetuned import read_label_file
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams

from .test_build import MODULES

LABELS = {0: "bad", 1: "good", 2: "so-so"}


class Rbt3(BertHubModule):
    """A module like hub_modules/rbt3: it has a name and no assets."""

    name = "rbt3"


def store(home, weights, *, scale=1.0):
    """Write the files of `paddle_wwm.download.fetch("rbt3")`, with scaled weights."""
    folder = shutil.copytree(weights, home / "models" / "rbt3")
    arrays = {name: scale * array for name, array in read_pdparams(folder / "model_state.pdparams").items()}
    write_pdparams(folder / "model_state.pdparams", arrays)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    write_json(folder / "source.json", {"name": "rbt3", "files": [], "notes": [], "stored_bytes": sizes})


def first_number(module):
    return float(module.model.bert.embeddings.word_embeddings.weight[0, 0])


def test_given_weights_precede_assets_and_assets_precede_downloads(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_WWM_HOME", str(tmp_path / "home"))
    store(tmp_path / "home", weights, scale=2.0)
    own = tmp_path / "module"
    shutil.copytree(weights, own / "assets")
    monkeypatch.setattr(Rbt3, "_module_folder", classmethod(lambda _: own))
    number = first_number(BertHubModule(weights=str(weights)))
    write_pdparams(
        own / "assets" / "model_state.pdparams",
        {k: 3.0 * v for k, v in read_pdparams(weights / "model_state.pdparams").items()},
    )
    assert first_number(Rbt3(weights=str(weights))) == pytest.approx(number)
    assert first_number(Rbt3()) == pytest.approx(3.0 * number)
    shutil.rmtree(own / "assets")
    assert first_number(Rbt3()) == pytest.approx(2.0 * number)


def test_offline_without_weights_one_error_lists_the_ways_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_WWM_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubModuleError) as caught:
        Rbt3()
    for text in (
        "weights=DIR",
        "Random weights are never used",
        "paddle-wwm download rbt3",
        "--name rbt3 --weights DIR",
        str(tmp_path),
    ):
        assert text in str(caught.value)


@pytest.mark.integration
def test_without_paddle_wwm_a_module_finds_downloaded_weights_or_lists_the_ways(weights, bare, tmp_path):
    built = build_module(name="rbt3", output=tmp_path / "dist", modules=MODULES)
    store(tmp_path / "home", weights)
    code = (
        "import os, paddlehub as hub\n"
        f"os.environ['PADDLE_WWM_HOME'] = {str(tmp_path / 'home')!r}\n"
        f"print(hub.Module(directory={str(built.directory)!r}).get_embedding(['使用']).shape)\n"
        f"os.environ['PADDLE_WWM_HOME'] = {str(tmp_path / 'none')!r}\n"
        f"try: hub.Module(directory={str(built.directory)!r})\n"
        "except Exception as error: print(type(error).__name__, 'is not installed here' in str(error), "
        "'weights=DIR' in str(error))\n"
    )
    result = bare.run(code, hub_home=tmp_path / "hub", cwd=tmp_path)
    assert result.stdout.splitlines()[-2:] == ["(1, 16)", "HubModuleError True True"], result.stdout + result.stderr


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "holds no model. Give weights=DIR"),
        (lambda folder: (folder / "model_state.pdparams").unlink(), "model_state.pdparams: no such file"),
        (
            lambda folder: (folder / "model_state.pdparams").rename(folder / "pytorch_model.bin"),
            "Convert it first: paddle-wwm convert",
        ),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "roberta"}'),
            "`model_type` must be bert, but is 'roberta'",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "vocab.txt").write_text("[PAD]\n"), r"weights/vocab.txt: lacks \[UNK\]"),
        (lambda folder: (folder / "vocab.txt").unlink(), "weights/vocab.txt: no such vocabulary"),
        (
            lambda folder: (folder / "model_state.pdparams").write_bytes(b"\x80\x04torn"),
            "cannot be read as Paddle weights",
        ),
    ],
)
def test_a_folder_without_a_complete_model_is_refused(weights, tmp_path, prepare, message):
    folder = shutil.copytree(weights, tmp_path / "weights")
    prepare(folder)
    with pytest.raises((HubModuleError, CheckpointError, DataError), match=message):
        BertHubModule(weights=str(folder))


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_missing_and_unknown_parameters_are_refused(weights, tmp_path, change):
    folder = shutil.copytree(weights, tmp_path / "weights")
    arrays = dict(read_pdparams(folder / "model_state.pdparams"))
    if change == "missing":
        del arrays["bert.encoder.layers.0.linear1.bias"]
    else:
        arrays["bert.encoder.layers.2.linear1.bias"] = np.zeros(32, np.float32)
    write_pdparams(folder / "model_state.pdparams", arrays)
    with pytest.raises(CheckpointError, match=f"{change}: bert.encoder.layers.\\d.linear1.bias"):
        BertHubModule(weights=str(folder))


def test_a_bare_bert_model_saved_by_paddlenlp_can_be_used(weights, tmp_path):
    from paddlenlp.transformers import BertModel

    BertModel.from_pretrained(str(weights)).save_pretrained(str(tmp_path))
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copy(weights / name, tmp_path)
    one, other = (BertHubModule(weights=str(folder)).get_embedding(["使用语言"]) for folder in (weights, tmp_path))
    np.testing.assert_allclose(one, other, atol=1e-6)


# ---- Fine-tuned models


@pytest.fixture(scope="module")
def checkpoint(weights, tmp_path_factory):
    """Return a module and its checkpoint file in the form of hub.Trainer."""
    paddle.seed(4)
    module = BertHubModule(task="seq-cls", weights=str(weights), label_map=LABELS)
    for parameter in module.model.classifier.parameters():
        parameter.set_value(parameter + 0.1)
    path = tmp_path_factory.mktemp("checkpoint") / "best_model" / "model.pdparams"
    paddle.save(module.state_dict(), str(path))
    return module, path


def package(checkpoint, base, output, **options):
    options = {"task": "seq-cls", "label_map": LABELS, "weights": base, **options}
    return build_module(
        name="my-sentiment", version="1.2.0", output=output, modules=MODULES, checkpoint=checkpoint, **options
    )


def test_a_fine_tuned_model_becomes_a_module_with_its_own_name_version_task_and_labels(checkpoint, weights, tmp_path):
    module, path = checkpoint
    built = package(path.parent, weights, tmp_path)
    assert (built.name, built.version, built.archive.name) == ("my-sentiment", "1.2.0", "my-sentiment-1.2.0.tar")
    loaded = BertHubModule(weights=str(built.directory / "assets"))
    assert (loaded.task, loaded.label_map) == ("seq-cls", LABELS)
    texts = ["天气很好", "使用", "我们"]
    assert loaded.predict(texts, return_prob=True) == module.predict(texts, return_prob=True)
    assert loaded.get_embedding(texts).shape == (3, 16)
    assert package(path, weights, tmp_path / "again").sha256 == built.sha256
    # the assets are a fine-tuned model folder, which records its task and labels
    assert (
        package(built.directory / "assets", None, tmp_path / "third", task=None, label_map=None).sha256 == built.sha256
    )


@pytest.mark.parity
def test_paddlenlp_loads_the_assets_of_a_fine_tuned_module_with_the_same_outputs(checkpoint, weights, tmp_path):
    from paddlenlp.transformers import AutoModelForSequenceClassification, AutoTokenizer

    module, path = checkpoint
    assets = str(package(path, weights, tmp_path).directory / "assets")
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(assets), AutoTokenizer.from_pretrained(assets)
    model.eval()
    logits = model(**tokenizer("天气很好", return_tensors="pd"))
    np.testing.assert_allclose(
        paddle.nn.functional.softmax(logits).numpy()[0], module.predict(["天气很好"], return_prob=True)[1][0], atol=1e-5
    )
    assert model.config.id2label == LABELS


@pytest.mark.filterwarnings("ignore:the classifier of text-matching is new and random")
def test_checkpoints_of_paddlehubs_own_modules_are_loaded(weights, tmp_path):
    """Their names are ours, except for two towers: the encoder lacks "bert.", and the classifier lacks "model."."""
    module = BertHubModule(task="text-matching", weights=str(weights))
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    theirs = {
        name.replace("model.bert.", "model.").replace("model.classifier.", "classifier."): array
        for name, array in arrays.items()
    }
    write_pdparams(tmp_path / "model.pdparams", theirs)
    loaded = BertHubModule(task="text-matching", weights=str(weights), load_checkpoint=str(tmp_path))
    pairs = [["使用", "语言"], ["天气", "很好"]]
    assert loaded.predict(pairs, return_prob=True) == module.predict(pairs, return_prob=True)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [("question-answering", "seq-cls"), ("seq-cls", "question-answering"), ("text-matching", "seq-cls")],
)
def test_a_model_of_another_task_is_refused_even_if_the_shapes_fit(weights, tmp_path, stored, asked):
    module = BertHubModule(task=stored, weights=str(weights))
    paddle.save(module.state_dict(), str(tmp_path / "model.pdparams"))
    labels = None if stored == "question-answering" else ["a", "b"]
    assets = package(tmp_path, weights, tmp_path / "dist", task=stored, label_map=labels).directory / "assets"
    assert BertHubModule(weights=str(assets)).task == stored
    with pytest.raises(HubModuleError, match=f"holds a model of task '{stored}', not of '{asked}'"):
        BertHubModule(task=asked, weights=str(assets))


@pytest.mark.parity
def test_taskflow_loads_the_assets_of_fine_tuned_and_pretrained_modules(checkpoint, weights, tmp_path):
    from paddlenlp import Taskflow

    module, path = checkpoint
    built = package(path, weights, tmp_path)
    [found] = Taskflow("text_classification", task_path=str(built.directory / "assets"), mode="finetune")("天气很好")
    [label], [probabilities] = module.predict(["天气很好"], return_prob=True)
    assert found["predictions"][0]["label"] == label and found["predictions"][0]["score"] == pytest.approx(
        max(probabilities), abs=1e-5
    )
    assets = shutil.copytree(weights, tmp_path / "assets")  # Taskflow writes into the folder
    [[found]] = Taskflow("fill_mask", task_path=str(assets), top_k=1)(["使用语[MASK]"])
    [expected] = BertHubModule(task="fill-mask", weights=str(weights)).predict(["使用语[MASK]"], top_k=1)
    assert found["score"] == pytest.approx(expected["masks"][0][0]["score"], abs=1e-5)


def test_the_tokenizer_can_be_saved_and_gives_the_ids_of_the_module(weights, tmp_path):
    module = BertHubModule(weights=str(weights))
    tokenizer = module.get_tokenizer()
    tokenizer.save_pretrained(str(tmp_path))
    assert (tmp_path / "vocab.txt").read_bytes() == (weights / "vocab.txt").read_bytes()
    text = "使用 Probability 2024，模型。"
    assert tokenizer(text)["input_ids"][1:-1] == module._tokenizer.encode([text]).ids.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_map": {0: "a", 1: "b"}}, r"misshaped: classifier.weight \(16, 3\) instead of \(16, 2\)"),
        ({"label_map": None}, "names of its classes are not recorded; give --label-map FILE"),
        ({"task": None}, "task it was fine-tuned for is not recorded; give --task"),
        ({"task": "token-classification"}, "Did you mean 'token-cls'"),
        ({"task": "text-matching"}, "misshaped: classifier.weight"),
        (
            {"weights": None},
            "has no config.json; name the model that the checkpoint was fine-tuned from with --weights",
        ),
    ],
)
def test_a_bad_checkpoint_is_refused_and_nothing_is_written(checkpoint, weights, tmp_path, options, message):
    with pytest.raises((HubModuleError, CheckpointError), match=message):
        package(checkpoint[1], weights, tmp_path / "dist", **options)
    assert not (tmp_path / "dist").exists()


def test_a_fine_tuned_model_cannot_have_the_name_of_a_pretrained_one(checkpoint, weights, tmp_path):
    for name in ("rbt3", "chinese-bert-wwm-quickstart"):
        with pytest.raises(HubModuleError, match="a fine-tuned one needs a name of your own"):
            build_module(
                name=name, output=tmp_path, modules=MODULES, weights=weights, checkpoint=checkpoint[1], task="seq-cls"
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "token-cls"}, "holds a model of task 'seq-cls', not of 'token-cls'"),
        ({"label_map": ["a", "b"]}, "has 3 classes, but `label_map` has 2"),
        ({"num_classes": 2}, "`num_classes` is 2, but `label_map` has 3"),
        ({"task": "fill-mask"}, "fill-mask needs the masked language model's head"),
    ],
)
def test_a_fine_tuned_model_with_another_task_or_other_labels_is_refused(
    checkpoint, weights, tmp_path, options, message
):
    assets = package(checkpoint[1], weights, tmp_path).directory / "assets"
    with pytest.raises(HubModuleError, match=message):
        BertHubModule(weights=str(assets), **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"0": "no", "1": "yes"}', {"0": "no", "1": "yes"}),
        ('["no", "yes"]', ["no", "yes"]),
        ("no\nyes\n", ["no", "yes"]),
        ("no", ["no"]),
    ],
)
def test_label_files_are_json_or_one_label_per_line(tmp_path, text, expected):
    (tmp_path / "labels").write_text(text, encoding="utf-8")
    assert read_label_file(tmp_path / "labels") == expected


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b'{"0": '])
def test_the_error_for_an_unreadable_label_file_names_the_file(tmp_path, content):
    if content is not None:
        (tmp_path / "labels").write_bytes(content)
    with pytest.raises(HubModuleError, match="labels: "):
        read_label_file(tmp_path / "labels")


# ---- The real command lines


@pytest.mark.integration
@pytest.mark.slow
def test_from_checkpoint_to_hub_run_by_the_command_lines(checkpoint, weights, bare, tmp_path):
    """Run build_hub_modules.py here, then hub install, list, show, run, uninstall without paddle_wwm."""
    (tmp_path / "labels.json").write_text(json.dumps(LABELS), encoding="utf-8")
    script, options = (
        MODULES.parent / "scripts" / "build_hub_modules.py",
        ("--task", "seq-cls", "--label-map", "labels.json", "--weights", weights),
    )
    command = [
        sys.executable,
        script,
        "--name",
        "my-sentiment",
        "--from-checkpoint",
        checkpoint[1].parent,
        *options,
        "--version",
        "1.2.0",
    ]
    built = subprocess.run(
        [*map(str, command), "--output", "dist"], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert "built my-sentiment 1.2.0" in built.stdout and "paddle-wwm hub install" in built.stdout, built.stderr

    def hub(*arguments):
        result = bare.run([bare.hub, *arguments], hub_home=tmp_path / "hub", cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    hub("install", "dist/my-sentiment-1.2.0.tar")
    assert "my-sentiment" in hub("list")
    assert "1.2.0" in hub("show", "my-sentiment")
    [label], [probabilities] = checkpoint[0].predict(["天气很好"], return_prob=True)
    printed = ast.literal_eval(hub("run", "my-sentiment", "--input_text", "天气很好").strip().splitlines()[-1])
    assert printed == {"label": label, "probability": pytest.approx(max(probabilities), abs=1e-5)}
    wrong = bare.run(
        [bare.hub, "run", "my-sentiment", "--input_text", "天气", "--task", "mrc"],
        hub_home=tmp_path / "hub",
        cwd=tmp_path,
    )
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    assert wrong.stderr.strip().splitlines()[-1].endswith("Did you mean 'question-answering'?")
    for flag, value, message in (
        ("--task", "nope", "error: `task` must be None or one of"),
        ("--max_seq_len", "2", "error: `max_seq_len` must be between 3 and"),
    ):
        wrong = bare.run(
            [bare.hub, "run", "my-sentiment", "--input_text", "天气", flag, value],
            hub_home=tmp_path / "hub",
            cwd=tmp_path,
        )
        lines = [line for line in wrong.stderr.splitlines() if not line.startswith(" ") and "Warning: " not in line]
        assert wrong.returncode == 2 and len(lines) == 1 and lines[0].startswith(message), wrong.stderr
    hub("uninstall", "my-sentiment")
    assert not (tmp_path / "hub" / "modules" / "my_sentiment").exists()
