"""Helpers for the tests of fine-tuning: small random models, small learnable data sets of every kind, and runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.files import write_json
from paddle_wwm.finetuning.set_up import FineTuneJob
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import save_model
from paddle_wwm.model_config import ModelConfig

FILLER = "使用语言模型来预测下一个词的我们在中国北京大学学习"
GOOD, BAD = "天气很好", "不是这那"
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 48,
}


def write_model(folder: Path, vocab, **changes) -> Path:
    """Write a model folder with random weights; the same sizes give the same weights."""
    paddle.seed(0)
    model = BertForPretraining(ModelConfig(**{"vocab_size": len(vocab), "initializer_range": 0.1, **SIZES, **changes}))
    save_model(folder, model=model, vocab=vocab, do_lower_case=True)
    return folder


def texts(count: int, *, seed: int) -> list[tuple[str, str]]:
    """Return texts of different lengths and their labels.

    A text with label "1" contains three characters of GOOD; a text with label "0" contains three characters of BAD.
    """
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        characters = [str(character) for character in rng.choice(list(FILLER), rng.integers(3, 14))]
        label = number % 2
        for _ in range(3):
            characters.insert(int(rng.integers(len(characters))), str(rng.choice(list(GOOD if label else BAD))))
        made.append(("".join(characters), str(label)))
    return made


def write_texts(path: Path, count: int, *, seed: int, with_labels: bool = True) -> Path:
    """Write a file in the format of ChnSentiCorp."""
    rows = [f"{label}\t{text}" if with_labels else text for text, label in texts(count, seed=seed)]
    path.write_text("\n".join(["label\ttext_a" if with_labels else "text_a", *rows]) + "\n", encoding="utf-8")
    return path


def write_chnsenticorp(folder: Path, *, train: int = 64, dev: int = 24, test: int = 24) -> Path:
    """Write the three splits of a data set in the format of ChnSentiCorp."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate((("train", train), ("dev", dev), ("test", test))):
        write_texts(folder / f"{split}.tsv", count, seed=number)
    return folder


def write_tokens(path: Path, count: int, *, seed: int) -> Path:
    """Write a file with one token and its label per line; characters of GOOD are entities."""
    sentences = [
        "\n".join(f"{character} {'B-PER' if character in GOOD else 'O'}" for character in text)
        for text, _ in texts(count, seed=seed)
    ]
    path.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return path


def write_questions(path: Path, count: int, *, seed: int, with_kinds: bool = False) -> Path:
    """Write a file in the format of SQuAD.

    The answer is the one character of GOOD in the passage. With `with_kinds`, there are also passages with 是 (the
    answer is YES), with 不 (the answer is NO), and with none of them (there is no answer).
    """
    rng = np.random.default_rng(seed)
    paragraphs = []
    for number in range(count):
        context = "".join(map(str, rng.choice(list(FILLER), rng.integers(5, 40))))
        place = int(rng.integers(len(context)))
        kind = number % 4 if with_kinds else 0
        mark = "" if kind == 3 else str(rng.choice(list(GOOD))) if kind == 0 else "是不"[kind - 1]
        context = context[:place] + mark + context[place:]
        if kind in (1, 2):  # put the mark into every window
            context = "".join(character + (mark if place % 4 == 0 else "") for place, character in enumerate(context))
        answer = {
            0: {"text": mark, "answer_start": place},
            1: {"text": "YES", "answer_start": -1},
            2: {"text": "NO", "answer_start": -1},
        }.get(kind)
        item = {"id": f"q{number}", "question": "学习语言", "answers": [answer] if answer else []}
        paragraphs.append(
            {
                "context": context,
                "qas": [{**item, "is_impossible": "false" if answer else "true"} if with_kinds else item],
            }
        )
    write_json(path, {"version": "1", "data": [{"paragraphs": paragraphs}]})
    return path


def job_of(folder: Path, *, model: Path, output: str = "run", **options) -> FineTuneJob:
    """Return a small fine-tuning job on the classification data in `folder`.

    `changes` are added to the recipe.
    """
    changes = {
        "num_epochs": 4,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "max_seq_length": 24,
        **options.pop("changes", {}),
    }
    return FineTuneJob(
        **{
            "dataset": find_dataset("chnsenticorp"),
            "data": folder,
            "model": str(model),
            "output": folder.parent / output,
            "seeds": (1,),
            "changes": changes,
            **options,
        }
    )


def own_task(kind: str, folder: Path, **options):
    """Return a data set of the files train, dev and test in a folder."""
    files = {split: path for split in ("train", "dev", "test") for path in folder.glob(f"{split}.*")}
    return dataset_of_flags(kind=kind, files=files, **options)


def result_of(output: Path, seed: int = 1) -> dict:
    """Return result.json without the values that depend on the time."""
    values = json.loads((output / f"seed-{seed}" / "result.json").read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if name not in ("seconds", "texts_per_second")}


def weights_of(output: Path, seed: int = 1) -> bytes:
    """Return the bytes of the weights of a seed."""
    return (output / f"seed-{seed}" / "model" / "model_state.pdparams").read_bytes()
