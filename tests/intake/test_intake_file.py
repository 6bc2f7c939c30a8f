"""The intake file: every problem is an issue with its table and field; and the days of a rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin import intake
from kokin.intake._days import BusinessCalendar, days_between, expected_days
from kokin.intake._source import Source
from kokin.issues import InvalidInputError

Load = Callable[[str], intake.Intake]
STORES = '[source.stores]\nlayout = "kokin-csv"\ndays = "bank"\n'


@pytest.mark.parametrize(
    ("text", "issues"),
    [
        ("", [("FIELD_MISSING", "source")]),
        ("source = 1", [("TOML_INVALID", "source")]),
        ("[source]\na = 1", [("TOML_INVALID", "source")]),
        ("x = 1\ncalendar = 'moon'\nholidays = 1\n" + STORES, [
            ("FIELD_UNKNOWN", "x"), ("CODE_UNKNOWN", "calendar"), ("FIELD_TYPE", "holidays"),
        ]),
        ("[source.a]", [("FIELD_MISSING", "source.a.days")]),
        ("[source.a]\ndays = 'bank'", [("FIELD_MISSING", "source.a.layout")]),
        ("[source.a]\nlayout = 'none'\ndays = 'bank'", [("LAYOUT_UNKNOWN", "source.a.layout")]),
        ("[source.a]\nlayout = 'none.toml'\ndays = 'bank'", [("LAYOUT_UNKNOWN", "source.a.layout")]),
        (STORES.replace('"bank"', "[32]"), [("INTAKE_INVALID", "source.stores.days")]),
        (STORES.replace('"bank"', "['mon', 5]"), [("INTAKE_INVALID", "source.stores.days")]),
        (STORES.replace('"bank"', "[]"), [("INTAKE_INVALID", "source.stores.days")]),
        (STORES.replace('"bank"', "[5, 5]"), [("INTAKE_INVALID", "source.stores.days")]),
        (STORES.replace('"bank"', "[true]"), [("INTAKE_INVALID", "source.stores.days")]),
        (STORES + "until = '25:00'", [("TIME_INVALID", "source.stores.until")]),
        (STORES + "until = 9", [("FIELD_TYPE", "source.stores.until")]),
        (STORES + "untill = '09:00'", [("FIELD_UNKNOWN", "source.stores.untill")]),
        (STORES + "kind = 'bills'", [("CODE_UNKNOWN", "source.stores.kind")]),
        (STORES + "bank_days_after = 3", [("INTAKE_INVALID", "source.stores.bank_days_after")]),
        (STORES + "records = [9, 1]", [("INTAKE_INVALID", "source.stores.records")]),
        (STORES + "since = 2026-05-01\nthrough = 2026-04-01", [("INTAKE_INVALID", "source.stores.through")]),
        (STORES + "balance_chain = true", [("INTAKE_INVALID", "source.stores.balance_chain")]),
        (STORES + "day_field = 'made_day'", [("INTAKE_INVALID", "source.stores.day_field")]),
        (STORES + "day_field = 'header.made_day'", [("INTAKE_INVALID", "source.stores.day_field")]),
        (STORES + "sequence = 1", [("FIELD_TYPE", "source.stores.sequence")]),
        (STORES + "sequence = { field = 'a.b', last = 1 }", [("INTAKE_INVALID", "source.stores.sequence.last")]),
        (STORES + "sequence = { field = 'a.b', last = 9 }", [("INTAKE_INVALID", "source.stores.sequence.field")]),
        (STORES + "closed = [{ day = 2026-05-11 }]", [
            ("FIELD_MISSING", "source.stores.closed.0.actor"), ("FIELD_MISSING", "source.stores.closed.0.reason"),
        ]),
        (STORES + STORES.replace("stores", "other"), [("INTAKE_INVALID", "source.other.file")]),
        ('[source.a]\nlayout = "numbered.toml"\ndays = "bank"\nday_field = "header.number"', [
            ("INTAKE_INVALID", "source.a.day_field"),
        ]),
        ('[source.a]\nlayout = "numbered.toml"\ndays = "bank"\nsequence = { field = "data.amount", last = 9 }', [
            ("INTAKE_INVALID", "source.a.sequence.field"),
        ]),
    ],
)  # fmt: skip
def test_every_problem_is_an_issue_with_its_place(load: Load, text: str, issues: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(text)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == issues
    assert {issue.location.file for issue in caught.value.issues} == {"intake.toml"}
    assert caught.value.summary == "intake file rejected"


def test_the_shipped_example_is_valid() -> None:
    example = intake.load(Path(__file__).parents[2] / "examples" / "intake.toml")
    assert {source.kind for source in example.sources} == set(intake.SourceKind)
    assert any(source.balance_chain for source in example.sources)


# 2026: 29 April, 3 to 6 May are holidays; 9, 10, 30 and 31 May are a weekend.
@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ({"days": "bank"}, [1, 7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 25, 26, 27, 28, 29]),
        ({"days": "weekdays"}, [1, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 25, 26, 27, 28, 29]),
        ({"days": "daily"}, list(range(1, 32))),
        ({"days": ["mon", "thu"]}, [7, 11, 14, 18, 21, 25, 28]),  # Monday 4 May and Thursday 7 May are one day
        ({"days": ["mon", "thu"], "shift": "none"}, [4, 7, 11, 14, 18, 21, 25, 28]),
        ({"days": ["mon", "thu"], "shift": "previous"}, [1, 7, 11, 14, 18, 21, 25, 28]),
        ({"days": [10, "end"]}, [11]),  # 10 May is a Sunday, and 31 May moves into June
        ({"days": [10, "end"], "shift": "previous"}, [8, 29]),
        ({"days": [10, 20, "end"], "bank_days_after": 3}, [8, 13, 25]),  # of 30 April, 10 and 20 May
        ({"days": [31], "shift": "none"}, [31]),
    ],
)
def test_the_days_of_a_rule(rule: dict[str, object], days: list[int]) -> None:
    source = Source(name="a", layout="kokin-csv", **rule)
    found = expected_days(source, BusinessCalendar(), date(2026, 5, 1), date(2026, 5, 31))
    assert [each.day.day for each in found] == days


def test_a_month_without_the_day_has_it_at_its_end_and_own_holidays_count() -> None:
    source = Source(name="a", layout="kokin-csv", days=[31])
    business = BusinessCalendar("bank", frozenset({date(2026, 6, 30)}))
    days = [each.day for each in expected_days(source, business, date(2026, 2, 3), date(2026, 7, 31))]
    # 28 February and 31 May are on a weekend.
    assert [f"{day:%m-%d}" for day in days] == ["03-02", "03-31", "04-30", "06-01", "07-01", "07-31"]


@given(
    first=st.dates(date(2020, 1, 1), date(2026, 1, 1)),
    length=st.integers(0, 90),
    rule=st.sampled_from(
        [
            {"days": "bank", "until": "08:30", "until_bank_days_after": 1},
            {"days": "daily", "opens": "20:00", "opens_bank_days_before": 1, "until": "06:00"},
            {"days": [10, 20, "end"], "bank_days_after": 3, "until": "17:00"},
            {"days": ["mon", "fri"], "shift": "previous"},
        ]
    ),
)
def test_days_do_not_depend_on_the_range_and_come_in_order(first: date, length: int, rule: dict[str, object]) -> None:
    source = Source(name="a", layout="kokin-csv", **rule)
    last = first.fromordinal(first.toordinal() + length)
    days = expected_days(source, BusinessCalendar(), first, last)
    assert days == [
        found for day in days_between(first, last) for found in expected_days(source, BusinessCalendar(), day, day)
    ]
    deadlines = [each.deadline for each in days]
    assert deadlines == sorted(deadlines)
    assert all(each.opens_at < each.deadline for each in days)
