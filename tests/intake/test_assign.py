"""Which file is the one of which day: laws that hold for any files."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kokin.intake import Source
from kokin.intake._assign import Assignment, assign
from kokin.intake._days import BusinessCalendar, ExpectedDay, expected_days
from kokin.intake._files import DeliveredFile
from kokin.ledger import EntryKind
from kokin.text import JAPAN

RULES = [
    {"days": "bank", "until": "09:00"},
    {"days": "bank", "until": "08:30", "until_bank_days_after": 1},
    {"days": "daily", "opens": "20:00", "opens_bank_days_before": 1, "until": "06:00"},
    {"days": ["mon", "thu"]},
]
START = datetime(2026, 4, 27, tzinfo=JAPAN)  # a Monday; holidays follow
HOURS = 24 * 21


def file_at(entry: int, hour: int, kind: EntryKind = EntryKind.RECEIPT_FILE) -> DeliveredFile:
    at = START + timedelta(hours=hour)
    return DeliveredFile(entry, f"{entry}.csv", kind, "kokin-csv", str(entry), at, records=1, yen=1)


def days_of(rule: dict[str, object]) -> list[ExpectedDay]:
    source = Source(name="a", layout="kokin-csv", **rule)
    return expected_days(source, BusinessCalendar(), START.date(), date(2026, 6, 30))


def no_date(_: DeliveredFile) -> None:
    return None


hours = st.lists(st.integers(0, HOURS), max_size=25)
rules = st.sampled_from(RULES)


@given(rule=rules, posted=hours, rejected=hours, seed=st.integers(0, 9), dated=st.sets(st.integers(1, 25)))
def test_every_file_counts_once_and_the_order_does_not_matter(
    rule: dict[str, object], posted: list[int], rejected: list[int], seed: int, dated: set[int]
) -> None:
    days = days_of(rule)
    files = [file_at(entry, hour) for entry, hour in enumerate(sorted(posted), 1)]
    bad = [file_at(entry, hour, EntryKind.REJECTED_FILE) for entry, hour in enumerate(sorted(rejected), 100)]

    def date_of(file: DeliveredFile) -> date | None:
        return file.at.date() if file.entry in dated else None

    result = assign(days, [*files, *bad], date_of)
    assert sorted(file.entry for file in result.in_order()) == [file.entry for file in files]
    assert set(result.files) | set(result.rejected) <= {day.day for day in days}
    assert not set(result.files) & set(result.rejected)
    shuffled = [*files, *bad]
    random.Random(seed).shuffle(shuffled)
    assert assign(days, shuffled, date_of) == result


@given(rule=rules, posted=hours, more=st.integers(0, 48))
def test_a_further_file_fills_a_day_unless_none_is_without_a_file(
    rule: dict[str, object], posted: list[int], more: int
) -> None:
    days = days_of(rule)
    files = [file_at(entry, hour) for entry, hour in enumerate(sorted(posted), 1)]
    last = file_at(99, max(posted, default=0) + more)
    before, after = assign(days, files, no_date), assign(days, [*files, last], no_date)
    assert before.files.keys() <= after.files.keys()
    until_then = [day.day for day in days if day.deadline < last.at]
    until_then.append(next(day.day for day in days if day.deadline >= last.at))
    has_gap = any(day not in before.files for day in until_then)
    assert len(after.files) - len(before.files) == has_gap
    assert len(after.extra) - len(before.extra) == (not has_gap)


@given(rule=rules, at=st.integers(0, HOURS))
def test_one_file_is_in_time_or_late_for_the_last_day_that_has_begun(rule: dict[str, object], at: int) -> None:
    days = days_of(rule)
    file = file_at(1, at)
    ((day, _),) = assign(days, [file], no_date).files.items()
    begun = [each for each in days if each.opens_at <= file.at and each.deadline >= file.at]
    over = [each for each in days if each.deadline < file.at]
    assert day == (begun[0] if begun else (over or days)[-1 if over else 0]).day


def test_a_closed_day_is_not_filled() -> None:
    days = days_of(RULES[0])
    late = file_at(1, 10)  # Monday 27 April 10:00, an hour after its deadline
    assert set(assign(days, [late], no_date).files) == {date(2026, 4, 27)}
    assert set(assign(days, [late], no_date, {date(2026, 4, 27)}).files) == {date(2026, 4, 28)}


def test_a_file_after_the_last_day_is_extra() -> None:
    result = assign(days_of(RULES[0])[:1], [file_at(1, 10), file_at(2, 3)], no_date)
    assert result == Assignment({date(2026, 4, 27): file_at(2, 3)}, {}, [(None, file_at(1, 10))])


def test_a_rejected_file_before_a_day_opens_is_that_of_the_day_before() -> None:
    days = days_of(RULES[0])
    rejected = file_at(1, 10, EntryKind.REJECTED_FILE)
    assert set(assign(days, [rejected], no_date).rejected) == {date(2026, 4, 27)}
    assert set(assign(days, [rejected, file_at(2, 8)], no_date).rejected) == {date(2026, 4, 28)}
    assert assign(days, [rejected, file_at(2, 8), file_at(3, 11)], no_date).rejected == {}
