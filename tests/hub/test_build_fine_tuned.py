"""A fine-tuned folder of transformers, PaddleNLP or ours becomes a module with its task and labels in one command."""

from __future__ import annotations

import json

import paddle
import pytest
from onnx.reference import ReferenceEvaluator

from paddle_wwm import load_model
from paddle_wwm.cli.main import main
from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.errors import CheckpointError, HubModuleError
from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.build import build_module
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.model.folder import read_model_config
from paddle_wwm.tasks.model_folder import write_finetuned
from paddle_wwm.tasks.task_table import task_class

TASKS = {
    "seq-cls": ("差评", "好评", "中评"),
    "multi-label": ("快", "好", "省"),
    "token-cls": ("O", "B-PER", "I-PER"),
    "question-answering": (),
}
TEXTS = {
    "seq-cls": [["我们在北京大学学习"], ["天气很好"]],
    "multi-label": [["我们在北京大学学习"], ["天气很好"]],
    "token-cls": [["我们在北京大学学习"], ["天气很好"]],
    "question-answering": [{"question": "天气", "context": "我们在北京大学学习天气很好"}],
}


def write_ours(folder, task, weights, *, labels=None):
    labels = TASKS[task] if labels is None else labels
    paddle.seed(5)
    network = task_class(task)(labels=labels).make_network(read_model_config(weights))
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    folder.mkdir()
    write_finetuned(folder, arrays=arrays, source=weights, task=task, label_map=dict(enumerate(labels)))
    return folder


def predictions(folder, task):
    module = BertHubModule(task=task, weights=str(folder))
    return str(module.predict(TEXTS[task], return_prob=True) if TASKS[task] else module.predict(TEXTS[task]))


@pytest.fixture(params=TASKS)
def fine_tuned(request, weights, tmp_path):
    """Our folder and that of transformers with the same fine-tuned model, and its task."""
    ours = write_ours(tmp_path / "ours", request.param, weights)
    convert(ours, target=tmp_path / "hf", to="huggingface")
    return ours, tmp_path / "hf", request.param


def test_one_command_builds_a_module_of_a_folder_of_transformers(fine_tuned, tmp_path, capsys):
    ours, foreign, task = fine_tuned
    before = {path.name: path.read_bytes() for path in foreign.iterdir()}
    arguments = ["--name", "mine", "--weights", str(foreign), "--output", str(tmp_path / "dist")]
    with pytest.raises(SystemExit) as ended:
        main(["hub", "build", *arguments])
    assert ended.value.code == 0
    assert f"Hugging Face's names: {task}" in capsys.readouterr().out
    assets = tmp_path / "dist" / "mine" / "assets"
    values = json.loads((assets / "config.json").read_text())
    assert values["finetuning_task"] == task and tuple(values.get("id2label", {}).values()) == TASKS[task]
    assert predictions(assets, task) == predictions(ours, task)
    assert f"fine-tuned for {task}" in (tmp_path / "dist" / "mine" / "module.py").read_text()
    assert before == {path.name: path.read_bytes() for path in foreign.iterdir()}


def test_our_fine_tuned_folder_as_weights_keeps_its_task(fine_tuned, tmp_path):
    ours, _, task = fine_tuned
    built = build_module(name="mine", weights=ours, output=tmp_path / "dist")
    assert predictions(built.directory / "assets", task) == predictions(ours, task)


def test_a_module_is_converted_to_transformers(fine_tuned, tmp_path):
    _, foreign, _ = fine_tuned
    built = build_module(name="mine", weights=foreign, output=tmp_path / "dist")
    for number, source in enumerate((built.directory, built.archive)):
        convert(source, target=tmp_path / f"back-{number}", to="huggingface")
        found, expected = open_model(tmp_path / f"back-{number}"), open_model(foreign)
        assert found.head == expected.head and found.tensors.keys() == expected.tensors.keys()


def test_load_model_takes_a_folder_of_transformers(fine_tuned):
    ours, foreign, task = fine_tuned
    ids = paddle.to_tensor([[1, 5, 9, 4], [2, 3, 7, 8]])
    inputs = (ids, paddle.zeros_like(ids), ids > 0)
    one, other = (load_model(folder, task=task)(*inputs).numpy() for folder in (ours, foreign))
    assert (one == other).all()
    with pytest.raises(CheckpointError, match=f"{foreign}: must be a model for text-matching, but was fine-tuned for"):
        load_model(foreign, task="text-matching")


def test_load_model_takes_a_pretrained_folder_of_transformers(weights, tmp_path):
    convert(weights, target=tmp_path / "hf", to="huggingface")
    found, expected = (load_model(folder).state_dict() for folder in (tmp_path / "hf", weights))
    assert all((found[name].numpy() == tensor.numpy()).all() for name, tensor in expected.items())


def test_labels_and_task_can_be_given_for_a_folder_that_does_not_state_them(weights, tmp_path):
    convert(write_ours(tmp_path / "ours", "seq-cls", weights), target=tmp_path / "hf", to="huggingface")
    values = json.loads((tmp_path / "hf" / "config.json").read_text())
    left_out = ("architectures", "finetuning_task", "id2label", "label2id", "problem_type")
    bare = {key: value for key, value in values.items() if key not in left_out}
    (tmp_path / "hf" / "config.json").write_text(json.dumps(bare))
    options = {"name": "mine", "weights": tmp_path / "hf", "output": tmp_path / "dist"}
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'hf'}.*add --task NAME"):
        build_module(**options)
    built = build_module(**options, task="seq-cls", label_map=["bad", "good", "so-so"])
    values = json.loads((built.directory / "assets" / "config.json").read_text())
    assert values["id2label"] == {"0": "bad", "1": "good", "2": "so-so"}


def test_a_fine_tuned_model_needs_a_name_of_its_own(fine_tuned, tmp_path):
    _, foreign, _ = fine_tuned
    with pytest.raises(HubModuleError, match="needs a name of your own"):
        build_module(name="chinese-bert-wwm", weights=foreign, output=tmp_path / "dist", allow_other_sizes=True)
    assert not (tmp_path / "dist").exists()


def test_another_head_is_refused_and_nothing_is_written(weights, tmp_path):
    convert(write_ours(tmp_path / "ours", "seq-cls", weights), target=tmp_path / "hf", to="huggingface")
    values = json.loads((tmp_path / "hf" / "config.json").read_text())
    (tmp_path / "hf" / "config.json").write_text(json.dumps(values | {"problem_type": "regression"}))
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'hf'}.*problem_type"):
        build_module(name="mine", weights=tmp_path / "hf", output=tmp_path / "dist")
    with pytest.raises(CheckpointError, match="problem_type"):
        load_model(tmp_path / "hf", task="seq-cls")
    assert not (tmp_path / "dist").exists()


def run_command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["hub", *map(str, arguments)])
    return ended.value.code


def test_hub_export_writes_the_onnx_file_that_convert_writes(fine_tuned, tmp_path, capsys):
    ours, _, task = fine_tuned
    built = build_module(name="mine", weights=ours, output=tmp_path / "dist")
    assert run_command("export", built.directory, tmp_path / "onnx") == 0
    assert "model.onnx" in capsys.readouterr().out
    convert(ours, target=tmp_path / "direct", to="onnx")
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "direct").iterdir())
    for name in ("model.onnx", "tokenizer.json", *(["labels.json"] if TASKS[task] else [])):
        assert (tmp_path / "onnx" / name).read_bytes() == (tmp_path / "direct" / name).read_bytes()
    assert run_command("export", built.directory, tmp_path / "onnx") == 2  # the folder exists
    assert run_command("export", "absent-module", tmp_path / "other") == 2
    assert "not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "labels", "outputs"),
    [
        ("text-matching", ("不同", "相同"), ["logits"]),
        ("question-answering", ANSWER_KINDS, ["start_logits", "end_logits", "kind_logits"]),
    ],
)
def test_hub_export_writes_heads_that_no_other_program_has(weights, tmp_path, capsys, task, labels, outputs):
    built = build_module(
        name="mine", weights=write_ours(tmp_path / "ours", task, weights, labels=labels), output=tmp_path / "dist"
    )
    assert run_command("export", built.directory, tmp_path / "onnx") == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "onnx" / "labels.json").read_text()) == list(labels)
    assert ReferenceEvaluator(str(tmp_path / "onnx" / "model.onnx")).output_names == outputs
    assert "The outputs are logits." in (tmp_path / "onnx" / "README.md").read_text()


def test_hub_export_writes_the_scores_of_words_of_a_pretrained_module(weights, tmp_path):
    built = build_module(name="mine", weights=weights, output=tmp_path / "dist")
    assert run_command("export", built.directory, tmp_path / "onnx", "--task", "fill-mask") == 0
    assert (tmp_path / "onnx" / "model.onnx").stat().st_size > 1000
