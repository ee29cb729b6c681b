"""Serve modules over HTTP with the protocol of `hub serving`, but only on 127.0.0.1 and with limits on requests.

An example of a request:
  curl -H 'Content-Type: application/json' -d '{"data": ["很好"]}' http://127.0.0.1:8866/predict/rbt3
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import ConfigError
from .flags import add_server_flags

SUMMARY = "serve modules over HTTP, on this machine only"
EXAMPLES = """\
examples:
  paddle-wwm hub serve chinese-bert-wwm-quickstart --task fill-mask
  paddle-wwm hub serve rbt3 --task seq-cls --load-checkpoint runs/reviews --label-map labels.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="installed modules by name, or folders of modules")
    parser.add_argument("--task", metavar="NAME", help="the task (default: the module's own)")
    parser.add_argument("--load-checkpoint", type=Path, metavar="PATH", help="a fine-tuned checkpoint")
    parser.add_argument("--label-map", type=Path, metavar="FILE", help='JSON: {"0": "no", "1": "yes"} or ["no", "yes"]')
    parser.add_argument(
        "--num-classes",
        type=int,
        metavar="N",
        help="number of classes of a classification task (default: the module's own)",
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="a model folder to use instead of the module's own")
    parser.add_argument(
        "--compatible",
        action="store_true",
        help="answer with [pooled, sequence] instead of vectors, as PaddleHub's own modules do",
    )
    add_server_flags(parser, port=8866)  # the port of `hub serving`


def run(arguments: argparse.Namespace) -> None:
    """Load the modules and serve until Ctrl-C."""
    from ..hub.serve import load_modules, serve
    from ..quiet import quiet_environment

    quiet_environment()
    options = {name: getattr(arguments, name) for name in ("task", "load_checkpoint", "num_classes", "weights")}
    options |= {name: str(value) for name, value in options.items() if isinstance(value, Path)}
    options["compatible"] = arguments.compatible or None
    if arguments.label_map is not None:
        try:
            options["label_map"] = json.loads(arguments.label_map.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{arguments.label_map}: not valid JSON: {error}.") from None
    modules = load_modules(arguments.modules, **{name: value for name, value in options.items() if value is not None})
    serve(modules, host=arguments.host, port=arguments.port)
