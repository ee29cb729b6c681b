"""Files of data sets: published files, users' files, and files with errors."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.datasets.readers.splits import read_split, split_path, with_labels
from paddle_wwm.datasets.table import DATASETS
from paddle_wwm.errors import DataError
from paddle_wwm.tasks.examples import AnswerKind, GoldAnswer, QuestionExample, TextExample, TokenExample

CONTEXT = "天津在北京东南，北京大学在北京。"


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(task, folder, split="train"):
    return read_split(DATASETS[task] if isinstance(task, str) else task, data=folder, split=split)


def own(kind, path, **options):
    return dataset_of_flags(kind=kind, files={"train": path, "test": path}, **options)


def squad(*questions, context=CONTEXT):
    return json.dumps(
        {"version": "v1.0", "data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]},
        ensure_ascii=False,
    )


def item(question_id, *answers, **more):
    given = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": question_id, "question": "在哪？", "answers": given, **more}


def text(example_id, text, label, pair=None):
    return TextExample(example_id=example_id, text=text, text_pair=pair, label=label)


def test_a_table_with_a_header_and_plain_quotes(tmp_path):
    write(tmp_path, "train.tsv", 'label\ttext_a\n1\t"很好\n0\t他说"不"\u2028好""\n')
    split = read("chnsenticorp", tmp_path)
    assert split.examples == (text("2", '"很好', "1"), text("3", '他说"不"\u2028好""', "0"))
    assert split.has_labels


def test_a_byte_order_mark_carriage_returns_and_a_missing_last_line_feed(tmp_path):
    write(tmp_path, "train.tsv", "\ufefflabel\ttext_a\r\n1\t好\r\n\r\n0\t坏".encode())
    split = read("chnsenticorp", tmp_path)
    assert [(example.text, example.label) for example in split.examples] == [("好", "1"), ("坏", "0")]
    assert split.counts == {"blank_lines": 1}


@pytest.mark.parametrize("header", ["", "text_a\ttext_b\tlabel\n", "sentence1\tsentence2\tlabel\n"])
@pytest.mark.parametrize("task", ["lcqmc", "bq_corpus"])
def test_pairs_in_three_columns_with_or_without_a_header(tmp_path, task, header):
    write(tmp_path, "train.tsv", f"{header}怎么去\t如何去\t1\n去哪\t来吗\t0\n")
    split = read(task, tmp_path)
    assert [(one.text, one.text_pair, one.label) for one in split.examples] == [
        ("怎么去", "如何去", "1"),
        ("去哪", "来吗", "0"),
    ]


def test_the_columns_of_a_header_may_have_any_order(tmp_path):
    write(tmp_path, "train.txt", "label\tsentence1\tsentence2\n1\t甲\t乙\n0\t丙\t丁\n")
    assert read("lcqmc", tmp_path).examples[0] == text("2", "甲", "1", "乙")


def test_columns_given_by_name_or_number_override_the_usual_names(tmp_path):
    path = write(tmp_path, "own.tsv", "label\ttext\ttitle\tstars\n0\t正文\t标题\t5\n")
    for columns in ({"text": "title", "label": "stars"}, {"text": 2, "label": 3}):
        assert read(own("classification", path, columns=columns), tmp_path).examples == (text("2", "标题", "5"),)
    path = write(tmp_path, "plain.tsv", "5\t正文\t标题\n")
    task = own("classification", path, reader="tsv-no-header", columns={"text": 2, "label": 0})
    assert read(task, tmp_path).examples == (text("1", "标题", "5"),)


def test_xnli_files_as_facebook_publishes_them(tmp_path):
    header = "language\tgold_label\tsentence1\tsentence2\n"
    write(tmp_path, "xnli.dev.tsv", header + "ar\tneutral\ta\tb\nzh\tneutral\t甲\t乙\nzh\tentailment\t丙\t丁\n")
    write(tmp_path, "multinli.train.zh.tsv", "premise\thypo\tlabel\n甲\t乙\tcontradictory\n")
    dev = read("xnli", tmp_path, "dev")
    assert dev.examples == (text("3", "甲", "neutral", "乙"), text("4", "丙", "entailment", "丁"))
    assert dev.counts == {"rows_of_other_languages": 1}
    assert read("xnli", tmp_path).examples == (text("2", "甲", "contradiction", "乙"),)


def test_news_texts_may_contain_tabs(tmp_path):
    write(tmp_path, "cnews.train.txt", "体育\t比赛\n财经\t股市\t上涨\n")
    split = read("thucnews", tmp_path)
    assert split.examples == (text("1", "比赛", "体育"), text("2", "股市\t上涨", "财经"))
    assert split.counts == {"texts_with_tabs": 1}


def test_titles_have_class_numbers_as_labels(tmp_path):
    write(tmp_path, "dev.txt", "金价上涨\t0\n球队获胜\t7\n")
    assert [one.label for one in read("thucnews_title10", tmp_path, "dev").examples] == ["finance", "sports"]
    write(tmp_path, "class.txt", "sports\nfinance\n")
    with pytest.raises(DataError, match="class.txt .* must name the task's labels in order"):
        read("thucnews_title10", tmp_path, "dev")


def test_json_lines_with_ids_and_labels_that_are_numbers(tmp_path):
    lines = [
        {"id": 7, "sentence1": "甲", "sentence2": "乙", "label": 1},
        {"id": 8, "sentence1": "丙", "sentence2": "丁", "label": "0"},
    ]
    write(tmp_path, "train_few_all.json", "\n".join(json.dumps(line) for line in lines))
    assert read("bustm", tmp_path).examples == (text("7", "甲", "1", "乙"), text("8", "丙", "0", "丁"))


def test_a_test_split_may_have_no_labels(tmp_path):
    write(tmp_path, "test.tsv", "text_a\n好\n坏\n")
    split = read("chnsenticorp", tmp_path, "test")
    assert [example.label for example in split.examples] == [None, None]
    assert not split.has_labels
    write(tmp_path, "test.tsv", "甲\t乙\n")
    assert read("lcqmc", tmp_path, "test").examples == (text("1", "甲", None, "乙"),)


CONLL = "中 B-LOC\n国 I-LOC\n人 O\n\n-DOCSTART- O\n\n我 O\n"
TABLE = "text_a\tlabel\n中 国 人\tB-LOC I-LOC O\n我\tO\n"


@pytest.mark.parametrize(
    "content", [CONLL, CONLL.replace(" ", "\t"), TABLE, TABLE.replace(" ", "\x02"), CONLL.replace("\n", "\r\n")]
)
def test_token_labels_have_a_line_per_token_or_a_row_per_sentence(tmp_path, content):
    write(tmp_path, "train.tsv", content)
    split = read("msra_ner", tmp_path)
    assert [(one.tokens, one.labels) for one in split.examples] == [
        (("中", "国", "人"), ("B-LOC", "I-LOC", "O")),
        (("我",), ("O",)),
    ]


def test_a_test_split_may_have_tokens_without_labels(tmp_path):
    write(tmp_path, "test.txt", "中\n国\n\n我\n")
    assert read("msra_ner", tmp_path, "test").examples == (
        TokenExample(example_id="1", tokens=("中", "国")),
        TokenExample(example_id="4", tokens=("我",)),
    )


def test_columns_of_conll_files_are_given_by_number(tmp_path):
    path = write(tmp_path, "pos.conll", "中国\tNR\tB-LOC\n\n人\tNN\tO\n")
    task = own("token-labels", path, columns={"tokens": 0, "labels": 1}, metric="token_accuracy")
    assert [one.labels for one in read(task, tmp_path).examples] == [("NR",), ("NN",)]


def test_answers_in_squad_files_are_repaired_and_counted(tmp_path):
    answers = [("北京", 3), ("北京", 4), ("北京大学", -1), ("北京大学在北京，", -1), ("上海", 0)]
    write(tmp_path, "cmrc2018_dev.json", squad(item("q", *answers)))
    split = read("cmrc2018", tmp_path, "dev")
    [example] = split.examples
    assert (example.example_id, example.question, example.context) == ("q", "在哪？", CONTEXT)
    assert [answer.characters for answer in example.answers] == [(3, 5), (3, 5), (8, 12), (8, 15), None]
    assert split.counts == {
        "answers": 5,
        "found_as_stated": 1,
        "repaired_wrong_start": 1,
        "repaired_missing_start": 1,
        "repaired_punctuation": 1,
        "not_in_passage": 1,
        "without_place": 0,
    }


def test_the_first_format_of_cmrc_2018_is_read(tmp_path):
    passage = {
        "context_id": "1",
        "context_text": CONTEXT,
        "qas": [{"query_id": "q", "query_text": "在哪？", "answers": ["北京", "北京大学"]}],
    }
    write(tmp_path, "cmrc2018_train.json", json.dumps([passage]))
    split = read("cmrc2018", tmp_path)
    answers = (GoldAnswer(text="北京", characters=(3, 5)), GoldAnswer(text="北京大学", characters=(8, 12)))
    assert split.examples == (QuestionExample(example_id="q", question="在哪？", context=CONTEXT, answers=answers),)
    assert split.counts["repaired_missing_start"] == 2


def test_cjrc_has_yes_no_and_no_answer(tmp_path):
    questions = [
        item("1", ("北京", 3)),
        item("2", ("YES", -1), ("NO", -1)),
        item("3", ("", -1), is_impossible="true"),
        item("4", is_impossible="true"),
    ]
    write(tmp_path, "dev_ground_truth.json", squad(*questions))
    split = read("cjrc", tmp_path, "dev")
    assert [[answer.kind for answer in example.answers] for example in split.examples] == [
        [AnswerKind.SPAN],
        [AnswerKind.YES, AnswerKind.NO],
        [AnswerKind.NONE],
        [AnswerKind.NONE],
    ]
    assert [answer.text for example in split.examples for answer in example.answers] == ["北京", "YES", "NO", "", ""]
    assert split.counts["without_place"] == 3


def test_in_squad_2_the_answer_yes_is_a_span(tmp_path):
    questions = [
        item("1", ("YES", 0)),
        item("2", is_impossible=True, plausible_answers=[{"text": "YES", "answer_start": 0}]),
    ]
    path = write(tmp_path, "own.json", squad(*questions, context="YES很好"))
    task = own("reading-comprehension", path, metric="squad2")
    assert [example.answers for example in read(task, tmp_path).examples] == [
        (GoldAnswer(text="YES", characters=(0, 3)),),
        (GoldAnswer(text="", kind=AnswerKind.NONE),),
    ]


def test_a_test_split_may_have_questions_without_answers(tmp_path):
    write(tmp_path, "cmrc2018_test.json", squad(item("q")))
    split = read("cmrc2018", tmp_path, "test")
    assert split.examples == (QuestionExample(example_id="q", question="在哪？", context=CONTEXT),)
    assert not split.has_labels


BAD = [
    (
        "chnsenticorp",
        "train.tsv",
        "label\ttext_a\n好\n",
        "train.tsv, line 2: must have 2 tab-separated columns .*, but has 1",
    ),
    (
        "chnsenticorp",
        "train.tsv",
        "label\ttext\n1\t好\n",
        "train.tsv, line 1: must have the column 'text_a' for text, but has columns label, text",
    ),
    (
        "chnsenticorp",
        "train.tsv",
        "text_a\n好\n",
        "line 1: must have the column 'label' for label, but has columns text_a",
    ),
    ("chnsenticorp", "train.tsv", "label\ttext_a\n2\t好\n", "line 2: the label must be one of '0', '1', but is '2'"),
    ("chnsenticorp", "train.tsv", "label\ttext_a\n\t好\n", "line 2: the label must not be empty"),
    ("chnsenticorp", "train.tsv", "label\tlabel\ttext_a\n1\t1\t好\n", "line 1: the header must name each column once"),
    ("chnsenticorp", "train.tsv", "label\ttext_a\n", "must contain examples for train, but has none"),
    ("chnsenticorp", "train.tsv", "", "must contain examples for train, but has none"),
    (
        "chnsenticorp",
        "train.tsv",
        "label\ttext_a\n1\t好\n".encode("gb18030"),
        "line 2: must be UTF-8, but byte 2 of the line is not",
    ),
    ("chnsenticorp", "train.tsv", "label\ttext_a\n1\t好\n".encode("utf-16"), "is UTF-16, but must be UTF-8"),
    (
        "lcqmc",
        "train.tsv",
        "甲\t乙\t1\n甲\t乙\n",
        "line 2: must have 3 tab-separated columns .*, but has 2",
    ),
    (
        "lcqmc",
        "train.tsv",
        "甲,乙,1\n",
        "line 1: must have the column 1 for text_pair, but has 1 column\\(s\\) and no header",
    ),
    ("thucnews_title10", "train.txt", "标题\t10\n", "line 1: the label must be one of 'finance', .* but is '10'"),
    ("bustm", "train_few_all.json", '{"sentence1": "甲"', "line 1: must be one JSON object per line"),
    ("bustm", "train_few_all.json", "[1]", "line 1: item 1 must be a JSON object, but is a int"),
    (
        "bustm",
        "train_few_all.json",
        '{"sentence1": "甲", "label": "1"}',
        "line 1: must have the key sentence2 for text_pair, but has sentence1, label",
    ),
    (
        "bustm",
        "train_few_all.json",
        '{"sentence1": "甲", "sentence2": null, "label": "1"}',
        "'sentence2' must be a string or a whole number",
    ),
    (
        "bustm",
        "train_few_all.json",
        '{"id": 1, "sentence1": "甲", "sentence2": "乙", "label": "1"}\n' * 2,
        "ids must be unique, .* but 1 are not, such as '1'",
    ),
    (
        "msra_ner",
        "train.tsv",
        "text_a\tlabel\n中 国\tO\n",
        "line 2: must have a label for every token, but has 1 for 2",
    ),
    ("msra_ner", "train.tsv", "text_a\tlabel\n中\tB-GPE\n", "line 2: the label must be one of 'O', .* but is 'B-GPE'"),
    ("msra_ner", "train.tsv", "中 O\n国\n", "line 2: must have 2 columns"),
    ("msra_ner", "train.tsv", "中\n国\n", "line 1: must be a token and its label"),
    ("cmrc2018", "cmrc2018_train.json", '{"data": [', "must be JSON, but"),
    ("cmrc2018", "cmrc2018_train.json", "{}", "the file must have the key 'data' with a list"),
    ("cmrc2018", "cmrc2018_train.json", "[{}]", r"\[0\] must have the key 'context' with a text"),
    ("cmrc2018", "cmrc2018_train.json", '[{"context_text": "", "qas": [1]}]', r"\[0\].qas\[0\] must have the key 'id'"),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        '[{"context_text": "", "qas": [{"query_id": "q", "query_text": "", "answers": "甲"}]}]',
        "question 'q': `answers` must be a list",
    ),
    ("cmrc2018", "cmrc2018_train.json", "[]", "must contain examples for train, but has none"),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        '{"data": [], "x": "\\ud83d"}',
        "one half of a surrogate pair, .ud83d; a text was cut",
    ),
    (
        "bustm",
        "train_few_all.json",
        '{"sentence1": "甲\\uD83D", "sentence2": "乙", "label": "1"}',
        "line 1: must have whole characters",
    ),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        squad({"question": "？"}),
        r"data\[0\].paragraphs\[0\].qas\[0\] must have the key 'id'",
    ),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        squad(item("q")),
        "question 'q' must have an answer or `is_impossible`: true in train",
    ),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        squad(item("q", ("北京", "3"))),
        "question 'q', answer 0: `answer_start` must be a whole number",
    ),
    (
        "cmrc2018",
        "cmrc2018_train.json",
        squad(item("q", ("北京", 3)), item("q", ("北京", 3))),
        "ids must be unique, .* but 1 are not, such as 'q'",
    ),
]


@pytest.mark.parametrize(
    ("task", "name", "content", "message"), BAD, ids=[f"{row[0]}-{number}" for number, row in enumerate(BAD)]
)
def test_the_error_for_bad_input_names_the_file_the_line_and_the_rule(tmp_path, task, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as error:
        read(task, tmp_path)
    assert str(error.value).startswith(str(path))


def test_labels_for_only_some_examples_are_an_error(tmp_path):
    write(tmp_path, "test.tsv", "label\ttext_a\n1\t好\n\t坏\n")
    with pytest.raises(DataError, match="all examples must have labels, .* but '3' has no label"):
        read("chnsenticorp", tmp_path, "test")


def test_empty_texts_are_counted(tmp_path):
    write(tmp_path, "train.tsv", "label\ttext_a\n1\t好\n0\t \n")
    assert read("chnsenticorp", tmp_path).counts == {"empty_texts": 1}


def test_the_error_for_a_missing_file_lists_the_files_of_the_folder(tmp_path):
    write(tmp_path, "cmrc2018_trial.json", "{}")
    assert split_path(DATASETS["cmrc2018"], data=tmp_path, split="dev") is None
    with pytest.raises(
        DataError, match="must contain cmrc2018_dev.json for dev of CMRC 2018, but contains cmrc2018_trial.json"
    ):
        read("cmrc2018", tmp_path, "dev")
    with pytest.raises(DataError, match="has no split 'valid'; it has train, dev, trial"):
        read("cmrc2018", tmp_path, "valid")
    with pytest.raises(DataError, match="no such folder"):
        read("cmrc2018", tmp_path / "absent", "dev")


def test_a_users_own_task_gets_the_labels_of_its_training_split(tmp_path):
    path = write(tmp_path, "own.tsv", "text\tlabel\n甲\t好\n乙\t坏\n")
    task = own("classification", path)
    assert with_labels(task, read(task, tmp_path)).labels == ("坏", "好")
    write(tmp_path, "own.tsv", "text\tlabel\n甲\t好\n")
    with pytest.raises(DataError, match="must have at least two labels, but train has 好"):
        with_labels(task, read(task, tmp_path))


def test_the_checksum_is_computed_from_the_bytes_of_the_file(tmp_path):
    write(tmp_path, "train.tsv", "label\ttext_a\n1\t好\n0\t坏\n")
    first = read("chnsenticorp", tmp_path)
    write(tmp_path, "train.tsv", "label\ttext_a\r\n1\t好\n0\t坏\n")
    second = read("chnsenticorp", tmp_path)
    assert first.examples == second.examples
    assert first.sha256 != second.sha256
    assert replace(first, sha256=second.sha256) == second


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\t"), min_size=1, max_size=8).filter(
    str.strip
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from("01")), min_size=1, max_size=5))
def test_texts_are_read_back_unchanged(tmp_path, rows):
    write(tmp_path, "train.tsv", "text_a\ttext_b\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows))
    records = ({"sentence1": one, "sentence2": other, "label": label} for one, other, label in rows)
    write(tmp_path, "train_few_all.json", "".join(json.dumps(record) + "\n" for record in records))
    for task in ("lcqmc", "bustm"):
        assert [(one.text, one.text_pair, one.label) for one in read(task, tmp_path).examples] == rows


PUBLISHED = [
    ("cmrc2018", "cmrc2018", "dev", 3219, "426e107544ae97dc"),
    ("cmrc2018", "cmrc2018", "trial", 1002, "e72101306ed3c3c1"),
    ("drcd", "drcd", "dev", 3524, "dba3787f0302cf34"),
    ("cjrc", "cjrc", "dev", 6000, "f0e1749b4fd567ea"),
    ("xnli_zh", "xnli", "dev", 2490, "b192f2d365e887c1"),
    ("xnli_zh", "xnli", "test", 5010, "1a4f07277d76a7ac"),
    ("chnsenticorp", "chnsenticorp", "train", 9600, "7dff096c65cd2dcc"),
    ("chnsenticorp", "chnsenticorp", "test", 1200, "423145887d3abb5f"),
    ("thucnews_title10", "thucnews_title10", "test", 10000, "84d9e710ed03d0b3"),
    ("bustm", "bustm", "test", 1772, "9ee5fc1f9725c5cb"),
    ("msra_ner", "msra_ner", "test", 4636, "244c5f1745de74de"),
]


@pytest.mark.data
@pytest.mark.parametrize(("folder", "task", "split", "num_examples", "checksum"), PUBLISHED)
def test_published_files_are_read_completely(shared_data, folder, task, split, num_examples, checksum):
    found = read(task, shared_data / "tasks" / folder, split)
    assert len(found.examples) == num_examples
    assert hashlib.sha256("\n".join(map(repr, found.examples)).encode()).hexdigest().startswith(checksum)
    assert found.has_labels
    assert not {"empty_texts", "blank_lines", "texts_with_tabs"} & found.counts.keys()


@pytest.mark.data
def test_answers_of_cmrc_2018_with_a_missing_or_wrong_start_are_counted(shared_data):
    counts = read("cmrc2018", shared_data / "tasks" / "cmrc2018", "dev").counts
    assert counts == {
        "answers": 9657,
        "found_as_stated": 9657 - 193 - 7,
        "repaired_wrong_start": 7,
        "repaired_missing_start": 0,
        "repaired_punctuation": 160,
        "not_in_passage": 33,
        "without_place": 0,
    }
