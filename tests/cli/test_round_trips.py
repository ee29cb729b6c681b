"""What a command writes, every other command that takes a model reads, and nothing is lost on the way.

    makers      commands that write a model
    takers      commands that read one, and write another or use it

Each test runs one taker on what one maker has written, and compares what is known about the model before and after.
A taker that cannot use it must say so with a remedy.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from paddle_wwm import load_model
from paddle_wwm.cli.main import main
from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.conversion.names import OPTIONAL_PARTS
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.files import read_json
from paddle_wwm.model.config_keys import DATA_LABELS_KEY, READING_KEY
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from ..conversion.fine_tuned import fine_tuned_here
from ..conversion.test_adapters import CONFIG as ADAPTER
from ..conversion.test_adapters import adapter
from ..finetuning.builders import write_model, write_questions, write_texts, write_tokens

pytestmark = pytest.mark.integration
RECIPE = """
model: {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32,
        max_position_embeddings: 48}
data: {pairing: full-sentences, held_out_share: 0.1, segmenter: whitespace}
phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 2, learning_rate: 1e-4}]
runtime: {micro_batch_size: 4, max_evaluation_examples: 32}
"""
WORD = "预训练"
FAST = ("--epochs", "1", "--batch-size", "8", "--limit-train", "8", "--max-seq-length", "24")


class CommandFailed(Exception):
    """A command that must succeed has ended with another status. The message is on stderr."""


def run(*arguments: str | Path) -> None:
    """Run a command, which must succeed."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    if ended.value.code:
        raise CommandFailed(f"paddle-wwm {' '.join(map(str, arguments))}")


# ---- Makers


class Workshop:
    """Folders that the commands have written, each made once."""

    def __init__(self, place: Path, vocab) -> None:
        self.place, self._vocab = place, vocab

    def get(self, name: str) -> Path:
        """Return what a maker has written."""
        target = self.place / name
        if not target.exists():
            MAKERS[name](self, target)
        return next((inner for inner in (target / "seed-1" / "model",) if inner.exists()), target)

    def data(
        self, kind: str, write: Callable, *, options: dict | None = None, ending: str = "txt"
    ) -> tuple[str | Path, ...]:
        folder = self.place / f"data-{kind}"
        folder.mkdir(exist_ok=True)
        for number, split in enumerate(("train", "dev")):
            write(folder / f"{split}.{ending}", 16, seed=number, **(options or {}))
        return ("--train", folder / f"train.{ending}", "--dev", folder / f"dev.{ending}")

    def base(self) -> Path:
        """Return a model folder with random weights."""
        folder = self.place / "base"
        if not folder.exists():
            folder.mkdir()
            write_model(folder, self._vocab)
        return folder


def _pretrain(shop: Workshop, target: Path) -> None:
    text, recipe = shop.place / "text.txt", shop.place / "recipe.yaml"
    text.write_text("\n\n".join(f"我们 在 北京 {n}。\n天气 很 好 {n}。" for n in range(60)), encoding="utf-8")
    recipe.write_text(RECIPE)
    run("pretrain", "--corpus", text, "--config", recipe, "--init", shop.base(), "--output", target)


def _finetune(kind: str, write: Callable, *flags: str, ending: str = "tsv", options: dict | None = None) -> Callable:
    def make(shop: Workshop, target: Path) -> None:
        data = shop.data(target.name, write, options=options, ending=ending)
        run("finetune", "--kind", kind, *data, "--model", shop.base(), *FAST, *flags, "--output", target)

    return make


def _of(kind: HeadKind) -> Callable:
    """Return a maker for a head that hub.Trainer trains."""
    return lambda shop, target: fine_tuned_here(target, kind, base=shop.base())


def _command(source: str, *command: str, after: tuple[str, ...] = ()) -> Callable:
    """Return a maker that runs a command on what another one has written: COMMAND SOURCE TARGET."""
    return lambda shop, target: run(*command, shop.get(source), target, *after)


def _build(source: str) -> Callable:
    def make(shop: Workshop, target: Path) -> None:
        run("hub", "build", "--name", target.name, "--weights", shop.get(source), "--output", shop.place / "dist")
        target.symlink_to(shop.place / "dist" / target.name.replace("-", "_"))

    return make


def _download(source: str) -> Callable:
    def make(shop: Workshop, target: Path) -> None:
        name = f"someone/{target.name}"
        run("download", name, "--from", shop.get(source), "--home", shop.place / "home")
        target.symlink_to(shop.place / "home" / "models" / name.replace("/", "--"))

    return make


def _extend(source: str) -> Callable:
    return lambda shop, target: run("extend-vocab", shop.get(source), WORD, "“", "--output", target)


def _merge(shop: Workshop, target: Path) -> None:
    """Merge a LoRA adapter of peft into a fine-tuned model."""
    module = "base_model.model.bert.encoder.layer.0.attention.self.query"
    rng = np.random.default_rng(3)
    shapes = {"A": (ADAPTER["r"], 32), "B": (32, ADAPTER["r"])}
    factors = {key: rng.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}
    folder = adapter(shop.place / "adapter", {f"{module}.lora_{key}.weight": one for key, one in factors.items()})
    run("convert", shop.get("texts-hf"), target, "--to", "paddle", "--merge", folder)


MAKERS: dict[str, Callable[[Workshop, Path], None]] = {
    "pretrain": _pretrain,
    "texts": _finetune("classification", write_texts, "--label-names", "坏,好"),
    "tokens": _finetune("token-labels", write_tokens, ending="txt"),
    "answers": _finetune("reading-comprehension", write_questions, ending="json"),
    "kinds": _finetune("reading-comprehension", write_questions, ending="json", options={"with_kinds": True}),
    "labels": _of(HeadKind.MULTI_LABEL),
    "matching": _of(HeadKind.MATCHING),
    "texts-hf": _command("texts", "convert", after=("--to", "huggingface")),
    "texts-tf": _command("texts", "convert", after=("--to", "tensorflow")),
    "texts-nlp": _command("texts", "convert", after=("--to", "paddlenlp")),
    "labels-hf": _command("labels", "convert", after=("--to", "huggingface")),
    "tokens-hf": _command("tokens", "convert", after=("--to", "huggingface")),
    "answers-hf": _command("answers", "convert", after=("--to", "huggingface")),
    "pretrain-hf": _command("pretrain", "convert", after=("--to", "huggingface")),
    "pretrain-st": _command("pretrain", "convert", after=("--to", "sentence-transformers")),
    "pretrain-tf": _command("pretrain", "convert", after=("--to", "tensorflow")),
    "merged-texts": _merge,
    "grown": _extend("pretrain"),
    "grown-texts": _extend("texts"),
    "grown-kinds": _extend("kinds"),
    "grown-hf": _command("grown", "convert", after=("--to", "huggingface")),
    "grown-tf": _command("grown", "convert", after=("--to", "tensorflow")),
    "module": _build("pretrain"),
    "module-texts": _build("texts-hf"),
    "module-kinds": _build("kinds"),
    "module-grown": _build("grown-hf"),
    "fetched": _download("pretrain-hf"),
    "fetched-texts": _download("texts-hf"),
    "fetched-kinds": _download("kinds"),
    "fetched-grown": _download("grown-hf"),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, mini_vocab):
    return Workshop(tmp_path_factory.mktemp("shop"), mini_vocab)


# ---- What is known about a model


def facts_of(folder: Path) -> dict:
    """Return what must stay the same."""
    model = open_model(folder)
    encoder = hashlib.sha256()
    for name in sorted(model.tensors):
        if name.startswith(("bert.embeddings", "bert.encoder", "classifier", "kind_classifier")):
            encoder.update(name.encode() + model.tensors[name].read().tobytes())
    tokenizer = WordPieceTokenizer(vocab=model.vocab, do_lower_case=model.do_lower_case)
    return {
        "sizes": dataclasses.asdict(model.config),
        "head": model.head,
        "reading": model.config_values.get(READING_KEY),
        "labels of the data": model.config_values.get(DATA_LABELS_KEY),
        "vocabulary": model.vocab.tokens,
        "is lower case": model.do_lower_case,
        "length": model.tokenizer.model_max_length,
        "words": list(model.added_tokens),
        "ids": [list(ids) for ids, _ in tokenizer.encode_each([f"我们{WORD}“BERT”天气"])],
        "tensors": encoder.hexdigest(),
        # a head without a pooler in transformers loses it there, with a note
        "trained": set(OPTIONAL_PARTS) - {*model.absent, *model.untrained} if model.head is None else None,
    }


def assert_same(folder: Path, other: Path, *, facts: tuple[str, ...] | None = None) -> None:
    one, two = facts_of(folder), facts_of(other)
    assert {key: one[key] for key in facts or one} == {key: two[key] for key in facts or two}


# ---- Takers


def _converted(target: str) -> Callable:
    def take(shop: Workshop, source: Path, place: Path) -> Path | None:
        run("convert", source, place, "--to", target)
        if target == "onnx":
            return None  # `convert` writes ONNX and does not read it
        run("verify-conversion", source, place)
        return place

    return take


def _grown(shop: Workshop, source: Path, place: Path) -> Path:
    run("extend-vocab", source, "；", "--output", place)  # a word that is there already: nothing else may change
    return place


def _built(shop: Workshop, source: Path, place: Path) -> Path:
    run("hub", "build", "--name", "mine", "--weights", source, "--output", place)
    return place / "mine"


def _fetched(shop: Workshop, source: Path, place: Path) -> Path:
    run("download", "someone/mine", "--from", source, "--home", place)
    return place / "models" / "someone--mine"


def _exported(shop: Workshop, source: Path, place: Path) -> None:
    module = source if (source / "module.py").exists() else _built(shop, source, place)
    run("hub", "export", module, place / "onnx")
    head = open_model(source).head
    labels = place / "onnx" / "labels.json"
    assert (json.loads(labels.read_text()) if labels.exists() else []) == list(head.labels if head else ())


def _fine_tuned(shop: Workshop, source: Path, place: Path) -> None:
    data = shop.data("texts", write_texts, ending="tsv")
    run("finetune", "--kind", "classification", *data, "--model", source, *FAST, "--output", place)
    values = read_json(place / "seed-1" / "model" / "config.json")
    assert values["finetuning_task"] == "seq-cls" and list(values["id2label"].values()) == ["0", "1"]
    assert values.get(DATA_LABELS_KEY) in (None, ["0", "1"]) and "problem_type" not in values
    assert_same(place / "seed-1" / "model", source, facts=OF_THE_ENCODER)


def _pretrained(shop: Workshop, source: Path, place: Path) -> None:
    text, recipe = shop.place / "more.txt", shop.place / "more.yaml"
    text.write_text("\n\n".join(f"我们 在 北京 {n}。\n天气 很 好 {n}。" for n in range(60)), encoding="utf-8")
    recipe.write_text(RECIPE)
    run("pretrain", "--corpus", text, "--config", recipe, "--init", source, "--output", place)
    assert_same(place, source, facts=OF_THE_ENCODER)
    assert open_model(place).head is None


def _evaluated(shop: Workshop, source: Path, place: Path) -> None:
    kind, file = DATA[open_model(source).head.kind]
    run("evaluate", "--kind", kind, "--file", shop.place / file, "--model", source, "--output", place)
    assert (place / "scores.json").exists()


def _loaded(shop: Workshop, source: Path, place: Path) -> None:
    head = open_model(source).head
    assert load_model(source, task=head.kind.task if head else None) is not None


TAKERS: dict[str, Callable[[Workshop, Path, Path], Path | None]] = {
    "convert --to paddle": _converted("paddle"),
    **{f"convert --to {to}": _converted(to) for to in ("huggingface", "tensorflow", "paddlenlp")},
    "convert --to onnx": _converted("onnx"),
    "extend-vocab": _grown,
    "hub build": _built,
    "download --from": _fetched,
    "hub export": _exported,
    "finetune": _fine_tuned,
    "pretrain --init": _pretrained,
    "evaluate": _evaluated,
    "load_model": _loaded,
}
# the data of the makers `texts`, `tokens`, `answers` and `kinds`
DATA = {
    HeadKind.SEQUENCE: ("classification", "data-texts/dev.tsv"),
    HeadKind.TOKENS: ("token-labels", "data-tokens/dev.txt"),
    HeadKind.ANSWERS: ("reading-comprehension", "data-answers/dev.json"),
    HeadKind.ANSWERS_WITH_KINDS: ("reading-comprehension", "data-kinds/dev.json"),
}
STARTS = ("pretrain", "texts", "grown-kinds", "module-grown", "fetched-texts")  # each run takes more than ten seconds
FOREIGN_TARGETS = ("convert --to huggingface", "convert --to tensorflow", "convert --to paddlenlp")
OF_THE_ENCODER = ("sizes", "vocabulary", "is lower case", "length", "words", "ids")
# takers that use a folder for long, and need one of ours; the message has the command that makes it
IN_OUR_FORM = ("finetune", "pretrain --init", "evaluate")
FOREIGN = ("-hf", "-tf", "-nlp", "-st")


def refusal_of(maker: str, taker: str) -> str | None:
    """Return what the message must say if a taker cannot use what a maker has written."""
    if taker in IN_OUR_FORM and maker.endswith(FOREIGN):
        return "Convert it first: paddle-wwm convert"
    if any(name in maker for name in ("kinds", "matching")) and taker in FOREIGN_TARGETS:
        return "no class of"
    return None


def pairs() -> list:
    """Return every maker with every taker that may use its model."""
    fine_tuned = ("texts", "tokens", "answers", "kinds")
    return [
        pytest.param(maker, taker, marks=pytest.mark.slow if taker == "pretrain --init" else ())
        for maker in MAKERS
        for taker in TAKERS
        if (taker != "evaluate" or any(name in maker for name in fine_tuned))
        and (taker != "pretrain --init" or maker in STARTS or maker.endswith(FOREIGN))
    ]


@pytest.mark.parametrize(("maker", "taker"), pairs())
def test_nothing_is_lost(shop, tmp_path, capsys, maker, taker):
    source = shop.get(maker)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    refusal = refusal_of(maker, taker)
    if refusal is not None:
        capsys.readouterr()
        with pytest.raises(CommandFailed):
            TAKERS[taker](shop, source, tmp_path / "out")
        assert refusal in capsys.readouterr().err
        return
    taken = TAKERS[taker](shop, source, tmp_path / "out")
    if taken is not None:
        assert_same(taken, source)
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
