"""Compare two models: run both on the same inputs and print the largest difference of every output.

A model is any SOURCE of `paddle-wwm convert`, but not an archive. Exactly the files that are named are loaded: a
Hugging Face model into transformers' class and a Paddle model into PaddleNLP's, if they are installed, else into the
BERT of this package. A missing or unknown parameter is an error. The exit status is 2 if a difference is larger than
--tolerance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import CheckpointError, ConfigError

SUMMARY = "compare the outputs of two models"
EXAMPLES = """\
examples:
  # Two models
  paddle-wwm verify-conversion downloads/chinese-roberta-wwm-ext models/roberta-wwm-ext
  # A model and stored outputs
  paddle-wwm verify-conversion models/roberta-wwm-ext reference.npz
  # Store outputs, to compare them in another environment
  paddle-wwm verify-conversion models/mine-hf --save-reference reference.npz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..conversion.verify import TOLERANCE

    parser.add_argument("one", type=Path, metavar="A", help="a model, or stored outputs (.npz)")
    parser.add_argument("other", type=Path, metavar="B", nargs="?", help="a model, or stored outputs (.npz)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="config.json, instead of those next to the models")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help="maximum allowed difference (default: %(default)s)",
    )
    parser.add_argument(
        "--positions-shifted",
        action="store_true",
        help="run a model of PaddleNLP's Roberta class with the positions of that class, from 1",
    )
    parser.add_argument(
        "--save-reference", type=Path, metavar="FILE.npz", help="store the inputs and outputs of A instead of comparing"
    )


def run(arguments: argparse.Namespace) -> None:
    """Compare, or store outputs."""
    from ..conversion.verify import save_reference, verify
    from ..quiet import quiet_environment

    quiet_environment()
    if (arguments.other is None) == (arguments.save_reference is None):
        raise ConfigError("give two models, or one model and --save-reference FILE.npz.")
    if arguments.save_reference is not None:
        engine = save_reference(
            arguments.one,
            arguments.save_reference,
            config=arguments.config,
            positions_shifted=arguments.positions_shifted,
        )
        print(f"written     {arguments.save_reference}: outputs of {arguments.one}, run by {engine}")
        return
    result = verify(
        arguments.one, arguments.other, config=arguments.config, positions_shifted=arguments.positions_shifted
    )
    print(f"A  {result.one}\nB  {result.other}")
    for item in result.differences:
        print(f"{item.output:<25} largest difference {item.largest:.2e}   (values up to {item.scale:.3g})")
    for name in result.not_compared:
        print(f"{name:<25} not compared: one of the two models lacks it")
    if result.num_tensors:
        print(f"{result.num_same} of {result.num_tensors} tensors have the same bits")
    what, largest = f"outputs differ by up to {result.largest:.2e}", result.largest
    if largest <= arguments.tolerance:  # the outputs do not show every value
        what = f"values of {', '.join(result.differing[:3])} differ by up to {result.largest_of_tensors:.2e}"
        largest = result.largest_of_tensors
    if not largest <= arguments.tolerance:
        raise CheckpointError(f"the two are not the same: {what}, more than {arguments.tolerance:.0e}.")
    print(f"the same within {arguments.tolerance:.0e}")
