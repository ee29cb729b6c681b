"""What a recipe needs: memory and floating point operations."""

from __future__ import annotations

from ..config import AmpLevel, PhaseConfig, PretrainRecipe, SentencePairing
from ..model.flops import training_flops
from ..model_config import count_parameters


def bytes_of_a_worker(config: PretrainRecipe, *, num_workers: int) -> tuple[int, int]:
    """Estimate the memory that one worker needs in the longest phase.

    The activations are the values that a layer keeps for its backward pass, with 4 bytes per value (2 under AMP). A
    layer keeps 12 vectors of hidden_size and 3 of intermediate_size per token, and 2 values per pair of tokens and
    head. The scores over the vocabulary are kept 3 times.

    Returns:
        Two numbers of bytes: of weights, gradients and optimizer state; of the activations of a micro-batch.
    """
    model, amp = config.model, config.amp.level is not AmpLevel.O0
    parameters = count_parameters(model, with_pretraining_heads=True)
    moments = 8 // (num_workers if config.runtime.shard_optimizer else 1)
    copies = 2 if amp else 0  # a 16-bit copy of each weight
    rows, length = config.runtime.micro_batch_size, max(phase.max_seq_length for phase in config.phases)
    layer = (
        rows * length * (12 * model.hidden_size + 3 * model.intermediate_size + 2 * model.num_attention_heads * length)
    )
    layers = model.num_hidden_layers * layer
    if config.runtime.recompute:
        layers = layer + model.num_hidden_layers * rows * length * model.hidden_size
    predictions = rows * config.masking.budget(length)
    return parameters * (8 + moments + copies), (2 if amp else 4) * (layers + 3 * predictions * model.vocab_size)


def flops_of_phase(config: PretrainRecipe, phase: PhaseConfig) -> int:
    """Return the floating point operations of all steps of a phase, at most."""
    return phase.num_steps * training_flops(
        config.model,
        num_rows=phase.global_batch_size,
        length=phase.max_seq_length,
        num_predictions=phase.global_batch_size * config.masking.budget(phase.max_seq_length),
        with_next_sentence=config.data.pairing is SentencePairing.NEXT_SENTENCE,
    )
