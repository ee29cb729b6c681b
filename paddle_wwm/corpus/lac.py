"""LAC's packaged segmentation model through paddle.inference.

The `lac` package cannot be imported on today's Paddle (its code imports paddle.fluid), but its model folder `LAC/seg_model` runs as it is:
embedding, two bidirectional GRU layers, CRF; input one id a character, output one tag a character.

- conf/word.dic: id of every character; conf/q2b.dic: traditional to simplified and full to half width, one character to one, applied
  before the look-up, so that offsets never move; conf/tag.dic: -B -I -E -S. A word starts where the tag ends in B or S.
- oneDNN is off: with it, memory grows with every new shape of input (391 to 1,329 MB over 1.65M characters were measured; flat without).
- Texts are run in batches of like length; the tags of a text do not depend on the batch it is in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Sequence

import numpy as np

from ..cpu import use_fast_matmul
from ..errors import DataError
from ..quiet import quiet_environment

MAX_TEXTS_PER_RUN = 128
MAX_CHARS_PER_RUN = 16_384


def lac_model_directory() -> Path:
    """The folder of the packaged segmentation model, found without importing the package."""
    spec = importlib.util.find_spec("LAC")
    if spec is None or spec.origin is None:
        raise DataError("the package `lac` is not installed, and LAC's model comes with it; run `make setup`.")
    return Path(spec.origin).parent / "seg_model"


def import_lac_package():
    """The `LAC` package itself, imported with paddle.fluid aliased to paddle.base: the reference that tests compare with."""
    quiet_environment()
    import paddle.base

    sys.modules.setdefault("paddle.fluid", paddle.base)
    sys.modules.setdefault("paddle.fluid.core", paddle.base.core)
    import LAC

    return LAC


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    pairs = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            columns = line.rstrip("\n").split("\t")
            if len(columns) == 2:  # the package skips other lines, too
                pairs.append((columns[0], columns[1]))
    return pairs


class LacModel:
    """The model and its tables. One instance belongs to one process and one thread."""

    def __init__(self) -> None:
        directory = lac_model_directory()
        self.sha256 = _hash_folder(directory)
        ids = {character: int(number) for number, character in _read_pairs(directory / "conf" / "word.dic")}
        self._id_of_code_point = self._id_table(ids, dict(_read_pairs(directory / "conf" / "q2b.dic")))
        tags = {int(number): tag for number, tag in _read_pairs(directory / "conf" / "tag.dic")}
        self._tag_starts_word = np.array([tags[number].endswith(("B", "S")) for number in range(len(tags))])
        self._predictor = _load_predictor(directory / "model")
        self._input = self._predictor.get_input_handle("words")
        self._output = self._predictor.get_output_handle(self._predictor.get_output_names()[0])

    @staticmethod
    def _id_table(ids: dict[str, int], replacements: dict[str, str]) -> np.ndarray:
        """Code point to id, the replacement folded in. int64, shape (0x110000,)."""
        unknown = ids["OOV"]
        table = np.full(0x110000, unknown, np.int64)
        for character, number in ids.items():
            if len(character) == 1:
                table[ord(character)] = number
        for source, target in replacements.items():
            if len(source) == 1:
                table[ord(source)] = ids.get(target, unknown)
        return table

    def word_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For every text the character positions at which its words start."""
        starts: list[list[int]] = [[] for _ in texts]
        by_length = sorted((index for index in range(len(texts)) if texts[index]), key=lambda index: len(texts[index]))
        for batch in _batches(by_length, texts):
            tags = self._tags([texts[index] for index in batch])
            position = 0
            for index in batch:
                length = len(texts[index])
                begins = self._tag_starts_word[tags[position : position + length]]
                begins[0] = True
                starts[index] = np.flatnonzero(begins).tolist()
                position += length
        return starts

    def _tags(self, texts: Sequence[str]) -> np.ndarray:
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        offsets = np.cumsum([0, *map(len, texts)]).tolist()
        self._input.reshape([len(code_points), 1])
        self._input.copy_from_cpu(self._id_of_code_point[code_points].reshape(-1, 1))
        self._input.set_lod([offsets])
        self._predictor.run()
        return self._output.copy_to_cpu().reshape(-1)


def _batches(order: Sequence[int], texts: Sequence[str]) -> list[list[int]]:
    batches: list[list[int]] = []
    num_chars = 0
    for index in order:
        length = len(texts[index])
        if not batches or len(batches[-1]) == MAX_TEXTS_PER_RUN or num_chars + length > MAX_CHARS_PER_RUN:
            batches.append([])
            num_chars = 0
        batches[-1].append(index)
        num_chars += length
    return batches


def _load_predictor(directory: Path):
    quiet_environment()
    use_fast_matmul()
    from paddle import inference

    config = inference.Config(str(directory))
    config.disable_gpu()
    config.disable_glog_info()
    config.disable_mkldnn()
    config.set_cpu_math_library_num_threads(1)
    return inference.create_predictor(config)


def _hash_folder(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(directory).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
