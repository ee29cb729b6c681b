"""Score a fine-tuned model, or a file of predictions, on a split of a task.

A file of predictions holds JSON lines, {"id": …, "label" | "labels" | "answer": …}, or one JSON object {"id": "answer"}
as for the data sets' own scripts. A split without labels gives predictions and no score. The output folder gets
scores.json. For a model it also gets predictions.jsonl, and for reading comprehension answers.json (and nbest.json if
--num-answers is more than 1).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .flags import add_task_flags, check_task_flags, chosen_dataset, label_names_of

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
  # Your own file with other words than the labels that the model predicts
  paddle-wwm evaluate --kind classification --file my/test.csv --model runs/mine/seed-1/model --labels neg,pos
  # Your own file
  paddle-wwm evaluate --kind classification --file my/test.tsv --column text=review --model runs/mine/seed-1/model"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, metavar="DIR", help="a fine-tuned model folder, such as RUN/seed-1/model")
    what.add_argument("--predictions", type=Path, metavar="FILE", help="a file of predictions, instead of a model")
    group = parser.add_argument_group("the task: from the table of tasks, or your own file")
    add_task_flags(group, files={"file": "your own file"})
    group.add_argument(
        "--labels",
        metavar="FILE_OR_LIST",
        help="the labels of the data, if the model predicts other words: neg,pos in the order of the model's labels, "
        'or JSON with a label of the model for each: {"neg": "0", …}; with --predictions: the labels of the data, or '
        "JSON with the predicted word for each",
    )
    group.add_argument("--split", metavar="NAME", help="dev, test, … (default: test)")
    group = parser.add_argument_group("reading comprehension")
    group.add_argument(
        "--num-answers",
        type=int,
        default=1,
        metavar="N",
        help="more than 1: also write this many answers per question, best first",
    )
    group.add_argument("--max-answer-len", type=int, metavar="N", help="maximum pieces of an answer (default: 64)")
    group.add_argument(
        "--no-answer-threshold",
        type=float,
        metavar="X",
        help="give no answer if the score of [CLS] exceeds that of the best answer by more than X",
    )
    group.add_argument(
        "--find-no-answer-threshold", action="store_true", help="find the threshold with the best score on this split"
    )
    parser.add_argument(
        "--max-seq-length", type=int, metavar="N", help="maximum tokens per example (default: as in fine-tuning)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="the output folder (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the files of an earlier evaluation in --output"
    )


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    check_task_flags(arguments, parser=parser, file="file")


def run(arguments: argparse.Namespace) -> None:
    """Evaluate and print the scores."""
    from ..cpu import use_fast_matmul
    from ..quiet import quiet_environment

    quiet_environment()
    use_fast_matmul()
    from ..evaluation.job import EvaluationJob, evaluate, summary
    from ..progress import show_bar
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
        dataset=chosen_dataset(
            arguments, name="" if arguments.file is None else arguments.file.stem, files={split: arguments.file}
        ),
        data=arguments.data or Path(),
        split=split,
        output=arguments.output,
        model=arguments.model,
        predictions=arguments.predictions,
        labels=None if arguments.labels is None else label_names_of(arguments.labels),
        decoding=decoding,
        find_threshold=arguments.find_no_answer_threshold,
        max_seq_length=arguments.max_seq_length,
        overwrite=arguments.overwrite,
    )
    print(summary(job, evaluate(job, progress=show_bar)))
