"""A small experiment, and results in the form in which its stages write them."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.evidence.experiment import Arm, EvidenceConfig, FineTuning
from paddle_wwm.files import write_json
from paddle_wwm.finetuning.results import RunRecord, SeedResult, seed_folder, write_record
from paddle_wwm.runs.folder import RUN_NAME

RECIPE = """\
model: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, max_position_embeddings: 64}
data: {pairing: full-sentences, held_out_share: 0.1}
phases:
  - {max_seq_length: 32, global_batch_size: 4, num_steps: 40, learning_rate: 1e-3, num_warmup_steps: 1}
runtime: {micro_batch_size: 4, log_every_steps: 1, evaluate_every_steps: 20, save_every_steps: 10, max_evaluation_examples: 8}
"""  # noqa: E501
REVIEWS = ("天气很好", "不是很好", "我们在北京大学学习，有人来这", "这有那人不好", "中国很好", "那天不好")


def sentiment_folder(path: Path) -> Path:
    """Write the files of ChnSentiCorp with a few reviews."""
    path.mkdir(parents=True)
    for split, copies in (("train", 3), ("dev", 1), ("test", 1)):
        rows = [f"{number % 2}\t{text}{'！' * copy}" for copy in range(copies) for number, text in enumerate(REVIEWS)]
        (path / f"{split}.tsv").write_text("\n".join(["label\ttext_a", *rows]) + "\n", encoding="utf-8")
    return path


def squad_file(path: Path, contexts) -> None:
    """Write a file in SQuAD format: two questions per passage, answered by its first characters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    articles = []
    for number, context in enumerate(contexts):
        qas = [
            {
                "id": f"{path.stem}_{number}_{place}",
                "question": f"第{place}个问题？",
                "answers": [{"text": context[:2], "answer_start": 0}],
            }
            for place in range(2)
        ]
        articles.append(
            {"id": f"{number}", "title": "", "paragraphs": [{"id": f"{number}", "context": context, "qas": qas}]}
        )
    path.write_text(json.dumps({"version": "v1", "data": articles}, ensure_ascii=False), encoding="utf-8")


def config_of(folder: Path, **changes) -> EvidenceConfig:
    """Return an experiment in `folder`/out with its own recipe."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    task = FineTuning(
        task="chnsenticorp", data=folder / "chn", max_seq_length=16, batch_size=4, num_epochs=1, learning_rate=1e-3
    )
    values = {"output": folder / "out", "corpus": (), "vocab": folder / "vocab.txt", "recipe": recipe, "tasks": (task,)}
    return EvidenceConfig(**{**values, **changes})


def write_finetuned(config: EvidenceConfig, arm: Arm, seed: int, scores, *, recipe=None, data_sha256="d") -> None:
    """Write the fine-tuning results of one model; scores: (dev, test) per seed."""
    task = config.tasks[0]
    path = config.finetuning_path(task.task, arm, seed)
    numbers = {
        "max_seq_length": task.max_seq_length,
        "batch_size": task.batch_size,
        "num_epochs": task.num_epochs,
        "limit_train": 0,
    }
    record = RunRecord(
        task=task.task,
        title="ChnSentiCorp",
        metric="accuracy",
        model={"name": path.name, "sha256": path.name},
        data={name: {"path": name, "sha256": data_sha256, "num_examples": 6} for name in ("train", "dev", "test")},
        recipe={**numbers, **(recipe or {})},
        learning_rate=task.learning_rate,
        version="1",
    )
    write_record(path / RUN_NAME, record)
    for number, (dev, test) in enumerate(scores, start=1):
        result = SeedResult(
            seed=number,
            scores={"dev": {"accuracy": dev}, "test": {"accuracy": test}},
            best_step=1,
            num_steps=1,
            seconds=1.0,
            texts_per_second=1.0,
            num_workers=1,
        )
        write_record(seed_folder(path, number) / "result.json", result)


def write_masked(config: EvidenceConfig, arm: Arm, seed: int, *, pieces: float, words: float) -> None:
    """Write the masked accuracies of one model, the same under both maskings."""
    values = {"masked_accuracy": pieces, "word_accuracy": words}
    write_json(
        config.masked_path(arm, seed),
        {"evaluation_examples": config.evaluation_examples, "maskings": {"whole-word": values, "piece": values}},
    )
