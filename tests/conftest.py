"""Shared fixtures: a vocabulary, the running example, the sample corpus, and separate cache folders."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import Callable

import pytest

# The code that numba has compiled stays in the cache of the user, because compiling again takes long.
os.environ.setdefault(
    "NUMBA_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "numba")
)
# Set before paddle, paddlenlp or paddlehub is imported, because they read these once. One folder per process, because
# installations into a shared HUB_HOME would race. Not below tmp_path, because paddlehub leaks a copy of itself if
# HUB_HOME contains "-".
CACHES = Path(tempfile.mkdtemp(prefix="paddle_wwm_tests_"))
os.environ.update(
    {name: str(CACHES / name.lower()) for name in ("HUB_HOME", "XDG_CACHE_HOME", "PPNLP_HOME", "MPLCONFIGDIR")}
)

from paddle_wwm.quiet import quiet_environment  # noqa: E402

quiet_environment()

ROOT = Path(__file__).resolve().parent.parent
SEED_WORDS = "使用|语言|模型|来|预测|下|一个|词|的|probability|。"
# As in the published vocabulary, the special tokens do not have the first ids.
MINI_TOKENS = (
    *("[PAD]", "[unused1]", "[unused2]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused3]"),
    *"，。！？、：；“”（）《》[]()-.",
    *"0123456789",
    *"abcdefghijklmnopqrstuvwxyz",
    *"使用语言模型来预测下一个词的我们在中国北京大学学习生活天气很好不是有人这那",
    *("pro", "##ba", "##bility", "the", "##ing", "##s", "mask", "bert", "20", "##20"),
    *(f"##{letter}" for letter in "abcdefghijklmnopqrtuvwxyz0123456789"),
)


def pytest_unconfigure() -> None:
    """Remove the caches of this process."""
    shutil.rmtree(CACHES, ignore_errors=True)


def vocab_of(tokens: tuple[str, ...]):
    """Return a vocabulary of the given tokens, with the checksum of its file."""
    from paddle_wwm.tokenization.vocab import Vocab

    return Vocab(tokens=tokens, sha256=hashlib.sha256("".join(f"{token}\n" for token in tokens).encode()).hexdigest())


@pytest.fixture(autouse=True)
def library_logger():
    """Restore the library's logger after a test that ran a command in this process."""
    root = logging.getLogger("paddle_wwm")
    state = (root.handlers[:], root.level, root.propagate)
    yield
    root.handlers[:], root.level, root.propagate = state


@pytest.fixture
def logged():
    """Lines that the library logs during the test, from level INFO."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())
    root = logging.getLogger("paddle_wwm")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def mini_vocab():
    """A hand-written vocabulary that covers the running example."""
    return vocab_of(tuple(dict.fromkeys(MINI_TOKENS)))


@pytest.fixture(scope="session")
def seed_words() -> tuple[str, ...]:
    """The words of the running example, as segmented by LTP."""
    return tuple(SEED_WORDS.split("|"))


@pytest.fixture(scope="session")
def sentence_of() -> Callable:
    """A function from words to a SegmentedSentence of these words."""
    from paddle_wwm.corpus.segment import SegmentedSentence

    def make(words):
        ends = list(accumulate(map(len, words)))
        return SegmentedSentence(text="".join(words), word_spans=tuple(zip([0, *ends], ends)))

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of corpora, vocabularies and task data that PADDLE_WWM_DATA names."""
    if not os.environ.get("PADDLE_WWM_DATA"):
        pytest.skip(
            "PADDLE_WWM_DATA is not set; it names the folder with corpus/, vocab/ and tasks/ that this test needs"
        )
    return Path(os.environ["PADDLE_WWM_DATA"])


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """The bundled sample corpus."""
    return ROOT / "paddle_wwm" / "sample_data" / "sample_corpus.txt"


@pytest.fixture(scope="session")
def prepared_sample(sample_corpus, tmp_path_factory):
    """The sample corpus as a ShardSet, with a vocabulary built from it."""
    from paddle_wwm.corpus.documents import read_documents
    from paddle_wwm.shards.preparation.engines import EngineConfig
    from paddle_wwm.shards.preparation.prepare import prepare_corpus
    from paddle_wwm.shards.reader import ShardSet
    from paddle_wwm.tokenization.vocab_building import build_vocab

    vocab = build_vocab(
        (sentence for document in read_documents(sample_corpus) for sentence in document.sentences),
        vocab_size=4000,
        min_character_frequency=1,
    )
    output = tmp_path_factory.mktemp("prepared_sample") / "shards"
    prepare_corpus(corpus=[sample_corpus], vocab=vocab, output=output, engine=EngineConfig(num_workers=1))
    return ShardSet(output)


@pytest.fixture(scope="session")
def bf16_on_any_processor():
    """Let this process train in bfloat16: without the instructions, plain products stand for those of oneDNN."""
    from paddle_wwm.compute.bf16 import bfloat16_products, plain_gemm
    from paddle_wwm.compute.onednn import missing_bfloat16
    from paddle_wwm.runs import precision

    if not missing_bfloat16():
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "missing_bfloat16", lambda: "")
        patch.setattr(precision, "bfloat16_products", lambda: bfloat16_products(plain_gemm))
        yield
