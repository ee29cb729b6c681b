"""The readers of Paddle and of h5py for the damaged files of `make interop`, in a process that may crash.

python in_paddle.py judge FOLDER RESULTS.json    read the x.pdparams of every folder in FOLDER; see digests.py
"""

import resource
import sys

import paddle
from digests import judge

MAX_MEMORY_BYTES = 8 << 30  # a damaged length can ask for any number of bytes


def read_pdparams(folder):
    values = paddle.load(str(folder / "x.pdparams"), return_numpy=True)
    return {name: value for name, value in values.items() if name != "StructuredToParameterName@@"}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    {"judge": lambda *paths: judge(read_pdparams, *paths)}[sys.argv[1]](*sys.argv[2:])
    print("{}")
