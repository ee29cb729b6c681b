"""Reports: tables like those of the authors, made from run folders."""

import csv
import dataclasses
import io
import re

import pytest

from paddle_wwm.errors import DataError
from paddle_wwm.finetuning.results import RunRecord, SeedResult, read_run, seed_folder, write_record
from paddle_wwm.reports.format import as_markdown
from paddle_wwm.reports.plots import curve_of, plots_of
from paddle_wwm.reports.report import csv_of, html_of, make_report, markdown_of, write_report
from paddle_wwm.reports.runs import gather
from paddle_wwm.reports.score_tables import published_row, relative_table, small_model_table
from paddle_wwm.runs.folder import RUN_NAME
from paddle_wwm.variants.lookup import find_variant
from tests.integration.scripts import run_script

SIZES = {
    "vocab_size": 21128,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}
METRICS = {"chnsenticorp": ("accuracy",), "cmrc2018": ("exact_match", "f1")}
TITLES = {"chnsenticorp": "ChnSentiCorp", "cmrc2018": "CMRC 2018"}


def write_run(
    path,
    *,
    model="mini",
    task="chnsenticorp",
    scores,
    sha256="aa",
    recipe=None,
    data_sha256="d0",
    curve=(),
    learning_rate=2e-5,
):
    """Write a run folder. `scores`: by seed (dev, test), each a number or a pair."""
    data = {
        name: {"path": f"/somewhere/{name}", "sha256": f"{data_sha256}-{name}", "num_examples": 1200}
        for name in ("train", "dev", "test")
    }
    record = RunRecord(
        task=task,
        title=TITLES[task],
        metric={"chnsenticorp": "accuracy", "cmrc2018": "cmrc"}[task],
        model={"name": model, "path": "m", "sha256": sha256, "num_parameters": 8_900_000, "config": SIZES},
        data=data,
        recipe={"max_seq_length": 128, "batch_size": 64} if recipe is None else recipe,
        learning_rate=learning_rate,
        version="1",
    )
    write_record(path / RUN_NAME, record)
    for seed, values in scores.items():
        cells = [value if isinstance(value, tuple) else (value,) for value in values]
        result = SeedResult(
            seed=seed,
            scores={split: dict(zip(METRICS[task], cell)) for split, cell in zip(("dev", "test"), cells)},
            best_step=1,
            num_steps=2,
            seconds=90.0,
            texts_per_second=10.0,
            num_workers=1,
            dev_scores=curve,
        )
        write_record(seed_folder(path, seed) / "result.json", result)
    return path


HEADER = (
    "| model | learning rate | seeds | dev | dev: sd | dev: published | dev: difference "
    "| test | test: sd | test: published | test: difference | minutes per seed |"
)
GOLDEN = """# Fine-tuning results

## ChnSentiCorp

{header}
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| BERT-wwm | 2e-05 | 2 | 95.0 (94.5) | 0.71 | 95.1 (94.5) | +0.0 | 95.5 (95.2) | 0.35 | 95.4 (95.0) | +0.2 | 1.5 |
| mini | 2e-05 | 1 | 80.0 (80.0) | – | – | – | 79.0 (79.0) | – | – | – | 1.5 |

- accuracy in percent: max (mean) over the seeds; sd: standard deviation over the seeds (n − 1).
- Examples: train 1,200, dev 1,200, test 1,200. Recipe: max_seq_length 128, batch_size 64.
- Published: the authors' max (mean) over ten seeds. Difference: of the means, or of the maxima if no mean is published.
- The recipe differs from the authors': max_seq_length 128 instead of 256. So the models are not the only difference.

## Not finished

- {folder}: no result.json yet
"""  # noqa: E501


def test_a_table_has_max_mean_deviation_published_scores_and_differences(tmp_path):
    write_run(tmp_path / "a", model="hfl/chinese-bert-wwm", scores={1: (94.0, 95.0), 2: (95.0, 95.5)})
    write_run(tmp_path / "b", scores={1: (80.0, 79.0)}, sha256="bb")
    (tmp_path / "b" / "seed-2").mkdir()
    report = make_report([tmp_path / "a", tmp_path / "b"])
    assert markdown_of(report) == GOLDEN.format(header=HEADER, folder=tmp_path / "b" / "seed-2")


def test_scores_of_reading_comprehension_are_written_as_em_and_f1(tmp_path):
    write_run(
        tmp_path,
        model="rbt3",
        task="cmrc2018",
        scores={1: ((60.0, 80.0), (62.0, 81.8)), 2: ((61.0, 81.0), (62.4, 81.4))},
    )
    table = make_report([tmp_path]).tables[0]
    cells = dict(zip(table.header, table.rows[0]))
    assert cells["dev"] == "61.0 (60.5) / 81.0 (80.5)"
    assert (cells["test: published"], cells["test: difference"]) == (
        "62.2 / 81.8",
        "+0.2 / +0.0",
    )  # RBT3 has no published means, so the maxima are compared


def test_runs_with_different_data_are_refused_and_the_error_names_files_and_fields(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    write_run(tmp_path / "b", model="other", scores={1: (81.0, 81.0)}, data_sha256="d1")
    with pytest.raises(DataError, match="a/run.json and .*b/run.json.*data.train.sha256: d0-train against d1-train"):
        gather([tmp_path])


def test_runs_with_different_recipes_are_refused_and_the_error_names_the_fields(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    write_run(
        tmp_path / "b",
        model="other",
        scores={1: (81.0, 81.0)},
        recipe={"max_seq_length": 256, "batch_size": 64, "limit_train": 10},
    )
    with pytest.raises(
        DataError, match="recipe.max_seq_length: 128 against 256; recipe.limit_train: absent against 10"
    ):
        gather([tmp_path])


def test_runs_may_differ_in_micro_batch_size_and_number_of_windows(tmp_path):
    for place, (name, size) in enumerate((("a", 8), ("b", 32))):
        path = write_run(
            tmp_path / name,
            model=name,
            sha256=name,
            scores={1: (80.0, 80.0)},
            recipe={"batch_size": 64, "micro_batch_size": size},
        )
        record = read_run(path)
        data = {split: {**values, "counts": {"rows": place}} for split, values in record.data.items()}
        write_record(path / RUN_NAME, dataclasses.replace(record, data=data))
    assert len(gather([tmp_path]).entries["chnsenticorp"]) == 2


def test_every_task_has_its_own_table_in_the_order_of_the_authors(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    write_run(tmp_path / "b", task="cmrc2018", scores={1: ((1.0, 2.0), (3.0, 4.0))}, data_sha256="other")
    assert list(gather([tmp_path]).entries) == ["cmrc2018", "chnsenticorp"]  # the authors' order


def test_seeds_of_one_model_in_two_folders_are_merged_unless_a_seed_occurs_twice(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    write_run(tmp_path / "b", scores={2: (82.0, 84.0)})
    entry = gather([tmp_path]).entries["chnsenticorp"][0]
    assert (entry.summary("test", "accuracy").mean, len(entry.paths)) == (82.0, 2)
    write_run(tmp_path / "c", scores={2: (83.0, 83.0)})
    with pytest.raises(DataError, match=r"the same seeds of one model \(2\)"):
        gather([tmp_path])


def test_different_weights_with_one_name_are_two_rows(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)}, sha256="aa")
    write_run(tmp_path / "b", scores={1: (82.0, 84.0)}, sha256="bb")
    assert [entry.name for entry in gather([tmp_path]).entries["chnsenticorp"]] == ["mini (a)", "mini (b)"]


def test_a_pretraining_run_is_skipped_and_reported(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "run.json").write_text('{"format": 1, "config_fingerprint": "x"}')
    assert "p: not a run of paddle-wwm finetune" in markdown_of(make_report([tmp_path]))


def test_a_folder_without_runs_and_a_truncated_file_are_errors(tmp_path):
    with pytest.raises(DataError, match="no run of paddle-wwm finetune in"):
        gather([tmp_path])
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="run.json: not a valid file of paddle-wwm finetune"):
        gather([tmp_path])


# The authors' tables of small models and of relative scores, from their published scores.
TASKS = {
    "cmrc2018": "CMRC 2018",
    "drcd": "DRCD",
    "xnli": "XNLI",
    "chnsenticorp": "CSC",
    "lcqmc": "LCQMC",
    "bq_corpus": "BQ",
}
SMALL_MODELS = [
    ("74.2 / 90.6", "89.6 / 94.5", "81.2", "95.8", "87.0", "85.8", "87.338", "325M"),  # printed: 87.335
    ("72.6 / 89.4", "85.6 / 92.0", "78.8", "95.6", "86.4", "85.0", "85.675", "102M"),
    ("63.3 / 83.4", "77.2 / 85.6", "74.0", "94.2", "85.1", "83.6", "80.800", "61M"),
    ("62.2 / 81.8", "75.0 / 83.9", "72.3", "92.8", "85.1", "83.3", "79.550", "38M"),
]
RELATIVE = [
    ("102.2% / 101.3%", "104.7% / 102.7%", "103.0%", "100.2%", "100.7%", "100.9%", "101.9%", "101.2%"),
    ("100.0% / 100.0%", "100.0% / 100.0%", "100.0%", "100.0%", "100.0%", "100.0%", "100.0%", "100.0%"),
    ("87.2% / 93.3%", "90.2% / 93.0%", "93.9%", "98.5%", "98.5%", "98.4%", "94.3%", "97.3%"),  # printed: 97.35%
    ("85.7% / 91.5%", "87.6% / 91.2%", "91.8%", "97.1%", "98.5%", "98.0%", "92.9%", "96.3%"),  # printed: 96.35%
]


@pytest.mark.golden
def test_the_authors_tables_of_small_models_are_reproduced_from_their_scores():
    names = ("chinese-roberta-wwm-ext-large", "chinese-roberta-wwm-ext", "rbtl3", "rbt3")
    rows = [published_row(name, tasks=list(TASKS)) for name in names]
    small = small_model_table(rows, titles=TASKS, reference=rows[1]).rows
    assert [(*row[1:-1], row[-1].split(" ")[0]) for row in small] == SMALL_MODELS
    assert [row[1:] for row in relative_table(rows, titles=TASKS, reference=rows[1]).rows] == RELATIVE


def test_several_tasks_give_the_table_of_small_models_with_the_largest_as_reference(tmp_path):
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)})
    write_run(tmp_path / "b", task="cmrc2018", scores={1: ((1.0, 2.0), (30.0, 40.0))})
    write_run(tmp_path / "c", model="other", sha256="cc", scores={1: (80.0, 60.0)})
    tables = {table.key: table for table in make_report([tmp_path]).tables}
    assert tables["small-models"].rows[0] == ("mini", "30.0 / 40.0", "80.0", "50.000", "8.8M")
    assert tables["relative-scores"].rows[1][:3] == ("other", "–", "75.0%")
    with pytest.raises(DataError, match="--reference nothing: must be a model with test scores, one of mini, other"):
        make_report([tmp_path], reference="nothing")


def test_a_reference_with_a_score_of_0_gives_no_ratio(tmp_path):
    write_run(tmp_path / "a", task="cmrc2018", scores={1: ((0.0, 0.0), (0.0, 40.0))})
    write_run(tmp_path / "b", scores={1: (80.0, 80.0)})
    write_run(tmp_path / "c", task="cmrc2018", model="other", sha256="cc", scores={1: ((1.0, 1.0), (10.0, 20.0))})
    write_run(tmp_path / "d", model="other", sha256="cc", scores={1: (80.0, 60.0)})
    rows = {table.key: table for table in make_report([tmp_path], reference="mini").tables}["relative-scores"].rows
    assert rows[1] == ("other", "– / 50.0%", "75.0%", "75.0%", "75.0%")  # average: (10 + 20 + 60) / (0 + 40 + 80)


def test_the_page_needs_no_other_files_and_the_csv_has_full_precision(tmp_path):
    curve = ({"step": 1, "epoch": 1.0, "accuracy": 70.0}, {"step": 2, "epoch": 2.0, "accuracy": 80.0})
    write_run(tmp_path / "a", model="模型<b>", scores={1: (80.0, 80.123456), 2: (81.0, 81.0)}, curve=curve)
    report = make_report([tmp_path])
    page = html_of(report)
    assert page.count("<svg") == 2 and "<b>" not in page and "模型&lt;b&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert html_of(report) == page
    assert "模型&lt;b&gt; (2 seeds)" in page[page.index("<svg") :]  # the browser draws the characters
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page and "currentColor" in page
    assert not re.search(r'<svg[^>]* width="', page)  # it is as wide as the page, at most
    lines = list(csv.DictReader(io.StringIO(csv_of(report))))
    assert [(line["split"], line["max"], line["num_seeds"]) for line in lines] == [
        ("dev", "81.0", "2"),
        ("test", "81.0", "2"),
    ]
    assert (lines[1]["seeds"], lines[1]["values"]) == ("1 2", "80.123456 81.0")
    assert float(lines[1]["mean"]) == pytest.approx((80.123456 + 81.0) / 2)
    assert curve_of(report.gathered.entries["chnsenticorp"][0], "accuracy") == [(1.0, 70.0), (2.0, 80.0)]
    assert [path.name for path in write_report(report, output=tmp_path / "out")] == [
        "report.md",
        "report.html",
        "scores.csv",
    ]


def test_settings_of_reading_comprehension_are_shown_only_for_it(tmp_path):
    recipe = {"max_seq_length": 128, "batch_size": 64, "doc_stride": 128, "max_question_len": 64, "max_answer_len": 64}
    write_run(tmp_path / "a", scores={1: (80.0, 80.0)}, recipe=recipe)
    write_run(tmp_path / "b", task="cmrc2018", scores={1: ((1.0, 2.0), (1.0, 2.0))}, recipe=recipe)
    notes = {table.title: " ".join(table.notes) for table in make_report([tmp_path]).tables}
    assert "batch_size 64" in notes["ChnSentiCorp"] and "doc_stride" not in notes["ChnSentiCorp"]
    assert "doc_stride 128" in notes["CMRC 2018"] and "max_answer_len 64" in notes["CMRC 2018"]


def test_a_name_with_dollars_is_no_formula_and_one_seed_has_no_interval(tmp_path):
    curve = ({"step": 1, "epoch": 1.0, "accuracy": 70.0}, {"step": 2, "epoch": 2.0, "accuracy": 80.0})
    write_run(tmp_path, model="a$^b$", scores={1: (80.0, 80.0)}, curve=curve)
    [plot] = plots_of(make_report([tmp_path]).gathered.entries).values()
    assert "a$^b$ (1 seed)" in plot and "LineCollection" not in plot
    epochs = re.findall(r"<text[^>]*>(\d+(?:\.\d+)?)</text>", plot)
    assert "1.5" not in epochs and "1" in epochs and "2" in epochs


def test_a_pipe_in_a_cell_does_not_break_a_markdown_table():
    from paddle_wwm.reports.format import Table

    assert "a\\|b" in as_markdown(Table(key="k", title="", header=("x",), rows=(("a|b",),)))


def test_models_of_the_series_are_shown_with_their_titles(tmp_path):
    write_run(tmp_path, model="hfl/chinese-roberta-wwm-ext", scores={1: (95.0, 95.0)})
    assert gather([tmp_path]).entries["chnsenticorp"][0].name == find_variant("chinese-roberta-wwm-ext").title


@pytest.mark.integration
def test_the_script_prints_and_writes_tables_and_refuses_runs_that_are_not_comparable(tmp_path):
    write_run(tmp_path / "runs" / "a", scores={1: (80.0, 80.0)})
    done = run_script("report.py", tmp_path / "runs", "--output", tmp_path / "out", "--format", "markdown", "csv")
    assert done.returncode == 0, done.stderr
    assert "| mini | 2e-05 | 1 | 80.0 (80.0)" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.md", "scores.csv"]
    write_run(tmp_path / "runs" / "b", model="other", scores={1: (81.0, 81.0)}, data_sha256="d1")
    refused = run_script("report.py", tmp_path / "runs", "--output", tmp_path / "out")
    assert refused.returncode == 2 and "data.train.sha256" in refused.stderr
