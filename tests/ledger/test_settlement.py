"""Settlement statements (決算表): sealed by the closing of a fiscal year; what comes late is in the next one."""

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report
from tests.ledger.conftest import make_bills, make_receipts
from tests.ledger.test_closings import TAX, WATER, closed, new_ledger
from tests.ledger.test_write_offs import row, write_off
from tests.support import examples

COLUMNS = ("charge", "year_class", "assessed", "collected", "refundable", "refunded", "written_off", "unpaid", "rate")
TAX_NAME = "fixed-asset-tax"


def debts_of(year, charge=TAX, **amounts):
    """Bills that are due on 1 June of a year."""
    columns = {"levy_year": year, "tax_year": year, "due_on": date(year, 6, 1)}
    return make_bills({**charge, **columns}, **amounts)


def payments(name, *rows):
    """Receipts of ``(bill, yen, day)``."""
    return make_receipts(name, *((bill, yen, 1, {"paid_on": day}) for bill, yen, day in rows))


def rows_of(settlement):
    rows = settlement.table.select(COLUMNS).to_pylist()
    return [tuple(str(value) if name == "rate" else value for name, value in row.items()) for row in rows]


def sides(settlement):
    return {name: (each.left, each.right, each.holds) for name, each in settlement.controls.items()}


def test_two_years_by_hand(place):
    with new_ledger(place, date(2026, 6, 1), closing_gaps=True) as ledger:
        ledger.add_bills(debts_of(2024, B1=3_000), actor="clerk")
        ledger.add_bills(debts_of(2025, B2=10_000, B3=4_000), actor="clerk")
        ledger.add_bills(debts_of(2026, B4=5_000), actor="clerk")
        rows = (
            ("B1", 500, date(2025, 3, 1)),  # of 2024
            ("B1", 300, date(2025, 8, 1)),
            ("B2", 10_500, date(2025, 7, 1)),  # 500 yen too much
            ("B3", 1_000, date(2026, 5, 20)),  # before the closing of accounts
        )
        ledger.post(payments("a.csv", *rows), actor="batch")
        with pytest.raises(InvalidInputError, match="SETTLEMENT_OPEN"):
            ledger.settlement(2025)
        closed(ledger, "month", date(2026, 5, 1))
        entry = closed(ledger, "year", date(2025, 4, 1))
        first = ledger.settlement(2025)
        assert rows_of(first) == [
            (TAX_NAME, "carried_over", 2_500, 300, 0, 0, 0, 2_200, "12.00"),
            (TAX_NAME, "current", 14_000, 11_500, 500, 0, 0, 3_000, "78.57"),
        ]
        assert sides(first) == {"S1": (5_200, 5_200, True), "S2": (11_800, 11_800, True)}
        assert (first.entry, [row["unpaid"] for row in first.totals.to_pylist()]) == (entry.id, [2_200, 3_000, 5_200])

        late = ("B3", 700, date(2026, 4, 10))
        rows = (late, ("B4", 5_000, date(2026, 6, 10)), ("B3", 200, date(2026, 8, 1)))
        ledger.post(payments("b.csv", *rows), actor="batch")
        ledger.clock.day = date(2027, 6, 1)
        closed(ledger, "month", date(2027, 5, 1))
        closed(ledger, "year", date(2026, 4, 1))
        second = ledger.settlement(2026)
        assert rows_of(second) == [
            (TAX_NAME, "carried_over", 5_200, 900, 0, 0, 0, 4_300, "17.30"),
            (TAX_NAME, "current", 5_000, 5_000, 0, 0, 0, 0, "100.00"),
        ]
        assert sides(second) == {"S1": (4_300, 4_300, True), "S2": (5_900, 5_900, True)}
        assert ledger.settlement(2025).as_dict() == first.as_dict()
        report = Report.from_ledger(ledger)
        table = report.tables["settlement_statement"]
        assert table.drop_columns(["fiscal_year", "period"]) == second.table
        assert {(row["fiscal_year"], row["period"]) for row in table.to_pylist()} == {(2026, "year")}
        page = report.page(language="en")
        assert f"Settlement statement of 2026 (Fiscal year, entry {second.entry})" in page
        assert all(f'<td class="n">{yen}</td>' in page for yen in ("10,200", "5,900", "57.84"))
        assert "S1 balanced, S2 balanced" in page
        earlier = Report.from_ledger(ledger, closing=entry.id)
        assert earlier.tables["settlement_statement"].drop_columns(["fiscal_year", "period"]) == first.table
        assert ledger.verify(rematch=True).is_clean


def test_enterprise_accounts_have_their_own_statement(place):
    with new_ledger(place, date(2026, 6, 1), closing_gaps=True) as ledger:
        ledger.add_bills(debts_of(2025, WATER, B1=3_000), actor="clerk")
        ledger.add_bills(debts_of(2025, B2=1_000), actor="clerk")
        ledger.post(payments("a.csv", ("B1", 800, date(2026, 3, 31)), ("B1", 50, date(2026, 4, 1))), actor="batch")
        closed(ledger, "month", date(2026, 5, 1))
        closed(ledger, "enterprise_year", date(2025, 4, 1))
        found = ledger.settlement(2025, period="enterprise_year")
        assert rows_of(found) == [("water-charge", "current", 3_000, 800, 0, 0, 0, 2_200, "26.66")]
        assert sides(found) == {"S1": (2_200, 2_200, True), "S2": (800, 800, True)}
        (row,) = Report.from_ledger(ledger).tables["settlement_statement"].to_pylist()
        assert (row["fiscal_year"], row["period"], row["unpaid"]) == (2025, "enterprise_year", 2_200)
        with pytest.raises(InvalidInputError, match="SETTLEMENT_OPEN"):
            ledger.settlement(2025)


def test_a_refund_of_the_year_is_no_revenue_and_a_write_off_is_no_arrears():
    bills, receipts = debts_of(2025, B1=1_000, B2=400), payments("a.csv", ("B1", 1_300, date(2025, 7, 1)))
    part = {"proposal_id": "P1", "digest": "digest of a.csv", "record_no": 1, "payee_code": "99999", "kind": "refund"}
    part |= {"amount": 200, "interest": 0, "article": "law"}
    written_off = pa.Table.from_pylist([{"bill_id": "B2", "amount": 150}])
    result = reconcile(bills, receipts)
    for state, refunded in (("paid", 200), ("ordered", 0)):
        refunds = pa.Table.from_pylist([{**part, "state": state}])
        accounts = build_accounts(result, write_offs=written_off, refunds=refunds, as_of=date(2026, 6, 1))
        (found,) = accounts.settlement_rows(2025).to_pylist()
        found = tuple(found[name] for name in ("assessed", "applied", "excess", "refunded", "written_off", "unpaid"))
        assert found == (1_400, 1_000, 300, refunded, 150, 250)


def test_a_statement_that_does_not_tie_is_broken(place):
    with new_ledger(place, date(2026, 6, 1), closing_gaps=True) as ledger:
        ledger.add_bills(debts_of(2025, B1=3_000), actor="clerk")
        ledger.post(payments("a.csv", ("B1", 800, date(2026, 3, 31))), actor="batch")
        closed(ledger, "month", date(2026, 5, 1))
        closed(ledger, "year", date(2025, 4, 1))
        found = ledger.settlement(2025)
        assert sides(replace(found, figures_yen=799))["S2"] == (800, 799, False)
        unpaid = pa.array([2_201], pa.int64())
        column = found.table.column_names.index("unpaid")
        other = replace(found, table=found.table.set_column(column, "unpaid", unpaid)).controls["S1"]
        assert (other.holds, other.broken) == (False, ("99999 fixed-asset-tax 127 current",))


_MONTHS = [date(year, month, 1) for year in (2025, 2026, 2027) for month in range(1, 13)][
    3:30
]  # April 2025 to June 2027
_PAYMENT = st.tuples(
    st.sampled_from(["B1", "B2", "B3", "B4"]), st.integers(1, 3_000), st.dates(date(2025, 4, 1), date(2027, 6, 30))
)


@settings(max_examples=examples(12), deadline=None)
@given(st.lists(st.lists(_PAYMENT, max_size=6), min_size=3, max_size=3))
def test_years_tie_to_their_months_and_late_files_change_no_sealed_statement(files):
    with (
        tempfile.TemporaryDirectory() as folder,
        new_ledger(Path(folder) / "city.db", date(2027, 7, 1), closing_gaps=True) as ledger,
    ):
        ledger.add_bills(debts_of(2024, B1=4_000), actor="clerk")
        ledger.add_bills(debts_of(2025, B2=2_500, B3=6_000), actor="clerk")
        ledger.add_bills(debts_of(2026, B4=5_000), actor="clerk")
        months, sealed = [], {}
        for name, file, until, year in zip("abc", files, (14, 26, 27), (2025, 2026, None), strict=True):
            ledger.post(payments(f"{name}.csv", *file), actor="batch")
            months += [closed(ledger, "month", month).id for month in _MONTHS[len(months) : until]]
            if year:
                closed(ledger, "year", date(year, 4, 1))
                sealed[year] = ledger.settlement(year).as_dict()
        ledger.post(payments("d.csv", ("B4", 100, date(2026, 4, 1))), actor="batch")
        figures = pa.concat_tables([ledger.closing_figures(month) for month in months]).to_pylist()
        for year, statement in sealed.items():
            found = ledger.settlement(year)
            assert found.as_dict() == statement
            assert all(control.holds for control in found.controls.values()), found.controls
            of_months = sum(row["revenue"] + row["overpaid"] for row in figures if row["booked_year"] == year)
            assert sum(row["collected"] + row["refunded"] for row in statement["rows"]) == of_months
        carried = Counter({row["year_class"]: row["assessed"] for row in sealed[2026]["rows"]})
        assert carried["carried_over"] == sum(row["unpaid"] for row in sealed[2025]["rows"])


def test_a_write_off_is_in_the_statement_of_the_year_of_its_decision(place):
    with new_ledger(place, date(2026, 6, 1), closing_gaps=True) as ledger:
        ledger.add_bills(debts_of(2025, B1=1_000, B2=400), actor="clerk")
        rows = [row("B1", 300, written_off_on=date(2026, 3, 31)), row("B2", 50, written_off_on=date(2026, 4, 1))]
        write_off(ledger, *rows)
        closed(ledger, "month", date(2026, 5, 1))
        closed(ledger, "year", date(2025, 4, 1))
        sealed = ledger.settlement(2025).as_dict()
        assert rows_of(ledger.settlement(2025)) == [(TAX_NAME, "current", 1_400, 0, 0, 0, 300, 1_100, "0.00")]
        ledger.clock.day = date(2027, 6, 1)
        write_off(ledger, row("B2", 7, written_off_on=date(2027, 3, 1)), source="b.csv")
        ledger.post(payments("late.csv", ("B1", 800, date(2026, 4, 1))), actor="batch")  # 100 yen were written off
        closed(ledger, "month", date(2027, 5, 1))
        closed(ledger, "year", date(2026, 4, 1))
        second = ledger.settlement(2026)
        assert rows_of(second) == [(TAX_NAME, "carried_over", 1_100, 800, 0, 0, -43, 343, "72.72")]
        assert all(control.holds for control in second.controls.values())
        assert ledger.settlement(2025).as_dict() == sealed
