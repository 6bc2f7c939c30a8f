"""Closings (締め): the order of periods, 過日分, reports that are printed again, and the conservation of yen."""

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.aggregate import sum_by
from kokin.catalog import CATALOG
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger
from kokin.reconcile import FIGURE_KEYS, FIGURE_SUMS, Policy, build_accounts, reconcile
from kokin.reports import Report
from tests.support import examples

TAX, WATER = {"charge": "fixed-asset-tax"}, {"charge": "water-charge"}


class Clock:
    """The clock of a ledger: noon in Japan of a day that the test sets."""

    def __init__(self, day):
        self.day = day

    def __call__(self):
        return datetime(self.day.year, self.day.month, self.day.day, 3, tzinfo=UTC)


@contextmanager
def new_ledger(place, day=date(2026, 6, 10), **policy):
    """Create a ledger on a day; its clock is its attribute ``clock``."""
    clock = Clock(day)
    with Ledger.create(place, policy=Policy(**policy), clock=clock) as ledger:
        ledger.clock = clock
        yield ledger


def day(number, month=5):
    return date(2026, month, number)


def codes(error):
    return [(issue.code, issue.expected, issue.found) for issue in error.value.issues]


def closed(ledger, period, of, **options):
    return ledger.close_period(period, of, actor="chief", **options).entry


def daily(ledger, **options):
    """Day, fiscal year and yen received of ⑤."""
    rows = Report.from_ledger(ledger, **options).tables["daily"].to_pylist()
    return [(row["received_on"], row["fiscal_year"], row["received"]) for row in rows]


def late(ledger):
    rows = Report.from_ledger(ledger).tables["late"].to_pylist()
    return [
        tuple(row[name] for name in ("closed_by", "booked_by", "booked_on", "received_on", "received")) for row in rows
    ]


def files_of(report):
    """The bytes of the files of a report."""
    with tempfile.TemporaryDirectory() as folder:
        report.write(folder, formats=["csv", "html"])
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def open_totals(ledger):
    """The totals of the whole ledger by day of receipt, without regard to closings."""
    result = reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions(), check_paid_before=False)
    return build_accounts(result, as_of=date(2026, 12, 31)).totals


def sums(table, keys):
    rows = sum_by(table, keys, FIGURE_SUMS).to_pylist()
    return [row for row in rows if any(row[name] for name in FIGURE_SUMS)]


# What comes for a closed day


def test_a_closed_day_does_not_change_and_what_comes_later_is_listed_with_its_closing(place, bills, receipts):
    with new_ledger(place) as ledger:
        ledger.add_bills(bills(B1=10_000, B2=5_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch")
        first = closed(ledger, "day", day(1))
        printed = files_of(Report.from_ledger(ledger))
        ledger.post(receipts("b.csv", ("B1", 6_000, 1), ("B2", 1_000, 2)), actor="batch")
        assert daily(ledger) == [(day(1), 2026, 4_000), (day(2), 2026, 7_000)]
        assert late(ledger) == [(first.id, None, day(2), day(1), 6_000)]

        second = closed(ledger, "day", day(2))
        assert (second.totals["received"], second.totals["late_received"]) == (7_000, 6_000)
        assert late(ledger) == [(first.id, second.id, day(2), day(1), 6_000)]
        assert files_of(Report.from_ledger(ledger, closing=first.id)) == printed
        rows = ledger.closing_figures(second.id).to_pylist()
        assert [(row["received_on"], row["is_late"], row["received"]) for row in rows] == [
            (day(1), True, 6_000),
            (day(2), False, 1_000),
        ]
        assert ledger.verify(rematch=True).is_clean


def test_a_reversed_file_takes_its_yen_out_of_an_open_day(place, bills, receipts):
    with new_ledger(place) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        posted = ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch").entry
        closed(ledger, "day", day(1))
        ledger.reverse_entry(posted.id, reason="another authority", actor="clerk")
        assert daily(ledger) == [(day(1), 2026, 4_000), (day(2), 2026, -4_000)]


def test_late_figures_can_be_booked_on_the_day_of_processing(place, bills, receipts):
    with new_ledger(place, day(31), late_figures="processed_on", closing_gaps=True) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch")
        closed(ledger, "day", day(1))
        ledger.post(receipts("b.csv", ("B1", 3_000, 1)), actor="batch")
        assert daily(ledger) == [(day(1), 2026, 4_000), (day(31), 2026, 3_000)]
        closed(ledger, "day", day(20))
        assert daily(ledger) == [(day(1), 2026, 4_000), (day(20), 2026, 3_000)]


# The order of periods


def test_each_day_is_closed_once_in_its_order(place, bills, receipts):
    with new_ledger(place, day(6)) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch")
        first = closed(ledger, "day", day(3))
        assert first.totals["first_day"] == "2026-05-01"  # the first closing closes every day before it
        for of, code in (
            (day(7), ("CLOSING_FUTURE", "2026-05-06 or earlier", "2026-05-07")),
            (day(3), ("CLOSING_CLOSED", "", f"2026-05-03 (entry {first.id})")),
            (day(2), ("CLOSING_CLOSED", "", f"2026-05-02 (entry {first.id})")),
            (day(5), ("CLOSING_GAP", "2026-05-04", "2026-05-05")),
        ):
            with pytest.raises(InvalidInputError) as error:
                closed(ledger, "day", of)
            assert codes(error) == [code]
        ledger.set_policy(Policy(closing_gaps=True), actor="chief")
        assert closed(ledger, "day", day(5)).totals["first_day"] == "2026-05-04"


def test_a_month_closes_its_days_or_needs_all_of_them(place, bills, receipts):
    with new_ledger(place, day(10, 8)) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 1_000, 1), ("B1", 2_000, 30)), actor="batch")
        closed(ledger, "day", day(29))
        with pytest.raises(InvalidInputError) as error:
            closed(ledger, "month", day(15))
        assert codes(error) == [("CLOSING_GAP", "2026-05-30", "2026-05-31")]
        for number in (30, 31):
            closed(ledger, "day", day(number))
        ledger.post(receipts("late.csv", ("B1", 500, 30)), actor="batch")  # for June: 31 May is closed
        may = closed(ledger, "month", day(31))
        assert (may.totals["received"], may.totals["late_received"]) == (3_000, 0)
        june = closed(ledger, "month", day(1, 6))  # no day of June is closed
        assert (june.totals["received"], june.totals["late_received"]) == (500, 500)
        with pytest.raises(InvalidInputError) as error:
            closed(ledger, "day", day(30, 6))
        assert codes(error) == [("CLOSING_CLOSED", "", f"2026-06-30 (entry {june.id})")]
        assert [row["period"] for row in ledger.closings().to_pylist()] == ["day"] * 3 + ["month"] * 2


def test_a_fiscal_year_ends_with_the_closing_of_accounts(place, bills, receipts):
    with new_ledger(place, day(30, 6)) as ledger:
        tax, water = {"due_on": date(2026, 3, 2), **TAX}, {"due_on": date(2026, 3, 2), **WATER}
        ledger.add_bills(bills(tax, B1=10_000), actor="clerk")
        ledger.add_bills(bills(water, B2=10_000), actor="clerk")
        march = {"paid_on": date(2026, 3, 20)}
        ledger.post(receipts("a.csv", ("B1", 1_000, 20), ("B2", 70, 1), ("B2", 7, 1, march)), actor="batch")
        closed(ledger, "month", day(1, 4))
        closed(ledger, "enterprise_year", date(2026, 3, 1))
        with pytest.raises(InvalidInputError) as error:
            closed(ledger, "year", date(2025, 4, 1))
        assert codes(error) == [("CLOSING_GAP", "2026-05-01", "2026-05-31")]
        closed(ledger, "month", day(1))
        ledger.post(receipts("b.csv", ("B1", 200, 21), ("B2", 3, 21, march)), actor="batch")  # late, and in time
        year = closed(ledger, "year", date(2025, 4, 1))
        assert (year.totals["received"], year.totals["late_received"]) == (1_200, 200)
        ledger.post(receipts("c.csv", ("B1", 40, 22)), actor="batch")  # after the closing of accounts
        found = daily(ledger)
        assert [row for row in found if row[0] == day(1, 6)] == [
            (day(1, 6), 2025, 200),
            (day(1, 6), 2026, 40),
            (day(1, 6), 2026, 3),
        ]
        assert sum(row[2] for row in found) == 1_320
        with pytest.raises(InvalidInputError) as error:
            closed(ledger, "year", date(2025, 4, 1))
        assert codes(error) == [("CLOSING_CLOSED", "", f"2026-05-31 (entry {year.id})")]


# Reversals and four eyes


def test_only_the_last_closing_is_reversed_and_its_period_is_closed_again(place, bills, receipts):
    with new_ledger(place) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch")
        first, second = (closed(ledger, "day", day(number)) for number in (1, 2))
        printed = files_of(Report.from_ledger(ledger))
        with pytest.raises(InvalidInputError, match="CLOSING_FOLLOWED"):
            ledger.reverse_entry(first.id, reason="too early", actor="clerk")
        reversal = ledger.reverse_entry(second.id, reason="too early", actor="clerk").entry
        with pytest.raises(InvalidInputError, match="CLOSING_FINAL"):
            ledger.reverse_entry(reversal.id, reason="not too early", actor="clerk")
        assert files_of(Report.from_ledger(ledger, closing=second.id)) == printed
        assert [row["entry"] for row in ledger.closings().to_pylist()] == [first.id]
        assert closed(ledger, "day", day(2)).totals["received"] == 0
        ledger.reverse_entry(closed(ledger, "day", day(3)).id, reason="too early", actor="clerk")


def test_with_four_eyes_another_person_approves_a_closing_and_reverses_it(place, bills):
    with new_ledger(place, four_eyes=True) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        for approver, code in (("", "FIELD_MISSING"), ("chief", "APPROVER_SAME")):
            with pytest.raises(InvalidInputError, match=code):
                closed(ledger, "day", day(1), approver=approver)
        entry = closed(ledger, "day", day(1), approver="treasurer")
        with pytest.raises(InvalidInputError, match="APPROVER_SAME"):
            ledger.reverse_entry(entry.id, reason="too early", actor="chief")
        ledger.reverse_entry(entry.id, reason="too early", actor="treasurer")


# Reprints


def test_a_reprint_needs_a_closing_and_its_catalog(place, bills, receipts):
    with new_ledger(place) as ledger:
        ledger.add_bills(bills(TAX, B1=10_000), actor="clerk")
        ledger.post(receipts("a.csv", ("B1", 4_000, 1)), actor="batch")
        entry = closed(ledger, "day", day(1)).id
        for unknown in (entry - 1, entry + 1):
            with pytest.raises(InvalidInputError, match="CLOSING_UNKNOWN"):
                Report.from_ledger(ledger, closing=unknown)
            with pytest.raises(InvalidInputError, match="CLOSING_UNKNOWN"):
                ledger.closing_figures(unknown)
        moved = CATALOG.charges["fixed-asset-tax"].model_copy(update={"account": "water"})
        other = replace(CATALOG, charges={**CATALOG.charges, "fixed-asset-tax": moved})
        with pytest.raises(InvalidInputError, match="CLOSING_DIFFERS"):
            Report.from_ledger(ledger, closing=entry, catalog=other)


_DAYS = st.integers(1, 6)
_POST = st.tuples(st.just("post"), st.integers(1, 3), st.integers(1, 9_000), _DAYS)
_STEPS = st.lists(
    st.one_of(_POST, st.tuples(st.just("reverse"), st.integers(0, 9)), st.tuples(st.just("close"), st.integers(1, 2))),
    min_size=4,
    max_size=14,
)


@settings(max_examples=examples(12), deadline=None)
@given(_STEPS, st.sampled_from(["received_on", "processed_on"]))
def test_whatever_is_posted_a_closed_report_stays_and_no_yen_is_lost(bills, receipts, steps, late_figures):
    with (
        tempfile.TemporaryDirectory() as folder,
        new_ledger(Path(folder) / "city.db", late_figures=late_figures, closing_gaps=True) as ledger,
    ):
        ledger.add_bills(bills(TAX, B1=5_000, B2=7_000), actor="clerk")
        names, until, printed, files = count(1), 0, {}, []
        for kind, *values in [*steps, ("close", 1)]:
            if kind == "post":
                bill, yen, of = values
                file = receipts(f"{next(names)}.csv", (f"B{bill}", yen, of))
                files.append(ledger.post(file, actor="batch").entry.id)
            elif kind == "reverse" and files:
                ledger.reverse_entry(files.pop(values[0] % len(files)), reason="error", actor="clerk")
            elif kind == "close":
                until += values[0]
                entry = closed(ledger, "day", day(until)).id
                printed[entry] = files_of(Report.from_ledger(ledger))
        assert all(files_of(Report.from_ledger(ledger, closing=entry)) == pages for entry, pages in printed.items())

        report, totals = Report.from_ledger(ledger), open_totals(ledger)
        figures = pa.concat_tables(
            [ledger.closing_figures(entry).select([*totals.column_names]) for entry in printed]
            + [totals.filter(pc.greater(totals.column("received_on"), pa.scalar(day(until)))).cast(totals.schema)]
        )
        # Every closing and what is open add up to the open books, by day of receipt and account.
        keys = ("received_on", *FIGURE_KEYS)
        assert sums(figures, keys) == sums(totals, keys)
        # ⑤ has the same yen, and each closed day has those of its closing.
        keys = [name for name in FIGURE_KEYS if name != "system"]
        assert sums(report.tables["daily"], keys) == sums(totals, keys)
        rows = report.tables["daily"]
        for row in ledger.closings().to_pylist():
            days = rows.column("received_on")
            first, last = pa.scalar(row["first_day"]), pa.scalar(row["last_day"])
            of_period = rows.filter(pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last)))
            assert {name: pc.sum(of_period.column(name)).as_py() or 0 for name in FIGURE_SUMS} == {
                name: row[name] for name in FIGURE_SUMS
            }
