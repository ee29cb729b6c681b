"""The work of preparing a corpus, in units of documents, by a pool of processes: ordered, bounded in memory, and clean when it is stopped."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from collections import Counter
from itertools import chain
from typing import Any, Iterator, Sequence

from ..corpus.segment import Segmenter, make_segmenter
from ..errors import DataError
from ..tokenization.documents import tokenize_documents
from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from ..types import Document, TokenizedDocument

# the tokenized documents, the number of characters they came from, and what was counted
Unit = tuple[list[TokenizedDocument], int, Counter]


def tokenize_units(
    groups: Iterator[Sequence[Document]], *, segmenter: Segmenter, tokenizer: WordPieceTokenizer, num_workers: int
) -> Iterator[Unit]:
    """The units of work of a corpus, tokenized, in the order of the text. A single unit is not worth starting processes for."""
    first = next(groups, None)
    if first is None:
        return
    second = next(groups, None)
    if num_workers == 1 or second is None:
        for group in chain([first], [second] if second is not None else [], groups):
            yield _tokenize_unit(group, segmenter, tokenizer)
        return
    context = multiprocessing.get_context("spawn")
    stop = context.RawValue(ctypes.c_bool, False)
    with concurrent.futures.ProcessPoolExecutor(
        num_workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(segmenter.name, tokenizer.vocab, tokenizer.do_lower_case, stop),
    ) as pool:
        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        try:
            for group in chain([first, second], groups):
                with _interrupts_held():
                    pending.append(pool.submit(_tokenize_in_worker, group))
                if len(pending) > 2 * num_workers:  # bounded: memory does not grow with the corpus
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except concurrent.futures.process.BrokenProcessPool:
            raise DataError("a worker died while preparing the corpus (out of memory?); try fewer workers with --workers.") from None
        finally:
            stop.value = True  # what the workers have in their queue already
            # and the rest, by the pool's own thread: future.cancel() races with it when a worker has died, and this process would never end
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C comes after the block (a pool that is interrupted while it starts its processes never ends), and the processes that are
    started in it never see one: they inherit the mask, and ending them is this process's task."""
    if threading.current_thread() is not threading.main_thread():  # Ctrl-C comes in the main thread only
        yield
        return
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


def _tokenize_unit(group: Sequence[Document], segmenter: Segmenter, tokenizer: WordPieceTokenizer) -> Unit:
    report: Counter = Counter()
    documents = tokenize_documents(group, segmenter=segmenter, tokenizer=tokenizer, report=report)
    return documents, sum(len(text) for document in group for text in document.sentences), report


_worker: tuple[Segmenter, WordPieceTokenizer] | None = None
_stop: Any = None  # a bool in memory that all processes share


def _start_worker(segmenter_name: str, vocab: Vocab, do_lower_case: bool, stop: Any) -> None:
    global _worker, _stop
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the pool is the parallelism
    _stop = stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not stop.value:
        _worker = make_segmenter(segmenter_name), WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the pool ends workers so when one has died; paddle's handler prints a C++ report


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # it was killed: nobody else would ever end this process


def _tokenize_in_worker(group: Sequence[Document]) -> Unit:
    if _stop.value:
        return [], 0, Counter()
    assert _worker is not None
    return _tokenize_unit(group, *_worker)
