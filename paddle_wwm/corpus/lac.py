"""Run LAC's packaged segmentation model with paddle.inference.

This is the reference for the compiled kernel, and the engine on machines where the kernel cannot run.

The `lac` package cannot be imported with current versions of Paddle, because it imports paddle.fluid. Its model folder
`LAC/seg_model` still runs unchanged: an embedding, two bidirectional GRU layers and a CRF. The input is one id per
character, the output one tag per character.

- oneDNN is off, because with it memory grows with every new input shape. We measured a growth from 391 to 1,329 MB
  over 1.65M characters; without oneDNN, memory stays constant.
- Texts of similar length form a batch. The tags of a text do not depend on its batch.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Iterator

import numpy as np

from ..cpu import use_fast_matmul
from ..optional import need_package
from ..quiet import quiet_environment
from .lac_model import LacTables

MAX_TEXTS_PER_RUN = 128
MAX_CHARS_PER_RUN = 16_384


def import_lac_package() -> ModuleType:
    """Import the `LAC` package with paddle.base in place of paddle.fluid.

    Tests compare with it.
    """
    quiet_environment()
    import paddle.base

    sys.modules.setdefault("paddle.fluid", paddle.base)
    sys.modules.setdefault("paddle.fluid.core", paddle.base.core)
    import LAC

    return LAC


class PaddleLac:
    """The model in a Paddle predictor.

    An instance can be used by one process and one thread only.

    Args:
        tables: The tables of the model.
        max_texts: The largest number of texts per batch.
        sort: Put texts of similar length into one batch. Without it, batches save little time.
        use_onednn: Use oneDNN as Paddle does by default, for comparison.
    """

    description = "Paddle inference"

    def __init__(
        self, tables: LacTables, *, max_texts: int = MAX_TEXTS_PER_RUN, sort: bool = True, use_onednn: bool = False
    ) -> None:
        need_package("paddle", purpose="LAC without its compiled kernel")
        quiet_environment()
        use_fast_matmul()
        from paddle import inference

        config = inference.Config(str(tables.directory / "model"))
        config.disable_gpu()
        config.disable_glog_info()
        if not use_onednn:
            config.disable_mkldnn()
        config.set_cpu_math_library_num_threads(1)
        self._predictor = inference.create_predictor(config)
        self._input = self._predictor.get_input_handle("words")
        self._output = self._predictor.get_output_handle(self._predictor.get_output_names()[0])
        self._max_texts, self._sort = max_texts, sort

    def tags(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the tag of every character. int8, shape (num_characters,).

        Args:
            ids: int32, shape (num_characters,), the ids of all texts, concatenated.
            lengths: int64, shape (num_texts,).
        """
        tags = np.empty(len(ids), np.int8)
        firsts = np.cumsum(lengths) - lengths
        for batch in self._batches(lengths):
            places = np.concatenate([np.arange(firsts[text], firsts[text] + lengths[text]) for text in batch])
            self._input.reshape([len(places), 1])
            self._input.copy_from_cpu(ids[places].astype(np.int64).reshape(-1, 1))
            self._input.set_lod([[0, *np.cumsum(lengths[batch]).tolist()]])
            self._predictor.run()
            tags[places] = self._output.copy_to_cpu().reshape(-1)
        return tags

    def _batches(self, lengths: np.ndarray) -> Iterator[list[int]]:
        order = np.argsort(lengths, kind="stable") if self._sort else np.arange(len(lengths))
        batch: list[int] = []
        num_chars = 0
        for text in order[lengths[order] > 0].tolist():
            if len(batch) == self._max_texts or (batch and num_chars + lengths[text] > MAX_CHARS_PER_RUN):
                yield batch
                batch, num_chars = [], 0
            batch.append(text)
            num_chars += lengths[text]
        if batch:
            yield batch
