"""Describe a run before it starts: a masked example, tokens, steps, batches, parameters, memory and time.

This shows a mistake in the data or in the settings within seconds.
"""

from __future__ import annotations

import time
from typing import Sequence

import numpy as np
import paddle
import yaml

from ..amounts import duration_text
from ..config import PretrainRecipe, to_plain
from ..model_config import count_parameters
from ..pretraining_data.collate import PretrainBatch, PretrainData
from ..pretraining_data.mask_printer import Style, spans_of, words_of
from ..pretraining_data.mixture import Mixture
from ..shards.reader import ShardSet
from .batches import accumulation_steps
from .costs import bytes_of_a_worker, flops_of_phase
from .loader import Tensors, tensors_of
from .step import pretraining_losses


def show_example(data: PretrainData) -> str:
    """Return the first example of epoch 0, as words and as the model sees it."""
    example, masked = data.masked(0, epoch=0)
    words = "|".join(" ".join(word) for word in words_of(example, vocab=data.vocab))
    seen = [
        span.text if span.style is Style.PLAIN else f"{span.text}←{span.original}"
        for span in spans_of(example, masked, vocab=data.vocab)
    ]
    return f"  words   {words}\n  masked  {' '.join(seen)}"


def time_of_a_micro_batch(model: paddle.nn.Layer, data: Mixture, *, micro_batch_size: int) -> float:
    """Measure the seconds that forward and backward of a micro-batch take here.

    No parameter is changed.
    """
    batches = data.micro_batches(
        first_example=0, global_batch_size=micro_batch_size, micro_batch_size=micro_batch_size, rank=0, num_ranks=1
    )
    elapsed = 0.0
    for _ in range(2):  # the first run is a warm-up
        started = time.perf_counter()
        forward_and_backward(model, tensors_of(batches[0]))
        elapsed = time.perf_counter() - started
    return elapsed


def forward_and_backward(model: paddle.nn.Layer, batch: Tensors) -> None:
    """Compute the gradient of a micro-batch, discard it, and wait for the device."""
    losses = pretraining_losses(model, batch)
    (losses.mlm_loss if losses.nsp_loss is None else losses.mlm_loss + losses.nsp_loss).backward()
    for parameter in model.parameters():
        parameter.clear_grad()
    float(losses.mlm_loss)  # reading a number waits for the device


def describe_recipe(config: PretrainRecipe, *, num_workers: int, is_estimated: bool = False) -> str:
    """Describe a recipe without reading data, for --dry-run.

    The text has the recipe, the parameters, the memory per worker, the steps and tokens of every phase, and the
    number of floating point operations.

    Args:
        config: a recipe with steps.
        num_workers: the number of workers.
        is_estimated: True if the steps follow from epochs of text whose size was estimated.
    """
    parameters = count_parameters(config.model, with_pretraining_heads=True)
    state, activations = bytes_of_a_worker(config, num_workers=num_workers)
    lines = [
        yaml.safe_dump(to_plain(config), sort_keys=False, allow_unicode=True),
        f"parameters         {parameters:,} (vocabulary {config.model.vocab_size:,})",
        f"memory per worker  about {(state + activations) / 1e9:.2f} GB: {state / 1e9:.2f} for weights, "
        f"gradients and moments, "
        f"{activations / 1e9:.2f} for the activations of {config.runtime.micro_batch_size} examples"
        f"{' (recomputed)' if config.runtime.recompute else ''}; plus 0.5 to 1 GB for the program itself",
        f"one checkpoint     {parameters * 12 / 1e9:.2f} GB; the newest {config.runtime.keep_checkpoints} and the best "
        "one are kept",
    ]
    total = 0
    for number, phase in enumerate(config.phases):
        tokens = phase.num_steps * phase.global_batch_size * phase.max_seq_length
        accumulated = accumulation_steps(
            global_batch_size=phase.global_batch_size,
            micro_batch_size=config.runtime.micro_batch_size,
            num_workers=num_workers,
        )
        lines.append(
            f"phase {number}            {phase.num_steps:,} steps x {phase.global_batch_size:,} examples x "
            f"{phase.max_seq_length} tokens "
            f"= at most {tokens:,} tokens; {accumulated} micro-batch(es) per step on each of {num_workers} worker(s)"
        )
        total += flops_of_phase(config, phase)
    if is_estimated:
        lines.append(f"{'':19}the steps are estimated from the size of the files; preparing the text counts them")
    lines.append(
        f"computation        at most {total:.2e} floating point operations: {duration_text(total / 1e13)} at 10 TFLOP/s"
    )
    return "\n".join(lines)


def describe_run(
    config: PretrainRecipe,
    *,
    corpora: Sequence[ShardSet],
    num_examples: Sequence[Sequence[int]],
    num_general: int,
    num_workers: int,
    seconds: float,
) -> str:
    """Describe a run whose data is prepared, in a few lines.

    Args:
        config: the recipe.
        corpora: the corpora of the run.
        num_examples: the number of training examples, by phase and corpus.
        num_general: the number of corpora of general text; they come last.
        num_workers: the number of workers.
        seconds: the estimated time.
    """
    num_main, share = len(corpora) - num_general, config.data.general_share
    lines = [
        f"  {'corpus' if number < num_main else 'general':12}{manifest.num_documents:,} documents, "
        f"{manifest.num_words:,} words, "
        f"{manifest.num_tokens:,} tokens "
        f"({manifest.num_unknown_tokens / manifest.num_tokens:.2%} [UNK]), vocabulary {manifest.vocab_size:,}"
        for number, manifest in enumerate(shards.manifest for shards in corpora)
    ]
    lines += [
        (
            f"  model       {config.model.num_hidden_layers} layers x {config.model.hidden_size}, "
            f"{count_parameters(config.model, with_pretraining_heads=True):,} parameters"
        ),
    ]
    for number, (phase, counts) in enumerate(zip(config.phases, num_examples)):
        seen = phase.num_steps * phase.global_batch_size
        examples, of_general = sum(counts[:num_main]), sum(counts[num_main:])
        general = f", and {share:.0%} general text: {share * seen / of_general:.1f} epochs" if num_general else ""
        lines.append(
            f"  phase {number}     {phase.num_steps:,} steps x {phase.global_batch_size} examples of up to "
            f"{phase.max_seq_length} tokens "
            f"= {(1 - share) * seen / examples:.1f} epochs of {examples:,} examples{general}; "
            f"learning rate {phase.learning_rate:g}, warmup {phase.num_warmup_steps}"
        )
    lines.append(
        f"  workers     {num_workers}, micro-batches of {config.runtime.micro_batch_size}; estimated time "
        f"{duration_text(seconds)} (from a trial run)"
    )
    return "\n".join(lines)


def unigram_baseline(
    corpora: Sequence[ShardSet], *, train_documents: Sequence[np.ndarray], held_out: list[PretrainBatch]
) -> dict[str, float]:
    """Return the scores of a unigram model on the held-out masks.

    The model knows only the frequency of each token: it always predicts the most frequent one.

    Returns:
        `masked_accuracy` (0 to 1) and `mlm_loss` (cross-entropy in nats).
    """
    counts = np.ones(corpora[0].manifest.vocab_size, np.int64)  # add-one smoothing, so that no label has probability 0
    for shards, documents in zip(corpora, train_documents):
        for number in documents.tolist():
            np.add.at(counts, shards.document(number)[1].input_ids, 1)
    labels = np.concatenate([batch.masked_lm_labels[batch.masked_lm_labels >= 0] for batch in held_out])
    return {
        "masked_accuracy": float((labels == counts.argmax()).mean()),
        "mlm_loss": float(-np.log(counts[labels] / counts.sum()).mean()),
    }
