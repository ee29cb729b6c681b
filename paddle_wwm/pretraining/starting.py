"""Where a run starts: at a checkpoint, from the weights of a model, or from random weights."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from ..config import PretrainRecipe, SentencePairing
from ..errors import CheckpointError
from ..files import read_json
from ..model.config_keys import UNTRAINED
from ..model.folder import CLASSIFIER, CONFIG_NAME, KIND_CLASSIFIER, with_bert_in_front
from ..model.heads import BertForPretraining
from ..model.weights import load_arrays
from ..runs.checkpoints import Checkpoint
from ..runs.fleet import World, sum_over_workers
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import read_pdparams
from .checkpoint import TrainState, checkpoints_in
from .data import RunData

logger = logging.getLogger(__name__)


def freeze_untrained(model: BertForPretraining, config: PretrainRecipe) -> tuple[str, ...]:
    """Freeze the layers that the recipe does not train, and return their names.

    Without sentence pairs, the pooler and the next-sentence head get no gradient. They keep their initial values; the
    names are written into the model folder.
    """
    if config.data.pairing is SentencePairing.NEXT_SENTENCE:
        return ()
    for layer in (model.bert.pooler, model.cls.seq_relationship):
        for parameter in layer.parameters():
            parameter.stop_gradient = True
    return ("bert.pooler", "cls.seq_relationship")


def agreed_checkpoint(directory: Path, *, data: RunData, world: World) -> Checkpoint[TrainState] | None:
    """Return the newest complete checkpoint, or None.

    Raises:
        CheckpointError: the workers found different checkpoints, or the checkpoint belongs to another run.
    """
    found = checkpoints_in(directory).newest()
    step = found.state.global_step if found else 0
    steps = sum_over_workers([step, step**2], world)
    if steps[0] != step * world.size or steps[1] != step**2 * world.size:
        raise CheckpointError(
            f"{directory}: this worker found a checkpoint of step {step}, but other workers found another step. "
            "All hosts must share the same folder."
        )
    if found and (found.state.config_fingerprint, found.state.shard_fingerprint) not in data.known_states:
        raise CheckpointError(
            f"{found.path}: not a checkpoint of this run: its recipe or its data differ. Move it to another folder, "
            f"or start from its weights with --init."
        )
    return found


def recorded_untrained(folder: Path) -> tuple[str, ...]:
    """Return the prefixes of untrained parameters that config.json records."""
    return tuple(read_json(folder / CONFIG_NAME).get(UNTRAINED, ()))


def start_from(model: BertForPretraining, data: RunData, *, world: World) -> tuple[str, ...]:
    """Load the weights of `data.init`; return the names of missing parameters.

    Published checkpoints often lack the heads (those of HFL do). The heads then keep their random initial values, and
    that is logged. The classifier of a fine-tuned model is not used.
    """
    assert data.init is not None
    source = data.init / WEIGHTS_NAME
    arrays = with_bert_in_front(read_pdparams(source))
    unused = sorted(name for name in arrays if name.startswith((CLASSIFIER, KIND_CLASSIFIER)))
    arrays = {name: array for name, array in arrays.items() if name not in unused}
    if data.init_layers is not None:
        layer_of = {name: re.match(r"bert\.encoder\.layers\.(\d+)\.", name) for name in arrays}
        arrays = {
            name: arrays[name] for name, layer in layer_of.items() if not layer or int(layer[1]) < data.init_layers
        }
    missing = load_arrays(model, arrays, source=source, optional=("cls.", "bert.pooler."))
    if world.is_main:
        layers = f"the first {data.init_layers} layers of " if data.init_layers is not None else ""
        logger.info(
            f"starting from {layers}{data.init}"
            + (f"; missing there, so newly initialised: {', '.join(missing)}" if missing else "")
            + (f"; not used: {', '.join(unused)}" if unused else "")
        )
    return missing
