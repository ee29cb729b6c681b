#!/usr/bin/env python
"""Fine-tune a classifier: compare texts/s and accuracy with PaddleNLP's BertForSequenceClassification.

  python benchmarks/finetune.py --data /path/to/shared/data
  python benchmarks/finetune.py --quick                       check that it runs

The texts are the training set of ChnSentiCorp if --data DIR or PADDLE_WWM_DATA has tasks/chnsenticorp. Otherwise they
are random characters with the same lengths.

Speed: a random model of RBT3's shape (3 layers x 768), float32 (and ours in bfloat16
where the processor has such products), dropout 0.1, AdamW, clipping by the global norm,
linear warmup and decay, one thread, CPU time of the process. All contenders take the same batches of the same texts in
the same random order, tokenized beforehand. PaddleNLP's loop pads a batch to its longest text ("dynamic padding"), or
every text to the maximum, as its examples used to. Ours splits the batch into micro-batches of similar length; the
gradient is that of the whole batch. Steps are interleaved; a ratio is the median of the ratios of all repetitions.

Accuracy: a small model (2 layers x 64) with the same random weights, trained by both with the same recipe and tested on
the same texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any, Callable, Sequence

import hub_peers
import numpy as np
from common import print_machine, print_table, write_figures

from paddle_wwm.cli.process import run_script
from paddle_wwm.compute.onednn import missing_bfloat16
from paddle_wwm.tasks.examples import TextExample
from paddle_wwm.tokenization.vocab import Vocab

TOY = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 512,
}
OURS_IN_BF16 = "ours in bf16"
DYNAMIC, PADDED = "PaddleNLP, dynamic padding", "PaddleNLP, padded to the maximum"


def examples_of(data: Path | None, vocab: Vocab, *, number: int, seed: int) -> tuple[list[TextExample], str]:
    """Return labelled texts and the name of their source.

    The label of a random text shows in the characters appended to it, which come from one of two sets.
    """
    source = data and data / "tasks" / "chnsenticorp" / "train.tsv"
    if source and source.exists():
        lines = [line.split("\t", 1) for line in source.read_text(encoding="utf-8").splitlines()[1:]]
        order = np.random.default_rng(seed).permutation(len(lines))[:number]
        return [
            TextExample(example_id=str(place), text=lines[place][1], label=lines[place][0]) for place in order
        ], "ChnSentiCorp, training set"
    texts, name = hub_peers.reviews(None, number=number, seed=seed)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, number).tolist()
    words = ("好喜", "坏厌")
    marked = [text + "".join(rng.choice(list(words[label]), 4)) for text, label in zip(texts, labels)]
    return [
        TextExample(example_id=str(place), text=text, label=str(label))
        for place, (text, label) in enumerate(zip(marked, labels))
    ], name


def model_folder(folder: Path, vocab: Vocab, sizes: dict[str, int]) -> Path:
    """Write a model with random weights into a new folder."""
    import paddle

    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.model.weights import save_model
    from paddle_wwm.model_config import ModelConfig

    paddle.seed(0)
    folder.mkdir()
    save_model(
        folder, model=BertForPretraining(ModelConfig(vocab_size=len(vocab), **sizes)), vocab=vocab, do_lower_case=True
    )
    return folder


class Ours:
    """The training loop of scripts/finetune.py."""

    def __init__(self, folder: Path, examples: Sequence[TextExample], *, recipe: Any, seed: int) -> None:
        from paddle_wwm.finetuning.trainer import SeedTrainer, TrainingData
        from paddle_wwm.runs.fleet import World
        from paddle_wwm.tasks.fine_tuned import load_tokenizer
        from paddle_wwm.tasks.model_folder import read_description
        from paddle_wwm.tasks.task import Reading
        from paddle_wwm.tasks.text_classification import TextClassification

        description = read_description(folder)
        self.tokenizer = load_tokenizer(folder, description.config)
        self.task, self.reading = TextClassification(labels=("0", "1")), Reading(max_seq_length=recipe.max_seq_length)
        self.features = self.encode(examples)
        data = TrainingData(
            features=self.features,
            task=self.task,
            tokenizer=self.tokenizer,
            model=folder,
            description=description,
        )
        self.trainer = SeedTrainer(data, recipe=recipe, seed=seed, world=World())

    def encode(self, examples: Sequence[TextExample]) -> Any:
        """Return the features of the examples: rows with labels."""
        return self.task.encode(examples, tokenizer=self.tokenizer, reading=self.reading, with_labels=True)

    def step(self, number: int) -> None:
        """Train on one batch."""
        import paddle

        paddle.set_flags({"FLAGS_use_stride_kernel": False})  # as in the trainer; the steps of PaddleNLP set it back
        self.trainer.step(number)

    def accuracy(self, examples: Sequence[TextExample]) -> float:
        """Return the accuracy in percent."""
        from paddle_wwm.tasks.fine_tuned import FineTunedModel, predict_examples

        model = FineTunedModel(
            task=self.task, network=self.trainer.network, tokenizer=self.tokenizer, reading=self.reading
        )
        found = predict_examples(model, examples)
        return 100 * statistics.fmean(result.label == example.label for result, example in zip(found, examples))


class PaddleNLP:
    """The training loop of PaddleNLP's text classification examples, on the same rows."""

    def __init__(self, folder: Path, ours: Ours, *, recipe: Any, seed: int, pads_to_maximum: bool) -> None:
        import paddle
        from paddlenlp.transformers import BertForSequenceClassification, LinearDecayWithWarmup
        from paddlenlp.utils.log import logger

        logger.set_level("ERROR")
        paddle.seed(seed)
        self.model = BertForSequenceClassification.from_pretrained(str(folder), num_classes=2)
        self.model.train()
        self.rows, self.labels = ours.features.rows, np.array(ours.features.labels)
        self.recipe, self.seed, self.pads_to_maximum, self.pad_id = (
            recipe,
            seed,
            pads_to_maximum,
            ours.tokenizer.vocab.pad_id,
        )
        self.schedule = LinearDecayWithWarmup(recipe.learning_rate, ours.trainer.num_steps, recipe.warmup_ratio)
        decayed = [
            parameter.name
            for name, parameter in self.model.named_parameters()
            if not any(part in name for part in ("bias", "norm"))
        ]
        self.optimizer = paddle.optimizer.AdamW(
            learning_rate=self.schedule,
            epsilon=1e-6,
            parameters=self.model.parameters(),
            weight_decay=recipe.weight_decay,
            apply_decay_param_fun=lambda name: name in decayed,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(recipe.clip_norm),
        )

    def step(self, number: int) -> None:
        """Train on one batch."""
        import paddle

        from paddle_wwm.finetuning.recipe import rows_of_step

        paddle.set_flags({"FLAGS_use_stride_kernel": True})  # Paddle's default
        chosen = rows_of_step(number, num_rows=len(self.rows), seed=self.seed, recipe=self.recipe)
        ids, types = self._padded(chosen)
        loss = paddle.nn.functional.cross_entropy(self.model(ids, types), paddle.to_tensor(self.labels[chosen]))
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.clear_grad()

    def _padded(self, chosen: Sequence[int]) -> tuple[Any, Any]:
        import paddle

        length = self.recipe.max_seq_length if self.pads_to_maximum else max(len(self.rows[row]) for row in chosen)
        ids, types = np.full((len(chosen), length), self.pad_id), np.zeros((len(chosen), length), np.int64)
        for place, row in enumerate(chosen):
            ids[place, : len(self.rows[row])] = self.rows[row].input_ids
            types[place, : len(self.rows[row])] = self.rows[row].token_type_ids
        return paddle.to_tensor(ids), paddle.to_tensor(types)

    def accuracy(self, rows: Sequence[Any], labels: np.ndarray) -> float:
        """Return the accuracy in percent."""
        import paddle

        self.model.eval()
        kept, self.rows = self.rows, rows
        with paddle.no_grad():
            found = [
                self.model(*self._padded(range(first, min(first + 32, len(rows))))).argmax(-1).numpy()
                for first in range(0, len(rows), 32)
            ]
        self.rows = kept
        self.model.train()
        return 100 * float((np.concatenate(found) == labels).mean())


def measure_speed(folder: Path, examples: Sequence[TextExample], *, recipe: Any, repetitions: int) -> dict[str, Any]:
    """Time the steps of all contenders in turn, after one warm-up step each."""
    ours = Ours(folder, examples, recipe=recipe, seed=1)
    contenders: dict[str, Callable[[int], None]] = {"ours": ours.step}
    if not missing_bfloat16():
        in_bf16 = dataclasses.replace(recipe, precision="bf16")
        contenders[OURS_IN_BF16] = Ours(folder, examples, recipe=in_bf16, seed=1).step
    for name in (DYNAMIC, PADDED):
        contenders[name] = PaddleNLP(folder, ours, recipe=recipe, seed=1, pads_to_maximum=name == PADDED).step
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repetitions + 1):
        for name, step in contenders.items():
            spent, _ = hub_peers.cpu_seconds(lambda step=step, number=number: step(number))
            if number:
                seconds[name].append(spent)
    figures, rows = {}, []
    for name, spent in seconds.items():
        ratio = statistics.median(theirs / mine for mine, theirs in zip(seconds["ours"], spent))
        figures[name] = {
            "texts_per_s": recipe.batch_size / statistics.median(spent),
            "ours_is_faster_by": ratio,
            "seconds": spent,
        }
        rows.append([name, f"{figures[name]['texts_per_s']:.2f}", f"{ratio:.2f}x"])
    print_table(
        f"training, batches of {recipe.batch_size}, up to {recipe.max_seq_length} tokens",
        ("", "texts/s", "ours is faster by"),
        rows,
    )
    return figures


def measure_accuracy(
    folder: Path, examples: Sequence[TextExample], held_out: Sequence[TextExample], *, recipe: Any, seeds: int
) -> dict[str, list[float]]:
    """Return the accuracies of both after the same steps, one per seed."""
    found: dict[str, list[float]] = {"ours": [], DYNAMIC: []}
    for seed in range(1, seeds + 1):
        ours = Ours(folder, examples, recipe=recipe, seed=seed)
        theirs = PaddleNLP(folder, ours, recipe=recipe, seed=seed, pads_to_maximum=False)
        for number in range(ours.trainer.num_steps):
            ours.step(number)
            theirs.step(number)
        tested = ours.encode(held_out)
        found["ours"].append(ours.accuracy(held_out))
        found[DYNAMIC].append(theirs.accuracy(tested.rows, np.array(tested.labels)))
    rows = [
        [name, f"{max(values):.1f} ({statistics.fmean(values):.1f})", *(f"{value:.1f}" for value in values)]
        for name, values in found.items()
    ]
    title = f"accuracy after {recipe.num_epochs} epochs of {len(examples):,} texts, a small model from random weights"
    print_table(title, ("", "max (mean)", *(f"seed {seed}" for seed in range(1, seeds + 1))), rows)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a folder with tasks/chnsenticorp and vocab/ (default: $PADDLE_WWM_DATA)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="texts per batch (default: %(default)s, as the authors)"
    )
    parser.add_argument(
        "--max-seq-length",
        type=int,
        default=256,
        metavar="N",
        help="tokens per text (default: %(default)s, as the authors)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="number of measured steps (default: %(default)s)"
    )
    parser.add_argument(
        "--train",
        type=int,
        default=4000,
        metavar="N",
        help="training texts of the accuracy comparison (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="seeds of the accuracy comparison (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the texts (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    if arguments.data is None and os.environ.get("PADDLE_WWM_DATA"):
        arguments.data = Path(os.environ["PADDLE_WWM_DATA"])
    if arguments.quick:
        arguments.batch_size, arguments.max_seq_length, arguments.repetitions, arguments.train, arguments.seeds = (
            4,
            32,
            1,
            12,
            1,
        )
    from paddle_wwm.finetuning.recipe import FineTuneRecipe

    vocab = hub_peers.vocab_of(arguments.data)
    num_tested = 8 if arguments.quick else 1000
    examples, name = examples_of(arguments.data, vocab, number=arguments.train + num_tested, seed=arguments.seed)
    numbers = {"max_seq_length": arguments.max_seq_length, "batch_size": arguments.batch_size}
    figures = print_machine(f"{name} ({len(examples):,} texts)")
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as temporary:
        sizes = hub_peers.QUICK if arguments.quick else hub_peers.RBT3
        folder = model_folder(Path(temporary) / "speed", vocab, sizes)
        recipe = FineTuneRecipe(**numbers, num_epochs=3, learning_rate=2e-5)
        figures["training"] = measure_speed(folder, examples, recipe=recipe, repetitions=arguments.repetitions)
        folder = model_folder(Path(temporary) / "accuracy", vocab, TOY)
        recipe = FineTuneRecipe(
            **{**numbers, "max_seq_length": min(128, arguments.max_seq_length)}, num_epochs=2, learning_rate=1e-3
        )
        train, held_out = examples[: arguments.train], examples[arguments.train :]
        figures["accuracy"] = measure_accuracy(folder, train, held_out, recipe=recipe, seeds=arguments.seeds)
    setting = os.environ.get("MKL_DEBUG_CPU_TYPE")
    print(f"\nMKL_DEBUG_CPU_TYPE={setting} on all sides" if setting else "\nMKL as installed on all sides")
    write_figures(arguments.json, figures)


if __name__ == "__main__":
    run_script(main)
