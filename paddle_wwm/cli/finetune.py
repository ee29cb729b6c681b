"""Fine-tune a model on a task, over several seeds, and score it: max (mean) over the seeds.

--model is a folder (a model of ours or PaddleNLP's, a run of `paddle-wwm pretrain`, a hub module with its weights
inside) or a name that `paddle-wwm download` knows. Length, batch, epochs and learning rate are the authors' for the
task; the best checkpoint by dev is kept.

To continue a run that was stopped or killed, rerun the same command: the numbers are the same to the bit, and seeds
that are done stay unchanged. OUTPUT/seed-N/model is a model folder: use it as hub.Module(name=…, weights=DIR), or make
a module of its own with `paddle-wwm hub build --from-checkpoint DIR`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .flags import add_task_flags, check_task_flags, chosen_dataset

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

SUMMARY = "fine-tune a model on a task, over several seeds"
SPLITS = ("train", "dev", "test")
EXAMPLES = """\
examples:
  # A task of the table, ten seeds
  paddle-wwm finetune --task chnsenticorp --model chinese-roberta-wwm-ext --data data/chnsenticorp --seeds 10 \\
      --output runs/chn-roberta
  # Reading comprehension, two workers, longer inputs
  paddle-wwm finetune --task cmrc2018 --model runs/mine --data data/cmrc2018 --max-seq-length 384 --nproc 2 \\
      --output runs/cmrc-mine
  # Your own files: TSV, JSON lines, SQuAD's JSON, CoNLL
  paddle-wwm finetune --kind classification --train my/train.tsv --dev my/dev.tsv --model rbt3 --output runs/my-task
  # A quick look
  paddle-wwm finetune --task lcqmc --model rbt3 --data data/lcqmc --limit-train 500 --epochs 1 --output runs/look
  # Check everything, write nothing
  paddle-wwm finetune --task lcqmc --model rbt3 --data data/lcqmc --output runs/lcqmc --dry-run

Exit status: 0 done, 2 an error that you can fix (one line describes it), 130 Ctrl-C and 143 SIGTERM (both after
saving)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the examples and the flags."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    group = parser.add_argument_group("the task: one of the table, or your own files")
    add_task_flags(group, files={split: f"your {split} file" for split in SPLITS})
    group.add_argument(
        "--task-name", metavar="NAME", help="what tables call your files (default: the training file's name)"
    )
    group.add_argument(
        "--labels",
        metavar="A,B,…",
        help="your labels in the order of their numbers (default: those of the training file)",
    )

    group = parser.add_argument_group("the run")
    group.add_argument("--model", required=True, metavar="NAME_OR_DIR", help="what to start from")
    group.add_argument("--model-name", metavar="NAME", help="what tables call it (default: its folder's name)")
    group.add_argument("--output", type=Path, required=True, metavar="DIR", help="the run's folder")
    group.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="how many (default: %(default)s; the authors: 10)"
    )
    group.add_argument(
        "--first-seed", type=int, default=1, metavar="N", help="seeds are N, N + 1, … (default: %(default)s)"
    )
    group.add_argument(
        "--nproc", type=int, default=1, metavar="N", help="fleet workers that share every batch (default: %(default)s)"
    )
    group.add_argument(
        "--keep-models",
        choices=("best", "none"),
        default="best",
        help="none: scores and predictions only (default: %(default)s)",
    )
    group.add_argument(
        "--save-every-minutes",
        type=float,
        default=10.0,
        metavar="M",
        help="also save every M minutes; 0: only at evaluations (default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="discard the run that --output holds")
    group.add_argument("--dry-run", action="store_true", help="check everything, print what would be done, and exit")

    group = parser.add_argument_group("the recipe; what is not given is the task's own")
    for name, kind, text in (
        (
            "max-seq-length",
            int,
            (
                "tokens of an example; longer ones are cut, passages read in windows (default: the task's, or "
                "all of the model's)"
            ),
        ),
        ("batch-size", int, "examples (windows) per step"),
        ("epochs", int, "how often every example is seen"),
        ("learning-rate", float, "the highest; linear warm-up and decay"),
        ("warmup-ratio", float, "warmup steps of all steps (0.1)"),
        ("weight-decay", float, "not of biases and LayerNorms (0.01)"),
        ("clip-norm", float, "of the whole gradient (1.0)"),
        ("layer-decay", float, "each layer's learning rate is this times that of the one above (1.0)"),
        ("evaluate-every-steps", int, "on dev (default: after every epoch)"),
        ("patience", int, "stop a seed after so many evaluations without a better one (0: never)"),
        ("limit-train", int, "use only so many training examples, the same for all seeds"),
        (
            "micro-batch-size",
            int,
            "rows computed at once at most; the gradient is that of the whole batch (default: by tokens)",
        ),
        ("micro-batch-tokens", int, "tokens computed at once at most, padding counted"),
        ("doc-stride", int, "pieces that windows of a passage share (128)"),
        ("max-question-len", int, "pieces of a question that are read (64)"),
        ("max-answer-len", int, "pieces of an answer at most (64)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N" if kind is int else "X", help=text)
    # the name up to version 0.1
    group.add_argument("--warmup-share", type=float, dest="warmup_ratio", metavar="X", help=argparse.SUPPRESS)


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    check_task_flags(arguments, parser=parser, file="train")
    for name in ("seeds", "nproc"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")


RECIPE_FLAGS = (
    *(
        "max_seq_length",
        "batch_size",
        "learning_rate",
        "warmup_ratio",
        "weight_decay",
        "clip_norm",
        "layer_decay",
        "evaluate_every_steps",
    ),
    *(
        "patience",
        "limit_train",
        "micro_batch_size",
        "micro_batch_tokens",
        "doc_stride",
        "max_question_len",
        "max_answer_len",
    ),
)


def dataset_of(arguments: argparse.Namespace) -> Dataset:
    """Return the data set that the flags describe."""
    return chosen_dataset(
        arguments,
        name=arguments.task_name or ("" if arguments.train is None else _name_of(arguments.train)),
        files={split: getattr(arguments, split) for split in SPLITS},
        labels=arguments.labels.split(",") if arguments.labels else (),
    )


def _name_of(train: Path) -> str:
    return train.stem if train.stem != "train" else train.resolve().parent.name


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune and score."""
    from ..cpu import use_fast_matmul
    from ..quiet import quiet_environment

    quiet_environment()
    use_fast_matmul()
    from ..finetuning.job import run_job
    from ..finetuning.set_up import FineTuneJob
    from ..progress import show_bar

    job = FineTuneJob(
        dataset=dataset_of(arguments),
        data=arguments.data or Path(),
        model=arguments.model,
        model_name=arguments.model_name,
        output=arguments.output,
        seeds=range(arguments.first_seed, arguments.first_seed + arguments.seeds),
        changes={"num_epochs": arguments.epochs, **{name: getattr(arguments, name) for name in RECIPE_FLAGS}},
        num_workers=arguments.nproc,
        keep_models=arguments.keep_models == "best",
        save_every_minutes=arguments.save_every_minutes,
        overwrite=arguments.overwrite,
        dry_run=arguments.dry_run,
    )
    run_job(job, progress=show_bar, on_terminal=True)
