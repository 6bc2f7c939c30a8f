"""A small run of ``benchmarks/year.py``: every tie of a fiscal year of three authorities holds."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.thorough


@pytest.fixture
def year(monkeypatch):
    if not BENCHMARKS.exists():
        pytest.skip("no folder benchmarks/")
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("year")


def test_all_ties_of_a_year_hold(year, tmp_path):
    plan = year.write_year(tmp_path / "year", 420, event_factor=5)
    result = year.run_year(plan, year.Meter(is_isolated=False))
    assert (plan.records, len(plan.codes)) == (420, 3)
    assert all(result.events[name] for name in ("receipts", "refunds", "decisions", "monthly", "quarterly"))
    for closings in result.closings.values():
        assert [closing["period"] for closing in closings].count("month") == len(year.MONTHS)
        assert {closing["period"] for closing in closings} == {"month", "year", "enterprise_year"}


def test_a_broken_tie_is_found(year, tmp_path):
    """Yen that the generator did not invent are found at the end."""
