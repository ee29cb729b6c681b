"""The table of models: sizes, names, and the published figures of the authors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm.datasets.table import DATASETS
from paddle_wwm.errors import ConfigError
from paddle_wwm.model_config import count_parameters
from paddle_wwm.variants import RANDOM_INIT, VARIANTS, Variant, find_variant
from paddle_wwm.variants.lookup import names_of
from paddle_wwm.variants.scores import Score, parse_scores
from paddle_wwm.variants.types import NUM_XNLI_LABELS

BY_NAME = {variant.name: variant for variant in VARIANTS}


def run_variants(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "paddle_wwm.variants", *arguments], capture_output=True, text=True)


def test_every_model_of_the_series_is_there():
    assert list(BY_NAME) == [
        "bert-base-chinese",
        "chinese-bert-wwm",
        "chinese-bert-wwm-ext",
        "chinese-roberta-wwm-ext",
        "chinese-roberta-wwm-ext-large",
        "rbt3",
        "rbt4",
        "rbt6",
        "rbtl3",
        "bert-base-multilingual-cased",
        "bert-base-multilingual-uncased",
        "bert-large-cased-whole-word-masking",
        "bert-large-uncased-whole-word-masking",
        "chinese-macbert-base",
        "chinese-macbert-large",
        "chinese-lert-small",
        "chinese-lert-base",
        "chinese-lert-large",
        "chinese-pert-base",
        "chinese-pert-large",
        "chinese-roberta-wwm-ext-large-fix-mlm",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roberta-wwm-ext", "chinese-roberta-wwm-ext"),  # PaddleHub
        ("roberta-wwm-ext-large", "chinese-roberta-wwm-ext-large"),
        ("chinese_bert_wwm", "chinese-bert-wwm"),  # PaddleHub's folder
        ("bert-wwm-chinese", "chinese-bert-wwm"),  # PaddleNLP
        ("bert-wwm-ext-chinese", "chinese-bert-wwm-ext"),
        ("hfl/roberta-wwm-ext", "chinese-roberta-wwm-ext"),
        ("hfl/rbt4", "rbt4"),
        ("hfl/chinese-roberta-wwm-ext-large", "chinese-roberta-wwm-ext-large"),  # Hugging Face
        ("google-bert/bert-base-chinese", "bert-base-chinese"),
        ("bert-large-cased-whole-word-masking", "bert-large-cased-whole-word-masking"),
        ("RoBERTa-wwm-ext-large, Chinese", "chinese-roberta-wwm-ext-large"),  # the authors' README
        ("BERT-wwm", "chinese-bert-wwm"),
        ("RBTL3, Chinese", "rbtl3"),
        ("chinese_roberta_wwm_large_ext_L-24_H-1024_A-16.zip", "chinese-roberta-wwm-ext-large"),  # archives
        ("multi_cased_L-12_H-768_A-12", "bert-base-multilingual-cased"),
        ("macbert-base-chinese", "chinese-macbert-base"),
        ("hfl/chinese-lert-small", "chinese-lert-small"),
        ("chinese_pert_base_L-12_H-768_A-12.zip", "chinese-pert-base"),
        ("genggui001/chinese_roberta_wwm_large_ext_fix_mlm", "chinese-roberta-wwm-ext-large-fix-mlm"),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name, expected):
    assert find_variant(name).name == expected


def test_no_two_models_share_a_name():
    owners: dict[str, str] = {}
    for variant in VARIANTS:
        for name in names_of(variant):
            assert find_variant(name) is variant
            assert owners.setdefault(re.sub(r"[^a-z0-9]+", "-", name.lower()), variant.name) == variant.name


def test_the_error_for_an_unknown_name_has_the_most_similar_names():
    with pytest.raises(
        ConfigError, match=r"'chinese-roberta-wwm': no such model; did you mean .*chinese-roberta-wwm-ext or"
    ):
        find_variant("chinese-roberta-wwm")


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("chinese-roberta-wwm-ext", None),
        ("chinese-roberta-wwm-ext-large", None),
        ("rbtl3", 59.8),
        ("rbt3", 37.3),
        ("chinese-lert-small", None),
        ("chinese-lert-base", None),
        ("chinese-lert-large", None),
        ("chinese-macbert-base", None),
    ],
)
def test_parameter_counts_are_the_published_ones(name, share):
    millions = count_parameters(BY_NAME[name].config, num_labels=NUM_XNLI_LABELS) // 1_000_000
    assert f"{millions}M" == BY_NAME[name].published_parameters
    base = count_parameters(BY_NAME["chinese-roberta-wwm-ext"].config, num_labels=NUM_XNLI_LABELS) // 1_000_000
    assert share is None or round(100 * millions / base, 1) == share


@pytest.mark.parametrize("name", ["rbt3", "rbtl3"])
def test_count_parameters_agrees_with_the_model(name):
    from paddle_wwm.model.heads import BertForPretraining

    config = BY_NAME[name].config
    model = BertForPretraining(config)
    assert sum(parameter.size for parameter in model.parameters()) == count_parameters(
        config, with_pretraining_heads=True
    )
    assert sum(parameter.size for parameter in model.bert.parameters()) == count_parameters(config)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_model_fits_the_model_that_its_training_started_from(variant: Variant):
    recipe = variant.recipe
    assert variant.config.hidden_size // variant.config.num_attention_heads == 64
    config = variant.config
    assert variant.archive is None or variant.archive.endswith(
        f"L-{config.num_hidden_layers}_H-{config.hidden_size}_A-{config.num_attention_heads}"
    )
    if recipe.init in (None, RANDOM_INIT):
        return
    parent = BY_NAME[recipe.init].config
    assert (parent.hidden_size, parent.vocab_size) == (variant.config.hidden_size, variant.config.vocab_size)
    assert len(recipe.init_layers or range(parent.num_hidden_layers)) == variant.config.num_hidden_layers


def test_a_cell_is_parsed_into_maximum_and_mean():
    assert parse_scores("65.5 (64.4) / 84.5 (84.0)").by_metric == {
        "exact_match": Score(max=65.5, mean=64.4),
        "f1": Score(max=84.5, mean=84.0),
    }
    assert parse_scores("72.3").by_metric == {"accuracy": Score(max=72.3)}


README_SECTIONS = {
    "CMRC 2018": ("cmrc2018", ("dev", "test", "challenge")),
    "DRCD": ("drcd", ("dev", "test")),
    "CJRC": ("cjrc", ("dev", "test")),
    "XNLI": ("xnli", ("dev", "test")),
    "ChnSentiCorp": ("chnsenticorp", ("dev", "test")),
    "LCQMC": ("lcqmc", ("dev", "test")),
    "BQ Corpus": ("bq_corpus", ("dev", "test")),
    "THUCNews": ("thucnews", ("dev", "test")),
}
README_MODELS = {"BERT": "bert-base-chinese", "BERT-wwm": "chinese-bert-wwm", "BERT-wwm-ext": "chinese-bert-wwm-ext"}
README_MODELS |= {
    "RoBERTa-wwm-ext": "chinese-roberta-wwm-ext",
    "RoBERTa-wwm-ext-large": "chinese-roberta-wwm-ext-large",
    "RBT3": "rbt3",
    "RBTL3": "rbtl3",
}
CELL = r"[\d.]+(?: \([\d.]+\))?(?: / [\d.]+(?: \([\d.]+\))?)?"


@pytest.fixture(scope="module")
def readme_lines(shared_data: Path) -> list[str]:
    path = shared_data.parent / "seed" / "chinese-bert-wwm-readme.txt"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.data
@pytest.mark.parametrize("section", README_SECTIONS)
def test_published_scores_are_those_of_the_authors(readme_lines, section):
    task, splits = README_SECTIONS[section]
    start = next(
        number for number, line in enumerate(readme_lines) if re.fullmatch(rf"(.*[：:])?{section}", line.strip())
    )
    rows = {}
    for line in readme_lines[start + 1 :]:
        name, _, rest = line.partition(" ")
        cells = re.findall(rf"(?<!\S){CELL}(?!\S)", rest)
        if name in README_MODELS and len(cells) == len(splits):
            rows.setdefault(README_MODELS[name], dict(zip(splits, map(parse_scores, cells))))
        if name == "RoBERTa-wwm-ext-large":
            break
    assert len(rows) == 5
    for name, expected in rows.items():
        assert BY_NAME[name].published_scores[task] == expected


@pytest.mark.data
def test_published_test_scores_of_the_small_models_are_those_of_the_authors(readme_lines):
    for title in ("RBTL3", "RBT3", "RoBERTa-wwm-ext", "RoBERTa-wwm-ext-large"):
        line = next(line for line in readme_lines if re.match(rf"{title} [\d.]+ / [\d.]+ [\d.]+ / .*\dM", line))
        cells = re.findall(r"[\d.]+(?: / [\d.]+)?", line.removeprefix(f"{title} "))[:6]
        scores = BY_NAME[README_MODELS[title]].published_scores
        for task, cell in zip(("cmrc2018", "drcd", "xnli", "chnsenticorp", "lcqmc", "bq_corpus"), cells):
            actual = {name: score.max for name, score in scores[task]["test"].by_metric.items()}
            assert actual == {name: score.max for name, score in parse_scores(cell).by_metric.items()}, (title, task)


@pytest.mark.data
def test_the_learning_rates_of_the_tasks_are_those_of_the_authors(readme_lines):
    titles = {
        "CMRC 2018": "cmrc2018",
        "DRCD": "drcd",
        "CJRC": "cjrc",
        "XNLI": "xnli",
        "ChnSentiCorp": "chnsenticorp",
        "LCQMC": "lcqmc",
    }
    titles |= {"BQ Corpus": "bq_corpus", "THUCNews": "thucnews"}
    for title, task in titles.items():
        bert, ernie, wwm = next(
            match.groups()
            for line in readme_lines
            if (match := re.fullmatch(rf"{title} (\de-5) (\de-5) (\de-5)", line.strip()))
        )
        expected = {"bert": float(bert), "ernie": float(ernie), "bert-wwm": float(wwm)}
        assert DATASETS[task].learning_rates == expected


@pytest.mark.data
def test_sizes_are_those_of_the_config_files(shared_data):
    for stem, name in {"base": "chinese-bert-wwm", "large.derived": "chinese-roberta-wwm-ext-large"}.items():
        stored = json.loads((shared_data / "vocab" / f"bert_config.{stem}.json").read_text())
        config = vars(BY_NAME[name].config)
        assert {key: value for key, value in stored.items() if key in config} == {
            key: config[key] for key in stored if key in config
        }


def test_the_command_prints_the_table_one_model_or_json():
    table = run_variants().stdout.splitlines()
    assert [line.split("|")[1].strip() for line in table[2 : 2 + len(VARIANTS)]] == list(BY_NAME)
    assert "first 3 layers of chinese-roberta-wwm-ext" in run_variants("hfl/rbt3").stdout
    records = json.loads(run_variants("--json").stdout)
    assert [record["name"] for record in records] == list(BY_NAME)
    assert records[3]["published_scores"]["xnli"]["test"] == {"accuracy": [78.8, 78.3]}
    unknown = run_variants("rbt5")
    assert (unknown.returncode, unknown.stdout) == (2, "") and "no such model" in unknown.stderr


def test_the_table_imports_no_heavy_packages():
    code = (
        "import sys, paddle_wwm.variants; print([name for name in ('paddle', 'paddlenlp', 'numpy.random', "
        "'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert "'paddle'" not in done.stdout and "'paddlenlp'" not in done.stdout and "'numba'" not in done.stdout
