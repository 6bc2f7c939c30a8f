"""Days without an era or a year, against a search of the whole calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import RefusedError
from kokin.text import assume_era, assume_year, era_day, era_text

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize(
    ("written", "reference", "day"),
    [
        ("010501", date(2019, 6, 1), date(2019, 5, 1)),
        ("010501", date(1989, 6, 1), date(1989, 5, 1)),
        ("320120", date(2020, 1, 10), date(2020, 1, 20)),
        ("640107", date(1989, 1, 8), date(1989, 1, 7)),
        ("080229", date(2026, 6, 1), date(1996, 2, 29)),
    ],
)
def test_the_era_is_the_nearest(written: str, reference: date, day: date) -> None:
    assert assume_era(written, reference) == day


@given(DAYS, st.integers(-300, 300))
def test_a_day_is_known_again_from_the_days_around_it(day: date, distance: int) -> None:
    reference = day + timedelta(days=distance)
    assert assume_era(era_text(day), reference) == day
    if abs(distance) < 180:
        assert assume_year(f"{day:%m%d}", reference) == day


@given(st.integers(1, 12), st.integers(1, 31), DAYS)
def test_the_year_is_the_nearest_that_has_the_day(month: int, number: int, reference: date) -> None:
    around = (reference + timedelta(days=days) for days in range(-3000, 3001))
    distances = [abs(day - reference) for day in around if (day.month, day.day) == (month, number)]
    if not distances:
        with pytest.raises(RefusedError):
            assume_year(f"{month:02d}{number:02d}", reference)
        return
    day = assume_year(f"{month:02d}{number:02d}", reference)
    assert (day.month, day.day) == (month, number)
    assert abs(day - reference) == min(distances)


@pytest.mark.parametrize("wrong", ["000101", "081301", "080230", "0805", "08050a", "０８０５０１", ""])
def test_what_is_no_day_of_an_era_is_refused(wrong: str) -> None:
    with pytest.raises(RefusedError):
        assume_era(wrong, date(2026, 1, 1))
    with pytest.raises(RefusedError):
        era_day("5" + wrong)


@pytest.mark.parametrize("wrong", ["1301", "0230", "0431", "131", "00101"])
def test_what_is_no_day_of_a_year_is_refused(wrong: str) -> None:
    with pytest.raises(RefusedError):
        assume_year(wrong, date(2026, 1, 1))


def test_eras_by_digit() -> None:
    assert era_day("1010125") == date(1868, 1, 25)
    assert era_day("3641231") == date(1989, 12, 31)
    with pytest.raises(RefusedError):
        era_day("6010101")
