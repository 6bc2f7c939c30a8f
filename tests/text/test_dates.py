"""Days without an era or a year, against a search of the whole calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import InvalidInputError, Issue
from kokin.text import format_wareki, infer_century, infer_era, infer_era_or_century, infer_year, parse_wareki

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize(
    ("written", "reference", "day"),
    [
        ("010501", date(2019, 6, 1), date(2019, 5, 1)),
        ("010501", date(1989, 6, 1), date(1989, 5, 1)),
        ("320120", date(2020, 1, 10), date(2020, 1, 20)),
        ("640107", date(1989, 1, 8), date(1989, 1, 7)),
        ("080229", date(1996, 6, 1), date(1996, 2, 29)),
    ],
)
def test_the_era_is_the_nearest(written: str, reference: date, day: date) -> None:
    assert infer_era(written, reference) == day


@given(DAYS, st.integers(-300, 1000))
def test_a_day_is_known_again_from_the_days_around_it(day: date, distance: int) -> None:
    reference = day + timedelta(days=distance)
    assert infer_era(format_wareki(day), reference) == day
    assert infer_century(f"{day:%y%m%d}", reference) == day
    assert infer_era_or_century(format_wareki(day), reference) == day
    assert infer_era_or_century(f"{day:%y%m%d}", reference) == day
    if abs(distance) < 180:
        assert infer_year(f"{day:%m%d}", reference) == day


ASSUME = {
    "era": (infer_era, lambda day: format_wareki(day)),
    "century": (infer_century, lambda day: f"{day:%y%m%d}"),
    "either": (infer_era_or_century, lambda day: format_wareki(day)),
}


def refused(assume: Callable[..., date], text: str, reference: date, **reach: int) -> Issue:
    with pytest.raises(InvalidInputError) as caught:
        assume(text, reference, **reach)
    (issue,) = caught.value.issues
    return issue


@pytest.mark.parametrize("style", ASSUME)
@pytest.mark.parametrize(
    ("day", "reach", "accepted"),
    [
        (date(2023, 4, 15), {}, True),
        (date(2023, 4, 14), {}, False),
        (date(2027, 4, 15), {}, True),
        (date(2027, 4, 16), {}, False),
        (date(2025, 4, 14), {"years_back": 1}, False),
        (date(2020, 4, 15), {"years_back": 6}, True),
        (date(2028, 4, 15), {"years_ahead": 2}, True),
        (date(2026, 4, 16), {"years_ahead": 0}, False),
    ],
)
def test_a_day_without_its_full_year_is_accepted_within_a_set_distance_only(
    style: str, day: date, reach: dict[str, int], accepted: bool
) -> None:
    assume, text = ASSUME[style]
    if accepted:
        assert assume(text(day), date(2026, 4, 15), **reach) == day
    else:
        assert refused(assume, text(day), date(2026, 4, 15), **reach).code == "DATE_TOO_FAR"


def test_a_western_year_is_never_read_as_an_era() -> None:
    issue = refused(infer_era, "260401", date(2026, 4, 15))
    assert (issue.code, issue.found) == ("DATE_TOO_FAR", "260401 = 2014-04-01, western 2026-04-01")
    # No western day is near either, so there is nothing to say about one.
    assert "western" not in refused(infer_era, "150401", date(2026, 4, 15)).found
    assert infer_era_or_century("260401", date(2026, 4, 15)) == date(2026, 4, 1)


@pytest.mark.parametrize("reference", [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)])
def test_no_reference_date_breaks_the_inference(reference: date) -> None:
    if reference.year != 2024:
        for assume in (infer_era, infer_century, infer_era_or_century):
            assert refused(assume, "080401", reference).code == "DATE_TOO_FAR"
    assert infer_year(f"{reference:%m%d}", reference) == reference


@given(st.integers(1, 12), st.integers(1, 31), DAYS)
def test_the_year_is_the_nearest_that_has_the_day(month: int, number: int, reference: date) -> None:
    text = f"{month:02d}{number:02d}"
    days = [reference + timedelta(days=days) for days in range(-3000, 3001)]
    near = [day for day in days if (day.month, day.day) == (month, number)]
    if not near:
        assert refused(infer_year, text, reference).code == "DATE_INVALID"
        return
    nearest = min(abs(day - reference) for day in near)
    if nearest < timedelta(days=200):
        assert abs(infer_year(text, reference) - reference) == nearest
    elif nearest > timedelta(days=220):
        assert refused(infer_year, text, reference).code == "DATE_TOO_FAR"


def test_a_leap_day_far_from_a_leap_year_is_an_issue() -> None:
    assert infer_year("0229", date(2028, 4, 15)) == date(2028, 2, 29)
    assert refused(infer_year, "0229", date(2026, 4, 15)).code == "DATE_TOO_FAR"
    assert refused(infer_year, "0229", date(2028, 4, 15), months=1).code == "DATE_TOO_FAR"


@pytest.mark.parametrize("day", [date(1800, 1, 1), date(1868, 1, 24), date(2118, 1, 1), date(2119, 1, 1)])
def test_a_day_before_meiji_or_past_the_99th_year_has_no_text(day: date) -> None:
    with pytest.raises(InvalidInputError, match="DATE_INVALID"):
        format_wareki(day)


@pytest.mark.parametrize("day", [date(1868, 1, 25), date(1912, 7, 29), date(1912, 7, 30), date(2117, 12, 31)])
def test_every_other_day_has_six_digits_and_comes_back(day: date) -> None:
    assert len(format_wareki(day)) == 6
    assert parse_wareki(format_wareki(day, with_era=True)) == day


@pytest.mark.parametrize("wrong", ["000101", "081301", "080230", "0805", "08050a", "０８０５０１", ""])
def test_what_is_no_day_of_an_era_is_refused(wrong: str) -> None:
    assert refused(infer_era, wrong, date(2026, 1, 1)).code == "DATE_INVALID"
    with pytest.raises(InvalidInputError):
        parse_wareki("5" + wrong)


@pytest.mark.parametrize("wrong", ["1301", "0230", "0431", "131", "00101"])
def test_what_is_no_day_of_a_year_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInputError):
        infer_year(wrong, date(2026, 1, 1))


def test_eras_by_digit() -> None:
    assert parse_wareki("1010125") == date(1868, 1, 25)
    assert parse_wareki("3641231") == date(1989, 12, 31)
    with pytest.raises(InvalidInputError):
        parse_wareki("6010101")
