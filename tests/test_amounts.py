"""Amounts as people read them."""

from __future__ import annotations

import pytest

from paddle_wwm.amounts import duration_text, short_number, size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 s"), (119.4, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h"), (200_000, "2.3 days")],
)
def test_a_duration_has_the_unit_that_fits(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text", "size"),
    [(7, "7", "7 B"), (999, "999", "999 B"), (1234567, "1.23 M", "1.23 MB"), (123_456_789_000, "123 G", "123 GB")],
)
def test_a_number_has_three_digits_and_a_unit(number, text, size):
    assert (short_number(number), size_text(number)) == (text, size)
