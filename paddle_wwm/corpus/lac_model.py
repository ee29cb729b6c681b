"""Read the files of LAC's packaged segmentation model: tables, weights and checksum.

Neither Paddle nor the code of the package is needed.

The network for a text of T characters (V = 8,224 ids, H = 96), and the files of its weights, which have the layout of
Paddle's `gru` operator::

    ids [T]                        conf/word.dic, after conf/q2b.dic
    embedding [T, H]               word_emb [V, H]
    GRU forwards and backwards     fc_0, gru_0; fc_1, gru_1     fc: the input of a step to its 3H gate inputs
    concatenation [T, 2H]
    GRU forwards and backwards     fc_2, gru_2; fc_3, gru_3
    4 emissions [T, 4]             fc_4                         one per tag: -B -I -E -S (conf/tag.dic)
    the best path (CRF)            crfw [6, 4]                  row 0: scores to begin with a tag; row 1: to end with
                                                                it; rows 2-5: from tag to tag

The files come from a package index, and compiled code uses the tables as memory offsets. So every shape and every id
is checked here.
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
    """Return the folder of the packaged model without importing the package."""
    spec = importlib.util.find_spec("LAC")
    if spec is None or spec.origin is None:
        raise DataError(
            "the package `lac`, which contains LAC's model, is not installed; `paddle-wwm doctor` prints what to do."
        )
    return Path(spec.origin).parent / "seg_model"


@dataclass(frozen=True, kw_only=True)
class LacTables:
    """The character and tag tables of the model.

    directory: the folder of the model. sha256: of all its files. num_ids: the size of the vocabulary.
    id_of_code_point: int32, shape (0x110000,). It also maps traditional to simplified and full-width to half-width
    characters, always one to one, so offsets do not change.
    tag_starts_word: bool, shape (4,), True for the tags that end in B or S.
    """

    directory: Path
    sha256: str
    num_ids: int
    id_of_code_point: np.ndarray
    tag_starts_word: np.ndarray


@dataclass(frozen=True, kw_only=True)
class LacWeights:
    """The parameters of the network, all float32.

    Axis 0 of the arrays with a direction is 0 for forwards and 1 for backwards. 3H columns are the update, reset and
    candidate gates, H columns each.

    table (2, V, 3H): the gate inputs of layer 1 for every id, that is, embedding times fc, plus both biases. Layer 1
    sees the embedding only, so this product is computed once per id instead of once per character of a text. It is
    computed in float64.
    recurrent (2, 2, H, 3H): direction, layer.
    inputs (2, 2H, 3H) and bias (2, 3H): the gate inputs of layer 2.
    emission (2, H, 4), emission_bias (4,).
    transitions (6, 4): crfw.
    """

    table: np.ndarray
    recurrent: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray
    emission: np.ndarray
    emission_bias: np.ndarray
    transitions: np.ndarray


def load_tables(directory: Path) -> LacTables:
    """Read the character and tag tables of the model folder.

    Raises:
        DataError: A file is missing or is not a file of this model.
    """
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
    """Read the parameters of the network.

    Raises:
        DataError: A file is missing or has a wrong shape.
    """
    size, gates = HIDDEN_SIZE, NUM_GATES * HIDDEN_SIZE

    def tensor(name: str, *shape: int) -> np.ndarray:
        return read_tensor(tables.directory / "model" / name, shape=shape)

    def bias(number: int) -> np.ndarray:
        # the operators `fc` and `gru` each add a bias to the same values
        return tensor(f"fc_{number}.b_0", gates).astype(np.float64) + tensor(f"gru_{number}.b_0", 1, gates)[0]

    def recurrent(number: int) -> np.ndarray:
        # The file has the shape [H, 3H], but it holds two matrices: [H, 2H] for update and reset, then [H, H] for the
        # candidate.
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
    """Read a float32 tensor from a Paddle parameter file (LoDTensor, version 0).

    The shape determines the header, so the header is not parsed. It must be equal to the header for `shape`.

    Raises:
        DataError: The file is missing, or holds another shape or dtype.
    """
    # protobuf TensorDesc: field 1 is the type (5 is FP32), field 2 is a dimension and is repeated
    description = b"\x08\x05" + b"".join(b"\x10" + _varint(size) for size in shape)
    # version, number of LoD levels, version of the tensor, size of the description
    header = struct.pack("<IQIi", 0, 0, 0, len(description)) + description
    num_bytes = len(header) + 4 * math.prod(shape)
    _require(path.is_file() and path.stat().st_size == num_bytes, path, f"must be a file of {num_bytes} bytes")
    content = path.read_bytes()
    _require(content.startswith(header), path, f"must hold a float32 tensor of shape {list(shape)}")
    return np.frombuffer(content, "<f4", offset=len(header)).reshape(shape)


def _varint(number: int) -> bytes:
    """Encode a number, 7 bits per byte, lowest first; the top bit: more follow."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _ids(path: Path) -> dict[str, int]:
    pairs = _pairs(path)
    _require(all(number.isdecimal() for number, _ in pairs), path, "every line must hold a number and a character")
    ids = {character: int(number) for number, character in pairs}
    _require(
        "OOV" in ids and max(ids.values()) < NUM_CODE_POINTS, path, "must hold the entry OOV and the ids of this model"
    )
    return ids


def _pairs(path: Path) -> list[tuple[str, str]]:
    _require(path.is_file(), path, "must be a file")
    pairs = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            columns = line.rstrip("\n").split("\t")
            if len(columns) == 2:  # the package also skips other lines
                pairs.append((columns[0], columns[1]))
    return pairs


def _require(condition: bool, path: Path, rule: str) -> None:
    if not condition:
        raise DataError(f"{path}: {rule}, but this file is different; reinstall the package `lac` (2.1.2).")


def _hash_folder(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(directory).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
