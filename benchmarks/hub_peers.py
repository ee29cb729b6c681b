"""Shared parts of the hub benchmarks: a random model of RBT3's shape, realistic texts, and the PaddleNLP baseline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Sequence

import common  # noqa: F401  must come first: it limits the thread pools to one thread
import numpy as np

from paddle_wwm.cpu import use_fast_matmul
from paddle_wwm.tokenization.vocab import CLS, MASK, PAD, SEP, UNK, Vocab, load_vocab

use_fast_matmul()
RBT3 = {
    "hidden_size": 768,
    "num_hidden_layers": 3,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}
QUICK = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
}
VOCAB_SIZE = 21128
# lengths of the reviews of ChnSentiCorp: characters at these quantiles of its training set, for machines without it
LENGTH_SHARES, LENGTHS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0), (6, 34, 49, 76, 126, 206, 330, 1200)


def vocab_of(data: Path | None) -> Vocab:
    """Return the published vocabulary if the data folder has it.

    Otherwise return one with the same number of entries, mostly Chinese characters.
    """
    if data is not None and (data / "vocab" / "vocab.txt").exists():
        return load_vocab(data / "vocab" / "vocab.txt")
    characters = [chr(code) for code in range(0x4E00, 0x9FA6)]
    tokens = [
        PAD,
        *(f"[unused{number}]" for number in range(1, 100)),
        UNK,
        CLS,
        SEP,
        MASK,
        *"，。！？、：；",
        *characters,
    ]
    tokens += [f"[unused{number}]" for number in range(100, 100 + VOCAB_SIZE - len(tokens))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
        return load_vocab(Path(folder) / "vocab.txt")


def reviews(data: Path | None, *, number: int, seed: int) -> tuple[list[str], str]:
    """Return texts and the name of their source."""
    rng = np.random.default_rng(seed)
    source = data and data / "tasks" / "chnsenticorp" / "train.tsv"
    if source and source.exists():
        texts = [line.split("\t", 1)[1] for line in source.read_text(encoding="utf-8").splitlines()[1:]]
        return [texts[place] for place in rng.permutation(len(texts))[:number]], "ChnSentiCorp, training set"
    lengths = np.interp(rng.random(number), LENGTH_SHARES, LENGTHS).astype(int)
    return [
        "".join(map(chr, rng.integers(0x4E00, 0x9FA6, length))) for length in lengths
    ], "random characters with ChnSentiCorp's lengths"


@contextmanager
def random_model(vocab: Vocab, *, quick: bool) -> Iterator[Path]:
    """Write a model of RBT3's shape with random weights and yield its folder."""
    import paddle

    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.model.weights import save_model
    from paddle_wwm.model_config import ModelConfig

    paddle.seed(0)
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as folder:
        model = BertForPretraining(ModelConfig(vocab_size=len(vocab), **(QUICK if quick else RBT3)))
        save_model(Path(folder), model=model, vocab=vocab, do_lower_case=True)
        yield Path(folder)


def paddlenlp_model(kind: str, folder: Path, *, state: Any = None) -> tuple[Any, Any]:
    """Return a PaddleNLP model with these weights, and its tokenizer.

    `state` sets all parameters, including those of the head.
    """
    from paddlenlp import transformers
    from paddlenlp.utils.log import logger

    logger.set_level("ERROR")
    model, tokenizer = (
        getattr(transformers, kind).from_pretrained(str(folder)),
        transformers.BertTokenizer.from_pretrained(str(folder)),
    )
    if state is not None:
        model.set_state_dict(state)
    model.eval()
    return model, tokenizer


def official_probabilities(
    model: Any, tokenizer: Any, texts: Sequence[str], *, max_seq_len: int, batch_size: int = 32
) -> np.ndarray:
    """Return the class probabilities, computed as the official modules do.

    Batches are in arrival order, padded to their longest text, and run in dygraph.

    Shape: (num_texts, num_classes), float32.
    """
    import paddle

    found = []
    with paddle.no_grad():
        for start in range(0, len(texts), batch_size):
            encoded = [
                tokenizer(text, max_length=max_seq_len, truncation=True) for text in texts[start : start + batch_size]
            ]
            longest = max(len(one["input_ids"]) for one in encoded)
            ids = [one["input_ids"] + [tokenizer.pad_token_id] * (longest - len(one["input_ids"])) for one in encoded]
            types = [one["token_type_ids"] + [0] * (longest - len(one["input_ids"])) for one in encoded]
            found.append(
                paddle.nn.functional.softmax(model(paddle.to_tensor(ids), paddle.to_tensor(types)), axis=-1).numpy()
            )
    return np.concatenate(found)


def cpu_seconds(call: Any) -> tuple[float, Any]:
    """Call a function and return its CPU time and its result.

    The time is that of this process: wall time would depend on other processes of the machine.
    """
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def in_new_process(arguments: Sequence[str], *, python: str | Path = sys.executable) -> dict[str, Any]:
    """Run a script in a new process and parse the last line that it prints as JSON."""
    environment = {
        name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"
    }
    done = subprocess.run(
        [str(python), *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
