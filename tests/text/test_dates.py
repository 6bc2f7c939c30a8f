"""Dates without an era or a year, compared with a search of the whole calendar, and dates as people write them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.cli._options import day_or_today
from kokin.issues import InvalidInputError, Issue
from kokin.text import (
    JAPAN,
    format_wareki,
    format_wareki_text,
    infer_century,
    infer_era,
    infer_era_or_century,
    infer_year,
    parse_date_text,
    parse_wareki,
    parse_wareki_text,
    today,
)

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
def test_the_era_with_the_nearest_date_is_inferred(written: str, reference: date, day: date) -> None:
    assert infer_era(written, reference) == day


@given(DAYS, st.integers(-300, 1000))
def test_a_date_is_inferred_from_any_near_reference_date(day: date, distance: int) -> None:
    reference = day + timedelta(days=distance)
    assert infer_era(format_wareki(day), reference) == day
    assert infer_century(f"{day:%y%m%d}", reference) == day
    assert infer_era_or_century(format_wareki(day), reference) == day
    assert infer_era_or_century(f"{day:%y%m%d}", reference) == day
    if abs(distance) < 180:
        assert infer_year(f"{day:%m%d}", reference) == day


INFER = {
    "era": (infer_era, lambda day: format_wareki(day)),
    "century": (infer_century, lambda day: f"{day:%y%m%d}"),
    "either": (infer_era_or_century, lambda day: format_wareki(day)),
}


def rejected(infer_date: Callable[..., date], text: str, reference: date, **window: int) -> Issue:
    with pytest.raises(InvalidInputError) as caught:
        infer_date(text, reference, **window)
    (issue,) = caught.value.issues
    return issue


@pytest.mark.parametrize("style", INFER)
@pytest.mark.parametrize(
    ("day", "window", "accepted"),
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
def test_a_date_without_a_full_year_is_only_accepted_in_the_window(
    style: str, day: date, window: dict[str, int], accepted: bool
) -> None:
    infer_date, text = INFER[style]
    if accepted:
        assert infer_date(text(day), date(2026, 4, 15), **window) == day
    else:
        assert rejected(infer_date, text(day), date(2026, 4, 15), **window).code == "DATE_TOO_FAR"


def test_a_western_year_is_never_parsed_as_a_year_of_an_era() -> None:
    issue = rejected(infer_era, "260401", date(2026, 4, 15))
    assert (issue.code, issue.found) == ("DATE_TOO_FAR", "260401 = 2014-04-01, western 2026-04-01")
    # No western date is near either, so none is mentioned.
    assert "western" not in rejected(infer_era, "150401", date(2026, 4, 15)).found
    assert infer_era_or_century("260401", date(2026, 4, 15)) == date(2026, 4, 1)


@pytest.mark.parametrize("reference", [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)])
def test_any_reference_date_is_accepted(reference: date) -> None:
    if reference.year != 2024:
        for infer_date in (infer_era, infer_century, infer_era_or_century):
            assert rejected(infer_date, "080401", reference).code == "DATE_TOO_FAR"
    assert infer_year(f"{reference:%m%d}", reference) == reference


@given(st.integers(1, 12), st.integers(1, 31), DAYS)
def test_the_nearest_year_that_has_the_date_is_inferred(month: int, number: int, reference: date) -> None:
    text = f"{month:02d}{number:02d}"
    days = [reference + timedelta(days=days) for days in range(-3000, 3001)]
    near = [day for day in days if (day.month, day.day) == (month, number)]
    if not near:
        assert rejected(infer_year, text, reference).code == "DATE_INVALID"
        return
    nearest = min(abs(day - reference) for day in near)
    if nearest < timedelta(days=200):
        assert abs(infer_year(text, reference) - reference) == nearest
    elif nearest > timedelta(days=220):
        assert rejected(infer_year, text, reference).code == "DATE_TOO_FAR"


def test_a_leap_day_far_from_a_leap_year_is_rejected() -> None:
    assert infer_year("0229", date(2028, 4, 15)) == date(2028, 2, 29)
    assert rejected(infer_year, "0229", date(2026, 4, 15)).code == "DATE_TOO_FAR"
    assert rejected(infer_year, "0229", date(2028, 4, 15), months=1).code == "DATE_TOO_FAR"


@pytest.mark.parametrize("day", [date(1800, 1, 1), date(1868, 1, 24), date(2118, 1, 1), date(2119, 1, 1)])
def test_a_date_before_meiji_or_after_year_99_cannot_be_formatted(day: date) -> None:
    with pytest.raises(InvalidInputError, match="DATE_INVALID"):
        format_wareki(day)


@pytest.mark.parametrize("day", [date(1868, 1, 25), date(1912, 7, 29), date(1912, 7, 30), date(2117, 12, 31)])
def test_any_other_date_is_formatted_in_six_digits_and_parsed_back(day: date) -> None:
    assert len(format_wareki(day)) == 6
    assert parse_wareki(format_wareki(day, with_era=True)) == day


@pytest.mark.parametrize("text", ["000101", "081301", "080230", "0805", "08050a", "０８０５０１", ""])
def test_an_invalid_wareki_date_is_rejected(text: str) -> None:
    assert rejected(infer_era, text, date(2026, 1, 1)).code == "DATE_INVALID"
    with pytest.raises(InvalidInputError):
        parse_wareki("5" + text)


@pytest.mark.parametrize("text", ["1301", "0230", "0431", "131", "00101"])
def test_an_invalid_date_without_a_year_is_rejected(text: str) -> None:
    with pytest.raises(InvalidInputError):
        infer_year(text, date(2026, 1, 1))


def test_era_digits_are_parsed() -> None:
    assert parse_wareki("1010125") == date(1868, 1, 25)
    assert parse_wareki("3641231") == date(1989, 12, 31)
    with pytest.raises(InvalidInputError):
        parse_wareki("6010101")


@pytest.mark.parametrize(
    "text",
    ["R8.6.1", "r08/06/01", "令和8年6月1日", "令 8 年 ６ 月 １ 日", "㋿8年6月1日", "令和８年０６月０１日"],
)
def test_a_written_wareki_date_is_parsed(text: str) -> None:
    assert parse_wareki_text(text) == date(2026, 6, 1)


@pytest.mark.parametrize("day", [date(1868, 1, 25), date(1926, 12, 25), date(2019, 5, 1), date(2117, 12, 31)])
def test_a_written_wareki_date_is_parsed_back(day: date) -> None:
    assert parse_wareki_text(format_wareki_text(day)) == day
    assert parse_wareki_text(format_wareki_text(day, with_kanji=True)) == day


@pytest.mark.parametrize(
    "text", ["", "8.6.1", "R0.6.1", "R8.6/1", "R8.2.30", "R8.6", "令和8年6月", "平令8年6月1日", "X8.6.1", "R100.6.1"]
)
def test_another_text_is_no_wareki_date(text: str) -> None:
    with pytest.raises(InvalidInputError, match="DATE_INVALID"):
        parse_wareki_text(text)


@pytest.mark.parametrize("text", ["2026/6/1", "2026/06/01", "2026.6.1", "2026年6月1日", "２０２６年　６月　１日"])
def test_a_written_date_is_parsed(text: str) -> None:
    assert parse_date_text(text) == date(2026, 6, 1)


@pytest.mark.parametrize("text", ["", "26/6/1", "2026/6-1", "2026/2/30", "0000/1/1", "2026年6月", "2026/6/1 10:00"])
def test_another_text_is_no_date(text: str) -> None:
    with pytest.raises(InvalidInputError, match="DATE_INVALID"):
        parse_date_text(text)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process cannot be set on this system")
def test_today_is_that_of_japan_whatever_the_zone_of_the_machine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In these zones, 25 hours apart, it is never the same day."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        days = [datetime.now(UTC).astimezone(JAPAN).date(), today(), day_or_today(None)]
        days.append(datetime.now(UTC).astimezone(JAPAN).date())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert set(days) <= {days[0], days[-1]}
