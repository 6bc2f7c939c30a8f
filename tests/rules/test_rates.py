"""Rates of an authority's own file: years in any order of rows, without gaps and duplicates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import RATES, RateMissingError, Rates, RateTable, StatutoryRate, check_rates, late_charge, load_rates

NEXT = max(RATES.years) + 1
D = date.fromisoformat


def rates_file(folder: Path, *rows: str) -> Path:
    path = folder / "rates.toml"
    lines = [f"[[rates]]\nyears = {years}\nreduced = 2.5\nfull = 8.8\nrefund = 0.9\n" for years in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "code", "field"),
    [
        ([f"[{NEXT + 1}, {NEXT}]"], "RATE_YEARS", "years"),
        ([f"[0, {NEXT}]"], "RATE_YEARS", "years"),
        ([f"[{NEXT}, 10000]"], "RATE_YEARS", "years"),
        ([f"[{NEXT}, 999999999999]"], "RATE_YEARS", "years"),
        ([f"[{NEXT}]"], "FIELD_TYPE", "years"),
        ([f"[{NEXT}, true]"], "FIELD_TYPE", "years"),
        ([f"'{NEXT}'"], "FIELD_TYPE", "years"),
        ([f"[{NEXT}, {NEXT + 1}]", f"[{NEXT + 1}, {NEXT + 2}]"], "RATE_OVERLAP", "years"),
    ],
)
def test_invalid_years_raise(tmp_path: Path, rows: list[str], code: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        load_rates(rates_file(tmp_path, *rows))
    issue = error.value.issues[0]
    assert (issue.code, issue.field, issue.location.file, issue.location.record) == (
        code,
        field,
        "rates.toml",
        len(rows),
    )


@given(rows=st.permutations(range(4)))
def test_the_order_of_rows_has_no_meaning(tmp_path_factory: pytest.TempPathFactory, rows: list[int]) -> None:
    path = rates_file(tmp_path_factory.mktemp("rates"), *(f"[{NEXT + row}, {NEXT + row}]" for row in rows))
    table = load_rates(path)
    assert table.years == {**RATES.years, **dict.fromkeys(range(NEXT, NEXT + 4), Rates(250, 880, 90))}


def test_a_gap_after_the_known_years_raises(tmp_path: Path) -> None:
    with pytest.raises(RateMissingError, match=str(NEXT)):
        load_rates(rates_file(tmp_path, f"[{NEXT + 1}, {NEXT + 1}]"))


def written(folder: Path, text: str) -> Path:
    path = folder / "rates.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("year", range(2014, 2027))
def test_the_shipped_rates_follow_from_the_average(year: int) -> None:
    average = Decimal(RATES.years[year].full - 830) / 100
    assert Rates.from_average(year, average) == RATES.years[year]
    assert RATES.with_average(year, str(average)) == RATES


def test_the_average_of_2026_is_0_8_percent() -> None:
    """2.8, 9.1 and 1.3 % of 2026 (中央市) from a = 0.8."""
    assert Rates.from_average(2026, "0.8") == Rates(280, 910, 130, 130)


@pytest.mark.parametrize(
    ("average", "rates"),
    [("5.3", (730, 1_360, 580, 580)), ("6.3", (730, 1_460, 680, 680)), ("7", (730, 1_460, 730, 730))],
)
def test_no_rate_is_above_that_of_the_law(average: str, rates: tuple[int, ...]) -> None:
    """附則3の2: 延滞金 at most 7.3 and 14.6 %, 還付加算金 at most 7.3 %."""
    assert Rates.from_average(NEXT, average) == rates


@pytest.mark.parametrize(
    ("year", "average", "code"),
    [
        (NEXT, "-0.1", "RATE_INVALID"),
        (NEXT, "0.805", "RATE_INVALID"),
        (NEXT, 0.8, "RATE_INVALID"),
        (NEXT, True, "RATE_INVALID"),
        (2013, "0.8", "RATE_YEARS"),
    ],
)
def test_an_invalid_average_raises(year: int, average: object, code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        RATES.with_average(year, average)
    assert [issue.code for issue in error.value.issues] == [code]


def test_an_authority_adds_a_year_by_its_average(tmp_path: Path) -> None:
    rates = load_rates(written(tmp_path, f"[[rates]]\nyears = [{NEXT}, {NEXT}]\naverage = 1.0\n"))
    assert rates == RATES.with_average(NEXT, 1)
    assert rates.years[NEXT] == Rates(300, 930, 150, 150)
    assert rates.statutory == RATES.statutory
    # 31 days at 3.0 %, 28 at 9.3 %
    assert late_charge(365_000, D(f"{NEXT}-01-31"), D(f"{NEXT}-03-31"), rates=rates) == 3_700


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("years = [2013, 2014]\naverage = 1.0", "RATE_YEARS", "years"),
        ("years = [2027, 2027]\naverage = 1.005", "RATE_INVALID", "average"),
        ("years = [2027, 2027]\naverage = 1.0\nfull = 9.3", "FIELD_UNKNOWN", "full"),
        ("years = [2027, 2027]\nreduced = 3.0\nful = 9.3\nfull = 9.3\nrefund = 1.5", "FIELD_UNKNOWN", "ful"),
        ("years = [2027, 2027]\nreduced = 3.0\nfull = 9.3\nrefund = 1.5\nstay = 21", "RATE_INVALID", "stay"),
    ],
)
def test_an_invalid_row_raises(tmp_path: Path, text: str, code: str, field: str) -> None:
    path = written(tmp_path, f"[[rates]]\n{text}\n")
    with pytest.raises(InvalidInputError) as error:
        load_rates(path)
    assert [(issue.code, issue.field) for issue in error.value.issues] == [(code, field)]
    assert check_rates(path) == list(error.value.issues)


NEW_ROW = "[[rates]]\nyears = [2027, 2027]\nreduced = {}\nfull = {}\nrefund = {}\n"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (NEW_ROW.format(3.0, 9.3, 1.5), []),
        ("[[rates]]\nyears = [2027, 2027]\naverage = 1.0\n", []),
        (NEW_ROW.format(3.0, 3.9, 1.5), [("full", "9.30 (average 1.00)", "3.90")]),
        (NEW_ROW.format(2.0, 9.3, 1.5), [("reduced", "3.00 (average 1.00)", "2.00")]),
        (NEW_ROW.format(3.0, 9.3, 2.0), [("refund", "1.50 (average 1.00)", "2.00")]),  # a + 1.0 as to 2020
        (NEW_ROW.format(3.0, 9.3, 1.5) + "stay = 1.0\n", [("stay", "1.50 (average 1.00)", "1.00")]),
        (
            NEW_ROW.format("0.0", "0.0", "0.0"),
            [
                ("reduced", "2.00 (average 0.00)", "0.00"),
                ("full", "8.30 (average 0.00)", "0.00"),
                ("refund", "0.50 (average 0.00)", "0.00"),
            ],
        ),
    ],
)
def test_a_row_with_a_typing_error_is_not_plausible(
    tmp_path: Path, row: str, found: list[tuple[str, str, str]]
) -> None:
    path = written(tmp_path, f"[[rates]]\nyears = [2026, 2026]\naverage = 0.8\n\n{row}")
    issues = check_rates(path)
    assert [(issue.field, issue.expected, issue.found) for issue in issues] == found
    assert {(issue.code, issue.severity, issue.location.record) for issue in issues} <= {
        ("RATE_IMPLAUSIBLE", "warning", 2)
    }


def test_a_check_reports_a_gap_and_an_unreadable_file(tmp_path: Path) -> None:
    gap = check_rates(rates_file(tmp_path, f"[{NEXT + 1}, {NEXT + 1}]"))
    assert [(issue.code, issue.found) for issue in gap] == [("RATE_MISSING", str(NEXT))]
    assert [issue.code for issue in check_rates(written(tmp_path, "[[rates]"))] == ["TOML_INVALID"]
    with pytest.raises(FileNotFoundError):
        check_rates(tmp_path / "missing.toml")


STATUTORY_ROW = "[[statutory]]\nfirst_day = {}\nlast_day = {}\nrate = {}\n"


def test_an_authority_adds_a_statutory_rate(tmp_path: Path) -> None:
    table = load_rates(written(tmp_path, STATUTORY_ROW.format("2029-04-01", "2032-03-31", 4.0)))
    assert table.statutory_rate(D("2029-03-31")) == 3
    assert table.statutory_rate(D("2029-04-01")) == table.statutory_rate(D("2032-03-31")) == 4
    assert table.years == RATES.years


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (STATUTORY_ROW.format("2029-04-02", "2032-03-31", 4.0), "RATE_OVERLAP"),  # a gap
        (STATUTORY_ROW.format("2029-03-31", "2032-03-31", 4.0), "RATE_OVERLAP"),
        (STATUTORY_ROW.format("2032-03-31", "2029-04-01", 4.0), "FIELD_TYPE"),
        (STATUTORY_ROW.format("2029-04-01T00:00:00", "2032-03-31", 4.0), "FIELD_TYPE"),
        (STATUTORY_ROW.format("2029-04-01", "2032-03-31", 40.0), "RATE_INVALID"),
        (STATUTORY_ROW.format("2029-04-01", "2032-03-31", 4.0) + "from = 1\n", "FIELD_UNKNOWN"),
        ("statutory = 3\n", "TOML_INVALID"),
    ],
)
def test_an_invalid_statutory_rate_raises(tmp_path: Path, row: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        load_rates(written(tmp_path, row))
    assert [issue.code for issue in error.value.issues] == [code]


def test_a_table_without_statutory_rates_has_none() -> None:
    table = RateTable(RATES.years)
    with pytest.raises(RateMissingError):
        table.statutory_rate(D("2026-01-01"))
    assert RateTable({}, (StatutoryRate(D("2020-04-01"), D("2023-03-31"), 300),)).statutory_rate(D("2020-04-01")) == 3
