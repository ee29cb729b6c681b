"""Score a fine-tuned model, or a file of predictions, on a split of a task.

Predictions are JSON lines, {"id": …, "label" | "labels" | "answer": …}, or answers as the data sets' own scripts read
them: {"id": "answer"}. A split without labels gives predictions and no score. OUTPUT gets scores.json and, of a model,
predictions.jsonl (answers.json, nbest.json).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..tasks.dataset import Dataset

SUMMARY = "score a fine-tuned model or a file of predictions"
EXAMPLES = """\
examples:
  paddle-wwm evaluate --task chnsenticorp --data data/chnsenticorp --model runs/chn/seed-1/model --split test
  paddle-wwm evaluate --task cmrc2018 --data data/cmrc2018 --predictions answers.json --split dev
  # n-best answers
  paddle-wwm evaluate --task cmrc2018 --data data/cmrc2018 --model runs/cmrc/seed-1/model --split dev --num-answers 5
  # Find the best threshold on one split, then use it on another
  paddle-wwm evaluate --task cjrc --data data/cjrc --model runs/cjrc/seed-1/model --split dev --find-no-answer-threshold
  paddle-wwm evaluate --task cjrc --data data/cjrc --model runs/cjrc/seed-1/model --no-answer-threshold 1.25
  # Your own file
  paddle-wwm evaluate --kind classification --file my/test.tsv --column text=review --model runs/mine/seed-1/model"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the examples and the flags."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, metavar="DIR", help="a fine-tuned model folder, such as RUN/seed-1/model")
    what.add_argument("--predictions", type=Path, metavar="FILE", help="a file of predictions, instead of a model")
    group = parser.add_argument_group("the task: one of the table, or your own file")
    group.add_argument("--task", metavar="NAME", help="chnsenticorp, xnli, cmrc2018, … see `paddle-wwm tasks`")
    group.add_argument("--data", type=Path, metavar="DIR", help="the folder with its files")
    group.add_argument("--split", metavar="NAME", help="dev, test, … (default: test)")
    group.add_argument(
        "--kind", metavar="KIND", help="of your own file: classification, token-labels or reading-comprehension"
    )
    group.add_argument("--file", type=Path, metavar="FILE", help="your own file")
    group.add_argument("--format", metavar="NAME", help="how it is read (default: by kind and file name)")
    group.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="text, text_pair, label, …: a name, or a number from 0",
    )
    group.add_argument("--metric", metavar="NAME", help="default: by kind")
    group = parser.add_argument_group("reading comprehension")
    group.add_argument(
        "--num-answers",
        type=int,
        default=1,
        metavar="N",
        help="more than 1: also write this many answers per question, best first",
    )
    group.add_argument("--max-answer-len", type=int, metavar="N", help="pieces of an answer at most (default: 64)")
    group.add_argument(
        "--no-answer-threshold",
        type=float,
        metavar="X",
        help="a question goes without an answer where [CLS] wins by more than X",
    )
    group.add_argument(
        "--find-no-answer-threshold", action="store_true", help="find the one that is best on this split"
    )
    parser.add_argument(
        "--max-seq-length", type=int, metavar="N", help="tokens of an example (default: as the model was fine-tuned)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="where the files go (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the files of an earlier evaluation in --output"
    )


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if (arguments.task is None) == (arguments.kind is None):
        parser.error("give --task with --data, or --kind with --file")
    if arguments.task and arguments.data is None:
        parser.error("--task needs --data, the folder with its files")
    if arguments.kind and arguments.file is None:
        parser.error("--kind needs --file")


def dataset_of(arguments: argparse.Namespace, *, split: str) -> Dataset:
    """Return the data set that the flags describe."""
    from ..tasks.dataset_table import find_dataset
    from ..tasks.own_data import columns_of_flags, dataset_of_flags

    if arguments.task:
        return find_dataset(arguments.task)
    return dataset_of_flags(
        name=arguments.file.stem,
        kind=arguments.kind,
        files={split: arguments.file},
        reader=arguments.format,
        columns=columns_of_flags(arguments.column),
        metric=arguments.metric,
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluate and print the scores."""
    from ..cpu import use_fast_matmul
    from ..quiet import quiet_environment

    quiet_environment()
    use_fast_matmul()
    from ..progress import show_bar
    from ..tasks.evaluate import EvaluationJob, evaluate, summary
    from ..tasks.reading_comprehension import MAX_ANSWER_LEN, DecodingConfig

    split = arguments.split or "test"
    try:
        decoding = DecodingConfig(
            num_answers=arguments.num_answers,
            max_answer_len=MAX_ANSWER_LEN if arguments.max_answer_len is None else arguments.max_answer_len,
            no_answer_threshold=arguments.no_answer_threshold,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    job = EvaluationJob(
        dataset=dataset_of(arguments, split=split),
        data=arguments.data or Path(),
        split=split,
        output=arguments.output,
        model=arguments.model,
        predictions=arguments.predictions,
        decoding=decoding,
        find_threshold=arguments.find_no_answer_threshold,
        max_seq_length=arguments.max_seq_length,
        overwrite=arguments.overwrite,
    )
    print(summary(job, evaluate(job, progress=show_bar)))
