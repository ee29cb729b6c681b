"""The corpus without evaluation text, and its shards."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any, Iterable

from paddle_wwm.corpus.overlap import SHARED_CHARACTERS, TextOverlap, write_without_overlap
from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.datasets.readers.splits import read_split, split_path
from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.files import sha256_of_file, write_json
from paddle_wwm.progress import show_bar
from paddle_wwm.recipe_file import load_config
from paddle_wwm.shards.manifest import MANIFEST_NAME
from paddle_wwm.shards.preparation.prepare import prepare_corpus
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.tasks.examples import TextExample
from paddle_wwm.tokenization.vocab import load_vocab

from . import cmrc
from .experiment import EvidenceConfig, FineTuning

REPORT_NAME = "corpus.json"


def write_corpus(config: EvidenceConfig) -> dict[str, Any]:
    """Write corpus.txt and corpus.json, or check existing ones, and return the report.

    Raises:
        DataError: The existing corpus.txt was made from other sources, or contains text of an evaluation set.
    """
    report_path = config.output / REPORT_NAME
    is_done = report_path.exists() and config.corpus_path.exists()
    if is_done and not config.corpus:
        return json.loads(report_path.read_text(encoding="utf-8"))
    if not config.corpus:
        raise ConfigError("--corpus is missing; give the text files to pretrain on.")
    made_of = {
        "sources": [
            {"name": source.path.name, "sha256": sha256_of_file(source.path)}
            for source in find_sources(config.corpus).files
        ],
        "evaluation_sets": [task.task for task in config.tasks],
        "shared_characters": SHARED_CHARACTERS,
    }
    if is_done:
        report = json.loads(report_path.read_text(encoding="utf-8"))
        _check_same(report, made_of, report_path)
        return report
    overlap = TextOverlap(text for task in config.tasks for text in evaluation_texts(task))
    config.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=config.output, prefix=".corpus.") as folder:
        written = Path(folder) / config.corpus_path.name
        found = write_without_overlap(config.corpus, output=written, overlap=overlap, progress=show_bar)
        digest = sha256_of_file(written)
        if not config.corpus_path.exists():
            written.replace(config.corpus_path)
        elif sha256_of_file(config.corpus_path) != digest:
            raise DataError(
                f"{config.corpus_path}: differs from --corpus without the text of the evaluation sets; "
                "give the corpus and data that it was made from, or another --output."
            )
    report = {**made_of, **dataclasses.asdict(found), "sha256": digest}
    write_json(report_path, report)
    return report


def evaluation_texts(task: FineTuning) -> Iterable[str]:
    """Return all texts of an evaluation set, from all its splits."""
    if task.task == "cmrc2018":
        return cmrc.texts_of(task.data)
    row = find_dataset(task.task)
    examples = [
        example
        for split in row.files
        if split_path(row, data=task.data, split=split)
        for example in read_split(row, data=task.data, split=split).examples
    ]
    texts: list[str] = []
    for example in examples:
        assert isinstance(example, TextExample), "all tasks except CMRC 2018 are classification"
        texts += [text for text in (example.text, example.text_pair) if text]
    return texts


def _check_same(report: dict[str, Any], made_of: dict[str, Any], path: Path) -> None:
    names = [name for name, value in made_of.items() if report.get(name) != value]
    if set(made_of["evaluation_sets"]) <= set(report.get("evaluation_sets", [])):  # excluding more sets is fine
        names = [name for name in names if name != "evaluation_sets"]
    if names:
        raise DataError(f"{path}: the corpus was made with other {', '.join(names)}; use those, or another --output.")


def prepare_shards(config: EvidenceConfig) -> ShardSet:
    """Prepare the corpus, or open its existing shards.

    Raises:
        DataError: The existing shards were prepared from another corpus or vocabulary.
    """
    data = load_config(config.recipe, overrides=config.overrides).data
    vocab = load_vocab(config.vocab)
    if (config.shards_path / MANIFEST_NAME).exists():
        shards = ShardSet(config.shards_path)
        made_of = [source.sha256 for source in shards.manifest.sources]
        if made_of != [sha256_of_file(config.corpus_path)] or shards.manifest.vocab_sha256 != vocab.sha256:
            raise DataError(
                f"{config.shards_path}: the shards were prepared from another corpus or vocabulary; remove them, or "
                f"give another --output."
            )
        return shards
    prepared = prepare_corpus(
        corpus=[config.corpus_path],
        vocab=vocab,
        config=PrepareConfig(segmenter=SegmenterConfig(name=data.segmenter), do_lower_case=data.do_lower_case),
        output=config.shards_path,
    )
    return ShardSet(prepared.directory)
