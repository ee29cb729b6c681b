"""Reader and writer of the sorted string table in a TensorFlow checkpoint index, with its varints and messages.

The format is LevelDB's without compression. The reader checks every length and offset against the size of the file,
every block against its checksum, and the order of the keys. It refuses a corrupt or hostile table.
Source: tensorflow/core/lib/io/table_format.txt, format.cc, block.cc; protobuf's encoding guide.
"""

from __future__ import annotations

from typing import Iterable, Iterator

import crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER_BYTES, HANDLES_BYTES, TRAILER_BYTES = 48, 40, 5
RESTART_INTERVAL = 16
BLOCK_BYTES = 256 << 10
MAX_KEY_BYTES = 4096
_MASK_DELTA = 0xA282EAD8


class TableError(ValueError):
    """A table or a message is corrupt."""


def masked_crc(crc: int) -> int:
    """Return a CRC-32C in the masked form that TensorFlow stores."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


# ---- Numbers and messages
# --------------------------------------------------------------------------------------------------------------------


def encode_varint(number: int) -> bytes:
    """Return a non-negative number as varint: seven bits per byte, low bits first."""
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def decode_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint at `position`, and the position after it."""
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise TableError("a number is cut off or too long")


def decode_message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the field numbers and values of a protobuf message.

    Numbers are unsigned.
    """
    position = 0
    value: int | bytes
    while position < len(data):
        tag, position = decode_varint(data, position)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = decode_varint(data, position)
        else:
            length, position = decode_varint(data, position) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), position)
            if length < 0 or position + length > len(data):
                raise TableError(f"field {field} of a message is cut off or has an unknown type")
            content = data[position : position + length]
            position += length
            value = content if kind == 2 else int.from_bytes(content, "little")
        yield field, value


def encode_field(field: int, value: int | bytes) -> bytes:
    """Return a protobuf field: a number as varint, or bytes with their length.

    The number 0 gives no bytes, because protobuf omits default values.
    """
    if isinstance(value, bytes):
        return encode_varint(field << 3 | 2) + encode_varint(len(value)) + value
    return encode_varint(field << 3) + encode_varint(value) if value else b""


# ---- Reading
# ----------------------------------------------------------------------------------------------------------------------


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in ascending order of the keys.

    Raises:
        TableError: the table is corrupt.
    """
    if len(data) < FOOTER_BYTES or data[-8:] != MAGIC:
        raise TableError("it does not end with the footer of a table")
    footer = data[-FOOTER_BYTES:-8]
    _, position = _decode_handle(footer, 0)
    (offset, size), _ = _decode_handle(footer, position)
    last_end, last_key = 0, None
    for _, handle in _block_entries(_block(data, offset, size)):
        (offset, size), _ = _decode_handle(handle, 0)
        if offset < last_end:
            raise TableError("its blocks overlap")
        last_end = offset + size
        for key, value in _block_entries(_block(data, offset, size)):
            if last_key is not None and key <= last_key:
                raise TableError("its keys are not in order")
            last_key = key
            yield key, value


def _decode_handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = decode_varint(data, position)
    size, position = decode_varint(data, position)
    return (offset, size), position


def _block(data: bytes, offset: int, size: int) -> bytes:
    if offset + size + TRAILER_BYTES > len(data) - FOOTER_BYTES:
        raise TableError("a block is outside the file")
    if data[offset + size] != 0:
        raise TableError("a block is compressed; TensorFlow writes checkpoints without compression")
    stored = int.from_bytes(data[offset + size + 1 : offset + size + TRAILER_BYTES], "little")
    if masked_crc(crc32c.crc32c(data[offset : offset + size + 1])) != stored:
        raise TableError("the checksum of a block differs")
    return data[offset : offset + size]


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    num_restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (num_restarts + 1)
    if end < 0:
        raise TableError("a block is shorter than its list of restarts")
    position, key = 0, b""
    while position < end:
        num_shared, position = decode_varint(block, position)
        num_own, position = decode_varint(block, position)
        num_value, position = decode_varint(block, position)
        if num_shared > len(key) or position + num_own + num_value > end or num_shared + num_own > MAX_KEY_BYTES:
            raise TableError("an entry exceeds its block")
        key = key[:num_shared] + block[position : position + num_own]
        position += num_own
        yield key, block[position : position + num_value]
        position += num_value


# ---- Writing
# ----------------------------------------------------------------------------------------------------------------------


def build_table(items: Iterable[tuple[bytes, bytes]], *, block_bytes: int = BLOCK_BYTES) -> bytes:
    """Return a table with these keys and values. The keys must be in ascending order."""
    result = bytearray()
    handles: list[tuple[bytes, bytes]] = []
    pending: list[tuple[bytes, bytes]] = []

    def flush() -> None:
        if pending:
            handles.append((pending[-1][0], _append_block(result, pending)))
            pending.clear()

    size = 0
    for key, value in items:
        pending.append((key, value))
        size += len(key) + len(value)
        if size >= block_bytes:
            flush()
            size = 0
    flush()
    meta_handle = _append_block(result, [])
    index_handle = _append_block(result, handles, restart_interval=1)
    result += (meta_handle + index_handle).ljust(HANDLES_BYTES, b"\0") + MAGIC
    return bytes(result)


def _append_block(
    result: bytearray, items: list[tuple[bytes, bytes]], *, restart_interval: int = RESTART_INTERVAL
) -> bytes:
    """Write a block and its trailer to the end of `result`; return its handle."""
    block, restarts, last = bytearray(), [0], b""
    for number, (key, value) in enumerate(items):
        num_shared = 0
        if number % restart_interval:
            num_shared = next(
                (place for place, (a, b) in enumerate(zip(key, last)) if a != b), min(len(key), len(last))
            )
        elif number:
            restarts.append(len(block))
        block += (
            encode_varint(num_shared)
            + encode_varint(len(key) - num_shared)
            + encode_varint(len(value))
            + key[num_shared:]
            + value
        )
        last = key
    for restart in restarts:
        block += restart.to_bytes(4, "little")
    block += len(restarts).to_bytes(4, "little")
    handle = encode_varint(len(result)) + encode_varint(len(block))
    block += b"\0"
    result += block + masked_crc(crc32c.crc32c(bytes(block))).to_bytes(4, "little")
    return handle
