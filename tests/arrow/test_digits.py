"""Digits and dates of whole columns, compared with plain Python."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kokin._arrow.digits import (
    days_since_1970,
    digit_words,
    from_digits,
    non_digit_words,
    parse_words,
    to_digits,
    yyyymmdd,
)

EPOCH = date(1970, 1, 1)


@st.composite
def rows_and_spans(draw: st.DrawFn, alphabet: st.SearchStrategy[int], max_width: int) -> tuple[list[bytes], int, int]:
    columns = draw(st.integers(1, 24))
    start = draw(st.integers(0, columns - 1))
    width = draw(st.integers(1, min(max_width, columns - start)))
    row = st.lists(alphabet, min_size=columns, max_size=columns).map(bytes)
    return draw(st.lists(row, max_size=5)), start, width


def matrix(rows: list[bytes], columns: int) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), columns)


@given(rows_and_spans(st.sampled_from(b"0123456789"), 18))
def test_digits_of_any_columns_are_parsed_as_by_int(case: tuple[list[bytes], int, int]) -> None:
    rows, start, width = case
    letters = matrix(rows, len(rows[0]) if rows else start + width)
    numbers = [int(row[start : start + width]) for row in rows]
    assert from_digits(letters, start, width).tolist() == numbers
    assert [bytes(row) for row in to_digits(np.array(numbers, np.int64), width)] == [
        row[start : start + width] for row in rows
    ]


@given(rows_and_spans(st.sampled_from(b"0189/:\x00\xff\x89\x8a\xb0"), 8))
def test_words_with_other_bytes_than_digits_are_found(case: tuple[list[bytes], int, int]) -> None:
    rows, start, width = case
    words = digit_words(matrix(rows, len(rows[0]) if rows else start + width), start, width)
    fields = [row[start : start + width] for row in rows]
    assert non_digit_words(words).tolist() == [not field.isdigit() for field in fields]
    for number, field in zip(parse_words(words).tolist(), fields, strict=True):
        assert not field.isdigit() or number == int(field)


@given(st.lists(st.dates(), max_size=20))
def test_dates_are_equal_as_numbers_and_back(dates: list[date]) -> None:
    days = np.array([(day - EPOCH).days for day in dates], np.int64)
    numbers = yyyymmdd(days)
    assert numbers.tolist() == [day.year * 10_000 + day.month * 100 + day.day for day in dates]
    found, is_date = days_since_1970(numbers)
    assert (found.tolist(), is_date.all()) == (days.tolist(), True)


def test_every_number_of_a_leap_year_and_a_century_is_checked_as_by_date() -> None:
    numbers = np.array([*range(20231200, 20250200), *range(21000200, 21000400), 0, 101, 99991231, 100000101], np.int64)
    days, is_date = days_since_1970(numbers)
    for number, day, valid in zip(numbers.tolist(), days.tolist(), is_date.tolist(), strict=True):
        try:
            expected = date(number // 10_000, number // 100 % 100, number % 100)
        except ValueError:
            assert not valid
        else:
            assert valid
            assert EPOCH + timedelta(days=day) == expected
