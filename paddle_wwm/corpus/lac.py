"""LAC's packaged segmentation model through paddle.inference: the reference for the compiled kernel, and what serves
where that cannot run.

The `lac` package cannot be imported on today's Paddle (its code imports paddle.fluid), but its model folder
`LAC/seg_model` runs as it is: embedding, two bidirectional GRU layers, CRF; input one id a character, output one tag a
character.

- oneDNN is off: with it, memory grows with every new shape of input (391 to 1,329 MB over 1.65M characters were
  measured; flat without).
- Texts are run in batches of like length; the tags of a text do not depend on the batch it is in.
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
    """The `LAC` package itself, imported with paddle.fluid aliased to paddle.base: the reference that tests compare
    with.
    """
    quiet_environment()
    import paddle.base

    sys.modules.setdefault("paddle.fluid", paddle.base)
    sys.modules.setdefault("paddle.fluid.core", paddle.base.core)
    import LAC

    return LAC


class PaddleLac:
    """The model in a predictor of Paddle's. One instance belongs to one process and one thread.

    max_texts: of one run. sort: batches of like length, which is what makes batches worth it. use_onednn: Paddle's
    default, for comparison.
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
        """int8, shape of `ids`: a tag for every character. ids: int32, texts end to end; lengths: int64, one a text."""
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
