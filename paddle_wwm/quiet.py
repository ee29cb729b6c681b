"""Hide the warnings that paddle, paddlenlp and paddlehub print on every import.

Only the messages listed here are hidden. Call `quiet_environment()` before the first import of paddle, because its C++
part reads the log level once, when it is loaded. Importing this module is fast: it imports no numpy and no paddle.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Iterator

# glog's levels: 0 INFO, 1 WARNING, 2 ERROR. Below ERROR, paddle's C++ part reports its own deprecated functions
# ("Please use CreatePredictor instead", from the LAC package) and inference passes. Users cannot change these. Errors
# are still printed.
GLOG_MINIMUM_LEVEL = "2"

# (start of the message, category, module that issues it). Message and module are regular expressions. A filter matches
# only if all three match.
# Deprecation warnings are not listed: Python hides those of imported packages by default, and -W default shows them.
NOISE: tuple[tuple[str, type[Warning], str], ...] = (
    # paddle, on import, if ccache is not installed. ccache speeds up the compilation of custom C++ operators; this
    # project has none.
    (r"No ccache found\. ", UserWarning, r"paddle\.utils\.cpp_extension\.extension_utils$"),
    # setuptools, when paddlenlp imports pip after paddle has imported setuptools (Python 3.11): setuptools then
    # replaces its copy of distutils by that of the standard library. Both copies work: paddlenlp uses only `copy_tree`.
    (r"Setuptools is replacing distutils\. ", UserWarning, r"_distutils_hack$"),
    # jieba (a dependency of paddlenlp), with setuptools 80.9 to 81. Without pkg_resources, jieba opens its dictionary
    # as a plain file.
    (r"pkg_resources is deprecated as an API\. ", UserWarning, r"jieba\._compat$"),
    # paddlenlp, jieba and baidubce (of visualdl), on Python 3.12, whenever Python compiles their files: after an
    # installation that did not compile them, or if the cache cannot be written. Future versions of Python will reject
    # the backslash. For this warning the module is the path of the file.
    (r"invalid escape sequence ", SyntaxWarning, r".*[/\\](paddlenlp|jieba|baidubce)[/\\]"),
)


def quiet_environment() -> None:
    """Make imports of paddle, paddlenlp and paddlehub silent in this process.

    Paddle's C++ part logs errors only, here and in child processes. A GLOG_minloglevel that is already set is kept, so
    `GLOG_minloglevel=0` shows the full log. Calling it twice is safe.
    """
    os.environ.setdefault("GLOG_minloglevel", GLOG_MINIMUM_LEVEL)
    for message, category, module in NOISE:
        warnings.filterwarnings("ignore", message=message, category=category, module=module)


@contextlib.contextmanager
def fork_without_warning() -> Iterator[None]:
    """Suppress the warning of `tokenizers` about forking its threads.

    The warning does not apply here, because no child process uses a tokenizer of this process.
    """
    name = "TOKENIZERS_PARALLELISM"
    is_set = name in os.environ
    os.environ.setdefault(name, "false")
    try:
        yield
    finally:
        if not is_set:
            del os.environ[name]
