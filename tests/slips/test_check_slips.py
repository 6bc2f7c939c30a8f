"""A file of slips checked as a whole: each fault is named, and a file of sound slips has no issue."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import bills, slips
from kokin.issues import Issue
from kokin.slips import _check_slips, gs1_128
from tests.support import examples

#: A business day of banks.
DEADLINE = date(2026, 7, 10)


def slip(number: int, **fields: Any) -> dict[str, Any]:
    """Return a sound slip with a random confirmation number and its barcode."""
    draw = random.Random(number)
    row = {
        "bill_id": f"B{number}",
        "payee_code": "99999",
        "item_code": "127",
        "case_key": f"{number:020d}",
        "confirmation": f"{draw.randrange(10**6):06d}",
        "amount": 12_300,
        "levy_year": 2026,
        "tax_year": 2026,
        "due_on": date(2026, 6, 1),
        "payable_until": DEADLINE,
        **fields,
    }
    if "barcode" not in row and row["amount"] <= gs1_128.MAX_YEN:
        row["barcode"] = barcode(number, row["amount"], row["payable_until"])
    return row


def barcode(number: int, amount: int = 12_300, payable_until: date | None = DEADLINE) -> str:
    return gs1_128.build(
        company_code="929999", free_field=f"{number:021d}", amount=amount, payable_until=payable_until
    ).digits


def check(*rows: dict[str, Any], **options: Any) -> list[Issue]:
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    return slips.check(table, **options)


def found(issues: list[Issue]) -> list[tuple[str, int | None, str, str, str]]:
    return [(issue.code, issue.location.record, issue.field, issue.expected, issue.found) for issue in issues]


def test_sound_slips_have_no_issue() -> None:
    assert check(*(slip(number) for number in range(1, 200))) == []


def test_a_file_is_checked_like_a_table(tmp_path: Path) -> None:
    rows = [slip(1), slip(2, case_key="12X"), slip(3, bill_id="B1")]
    names = list(rows[0])
    lines = [",".join(str(row[name]) for name in names) for row in rows]
    (tmp_path / "bills.csv").write_text("\n".join([",".join(names), *lines]) + "\n", encoding="utf-8")
    issues = slips.check(tmp_path / "bills.csv")
    assert [issue.code for issue in bills.check(tmp_path / "bills.csv")] == ["NOT_DIGITS"]
    assert [(issue.code, issue.location.file, issue.location.record) for issue in issues] == [
        ("NOT_DIGITS", "bills.csv", 2),
        ("SLIP_DUPLICATE", "bills.csv", 3),
    ]
    (tmp_path / "empty.csv").write_text("")
    assert [issue.code for issue in slips.check(tmp_path / "empty.csv")] == ["FILE_EMPTY"]


@pytest.mark.parametrize(
    ("field", "names"),
    [("bill_id", ["bill_id"]), ("el_number", ["case_key", "confirmation"]), ("barcode", ["barcode"])],
)
def test_duplicate_numbers_are_errors(field: str, names: list[str]) -> None:
    rows = [slip(number) for number in range(1, 31)]
    rows[20] |= {name: rows[4][name] for name in names}
    rows[25] |= {name: rows[4][name] for name in names}
    issue = ("SLIP_DUPLICATE", 21, field, "a unique number", "that of record 5")
    assert found(check(*rows)) == [issue, (issue[0], 26, *issue[2:])]


@pytest.mark.parametrize("field", ["customer_number", "virtual_account"])
def test_numbers_shared_by_open_slips_of_several_obligations_are_warnings(field: str) -> None:
    number = {field: "0010000001"}
    rows = [
        slip(1, **number, obligation_id="O1"),
        slip(2, **number, obligation_id="O1"),
        slip(3, **number, status="cancelled"),
        slip(4, **number, covers=["O1", "O9"]),
        slip(5),
        slip(6),
    ]
    assert check(*rows) == []
    (issue,) = check(*rows, slip(7, **number))
    assert found([issue]) == [("KEY_SHARED", 7, field, "one obligation", "another than record 1")]
    assert not issue.is_error


@pytest.mark.parametrize(
    "other",
    [
        {"obligation_id": "B1"},  # by the rule of matching, slip 1 has a debt of its own
        {"covers": ["B1"]},
        {"bill_id": "B2"},
    ],
)
def test_a_number_of_two_debts_is_reported_whatever_their_names(other: dict[str, Any]) -> None:
    number = {"customer_number": "0010000001"}
    issues = check(slip(1, **number), slip(2, **number, **other))
    assert [issue.location.record for issue in issues if issue.code == "KEY_SHARED"] == [2]


def test_obligations_of_two_authorities_may_have_one_id() -> None:
    number = {"customer_number": "0010000001", "obligation_id": "O1"}
    (issue,) = check(slip(1, **number), slip(2, **number, payee_code="99998"))
    assert (issue.code, issue.location.record) == ("KEY_SHARED", 2)


def test_a_slip_that_names_another_one_as_its_debt_shares_none_with_it() -> None:
    rows = [slip(1), slip(2, obligation_id="B1"), slip(3, obligation_id="O3"), slip(4, obligation_id="O3")]
    (issue,) = check(*rows)
    assert found([issue]) == [("OBLIGATION_NOT_SHARED", 2, "obligation_id", "", "B1")]
    assert not issue.is_error
    assert check(slip(1, obligation_id="B1"), *rows[1:]) == []


@settings(max_examples=examples(100), deadline=None)
@given(ids=st.lists(st.integers(0, 9), min_size=1, max_size=40), compared=st.integers(1, 3))
def test_duplicates_are_those_of_a_dictionary(ids: list[int], compared: int) -> None:
    """Also where different keys have one hash, and several passes over the file are needed."""
    rows = [slip(number, bill_id=f"B{key}") for number, key in enumerate(ids, 1)]
    first = {key: ids.index(key) + 1 for key in ids}
    expected = {(number, f"that of record {first[key]}") for number, key in enumerate(ids, 1) if first[key] != number}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_check_slips, "_MAX_COMPARED", compared)
        patch.setattr(_check_slips, "hash", lambda key: len(key) + ord(key[-1]) % 3, raising=False)
        issues = check(*rows)
    assert {(issue.location.record, issue.found) for issue in issues if issue.code == "SLIP_DUPLICATE"} == expected


def weak(issues: list[Issue]) -> list[tuple[int | None, str, str]]:
    return [(each.location.record, each.expected, each.found) for each in issues if each.code == "CONFIRMATION_WEAK"]


def test_one_confirmation_number_for_all_slips_is_weak() -> None:
    rows = [slip(number, confirmation="123450") for number in range(1, 11)]
    assert weak(check(*rows)) == [(1, "at most 9 slips with one number", "10 of 10")]
    assert check(*rows[:9]) == []


def test_one_confirmation_number_on_too_many_slips_is_weak() -> None:
    rows = [slip(number) for number in range(1, 1001)]
    for row in rows[400:412]:
        row["confirmation"] = "777777"
    assert weak(check(*rows)) == [(401, "at most 9 slips with one number", "12 of 1,000")]


def test_the_end_of_the_case_key_is_a_weak_confirmation_number() -> None:
    rows = [slip(number) for number in range(1, 1001)]
    rows[6]["confirmation"] = rows[6]["case_key"][-6:]
    assert check(*rows) == []
    rows[8]["confirmation"] = rows[8]["case_key"][-6:]
    assert weak(check(*rows)) == [(7, "at most 1 with the end of the case key", "2 of 1,000")]
    assert weak(check(slip(1, confirmation="000001"))) == [(1, "at most 0 with the end of the case key", "1 of 1")]


@pytest.mark.parametrize("mean", [1e-6, 0.01, 1.0, 30.0])
def test_the_tail_of_the_poisson_distribution(mean: float) -> None:
    below = [math.exp(-mean) * mean**count / math.factorial(count) for count in range(60)]
    for count in range(40):
        assert _check_slips._poisson_tail(count, mean) == pytest.approx(1 - sum(below[:count]), abs=1e-12)


def test_a_barcode_above_300000_yen_is_an_error() -> None:
    assert check(slip(1, amount=300_000)) == []
    assert check(slip(1, amount=300_001)) == []
    issues = check(slip(1, amount=300_001, barcode=barcode(1, 300_000)))
    assert found(issues) == [("BARCODE_AMOUNT", 1, "barcode", "no barcode above 300,000 yen", "300,001 yen")]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        (barcode(1, 12_301), ("BARCODE_DIFFERS", 1, "amount", "12300", "12301")),
        (barcode(1, 12_300, date(2026, 7, 9)), ("BARCODE_DIFFERS", 1, "payable_until", "2026-07-10", "2026-07-09")),
        (barcode(1, 12_300, None), ("BARCODE_DIFFERS", 1, "payable_until", "2026-07-10", "None")),
        ("92" + barcode(1)[2:], ("CODE_UNKNOWN", 1, "barcode.identifier", "91", "92")),
        (barcode(1)[:-1] + str(9 - int(barcode(1)[-1])), None),
    ],
)
def test_a_barcode_that_differs_from_its_bill_is_an_error(digits: str, expected: tuple[Any, ...] | None) -> None:
    issues = check(slip(1, barcode=digits), slip(2))
    if expected is None:
        expected = ("CHECK_DIGIT", 1, "barcode.check_digit", barcode(1)[-1], digits[-1])
    assert expected in found(issues)
    assert {issue.location.record for issue in issues} == {1}
    assert all(issue.is_error for issue in issues)


@settings(max_examples=examples(200), deadline=None)
@given(place=st.integers(0, 43), digit=st.sampled_from("0123456789"), amount=st.integers(1, 300_000))
def test_barcodes_that_are_not_parsed_are_those_of_their_bills(place: int, digit: str, amount: int) -> None:
    """The fast comparison of digits finds each barcode to which the record of the barcode objects."""
    digits = barcode(1, amount)
    digits = digits[:place] + digit + digits[place + 1 :]
    row = slip(1, amount=amount, barcode=digits)
    problems = gs1_128.check(digits)
    differs = not problems and (
        (code := gs1_128.parse(digits)).amount != amount or code.payable_until != row["payable_until"]
    )
    assert bool(check(row)) == bool(problems or differs)


def test_deadlines_on_a_bank_holiday_are_warnings_by_day() -> None:
    saturday = {"due_on": date(2026, 5, 30), "payable_until": date(2026, 7, 20)}
    rows = [slip(1), slip(2, **saturday), slip(3, **saturday), slip(4, **saturday, status="cancelled")]
    issues = check(*rows)
    assert found(issues) == [
        (
            "DEADLINE_HOLIDAY",
            2,
            "due_on",
            "a business day of banks, such as 2026-06-01",
            "2026-05-30 on 2 slips",
        ),
        # 海の日.
        (
            "DEADLINE_HOLIDAY",
            2,
            "payable_until",
            "a business day of banks, such as 2026-07-21",
            "2026-07-20 on 2 slips",
        ),
    ]
    assert not any(issue.is_error for issue in issues)
    # Banks are open on 29 December; public offices are not.
    assert check(slip(1, payable_until=date(2026, 12, 29))) == []


def test_in_a_year_without_known_holidays_only_weekends_are_checked() -> None:
    days = {"due_on": date(2040, 1, 2), "payable_until": date(2040, 1, 7)}
    assert [(issue.code, issue.field) for issue in check(slip(1, **days))] == [
        ("HOLIDAYS_UNKNOWN", "due_on"),
        ("DEADLINE_HOLIDAY", "payable_until"),
    ]


def test_deadlines_out_of_order_are_errors() -> None:
    row = slip(1, due_on=date(2026, 7, 13))
    assert found(check(row)) == [
        ("PAYABLE_BEFORE_DUE", 1, "payable_until", "2026-07-13 or later", "2026-07-10"),
    ]
    assert found(check(slip(1), issued_on=date(2026, 7, 11))) == [
        ("DEADLINE_PASSED", 1, "payable_until", "2026-07-11 or later", "2026-07-10"),
    ]
    row = slip(1, payable_until=None)
    assert [(issue.code, issue.field) for issue in check(row)] == [("FIELD_MISSING", "payable_until")]
    assert check(row, allow_missing_deadline=True) == []


def test_issues_beyond_the_limit_are_counted() -> None:
    rows = [slip(number, bill_id="B1") for number in range(1, 11)]
    issues = check(*rows, max_issues=3)
    assert Counter(issue.code for issue in issues) == {"SLIP_DUPLICATE": 3, "ISSUES_OMITTED": 1}
    assert issues[-1].found == "6 of SLIP_DUPLICATE"


def test_no_issue_has_a_name_or_an_address() -> None:
    rows = [slip(1, name="公金 花子", address="例示県例示市"), slip(1, name="公金 花子", address="例示県例示市")]
    issues = check(*rows)
    assert issues
    assert not any("公金" in str(issue) or "例示" in str(issue) for issue in issues)
