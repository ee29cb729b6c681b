"""Fill the [MASK] tokens of a sentence with an installed hub module.

HUB_HOME is the folder where modules are installed (default: .paddlehub in the home folder).
"""

from __future__ import annotations

import argparse

from ..errors import HubModuleError

SUMMARY = "fill the [MASK] tokens of a sentence with an installed module"
EXAMPLES = """\
examples:
  paddle-wwm hub fill-mask --module chinese-bert-wwm-quickstart "早上七点半的地[MASK]站台上，几乎没有人说话。\""""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="sentences with [MASK]")
    parser.add_argument("--module", required=True, metavar="NAME", help="the installed module")
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="candidates per mask (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Print the filled sentences and the candidates."""
    from ..cpu import use_fast_matmul
    from ..quiet import quiet_environment

    quiet_environment()
    use_fast_matmul()
    from ..hub.installed import is_user_error, load_installed

    module = load_installed(arguments.module, task="fill-mask")
    try:
        results = module.predict(arguments.texts, top_k=arguments.top_k)
    except Exception as error:
        if is_user_error(error):
            raise HubModuleError(str(error)) from None
        raise
    for text, result in zip(arguments.texts, results):
        print(f"{text}\n  → {result['text']}")
        for number, candidates in enumerate(result["masks"]):
            print(f"  mask {number + 1}: " + "  ".join(f"{item['token']} {item['score']:.3f}" for item in candidates))
    vectors = module.get_embedding(arguments.texts)
    print(f"get_embedding: {vectors.shape[0]} vector(s) of {vectors.shape[1]} numbers")
