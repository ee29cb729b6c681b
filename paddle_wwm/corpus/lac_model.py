"""The files of LAC's packaged segmentation model, read without Paddle and without the package's code: tables, weights,
checksum.

The network, for a text of T characters (V = 8,224 ids, H = 96; weights as Paddle's `gru` operator lays them out)::

    id of every character                     conf/word.dic after conf/q2b.dic
    embedding [V, H]                          word_emb
    GRU over the text, and one from its end   fc_0, gru_0; fc_1, gru_1      fc: a step's input to its 3H gate inputs
    the two side by side: 2H values           (concatenation)
    GRU, and one from the end, over those     fc_2, gru_2; fc_3, gru_3
    2H values to 4 emissions                  fc_4                          one a tag: -B -I -E -S (conf/tag.dic)
    the best path through them                crfw: scores: row 0 to begin with a tag, row 1 to end with it, rows 2-5
    from tag to tag

The files come from a package index, and compiled code reads memory by these tables: every shape and every id is
checked here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError

HIDDEN_SIZE = 96
NUM_GATES = 3
NUM_TAGS = 4
NUM_CODE_POINTS = 0x110000


def lac_model_directory() -> Path:
    """The folder of the packaged segmentation model, found without importing the package."""
    spec = importlib.util.find_spec("LAC")
    if spec is None or spec.origin is None:
        raise DataError(
            "the package `lac` is not installed, and LAC's model comes with it; `paddle-wwm doctor` names what to do."
        )
    return Path(spec.origin).parent / "seg_model"


@dataclass(frozen=True, kw_only=True)
class LacTables:
    """id_of_code_point: int32, shape (0x110000,), traditional to simplified and full to half width folded in (one
    character to one, so that offsets never move). tag_starts_word: bool, shape (4,), the tags that end in B or S.
    num_ids: the size of the vocabulary.
    """

    directory: Path
    sha256: str
    num_ids: int
    id_of_code_point: np.ndarray
    tag_starts_word: np.ndarray


@dataclass(frozen=True, kw_only=True)
class LacWeights:
    """float32 arrays; the first axis of the first four is the direction: 0 from the text's beginning, 1 from its end.
    Gates: update, reset, candidate, H columns each.

    table (2, V, 3H): layer 1's gate inputs for every id: embedding times fc, and both biases. Since the embedding is
    all that layer 1 sees, this product can be taken once a character of the vocabulary instead of once a character of
    the text. It is taken in float64. recurrent (2, 2, H, 3H): direction, layer. inputs (2, 2H, 3H) and bias (2, 3H):
    layer 2's gate inputs. emission (2, H, 4), emission_bias (4,); transitions (6, 4): crfw.
    """

    table: np.ndarray
    recurrent: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray
    emission: np.ndarray
    emission_bias: np.ndarray
    transitions: np.ndarray


def load_tables(directory: Path) -> LacTables:
    """The character and tag tables of the model folder; DataError where they are not what they should be."""
    ids = _ids(directory / "conf" / "word.dic")
    num_ids = max(ids.values()) + 1
    unknown = ids["OOV"]
    table = np.full(NUM_CODE_POINTS, unknown, np.int32)
    for character, number in ids.items():
        if len(character) == 1:
            table[ord(character)] = number
    for source, target in _pairs(directory / "conf" / "q2b.dic"):
        if len(source) == 1:
            table[ord(source)] = ids.get(target, unknown)
    tags = dict(_pairs(directory / "conf" / "tag.dic"))
    _require(
        sorted(tags) == [str(number) for number in range(NUM_TAGS)],
        directory / "conf" / "tag.dic",
        "must hold the tags 0 to 3",
    )
    starts = np.array([tags[str(number)].endswith(("B", "S")) for number in range(NUM_TAGS)])
    return LacTables(
        directory=directory,
        sha256=_hash_folder(directory),
        num_ids=num_ids,
        id_of_code_point=table,
        tag_starts_word=starts,
    )


def load_weights(tables: LacTables) -> LacWeights:
    """The network's parameters in the layout of LacWeights; DataError where a file has not the shape that it
    must have.
    """
    size, gates = HIDDEN_SIZE, NUM_GATES * HIDDEN_SIZE

    def tensor(name: str, *shape: int) -> np.ndarray:
        return read_tensor(tables.directory / "model" / name, shape=shape)

    def bias(number: int) -> np.ndarray:
        # the operator adds the one of `fc` and the one of `gru` at the same place
        return tensor(f"fc_{number}.b_0", gates).astype(np.float64) + tensor(f"gru_{number}.b_0", 1, gates)[0]

    def recurrent(number: int) -> np.ndarray:
        # stored as two matrices one after the other, [H, 2H] of update and reset and [H, H] of the candidate, in a
        # file of shape [H, 3H]
        flat = tensor(f"gru_{number}.w_0", size, gates).ravel()
        return np.concatenate(
            [flat[: 2 * size * size].reshape(size, 2 * size), flat[2 * size * size :].reshape(size, size)], axis=1
        )

    embedding = tensor("word_emb", tables.num_ids, size).astype(np.float64)
    return LacWeights(
        table=np.stack(
            [
                (embedding @ tensor(f"fc_{number}.w_0", size, gates) + bias(number)).astype(np.float32)
                for number in (0, 1)
            ]
        ),
        recurrent=np.stack([np.stack([recurrent(direction), recurrent(2 + direction)]) for direction in (0, 1)]),
        inputs=np.stack([tensor(f"fc_{number}.w_0", 2 * size, gates) for number in (2, 3)]),
        bias=np.stack([bias(number).astype(np.float32) for number in (2, 3)]),
        emission=tensor("fc_4.w_0", 2 * size, NUM_TAGS).reshape(2, size, NUM_TAGS),
        emission_bias=tensor("fc_4.b_0", NUM_TAGS),
        transitions=tensor("crfw", NUM_TAGS + 2, NUM_TAGS),
    )


def read_tensor(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 tensor of that shape from a file as Paddle saves single parameters (LoDTensor, version 0).

    The file's header is a function of the shape, so it is not parsed: it must be, byte for byte, the one that belongs
    to `shape`.
    """
    # protobuf TensorDesc: field 1 the type (5 is FP32), field 2 a dimension, once for each
    description = b"\x08\x05" + b"".join(b"\x10" + _varint(size) for size in shape)
    # version, number of LoD levels, version of the tensor, size of its description
    header = struct.pack("<IQIi", 0, 0, 0, len(description)) + description
    num_bytes = len(header) + 4 * math.prod(shape)
    _require(path.is_file() and path.stat().st_size == num_bytes, path, f"must be a file of {num_bytes} bytes")
    content = path.read_bytes()
    _require(content.startswith(header), path, f"must hold a float32 tensor of shape {list(shape)}")
    return np.frombuffer(content, "<f4", offset=len(header)).reshape(shape)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _ids(path: Path) -> dict[str, int]:
    pairs = _pairs(path)
    _require(all(number.isdecimal() for number, _ in pairs), path, "must hold a number and a character a line")
    ids = {character: int(number) for number, character in pairs}
    _require("OOV" in ids and max(ids.values()) < NUM_CODE_POINTS, path, "must hold an entry OOV and ids of this model")
    return ids


def _pairs(path: Path) -> list[tuple[str, str]]:
    _require(path.is_file(), path, "must be a file")
    pairs = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            columns = line.rstrip("\n").split("\t")
            if len(columns) == 2:  # the package skips other lines, too
                pairs.append((columns[0], columns[1]))
    return pairs


def _require(condition: bool, path: Path, rule: str) -> None:
    if not condition:
        raise DataError(f"{path}: {rule}, but this one is different; reinstall the package `lac` (2.1.2).")


def _hash_folder(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(directory).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
