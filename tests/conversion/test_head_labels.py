"""The labels of a fine-tuned head come from id2label, label2id or the user, and contradictions are refused."""

from __future__ import annotations

import pytest

from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.errors import CheckpointError

from .fine_tuned import LABELS, config_of, fine_tuned
from .sources import converted


def labels_after(tmp_path, *, kind=HeadKind.SEQUENCE, without=(), labels=None, **changes):
    result = converted(fine_tuned(tmp_path / "hf", kind, without=without, **changes), tmp_path / "out", labels=labels)
    return tuple(config_of(tmp_path / "out")["id2label"].values()), result.notes


def test_labels_are_in_the_order_of_their_numbers_and_not_of_the_file(tmp_path):
    id2label = {"2": "c", "0": "a", "1": "b"}
    assert labels_after(tmp_path, id2label=id2label, label2id={"c": 2, "b": 1, "a": 0}) == (("a", "b", "c"), ())


def test_label2id_names_the_classes_if_there_is_no_id2label(tmp_path):
    found, _ = labels_after(tmp_path, without=("id2label",), label2id={"c": 2, "b": 1, "a": 0})
    assert found == ("a", "b", "c")


def test_classes_without_names_get_those_of_transformers_and_a_note(tmp_path):
    found, notes = labels_after(tmp_path, without=("id2label", "label2id"))
    assert found == ("LABEL_0", "LABEL_1", "LABEL_2") and "does not name its 3 classes" in notes[0]


def test_labels_that_the_user_gives_replace_those_of_the_source(tmp_path):
    assert labels_after(tmp_path, labels=["bad", "good", "neutral"])[0] == ("bad", "good", "neutral")


def test_other_names_in_label2id_are_noted(tmp_path):
    found, notes = labels_after(tmp_path, label2id={"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2})
    assert found == LABELS[HeadKind.SEQUENCE] and "`label2id`" in notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id2label": {"0": "a", "2": "b", "3": "c"}}, "0, 1, 2, … without gaps, but has 0, 2, 3"),
        ({"id2label": {"0": "a", "1": "b"}}, "has 2 labels, but the classifier has 3 outputs"),
        ({"id2label": {"a": 0, "b": 1, "c": 2}}, "whole numbers from 0 to the labels, but has 'a'"),
        ({"id2label": {"0": "a", "1": "a", "2": "b"}}, "every class another name, but has a twice"),
        ({"id2label": {"0": "a", "1": None, "2": "b"}}, "must name class 1, but the name is 'None'"),
        ({"id2label": {"0": "a", "00": "b", "2": "c"}}, "has class 0 twice"),
        ({"id2label": ["a", "b", "c"]}, "`id2label` must be an object"),
        (
            {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 1, "b": 0, "c": 2}},
            "same labels other numbers",
        ),
        ({"num_labels": 2}, "`num_labels` is 2, but the classifier has 3 outputs"),
    ],
)
def test_labels_that_contradict_themselves_or_the_weights_are_refused(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message):
        labels_after(tmp_path, **changes)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "a", "b"]])
def test_wrong_labels_of_the_user_are_refused(tmp_path, labels):
    with pytest.raises(CheckpointError, match="--label-map"):
        labels_after(tmp_path, labels=labels)
