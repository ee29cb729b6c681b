"""Use a model of any known format where a folder of this package is needed, without a conversion by hand."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from ..errors import CheckpointError, ConfigError, DataError, HubModuleError
from ..model.folder import foreign_weights, model_folder_in
from .convert import convert
from .targets import Target


@dataclass(frozen=True, kw_only=True)
class OurFolder:
    """A folder of this package.

    Args:
        folder: the folder, which may be temporary.
        notes: what the conversion did, one sentence each; empty if the folder was used unchanged.
    """

    folder: Path
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def in_our_form(source: Path, *, task: str | None = None, labels: Sequence[str] | None = None) -> Iterator[OurFolder]:
    """Yield a folder of this package with the model of `source`.

    Weights of other formats are converted into a temporary folder. Errors name the source.

    Args:
        source: a folder of any format that `convert` reads, also of a run or a hub module; one of this package is used
            unchanged.
        task: the task of a fine-tuned head; None: the one that the configuration states.
        labels: the names of its classes; None: those of the configuration.

    Raises:
        CheckpointError: the weights are not those of a BERT, or of a head that cannot be converted.
    """
    source = model_folder_in(source)
    if foreign_weights(source) is None:
        yield OurFolder(folder=source)
        return
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as temporary:
        target = Path(temporary, "model")
        try:
            done = convert(source, target=target, to=Target.PADDLE, task=task, labels=labels)
            note = f"Converted from {done.description}{f': {done.head}' if done.head else ''}."
            yield OurFolder(folder=target, notes=(note, *done.notes))
        except (CheckpointError, ConfigError, DataError, HubModuleError) as error:
            raise type(error)(str(error).replace(str(target), str(source))) from None
