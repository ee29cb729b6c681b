"""`hub run NAME --input_text …`: use a module from a shell."""

from __future__ import annotations

import argparse
from typing import Any, Sequence

from ..errors import USER_ERROR_EXIT_STATUS, PaddleWWMError
from ..tokenization.vocab import MASK

SHOWN_NUMBERS = 8


def run_from_command_line(module: Any, arguments: Sequence[str]) -> Any:
    """Return what `hub run` prints: the result of the module's task for the text.

    A classifier also gives the probability of the label. Without a task, this is the first numbers of the embedding.
    """
    parser = argparse.ArgumentParser(
        prog=f"hub run {getattr(module, 'name', 'MODULE')}", description="Use the module on one text, or on a pair."
    )
    parser.add_argument("--input_text", required=True, metavar="TEXT")
    parser.add_argument("--input_pair", metavar="TEXT", help="the second text of a pair")
    parser.add_argument("--task", help="the module's task (default: its own)")
    parser.add_argument("--max_seq_len", type=int, metavar="N")
    given = parser.parse_args(list(arguments))
    try:
        return _result(module, given)
    except PaddleWWMError as error:
        parser.exit(USER_ERROR_EXIT_STATUS, f"error: {error}\n")


def _result(module: Any, given: argparse.Namespace) -> Any:
    task = given.task or ("fill-mask" if module.task is None and MASK in given.input_text else None)
    if task not in (None, module.task):
        module = type(module)(task=task)
    data = [[given.input_text, *([given.input_pair] if given.input_pair is not None else [])]]
    if module.task == "seq-cls":
        [label], [probabilities] = module.predict(data, max_seq_len=given.max_seq_len, return_prob=True)
        return {"label": label, "probability": round(max(map(float, probabilities)), 6)}
    if module.task is not None:
        return module.predict(data, max_seq_len=given.max_seq_len)[0]
    vector = module.get_embedding(data, max_seq_len=given.max_seq_len)[0]
    return {
        "embedding": [round(float(value), 6) for value in vector[:SHOWN_NUMBERS]],
        "shown": f"{SHOWN_NUMBERS} of {len(vector)} numbers",
    }
