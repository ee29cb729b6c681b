"""Fine-tune a model on a task with several seeds, and score it: max (mean) over the seeds.

--model is a folder or a name for `paddle-wwm download`. The folder can be a model folder of paddle_wwm or PaddleNLP, a
run of `paddle-wwm pretrain`, or a hub module with weights inside. By default, length, batch size, epochs and learning
rate are those of the models' authors for the task. The checkpoint with the best dev score is kept.

To continue a run that was stopped or killed, rerun the same command. The results are the same to the bit, and finished
seeds are not run again. OUTPUT/seed-N/model is a model folder. Load it with hub.Module(name=…, weights=DIR), or build a
module from it with `paddle-wwm hub build --from-checkpoint DIR`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .flags import add_task_flags, check_task_flags, chosen_dataset, label_names_of

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

SUMMARY = "fine-tune a model on a task, with several seeds"
SPLITS = ("train", "dev", "test")
EXAMPLES = """\
examples:
  # A task from the table, ten seeds
  paddle-wwm finetune --task chnsenticorp --model chinese-roberta-wwm-ext --data data/chnsenticorp --seeds 10 \\
      --output runs/chn-roberta
  # Reading comprehension, two workers, longer inputs
  paddle-wwm finetune --task cmrc2018 --model runs/mine --data data/cmrc2018 --max-seq-length 384 --nproc 2 \\
      --output runs/cmrc-mine
  # Your own files: TSV, CSV, JSON, SQuAD's JSON, CoNLL, texts with marked entities
  paddle-wwm finetune --kind classification --train my/train.tsv --dev my/dev.tsv --label-names bad,good --model rbt3 \\
      --output runs/my-task
  # A quick test
  paddle-wwm finetune --task lcqmc --model rbt3 --data data/lcqmc --limit-train 500 --epochs 1 --output runs/look
  # Check everything, write nothing
  paddle-wwm finetune --task lcqmc --model rbt3 --data data/lcqmc --output runs/lcqmc --dry-run

Exit status: 0: success. 2: an error that you can fix; one line describes it. 130: stopped by Ctrl-C, 143: stopped by
SIGTERM; both save first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    group = parser.add_argument_group("the task: from the table of tasks, or your own files")
    add_task_flags(group, files={split: f"your file for the {split} split" for split in SPLITS})
    group.add_argument(
        "--task-name", metavar="NAME", help="name of your task in tables (default: the name of the training file)"
    )
    group.add_argument(
        "--labels",
        metavar="A,B,…",
        help="your labels, in the order of their class numbers (default: those in the training file); if the first one "
        "begins with -: --labels=-1,0,1",
    )
    group.add_argument(
        "--label-names",
        metavar="FILE_OR_LIST",
        help="words that the model predicts instead of the labels in your files: bad,good in the order of the labels, "
        'or a file: JSON {"0": "bad", …} or a list, or one name per line',
    )

    group = parser.add_argument_group("the run")
    group.add_argument("--model", required=True, metavar="NAME_OR_DIR", help="the model to fine-tune")
    group.add_argument("--model-name", metavar="NAME", help="name of the model in tables (default: its folder's name)")
    group.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder of the run")
    group.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="number of seeds (default: %(default)s; the models' authors use 10)",
    )
    group.add_argument(
        "--first-seed", type=int, default=1, metavar="N", help="seeds are N, N + 1, … (default: %(default)s)"
    )
    group.add_argument(
        "--nproc", type=int, default=1, metavar="N", help="fleet workers; they share every batch (default: %(default)s)"
    )
    group.add_argument(
        "--keep-models",
        choices=("best", "none"),
        default="best",
        help="best: keep the best model; none: only scores and predictions (default: %(default)s)",
    )
    group.add_argument(
        "--save-every-minutes",
        type=float,
        default=10.0,
        metavar="M",
        help="save every M minutes and at evaluations; 0: only at evaluations (default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="discard the run in --output and start again")
    group.add_argument("--dry-run", action="store_true", help="check everything, print the plan, and exit")

    group = parser.add_argument_group("the recipe (default: the one of the task)")
    for name, kind, text in (
        (
            "max-seq-length",
            int,
            (
                "maximum tokens per example; longer texts are cut, longer passages are read in windows "
                "(default: the task's, or the model's maximum)"
            ),
        ),
        ("batch-size", int, "examples (windows) per step"),
        ("epochs", int, "number of times that each training example is used"),
        ("learning-rate", float, "peak learning rate; linear warmup and decay"),
        ("warmup-ratio", float, "share of the steps for warmup (0.1)"),
        ("weight-decay", float, "weight decay, except for biases and LayerNorms (0.01)"),
        ("clip-norm", float, "maximum norm of the whole gradient (1.0)"),
        ("layer-decay", float, "the learning rate of a layer is this times that of the layer above (1.0)"),
        ("evaluate-every-steps", int, "evaluate on dev every N steps (default: after every epoch)"),
        ("patience", int, "stop a seed after N evaluations without a better score (0: never)"),
        ("limit-train", int, "use only N training examples, the same for all seeds"),
        (
            "micro-batch-size",
            int,
            "maximum rows computed at once; the gradient is still that of the whole batch (default: by tokens)",
        ),
        ("micro-batch-tokens", int, "maximum tokens computed at once, including padding"),
        ("doc-stride", int, "pieces shared by neighbouring windows of a passage (128)"),
        ("max-question-len", int, "maximum pieces of a question; the rest is cut (64)"),
        ("max-answer-len", int, "maximum pieces of an answer (64)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N" if kind is int else "X", help=text)
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="bf16: matrix products of bfloat16 numbers, up to twice as fast with AMX or AVX512_BF16 (default: fp32)",
    )
    # the name in version 0.1
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
        "precision",
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
        label_names=None if arguments.label_names is None else label_names_of(arguments.label_names),
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
