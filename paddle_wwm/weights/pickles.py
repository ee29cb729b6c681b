"""A safe unpickler for weights files. It makes numbers, strings, containers, and the few stand-ins of a file format.

No file can reach a class or function of its choice. The base is the unpickler written in Python, because one flipped
byte can make the C unpickler allocate gigabytes for its memo. Long byte strings are not read; their offset is kept.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any, Callable, Mapping

from .tensors import FilePart

LAZY_BYTES = 1 << 16  # picklers write longer strings outside of frames, so their offset in the file is known

# fmt: off
# Not allowed: sets (hashing nested tuples can take forever), extensions, instances, out-of-band buffers, and
# BYTEARRAY8, which allocates as much memory as the file asks for.
_OPCODES = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP, pickle.NONE, pickle.NEWTRUE,
    pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT,
    pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE, pickle.BINUNICODE, pickle.SHORT_BINUNICODE,
    pickle.BINUNICODE8, pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1,
    pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT, pickle.DICT,
    pickle.SETITEM, pickle.SETITEMS, pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT,
    pickle.MEMOIZE, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD, pickle.BINPERSID,
)
# fmt: on


class StandIn:
    """Base class of the objects that replace those of a pickle.

    Only these can have a state.
    """

    def __setstate__(self, state: Any) -> None:
        raise NotImplementedError


class OrderedMapping(dict, StandIn):
    """Stand-in for collections.OrderedDict.

    The state that torch adds to a state dict (`_metadata`) is ignored.
    """

    def __init__(self, items: Any = ()) -> None:
        super().__init__()
        for key, value in items:
            self[_checked_key(key)] = value

    def __setstate__(self, state: Any) -> None:
        pass


def latin1_bytes(text: str, encoding: str) -> bytes:
    """Replace _codecs.encode, with which pickle protocol 2 stores bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}, but weights use only 'latin1'")
    return text.encode("latin1")


def check_end(stream: IO[bytes]) -> None:
    """Check that a file ends where its last pickle or storage ends."""
    place = stream.tell()
    if stream.read(1):
        raise pickle.UnpicklingError(f"other bytes follow its end, which is at byte {place:,}")


def _checked_key(key: Any) -> str | int:
    if not isinstance(key, (str, int)):
        raise pickle.UnpicklingError(f"a key must be a string or a number, but is {type(key).__name__}")
    return key


# This name is not public, but it is the documented name of the Python unpickler. typeshed lacks its stack and methods.
_PythonUnpickler: Any = vars(pickle)["_Unpickler"]


class SafeUnpickler(_PythonUnpickler):
    """Unpickler that reads one pickle from an open file.

    Args:
        allowed: (module, name) -> the stand-in. Any other name raises.
    """

    def __init__(self, stream: IO[bytes], *, path: Path, allowed: Mapping[tuple[str, str], Callable]) -> None:
        super().__init__(stream, encoding="latin1")
        self._stream, self._path, self._allowed = stream, path, allowed
        self._num_file_bytes = path.stat().st_size

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need") from None

    def _load_bytes(self, width: int) -> None:
        length = int.from_bytes(self.read(width), "little")
        if length < LAZY_BYTES or self._unframer.current_frame is not None:
            self.append(self.read(length))
            return
        offset = self._stream.tell()
        if offset + length > self._num_file_bytes:
            raise pickle.UnpicklingError(f"the file ends {offset + length - self._num_file_bytes:,} bytes too early")
        self._stream.seek(length, 1)
        self.append(FilePart(path=self._path, name="", offset=offset, num_bytes=length))

    def _load_setitem(self) -> None:
        _checked_key(self.stack[-2])
        super().load_setitem()

    def _load_setitems(self) -> None:
        for key in self.stack[::2]:
            _checked_key(key)
        super().load_setitems()

    def _load_dict(self) -> None:
        for key in self.stack[::2]:
            _checked_key(key)
        super().load_dict()

    def _load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], StandIn):
            raise pickle.UnpicklingError(f"it sets the state of a {type(self.stack[-1]).__name__}")
        self.stack[-1].__setstate__(state)

    def _load_reduce(self) -> None:
        if not any(self.stack[-2] is function for function in self._allowed.values()):
            raise pickle.UnpicklingError("it calls an object that is not a function")
        super().load_reduce()

    dispatch = {opcode[0]: _PythonUnpickler.dispatch[opcode[0]] for opcode in _OPCODES}
    dispatch |= {
        pickle.BINBYTES[0]: lambda self: self._load_bytes(4),
        pickle.BINBYTES8[0]: lambda self: self._load_bytes(8),
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
        pickle.BUILD[0]: _load_build,
        pickle.REDUCE[0]: _load_reduce,
    }
