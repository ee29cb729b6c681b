"""Files in the forms in which people have them: read by their content, or refused with the line and the remedy."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.datasets.readers.file import TaskFile
from paddle_wwm.datasets.readers.splits import read_split, with_labels
from paddle_wwm.errors import DataError
from paddle_wwm.tasks.examples import TextExample, TokenExample

ROWS = [("1", "很好"), ("0", '他说"不"，对吗?')]


def read(tmp_path, content, *, kind="classification", split="train", name="file", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_split(dataset_of_flags(kind=kind, files={split: path}, **options), data=tmp_path, split=split)


def rows_of(split):
    return [(example.label, example.text) for example in split.examples]


def lines(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def table(rows, *, header=("label", "text"), **options):
    stream = io.StringIO()
    csv.writer(stream, **options).writerows([header, *rows])
    return stream.getvalue()


# ---- Tables


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_table_with_quoted_fields_is_recognized_by_its_content(tmp_path, delimiter, quoting):
    rows = [*ROWS, ("0", "第一行\n第二行"), ("1", "甲,乙;丙\t丁")]
    split = read(tmp_path, table(rows, delimiter=delimiter, quoting=quoting), name="data.txt")
    assert rows_of(split) == rows
    assert [example.example_id for example in split.examples] == ["2", "3", "4", "6"]  # where each row begins


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"), min_size=1, max_size=9)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("01"), TEXTS.filter(str.strip)), min_size=1, max_size=5))
def test_texts_of_a_csv_file_are_read_back_unchanged(tmp_path, rows):
    assert rows_of(read(tmp_path, table(rows))) == rows
    quoted = table(rows, delimiter="\t", quoting=csv.QUOTE_ALL)
    assert rows_of(read(tmp_path, quoted)) == rows


@pytest.mark.parametrize("text", ['"很好"', '他说"不"', '"不', '不"', '"甲"和"乙"'])
def test_quotes_of_a_plain_table_stay_in_the_text(tmp_path, text):
    assert rows_of(read(tmp_path, f"label\ttext\n1\t{text}\n0\t坏\n")) == [("1", text), ("0", "坏")]
    assert rows_of(read(tmp_path, 'label\ttext\n1\t"a""b"\n', reader="tsv")) == [("1", '"a""b"')]


def test_quotes_do_not_join_complete_rows_of_a_plain_table(tmp_path):
    rows = rows_of(read(tmp_path, 'label\ttext\n0\t"好\n1\t坏"\n'))
    assert rows == [("0", '"好'), ("1", '坏"')]


def test_fields_in_quotes_are_counted_where_quotes_are_a_guess(tmp_path):
    assert read(tmp_path, 'label\ttext\n1\t"a""b"\n0\t"c\n"\n').counts == {"fields_in_quotes": 2}


def test_a_text_may_be_longer_than_the_limit_of_the_csv_module(tmp_path):
    text = "很好，" * 100_000
    assert rows_of(read(tmp_path, table([("1", text)]))) == [("1", text)]


@pytest.mark.parametrize("header", ["Label\tText_A", " LABEL\ttext_a ", "\ufefflabel\tTEXT"])
def test_names_of_columns_may_be_in_upper_case(tmp_path, header):
    assert rows_of(read(tmp_path, f"{header}\n1\t好\n")) == [("1", "好")]
    assert rows_of(read(tmp_path, lines({"Label": 1, "TEXT": "好"}))) == [("1", "好")]
    assert rows_of(read(tmp_path, "review,STARS\n好,5\n", columns={"text": "Review", "label": "stars"})) == [
        ("5", "好")
    ]


@pytest.mark.parametrize("header", ["label\ttext", "label\ttext\t", "label\ttext\t\t"])
def test_tabs_at_the_end_of_rows_are_counted_and_ignored(tmp_path, header):
    split = read(tmp_path, f"{header}\n1\t好\t\n0\t坏\t\t\n")
    assert rows_of(split) == [("1", "好"), ("0", "坏")]
    assert split.counts == {"rows_with_delimiters_at_the_end": 2}


def test_carriage_returns_alone_end_lines(tmp_path):
    assert rows_of(read(tmp_path, "label\ttext\r1\t好\r0\t坏\r")) == [("1", "好"), ("0", "坏")]


def test_nul_characters_are_counted(tmp_path):
    assert read(tmp_path, "label\ttext\n1\t好\0\n0\t坏\n").counts == {"texts_with_nul_characters": 1}


# ---- JSON


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read(tmp_path, indent):
    records = [{"text": "好", "label": 1}, {"text": "坏", "label": "0"}]
    split = read(tmp_path, json.dumps(records, indent=indent), name="data.tsv")
    assert split.examples == (
        TextExample(example_id="1", text="好", label="1"),
        TextExample(example_id="2", text="坏", label="0"),
    )


def test_an_error_in_a_json_array_names_the_line_of_the_item(tmp_path):
    records = [{"text": "好", "label": 1}, {"text": "坏", "label": [1, 2]}]
    with pytest.raises(DataError, match="line 6: the label must be one class .* several labels"):
        read(tmp_path, json.dumps(records, indent=2))


def test_keywords_are_one_text_of_a_pair(tmp_path):
    content = lines({"id": 7, "abst": "摘要", "keyword": ["甲", "乙"], "label": "0"})
    split = read(tmp_path, content, columns={"text": "abst", "text_pair": "keyword", "id": "id"})
    assert split.examples == (TextExample(example_id="7", text="摘要", text_pair="甲 乙", label="0"),)


# ---- Labels


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((True, False), ("false", "true")),
        ((1.0, 0.0, 2), ("0", "1", "2")),
        (("1.0", "0.0"), ("0", "1")),
        ((-1, 0, 1), ("-1", "0", "1")),
        (("true", "false"), ("false", "true")),
    ],
)
def test_labels_are_words_numbers_or_booleans(tmp_path, values, labels):
    split = read(tmp_path, lines(*({"text": "好", "label": value} for value in values)))
    assert with_labels(dataset_of_flags(kind="classification", files={"train": "x"}), split).labels == labels


@pytest.mark.parametrize("mark", [None, -1, -1.0, "-1", "-", "", " ", float("nan")])
def test_a_test_split_whose_labels_are_marks_has_no_labels(tmp_path, mark):
    split = read(tmp_path, lines({"text": "好", "label": mark}, {"text": "坏", "label": mark}), split="test")
    assert [example.label for example in split.examples] == [None, None] and not split.has_labels


def test_minus_one_is_a_class_if_the_labels_contain_it(tmp_path):
    content = lines({"text": "好", "label": -1}, {"text": "坏", "label": 0})
    assert read(tmp_path, content).counts == {"rows_with_the_class_-1": 1}
    assert rows_of(read(tmp_path, content, split="test", labels=("-1", "0"))) == [("-1", "好"), ("0", "坏")]
    with pytest.raises(DataError, match="'1' has no label and others have one.*--drop-label.*--labels"):
        read(tmp_path, content, split="test")


@pytest.mark.parametrize(
    ("value", "drop", "message"),
    [
        (None, "", "line 2: the label must not be empty in train; .* --drop-label=''"),
        ("-", "-", "line 2: the label must not be '-', .* --drop-label=-"),
        ("?", "?", "line 2: the label must be one of '0', '1', but is '\\?'; .* --drop-label"),
    ],
)
def test_rows_without_a_label_are_refused_or_dropped(tmp_path, value, drop, message):
    content = lines({"text": "好", "label": 1}, {"text": "中", "label": value}, {"text": "坏", "label": 0})
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, labels=("0", "1"))
    split = read(tmp_path, content, labels=("0", "1"), drop_labels=(drop,))
    assert rows_of(split) == [("1", "好"), ("0", "坏")] and split.counts == {"rows_with_a_dropped_label": 1}


def test_a_test_split_without_any_labels_is_not_dropped(tmp_path):
    content = lines({"text": "好", "label": None}, {"text": "坏", "label": "?"})
    split = read(tmp_path, content, split="test", drop_labels=("", "?"))
    assert rows_of(split) == [(None, "好")] and split.counts == {"rows_with_a_dropped_label": 1}


def test_a_file_whose_rows_are_all_dropped_is_an_error(tmp_path):
    with pytest.raises(DataError, match="all 1 rows have labels that --drop-label leaves out"):
        read(tmp_path, lines({"text": "好", "label": -1.0}), drop_labels=("-1",))


@pytest.mark.parametrize("value", [4.55, "4.55", 1e-7])
def test_scores_are_not_classes(tmp_path, value):
    with pytest.raises(DataError, match="line 1: the label must be a class, but is the number"):
        read(tmp_path, lines({"text": "好", "label": value}))


def test_a_label_that_is_named_may_look_like_a_number(tmp_path):
    content = lines({"text": "好", "label": "1.0"}, {"text": "坏", "label": "1.1"})
    assert rows_of(read(tmp_path, content, labels=("1.0", "1.1"))) == [("1.0", "好"), ("1.1", "坏")]


# ---- Entities


NER = TokenExample(
    example_id="1", tokens=("小", "红", "在", "上", "海"), labels=("B-name", "I-name", "O", "B-city", "I-city")
)
SPANS = [
    {"text": "小红在 上海", "label": {"name": {"小红": [[0, 1]]}, "city": {"上海": [[4, 5]]}}},
    {"text": "小红在 上海", "label": [[0, 2, "name"], [4, 6, "city"]]},
    {"text": "小红在 上海", "labels": [[4, 6, "city"], [0, 2, "name"]]},
    {"text": "小红在 上海", "entities": [[0, 2, "name"], [4, 6, "city"]]},
    {
        "text": "小红在 上海",
        "entities": [
            {"id": 1, "label": "name", "start_offset": 0, "end_offset": 2},
            {"id": 2, "label": "city", "start_offset": 4, "end_offset": 6},
        ],
    },
    {"tokens": list("小红在上海"), "labels": ["B-name", "I-name", "O", "B-city", "I-city"]},
    {"text": "小红在上海", "labels": ["B-name", "I-name", "O", "B-city", "I-city"]},
]


@pytest.mark.parametrize("record", SPANS)
@pytest.mark.parametrize("as_array", [False, True])
def test_entities_as_parts_of_a_text(tmp_path, record, as_array):
    content = json.dumps([record]) if as_array else lines(record)
    assert read(tmp_path, content, kind="token-labels").examples == (NER,)


def test_a_text_without_entities_and_a_test_split_without_labels(tmp_path):
    split = read(tmp_path, lines({"text": "好", "label": {}}, {"text": "坏", "label": []}), kind="token-labels")
    assert [example.labels for example in split.examples] == [("O",), ("O",)]
    split = read(tmp_path, lines({"id": 5, "text": "好"}), kind="token-labels", split="test")
    assert split.examples == (TokenExample(example_id="5", tokens=("好",)),)


def test_the_longer_of_two_overlapping_entities_is_used(tmp_path):
    content = lines({"text": "北京大学", "label": [[0, 2, "city"], [0, 4, "school"]]})
    split = read(tmp_path, content, kind="token-labels")
    assert split.examples[0].labels == ("B-school", "I-school", "I-school", "I-school")
    assert split.counts == {"overlapping_entities_left_out": 1}


BAD_SPANS = [
    ({"text": "小红", "label": {"name": {"小红": [[0, 2]]}}}, "characters from 0 to 2"),
    ({"text": "小红在", "label": {"name": {"小红": [[0, 2]]}}}, "'小红' must be the characters 0 to 2 .* are '小红在'"),
    ({"text": "小红", "label": {"name": [[0, 1]]}}, r"must be \{type"),
    ({"text": "小红", "label": {"name": {"小红": [0, 1]}}}, "the places of '小红' must be"),
    ({"text": "小红", "label": [[0, 0, "name"]]}, "with the end after its last character"),
    ({"text": "小红", "label": [[0, 9, "name"]]}, "characters from 0 to 2"),
    ({"text": "小红", "label": [[0, "2", "name"]]}, "characters from 0 to 2"),
    ({"text": "小红", "label": [[0, 2, " "]]}, "must have a type"),
    ({"text": "小红", "label": [[0, 2]]}, "an entity must be"),
    ({"text": "小红", "label": "name"}, "the entities must be"),
    ({"text": "小红", "label": None}, "must not be null"),
    ({"text": "小红"}, "must have the key label or labels or entities for the entities, but has text"),
    ({"txt": "小红", "label": []}, "must have the key text or tokens for the text, but has txt, label"),
    ({"text": " ", "label": []}, "must have a text, but it is empty"),
    ({"text": ["小", 1], "label": []}, "the tokens must be a list of words"),
    ({"tokens": ["小"], "labels": [1]}, "the labels must be a list of words"),
    ({"tokens": ["小"], "labels": ["O", "O"]}, "must have a label for every token, but has 2 for 1"),
]


@pytest.mark.parametrize(("record", "message"), BAD_SPANS)
def test_entities_that_do_not_fit_are_refused_with_their_line(tmp_path, record, message):
    with pytest.raises(DataError, match=f"file, line 2: .*{message}"):
        read(tmp_path, lines(SPANS[0], record), kind="token-labels")


@pytest.mark.parametrize(
    "content", ["小 PER\n红 O\n", "text_a\tlabel\n小 红\tPER O\n", lines({"tokens": ["小"], "labels": ["PER"]})]
)
def test_labels_of_entities_need_a_prefix_when_they_are_read(tmp_path, content):
    message = "line [12]: the label of a token must be O, or B-, .* but is 'PER'; .* --metric token_accuracy"
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, kind="token-labels")
    assert read(tmp_path, content, kind="token-labels", metric="token_accuracy").has_labels


@pytest.mark.parametrize("token", ["[", "{", "【"])
def test_a_bracket_as_the_first_token_of_a_conll_file(tmp_path, token):
    split = read(tmp_path, f"{token} O\n好 O\n", kind="token-labels")
    assert split.examples == (TokenExample(example_id="1", tokens=(token, "好"), labels=("O", "O")),)


# ---- Files that cannot be read


def test_a_missing_file_is_no_such_file(tmp_path):
    for split in ("train", "dev"):
        dataset = dataset_of_flags(kind="classification", files={split: tmp_path / "absent.tsv"})
        with pytest.raises(DataError, match="absent.tsv: no such file"):
            read_split(dataset, data=tmp_path, split=split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"label\ttext\n", mtime=0), "file: must be text, but is compressed with gzip; extract it"),
        (
            b"PK\x03\x04\x14\0\0\0",
            "a zip archive, or a Word or Excel document; .*save a document as text or CSV in UTF-8",
        ),
        (b"%PDF-1.7\n", "a PDF file; extract the text first"),
        (b"<?xml version='1.0'?><a/>", "is HTML or XML; save its texts as CSV"),
        (b"PAR1\x15\x04\x15\xff", "a Parquet file; write it as CSV or JSON lines"),
        ('[{"text": "好"}]'.encode("utf-32"), "is UTF-32, but must be UTF-8; convert it: iconv -f UTF-32"),
        ('[{"text": "好"}]'.encode("utf-16"), "is UTF-16, but must be UTF-8; convert it: iconv -f UTF-16"),
        ("label,text\n1,好\n".encode("gb18030"), "line 2: must be UTF-8"),
        ('label,text\n1,"好"x\n', "line 2: must be CSV, but"),
        ('label,text\n1,好\n0,"坏\n', "line 3: must be CSV, but"),
        ("label,text\n1,好,但是\n", "line 2: must have 2 comma-separated columns .* has 3.*double quotes"),
        ("1\t好\n", "if the first line is not a header, use --format tsv-no-header"),
        ('[{"text": "好"},', "must be JSON, but"),
        ("[1, 2]", "line 1: item 1 must be a JSON object"),
    ],
)
def test_files_that_cannot_be_read_have_an_error_with_the_remedy(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize("end", ['"', '"x'])
def test_a_field_may_be_longer_than_the_limit_of_python_which_stays_as_it_is(tmp_path, end):
    limit = csv.field_size_limit()
    content = f'label,text\n1,"{"字" * (limit + 1)}{end}\n'
    if end == '"':
        assert len(read(tmp_path, content).examples[0].text) == limit + 1
    else:
        with pytest.raises(DataError, match="line 2: must be CSV"):
            read(tmp_path, content)
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("encoding", "name", "text"),
    [
        ("gb18030", "GB18030", "今天天气很好，我们去公园看花，大家都很高兴。"),
        ("big5", "BIG5", "今天天氣很好，我們去公園看花，大家都很高興。"),
    ],
)
def test_the_conversion_that_is_advised_names_the_likely_encoding(tmp_path, encoding, name, text):
    path = tmp_path / "a.tsv"
    path.write_bytes(("text\tlabel\n" + f"{text}\t1\n" * 5).encode(encoding))
    with pytest.raises(DataError, match=rf"line 2: must be UTF-8, .*iconv -f {name} -t UTF-8 a\.tsv"):
        list(TaskFile(path=path, split="train").lines())


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("answers", ["lists", "objects"])
def test_one_object_per_question_is_read_as_the_data_sets_of_hugging_face_have_it(tmp_path, form, answers):
    given = {
        "lists": {"text": ["张三", "北京"], "answer_start": [0, 3]},
        "objects": [{"text": "张三", "answer_start": 0}, {"text": "北京"}],
    }[answers]
    records = [{"answers": given, "id": f"q{n}", "context": "张三在北京{学习}。", "question": "谁？"} for n in range(2)]
    text = json.dumps(records) if form == "array" else "\n".join(map(json.dumps, records))
    path = tmp_path / "train.json"
    path.write_text(text, encoding="utf-8")
    dataset = dataset_of_flags(name="own", kind="reading-comprehension", files={"train": path})
    examples = read_split(dataset, data=tmp_path, split="train").examples
    assert [example.example_id for example in examples] == ["q0", "q1"]
    assert [answer.text for answer in examples[0].answers] == ["张三", "北京"]
    assert [answer.characters for answer in examples[0].answers] == [(0, 2), (3, 5)]
    path.write_text(text.replace("[0, 3]", "[0]"), encoding="utf-8")
    if answers == "lists":
        with pytest.raises(DataError, match="must hold lists `text` and `answer_start` of one length"):
            read_split(dataset, data=tmp_path, split="train")
