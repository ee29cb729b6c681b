"""The table of data sets: their published files, and the recipe of the BERT-wwm authors for each.

Lengths, batch sizes and epochs are from "Pre-Training with Whole Word Masking for Chinese BERT" (Cui et al. 2021).
Learning rates are from the README of ymcui/Chinese-BERT-wwm: for BERT, for ERNIE, and for BERT-wwm and every other wwm
model. For the small models (RBT3 and others) no learning rates are published, so those of BERT-wwm are assumed. The
data sets at the end were not used by the authors; their recipes are ours.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Mapping

from ..errors import ConfigError
from ..tasks.examples import TaskName
from .dataset import Dataset

PAIR = {"text": 0, "text_pair": 1, "label": 2}
CNEWS_LABELS = ("体育", "娱乐", "家居", "房产", "教育", "时尚", "时政", "游戏", "科技", "财经")
TITLE_LABELS = (
    "finance",
    "realty",
    "stocks",
    "education",
    "science",
    "society",
    "politics",
    "sports",
    "game",
    "entertainment",
)
MSRA_LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def _rates(*, bert: float, ernie: float) -> Mapping[str, float]:
    """Return the learning rates by model family.

    In the authors' table, BERT and BERT-wwm have the same best learning rate for every task.
    """
    return {"bert": bert, "ernie": ernie, "bert-wwm": bert}


def _tsv(*prefixes: str) -> Mapping[str, tuple[str, ...]]:
    """Return the names train.tsv, dev.tsv and test.tsv, or .txt, with these prefixes."""
    return {
        split: tuple(f"{prefix}{split}{suffix}" for prefix in ("", *prefixes) for suffix in (".tsv", ".txt"))
        for split in ("train", "dev", "test")
    }


_ROWS = (
    Dataset(
        name="cmrc2018",
        title="CMRC 2018",
        task=TaskName.QUESTION_ANSWERING,
        files={
            "train": ("cmrc2018_train.json",),
            "dev": ("cmrc2018_dev.json",),
            "trial": ("cmrc2018_trial.json",),
            "test": ("cmrc2018_test.json",),
            "challenge": ("cmrc2018_challenge.json",),
        },
        reader="squad",
        metric="cmrc",
        max_seq_length=512,
        num_epochs=2,
        learning_rates=_rates(bert=3e-5, ernie=8e-5),
    ),
    Dataset(
        name="drcd",
        title="DRCD",
        task=TaskName.QUESTION_ANSWERING,
        files={"train": ("DRCD_training.json",), "dev": ("DRCD_dev.json",), "test": ("DRCD_test.json",)},
        reader="squad",
        # DRCD has no script of its own; the authors use the script of CMRC 2018 (ymcui/cmrc2018, baseline/README.md)
        metric="cmrc",
        max_seq_length=512,
        num_epochs=2,
        learning_rates=_rates(bert=3e-5, ernie=8e-5),
    ),
    Dataset(
        name="cjrc",
        title="CJRC",
        task=TaskName.QUESTION_ANSWERING,
        files={
            "train": ("big_train_data.json", "train_data.json", "small_train_data.json"),
            "dev": ("dev_ground_truth.json", "dev_data.json"),
            "test": ("test_ground_truth.json", "test_data.json"),
        },
        reader="cjrc",
        metric="cjrc",
        max_seq_length=512,
        num_epochs=2,
        learning_rate=4e-5,
        learning_rates=_rates(bert=4e-5, ernie=8e-5),
    ),
    Dataset(
        name="xnli",
        title="XNLI",
        task=TaskName.SEQ_CLS,
        files={
            "train": ("train.tsv", "multinli.train.zh.tsv"),
            "dev": ("dev.tsv", "xnli.dev.zh.tsv", "xnli.dev.tsv"),
            "test": ("test.tsv", "xnli.test.zh.tsv", "xnli.test.tsv"),
        },
        reader="xnli",
        columns=PAIR,
        labels=("contradiction", "entailment", "neutral"),
        max_seq_length=128,
        num_epochs=2,
        learning_rates=_rates(bert=3e-5, ernie=5e-5),
    ),
    Dataset(
        name="chnsenticorp",
        title="ChnSentiCorp",
        task=TaskName.SEQ_CLS,
        files=_tsv(),
        reader="tsv",
        columns={"text": "text_a", "label": "label"},
        labels=("0", "1"),
        max_seq_length=256,
        learning_rate=2e-5,
        learning_rates=_rates(bert=2e-5, ernie=5e-5),
    ),
    Dataset(
        name="lcqmc",
        title="LCQMC",
        task=TaskName.SEQ_CLS,
        files=_tsv("LCQMC_"),
        reader="tsv-either",
        columns=PAIR,
        labels=("0", "1"),
        max_seq_length=128,
        learning_rate=2e-5,
        learning_rates=_rates(bert=2e-5, ernie=3e-5),
    ),
    Dataset(
        name="bq_corpus",
        title="BQ Corpus",
        task=TaskName.SEQ_CLS,
        files=_tsv("BQ_"),
        reader="tsv-either",
        columns=PAIR,
        labels=("0", "1"),
        max_seq_length=128,
        learning_rates=_rates(bert=3e-5, ernie=5e-5),
    ),
    Dataset(
        name="thucnews",
        title="THUCNews",
        task=TaskName.SEQ_CLS,
        files={
            "train": ("cnews.train.txt", "train.tsv"),
            "dev": ("cnews.val.txt", "dev.tsv"),
            "test": ("cnews.test.txt", "test.tsv"),
        },
        reader="tsv-either",
        columns={"label": 0, "text": 1},
        labels=CNEWS_LABELS,
        max_seq_length=512,
        learning_rate=2e-5,
        learning_rates=_rates(bert=2e-5, ernie=5e-5),
    ),
    Dataset(
        name="msra_ner",
        title="MSRA-NER",
        task=TaskName.TOKEN_CLS,
        files={
            "train": ("train.tsv", "train.txt", "msra_train_bio.txt"),
            "dev": ("dev.tsv", "dev.txt"),
            "test": ("test.tsv", "test.txt", "msra_test_bio.txt"),
        },
        reader="tokens-either",
        labels=MSRA_LABELS,
        metric="entity_f1",
        num_epochs=5,
    ),
    Dataset(
        name="thucnews_title10",
        title="THUCNews titles",
        task=TaskName.SEQ_CLS,
        files={split: (f"{split}.txt",) for split in ("train", "dev", "test")},
        reader="tsv-class-numbers",
        columns={"text": 0, "label": 1},
        labels=TITLE_LABELS,
        max_seq_length=64,
        learning_rate=2e-5,
    ),
    Dataset(
        name="bustm",
        title="BUSTM",
        task=TaskName.SEQ_CLS,
        files={"train": ("train_few_all.json",), "dev": ("dev_few_all.json",), "test": ("test_public.json",)},
        reader="json-lines",
        columns={"text": "sentence1", "text_pair": "sentence2", "label": "label", "id": "id"},
        labels=("0", "1"),
        max_seq_length=64,
        batch_size=16,
        num_epochs=10,
        learning_rate=2e-5,
    ),
)
DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in _ROWS}


def find_dataset(name: str) -> Dataset:
    """Return the data set with this name.

    Upper case and "-" for "_" are accepted.

    Raises:
        ConfigError: the name is unknown; the message has the nearest name.
    """
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    if wanted in DATASETS:
        return DATASETS[wanted]
    near = difflib.get_close_matches(wanted, DATASETS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"--task must be one of {', '.join(DATASETS)}, but is {name!r}.{hint} For your own data use --kind and "
        f"--train instead."
    )


def learning_rate_of(dataset: Dataset, *, model: str) -> tuple[float, str]:
    """Return the learning rate for a model's name or folder, and its source in words."""
    name = Path(model).name.lower()
    if not dataset.learning_rates:
        return dataset.learning_rate, "default of the task; no published value"
    if "ernie" in name:
        return dataset.learning_rates["ernie"], "published as the best for ERNIE"
    if "wwm" in name:
        return dataset.learning_rates["bert-wwm"], "published as the best for BERT-wwm and its successors"
    if name.startswith("rbt"):
        return dataset.learning_rates["bert-wwm"], "that of BERT-wwm; no published value for the small models"
    if name.startswith("bert"):
        return dataset.learning_rates["bert"], "published as the best for BERT"
    return dataset.learning_rates["bert-wwm"], "that of BERT-wwm; no published value for this model"
