"""Openings and closings of one ledger: what is opened is sealed with its day, or is 過日分; no yen is lost."""

from datetime import date

import pyarrow as pa
import pytest

from kokin.ledger import OpeningBills, OpeningTotal, OpeningTotals
from kokin.reconcile import FIGURE_KEYS
from kokin.reports import Report
from tests.ledger.test_closings import closed, daily, day, files_of, late, new_ledger, open_totals, sums
from tests.ledger.test_openings import PAID_ON, TOTALS, assert_sound, items, open_balances, slips

#: Yen of the opening that were received: an overpayment of 2,000 and suspense of 1,000; a provisional is no money.
OPENED = 3_000


def figures(entry):
    return {name: entry.totals[name] for name in ("received", "revenue", "overpaid", "suspense", "late_received")}


def assert_ties(ledger, until):
    """The figures of all closings and the open days add up to the totals of the ledger, and to ⑤."""
    totals = open_totals(ledger)
    entries = [row["entry"] for row in ledger.closings().to_pylist() if row["period"] != "year"]
    open_rows = [row for row in totals.to_pylist() if row["received_on"] > until]
    tables = [ledger.closing_figures(entry).select(totals.column_names).cast(totals.schema) for entry in entries]
    late_rows = [row for row in Report.from_ledger(ledger).tables["late"].to_pylist() if row["booked_by"] is None]
    names = totals.column_names
    tables.append(pa.Table.from_pylist([{name: row[name] for name in names} for row in open_rows], totals.schema))
    tables.append(pa.Table.from_pylist([{name: row[name] for name in names} for row in late_rows], totals.schema))
    keys = ("received_on", *FIGURE_KEYS)
    assert sums(pa.concat_tables(tables), keys) == sums(totals, keys)
    keys = [name for name in FIGURE_KEYS if name not in ("system", "fiscal_year")]  # ⑤ has the year of the booking
    assert sums(Report.from_ledger(ledger).tables["daily"], keys) == sums(totals, keys)
    assert_sound(ledger)


def test_an_opening_is_sealed_with_the_period_in_which_it_was_received(place, receipts):
    with new_ledger(place) as ledger:
        open_balances(ledger)
        ledger.post(receipts("may.csv", ("B2", 5_000, 1)), actor="batch")
        may = closed(ledger, "month", day(1))
        sealed = {"received": 5_000 + OPENED, "revenue": 5_000, "overpaid": 2_000, "suspense": 1_000}
        assert figures(may) == {**sealed, "late_received": 0}
        assert may.totals["first_day"] == PAID_ON.isoformat()
        received = [(PAID_ON, 300), (PAID_ON, 700), (PAID_ON, 2_000), (day(1), 5_000)]
        assert sorted((row[0], row[2]) for row in daily(ledger)) == received
        printed = files_of(Report.from_ledger(ledger))
        ledger.post(receipts("june.csv", ("B3", 5_000, 1, {"paid_on": day(1, 6)})), actor="batch")
        assert files_of(Report.from_ledger(ledger, closing=may.id)) == printed
        assert late(ledger) == []
        assert_ties(ledger, day(31))


@pytest.mark.parametrize("late_figures", ["received_on", "processed_on"])
def test_an_opening_after_a_closing_is_late(place, bills, receipts, late_figures):
    with new_ledger(place, day(10), late_figures=late_figures, closing_gaps=True) as ledger:
        ledger.add_bills(bills({"charge": "fixed-asset-tax"}, B7=4_000), actor="clerk")
        ledger.post(receipts("may.csv", ("B7", 4_000, 1)), actor="batch")
        first = closed(ledger, "day", day(1))
        printed = files_of(Report.from_ledger(ledger))
        open_balances(ledger)
        assert files_of(Report.from_ledger(ledger, closing=first.id)) == printed
        booked_on = day(2) if late_figures == "received_on" else day(10)
        assert sorted(late(ledger)) == [(first.id, None, booked_on, PAID_ON, yen) for yen in (300, 700, 2_000)]
        assert_ties(ledger, day(1))
        second = closed(ledger, "day", day(10))
        assert figures(second) == {
            "received": OPENED,
            "revenue": 0,
            "overpaid": 2_000,
            "suspense": 1_000,
            "late_received": OPENED,
        }
        assert {(row[0], row[1], row[3]) for row in late(ledger)} == {(first.id, second.id, PAID_ON)}
        assert_ties(ledger, day(10))


def test_an_opening_is_reversed_and_restored_after_its_closing(place, receipts):
    with new_ledger(place) as ledger:
        opening = open_balances(ledger).entry
        first = closed(ledger, "day", day(1))
        printed = files_of(Report.from_ledger(ledger))
        reversal = ledger.reverse_entry(opening.id, reason="of the wrong day", actor="chief").entry
        assert sorted(late(ledger)) == [(first.id, None, day(2), PAID_ON, yen) for yen in (-2_000, -700, -300)]
        assert sum(row[2] for row in daily(ledger)) == 0
        assert_ties(ledger, day(1))
        second = closed(ledger, "day", day(2))
        assert figures(second)["received"] == figures(second)["late_received"] == -OPENED
        ledger.reverse_entry(reversal.id, reason="the day was right", actor="chief")
        assert sum(row[2] for row in daily(ledger)) == OPENED
        assert_ties(ledger, day(2))
        third = closed(ledger, "day", day(3))
        assert figures(third)["received"] == OPENED
        assert files_of(Report.from_ledger(ledger, closing=first.id)) == printed
        assert_ties(ledger, day(3))


def test_another_opening_replaces_a_reversed_one_after_its_closing(place):
    """The overpayment of the old system was 500 yen more."""
    with new_ledger(place) as ledger:
        opening = open_balances(ledger).entry
        closed(ledger, "month", day(1))
        ledger.reverse_entry(opening.id, reason="another total", actor="chief")
        totals = OpeningTotals(**{**TOTALS.model_dump(), "overpayments": {"count": 1, "yen": 2_500}})
        open_balances(ledger, totals, overpayments=items((2_500, {"bill_id": "B1", "provider_key": "K-17"})))
        assert sum(row[4] for row in late(ledger)) == 500
        assert ledger.status().dispositions["excess"] == 2_500
        assert_ties(ledger, day(31))


def test_an_opening_of_a_closed_fiscal_year_is_booked_in_the_next_one(place, bills, receipts):
    with new_ledger(place, date(2026, 6, 10)) as ledger:
        march = {"paid_on": date(2026, 3, 20)}
        tax = {"charge": "fixed-asset-tax", "due_on": date(2026, 3, 2)}
        ledger.add_bills(bills(tax, B7=4_000), actor="clerk")
        ledger.post(receipts("march.csv", ("B7", 4_000, 1, march)), actor="batch")
        closed(ledger, "month", day(31))
        year = closed(ledger, "year", date(2025, 4, 1))
        totals = OpeningTotals(
            bills=OpeningBills(count=1, billed=9_000, paid=9_000, open=0), overpayments=OpeningTotal(count=1, yen=600)
        )
        ledger.open_balances(
            bills=slips((1, 9_000, 9_000)), overpayments=items((600, {"bill_id": "B1"})), totals=totals, actor="clerk"
        )
        assert figures(year)["received"] == 4_000
        assert daily(ledger) == [(date(2026, 3, 20), 2025, 4_000), (day(1, 6), 2026, 600)]
        june = closed(ledger, "day", day(1, 6))
        assert figures(june)["late_received"] == 600
        assert_ties(ledger, day(1, 6))
