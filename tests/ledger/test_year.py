"""A small run of ``benchmarks/year.py``: every tie of a fiscal year of two authorities holds."""

import importlib
from datetime import datetime
from pathlib import Path

import pytest

from kokin.text import JAPAN

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CODES = ("99999", "99998")


@pytest.fixture
def year(monkeypatch):
    if not BENCHMARKS.exists():
        pytest.skip("no folder benchmarks/")
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("year")


@pytest.mark.parametrize(
    "database",
    [pytest.param("sqlite", marks=pytest.mark.thorough), pytest.param("postgresql", marks=pytest.mark.slow)],
)
def test_all_ties_of_a_year_hold(year, quick_folder, database, request):
    is_sqlite = database == "sqlite"
    ledgers = {} if is_sqlite else {code: request.getfixturevalue("new_postgres")() for code in CODES}
    plan = year.write_year(quick_folder / "year", 400, len(CODES), seed=2, event_factor=5, ledgers=ledgers)
    assert (plan.records, plan.codes) == (400, CODES)
    result = year.run_year(plan, year.Meter(is_isolated=False), reprint_every=4)
    events = ("refunds", "set-offs", "write-offs", "decisions", "monthly", "quarterly")
    assert all(result.events[name] for name in events), result.events
    assert result.events["monthly"] == result.events["quarterly"]
    for closings in result.closings.values():
        periods = [closing["period"] for closing in closings]
        assert {name: periods.count(name) for name in periods} == {
            "month": len(year.MONTHS),
            "year": 2,
            "enterprise_year": 1,
        }

    # The checks of the year find another yen.
    code = CODES[0]
    desk = year.Desk(plan.folder, code, datetime(2027, 6, 20, tzinfo=JAPAN))
    reductions = result.reductions[code]
    year.check_balances(desk, plan.suspense[code], reductions)
    with pytest.raises(year.YearError, match="suspense"):
        year.check_balances(desk, plan.suspense[code] + 1, reductions)
    bill, yen = reductions[0]
    with pytest.raises(year.YearError, match=bill):
        year.check_balances(desk, plan.suspense[code], [*reductions, (bill, -yen)])
