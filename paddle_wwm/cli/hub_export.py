"""Export the model of a module as ONNX, with its tokenizer and its labels.

MODULE is an installed module or the folder of a module, of any task. TARGET is a new folder with model.onnx,
tokenizer.json, config.json and, for a model with classes, labels.json. The outputs are logits, whose softmax (for
multi-label: sigmoid) gives the probabilities; for a module without a task, hidden states. `paddle-wwm convert` writes
the same files for a model folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .flags import convert_and_print

SUMMARY = "export the model of a module as ONNX"
EXAMPLES = """\
examples:
  paddle-wwm hub export my-sentiment exported/my-sentiment
  # The scores of words, for [MASK]
  paddle-wwm hub export chinese-bert-wwm-quickstart exported/words --task fill-mask"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..conversion.onnx_export import FILL_MASK

    parser.add_argument("module", metavar="MODULE", help="the name of an installed module, or its folder")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the new folder")
    parser.add_argument(
        "--task", choices=[FILL_MASK], help="export the scores of words (default: the task of the module)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace TARGET if this command wrote it")


def run(arguments: argparse.Namespace) -> None:
    """Export and print a summary."""
    from ..quiet import quiet_environment

    quiet_environment()
    from ..conversion.targets import Target
    from ..hub.installed import find_installed
    from ..hub.module_info import read_module_info
    from ..hub.weights import find_weights

    folder = find_installed(arguments.module)
    weights = find_weights(given=None, module_folder=folder, name=str(read_module_info(folder)["name"]))
    convert_and_print(weights, target=arguments.target, to=Target.ONNX.value, arguments=arguments, task=arguments.task)
