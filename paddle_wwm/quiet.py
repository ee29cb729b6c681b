"""Quiet imports of paddle, paddlenlp and paddlehub: the noise they print on every start is filtered message by
message, all else comes through.

Call `quiet_environment()` before the first import of paddle: its C++ side reads the log level once, when it is loaded.
Importing this module costs nothing: no numpy, no paddle.
"""

from __future__ import annotations

import os
import warnings

# glog's levels: 0 INFO, 1 WARNING, 2 ERROR. Below ERROR, paddle's C++ side reports its own deprecated entry points
# ("Please use CreatePredictor instead", from the LAC package) and inference passes: nothing that a user of ours can
# act on. Errors still print.
GLOG_MINIMUM_LEVEL = "2"

# (start of the message, category, module that issues it): a filter matches only where all three agree. Both are
# regular expressions.
# Deprecation warnings are not listed: Python hides those of imported packages by itself, and whoever asks for them (-W
# default) gets them all.
NOISE: tuple[tuple[str, type[Warning], str], ...] = (
    # paddle, on import, where ccache is not installed. ccache speeds up the compiling of custom C++ operators; we
    # compile none.
    (r"No ccache found\. ", UserWarning, r"paddle\.utils\.cpp_extension\.extension_utils$"),
    # setuptools, when paddlenlp imports pip after paddle has imported setuptools (Python 3.11): setuptools
    # then withdraws its copy of distutils in favour of the standard library's. Either copy serves: paddlenlp takes one
    # function from it, `copy_tree`.
    (r"Setuptools is replacing distutils\. ", UserWarning, r"_distutils_hack$"),
    # jieba (a dependency of paddlenlp), with setuptools 80.9 to 81: where pkg_resources is gone, it opens its
    # dictionary as a plain file.
    (r"pkg_resources is deprecated as an API\. ", UserWarning, r"jieba\._compat$"),
    # paddlenlp, jieba and baidubce (of visualdl), on Python 3.12, whenever their files are compiled anew (after an
    # installation that did not compile, or where the cache cannot be written): a backslash that future versions of
    # Python will refuse. For these the module is the file's path.
    (r"invalid escape sequence ", SyntaxWarning, r".*[/\\](paddlenlp|jieba|baidubce)[/\\]"),
)


def quiet_environment() -> None:
    """Make importing paddle, paddlenlp and paddlehub silent in this process and lower paddle's C++ log level here and
    in child processes.

    A GLOG_minloglevel that is set already is kept, so that `GLOG_minloglevel=0` brings the log back. Calling it twice
    does no harm.
    """
    os.environ.setdefault("GLOG_minloglevel", GLOG_MINIMUM_LEVEL)
    for message, category, module in NOISE:
        warnings.filterwarnings("ignore", message=message, category=category, module=module)
