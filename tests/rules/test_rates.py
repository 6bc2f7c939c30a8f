"""Rates of an authority's own file: years in any order of rows, without gaps and duplicates."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import RATES, RateMissingError, Rates, load_rates

NEXT = max(RATES.years) + 1


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
