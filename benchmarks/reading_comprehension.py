#!/usr/bin/env python
"""Check that gold answers are recovered: encode passages to windows and labels, then decode perfect logits to answers.

  python benchmarks/reading_comprehension.py --data DIR     development sets of CMRC 2018 and DRCD
  python benchmarks/reading_comprehension.py --quick        check that it runs

The default of --data is $PADDLE_WWM_DATA; without it, passages are generated.

For every gold answer, the logits are 20 at its label in each window and 0 elsewhere, so the decoded text must be the
answer. The reasons why it is not:
  not in passage  the passage does not contain the answer, not even without the punctuation at its ends
  inside a piece  the answer begins or ends inside a piece ("30米" in "4530米"), and the label is the whole piece
  cut             no window contains the whole answer: it is longer than the overlap of windows
No model that reads pieces can recover the first two kinds; all other answers are recoverable. EM is the metric of the
data set over questions, with their first answers as labels.

The peer is PaddleNLP as in its SQuAD examples: labels from `answer_start` in the file, the windows of its tokenizer
(doc_stride 128, there the step), and its `compute_prediction` with answers of the same length.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import hub_peers
import numpy as np
from common import print_machine, print_table, write_figures
from question_answering import _Examples as Examples

from paddle_wwm.cli.process import run_script
from paddle_wwm.datasets.dataset import Split
from paddle_wwm.datasets.metrics.answers import score_cmrc
from paddle_wwm.datasets.readers.splits import read_split, split_path
from paddle_wwm.datasets.table import DATASETS
from paddle_wwm.tasks.reading_comprehension import DecodingConfig, decode, encode, label_of, windows_of
from paddle_wwm.tokenization.vocab import Vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

SETS = (("cmrc2018", "dev"), ("drcd", "dev"))
LENGTHS = (512, 384, 128)
DOC_STRIDE, SURE, QUICK_QUESTIONS = 128, 20.0, 40
WHY = ("not_in_passage", "inside_a_piece", "cut")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a folder with tasks/cmrc2018, tasks/drcd and vocab/ (default: $PADDLE_WWM_DATA)",
    )
    parser.add_argument("--ours-only", action="store_true", help="do not measure PaddleNLP")
    parser.add_argument("--seed", type=int, default=1, help="seed of generated passages (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"use only the first {QUICK_QUESTIONS} questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    data = arguments.data or (Path(os.environ["PADDLE_WWM_DATA"]) if os.environ.get("PADDLE_WWM_DATA") else None)
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as folder:
        splits = splits_of(data, folder=Path(folder), seed=arguments.seed)
        figures = print_machine(", ".join(splits)) | {"ours": {}, "paddlenlp": {}}
        vocab = hub_peers.vocab_of(data)
        for name, split in splits.items():
            split = first_questions(split, number=QUICK_QUESTIONS) if arguments.quick else split
            found = {f"ours, {length} tokens": ours(split, vocab=vocab, max_seq_len=length) for length in LENGTHS}
            figures["ours"][name] = found
            if not arguments.ours_only:
                longest = max(counts["longest_in_pieces"] for counts in found.values())
                theirs = {
                    f"PaddleNLP, {LENGTHS[0]} tokens": paddlenlp(
                        split, vocab=vocab, max_seq_len=LENGTHS[0], longest=longest
                    )
                }
                figures["paddlenlp"][name] = theirs
                found = found | theirs
            print_counts(name, split, found)
        write_figures(arguments.json, figures)


def splits_of(data: Path | None, *, folder: Path, seed: int) -> dict[str, Split]:
    """Return the development sets in the data folder, or else a generated one."""
    found = {}
    for name, split in SETS:
        task, of_task = DATASETS[name], (data or folder) / "tasks" / name
        if split_path(task, data=of_task, split=split):
            found[f"{task.title}, {split}"] = read_split(task, data=of_task, split=split)
    if found:
        return found
    (folder / "cmrc2018_dev.json").write_text(json.dumps(made_up(seed=seed)), encoding="utf-8")
    return {"generated passages": read_split(DATASETS["cmrc2018"], data=folder, split="dev")}


def made_up(*, seed: int) -> dict:
    """Generate passages of 600 characters with words and numbers, and random answers."""
    rng = np.random.default_rng(seed)
    paragraphs = []
    for number in range(QUICK_QUESTIONS):
        words = [
            chr(code) if rng.random() < 0.9 else rng.choice(["2019", " bert ", "，", "。"])
            for code in rng.integers(0x4E00, 0x9FA6, 600)
        ]
        first = int(rng.integers(0, 590))
        answer, start = "".join(words[first : first + int(rng.integers(1, 10))]), len("".join(words[:first]))
        qas = [
            {"id": str(number), "question": "".join(words[5:15]), "answers": [{"text": answer, "answer_start": start}]}
        ]
        paragraphs.append({"context": "".join(words), "qas": qas})
    return {"data": [{"paragraphs": paragraphs}]}


def first_questions(split: Split, *, number: int) -> Split:
    """Return a split with only the first questions."""
    return Split(
        name=split.name, path=split.path, sha256=split.sha256, examples=split.examples[:number], counts=split.counts
    )


def ours(split: Split, *, vocab: Vocab, max_seq_len: int) -> dict[str, float]:
    """Count the recovered answers, and the others by reason."""
    tokenizer = WordPieceTokenizer(vocab=vocab)
    all_encoded = encode(
        [example.question for example in split.examples],
        [example.context for example in split.examples],
        tokenizer=tokenizer,
    )
    counts, exact_matches, longest = Counter(dict.fromkeys(("answers", "recovered", *WHY), 0)), [], 0
    for example, encoded in zip(split.examples, all_encoded):
        windows = windows_of(encoded, vocab=vocab, max_seq_len=max_seq_len, doc_stride=DOC_STRIDE)
        starts, ends = encoded.context_offsets[:, 0], encoded.context_offsets[:, 1]
        read_back: dict[tuple[int, int], str | None] = {}
        for answer in example.answers:
            counts["answers"] += 1
            if answer.characters is None:
                counts["not_in_passage"] += 1
                continue
            first, last = answer.characters
            if answer.characters not in read_back:
                num_pieces = int(((starts < last) & (ends > first)).sum())
                longest = max(longest, num_pieces)
                labels = [label_of(window, encoded=encoded, characters=answer.characters) for window in windows]
                logits = [sure_of(label, num_tokens=len(window.input_ids)) for label, window in zip(labels, windows)]
                config = DecodingConfig(max_answer_len=num_pieces + 1)
                shown = any(label != (0, 0) for label in labels)
                read_back[answer.characters] = (
                    decode(encoded, windows=windows, logits=logits, config=config)[0].text if shown else None
                )
            text = read_back[answer.characters]
            whole_pieces = first in starts and last in ends
            why = (
                "recovered"
                if text == example.context[first:last]
                else "cut"
                if text is None
                else "other"
                if whole_pieces
                else "inside_a_piece"
            )
            counts[why] += 1
        taught = next((answer for answer in example.answers if answer.characters), None)
        text = read_back[taught.characters] if taught else None
        exact_matches.append(score_cmrc(text or "", [answer.text for answer in example.answers]).exact_match)
    return {**counts, "exact_match": 100 * float(np.mean(exact_matches)), "longest_in_pieces": longest}


def sure_of(label: tuple[int, int], *, num_tokens: int) -> np.ndarray:
    """Return logits (num_tokens, 2) of a network that is certain of a label."""
    values = np.zeros((num_tokens, 2), np.float32)
    values[label[0], 0] += SURE
    values[label[1], 1] += SURE
    return values


def paddlenlp(split: Split, *, vocab: Vocab, max_seq_len: int, longest: int) -> dict[str, float]:
    """Count the answers that PaddleNLP recovers from the unchanged file."""
    from paddlenlp.metrics.squad import compute_prediction

    tokenizer = paddlenlp_tokenizer(vocab)
    stated = {item["id"]: item for item in raw_questions(Path(split.path))}
    counts, exact_matches = Counter(dict.fromkeys(("answers", "recovered"), 0)), []
    for example in split.examples:
        encoded = tokenizer(
            [example.question], [example.context], stride=DOC_STRIDE, max_length=max_seq_len, truncation="only_second",
            return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        windows = [
            [tuple(place) if kind == 1 and tuple(place) != (0, 0) else None for place, kind in zip(offsets, kinds)]
            for offsets, kinds in zip(encoded["offset_mapping"], encoded["token_type_ids"])
        ]
        texts = []
        for answer in stated[example.example_id]["answers"]:
            start = answer["answer_start"]
            labels = [label_by_offsets(offsets, start=start, end=start + len(answer["text"])) for offsets in windows]
            logits = [sure_of(label, num_tokens=len(offsets)) for label, offsets in zip(labels, windows)]
            features = [{"example_id": "0", "offset_mapping": offsets} for offsets in windows]
            item = Examples([{"id": "0", "context": example.context}])
            both = ([value[:, 0] for value in logits], [value[:, 1] for value in logits])
            texts.append(
                compute_prediction(item, features, both, False, 20, longest)[0]["0"]
                if any(label != (0, 0) for label in labels)
                else ""
            )
            counts["answers"] += 1
            counts["recovered"] += texts[-1] == answer["text"].strip()
        exact_matches.append(score_cmrc(texts[0], [answer.text for answer in example.answers]).exact_match)
    return {**counts, "exact_match": 100 * float(np.mean(exact_matches))}


def paddlenlp_tokenizer(vocab: Vocab) -> Any:
    """Return PaddleNLP's BertTokenizer with the same vocabulary."""
    from paddlenlp.transformers import BertTokenizer

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("".join(f"{token}\n" for token in vocab.tokens), encoding="utf-8")
        return BertTokenizer(str(Path(folder) / "vocab.txt"))


def raw_questions(path: Path) -> list[dict]:
    """Return the unchanged questions of a file in SQuAD format."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [item for article in articles for paragraph in article["paragraphs"] for item in paragraph["qas"]]


def label_by_offsets(offsets: list[tuple[int, int] | None], *, start: int, end: int) -> tuple[int, int]:
    """Return the first and last token of the characters [start, end).

    The result is [CLS] if the window does not contain all of them.
    """
    shown = [column for column, place in enumerate(offsets) if place is not None]
    if not shown or start < offsets[shown[0]][0] or end > offsets[shown[-1]][1]:
        return 0, 0
    return max(column for column in shown if offsets[column][0] <= start), min(
        column for column in shown if offsets[column][1] >= end
    )


def print_counts(name: str, split: Split, found: dict[str, dict[str, float]]) -> None:
    """Print the table of one data set."""
    repaired = sum(value for key, value in split.counts.items() if key.startswith("repaired"))
    headings = ("", "answers", "recovered", *(why.replace("_", " ") for why in WHY), "of the recoverable", "EM")
    rows, of_ours = [], next(iter(found.values()))
    for contender, counts in found.items():
        recoverable = counts["answers"] - of_ours["not_in_passage"] - of_ours["inside_a_piece"]
        why = [f"{counts[key]:,}" if key in counts else "" for key in WHY]
        share = counts["recovered"] / recoverable if recoverable else 0.0
        rows.append(
            [
                contender,
                f"{counts['answers']:,}",
                f"{counts['recovered']:,}",
                *why,
                f"{share:.3%}",
                f"{counts['exact_match']:.2f}",
            ]
        )
    print_table(f"{name}: {len(split.examples):,} questions, {repaired} answers repaired in the file", headings, rows)


if __name__ == "__main__":
    run_script(main)
