"""Test that documents with text of evaluation sets are found, even if split or cleaned differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.overlap import TextOverlap, write_without_overlap

PASSAGE = "北京大学是一所综合性大学，位于中国首都北京市海淀区。"  # 24 letters


@pytest.mark.parametrize(
    "text",
    [
        PASSAGE,
        f"前面的话{PASSAGE}后面的话",
        "北京大学 是一所综合性大学\n位于中国首都北京市",  # other punctuation, spaces and line ends
        "「北京大学是一所综合性大学、位于中国首都」",
        PASSAGE[3:21],  # 17 letters and the comma
    ],
)
def test_a_shared_run_is_found_despite_other_punctuation_and_spaces(text):
    assert TextOverlap([PASSAGE]).is_in(text)


@pytest.mark.parametrize(
    "text", ["", "天气很好", "北京大学是一所综合性大学", PASSAGE[::-1], "位于中国首都北京市海淀区的一所综合性大学"]
)
def test_shorter_runs_and_other_orders_are_not_found(text):
    assert not TextOverlap([PASSAGE]).is_in(text)


def test_case_and_width_do_not_matter():
    assert TextOverlap(["使用 BERT 模型来预测下一个词的 Probability"]).is_in(
        "使用ｂｅｒｔ模型来预测下一个词的probability"
    )


def test_the_length_of_a_run_is_exact():
    overlap = TextOverlap(["天地玄黄宇宙洪荒"], num_characters=4)
    assert overlap.is_in("看天地玄黄看") and not overlap.is_in("看天地玄看黄宇宙看")
    with pytest.raises(ValueError, match="`num_characters` must be at least 1, but is 0"):
        TextOverlap([], num_characters=0)


def test_no_text_and_too_short_text_overlap_with_nothing():
    assert not TextOverlap([]).is_in(PASSAGE) and not TextOverlap(["天气很好"]).is_in("天气很好")


@given(st.text("天地玄黄宇宙洪荒，。 ", max_size=40), st.text("天地玄黄宇宙洪荒，。 ", max_size=40))
def test_overlap_is_found_if_and_only_if_a_plain_search_finds_it(known, text):
    kept, looked_at = ("".join(character for character in item if character.isalnum()) for item in (known, text))
    expected = any(kept[start : start + 5] in looked_at for start in range(len(kept) - 4))
    assert TextOverlap([known], num_characters=5).is_in(text) == expected


def test_a_whole_document_that_shares_text_is_left_out_and_counted(tmp_path):
    (tmp_path / "a.txt").write_text(
        f"第一篇\n没有问题\n\n第二篇\n{PASSAGE}\n后文\n\n第三篇\n也没有问题\n", encoding="utf-8"
    )
    report = write_without_overlap([tmp_path / "a.txt"], output=tmp_path / "out.txt", overlap=TextOverlap([PASSAGE]))
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "第一篇\n没有问题\n\n第三篇\n也没有问题\n\n"
    assert (report.num_documents, report.num_left_out) == (3, 1)
    assert (report.num_characters, report.num_characters_left_out) == (7 + 8 + 5 + len(PASSAGE), 5 + len(PASSAGE))
    assert report.examples == (f"第二篇 … {PASSAGE}",)
