#!/usr/bin/env python
"""Fill the [MASK]s of a sentence with an installed hub module.

  python scripts/fill_mask.py --module chinese-bert-wwm-quickstart "早上七点半的地[MASK]站台上，几乎没有人说话。"

HUB_HOME says where modules are installed (default: .paddlehub in the home folder).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import HubModuleError, run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="sentences with [MASK]")
    parser.add_argument("--module", required=True, metavar="NAME", help="the installed module")
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="candidates a mask (default: %(default)s)")
    arguments = parser.parse_args()
    from paddle_wwm.cpu import use_fast_matmul
    from paddle_wwm.quiet import quiet_environment

    quiet_environment()
    use_fast_matmul()
    import paddlehub as hub
    from paddlehub.module.manager import LocalModuleManager

    if LocalModuleManager().search(arguments.module) is None:
        raise HubModuleError(
            f"{arguments.module}: not installed in {hub.env.HUB_HOME}; install it with: hub install ARCHIVE.tar"
        )
    try:
        module = hub.Module(name=arguments.module, task="fill-mask")
        results = module.predict(arguments.texts, top_k=arguments.top_k)
    except Exception as error:
        # the module raises its own copy of our error type: it carries its own code
        if type(error).__name__ == HubModuleError.__name__:
            raise HubModuleError(str(error)) from None
        raise
    for text, result in zip(arguments.texts, results):
        print(f"{text}\n  → {result['text']}")
        for number, candidates in enumerate(result["masks"]):
            print(f"  mask {number + 1}: " + "  ".join(f"{item['token']} {item['score']:.3f}" for item in candidates))
    vectors = module.get_embedding(arguments.texts)
    print(f"get_embedding: {vectors.shape[0]} vector(s) of {vectors.shape[1]} numbers")


if __name__ == "__main__":
    run_script(main)
