"""Bank deposits and agent reports: added once, read as of a day, reversed and restored."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.model import arrow_schema
from kokin.reconcile import AgentReport, BankDeposit

ADDING = [("bank_deposits", "add_deposits"), ("agent_reports", "add_agent_reports")]


@pytest.fixture(scope="module")
def rows():
    """A function that returns deposits, or agent reports, of some yen."""

    def make(kind, *amounts):
        if kind == "bank_deposits":
            records = [{"credited_on": date(2026, 5, 20), "amount": yen, "reference": "照会 1"} for yen in amounts]
            return pa.Table.from_pylist(records, arrow_schema(BankDeposit))
        days = {"first_day": date(2026, 5, 1), "last_day": date(2026, 5, 31)}
        records = [{**days, "count": 1, "amount": yen, "agent_code": "010"} for yen in amounts]
        return pa.Table.from_pylist(records, arrow_schema(AgentReport))

    return make


@pytest.mark.parametrize(("kind", "add"), ADDING)
def test_they_are_stored_and_returned_unchanged(ledger, rows, kind, add, tmp_path):
    records = rows(kind, 29_302, 500)
    done = getattr(ledger, add)(records, actor="clerk", source="may")
    assert (done.inserted, done.entry.kind, done.entry.source) == (True, EntryKind(kind), "may")
    assert done.entry.totals == {"given": 2, "yen": 29_802}
    assert getattr(ledger, kind)().equals(records)
    assert ledger.status().rows[kind] == 2
    ledger.export(tmp_path)
    header, *lines = (tmp_path / f"{kind}.csv").read_text().splitlines()
    amount = header.split(",").index("amount")
    assert [line.split(",")[amount] for line in lines] == ["29302", "500"]
    assert ledger.verify(rematch=True).is_clean


@pytest.mark.parametrize(("kind", "add"), ADDING)
def test_the_same_source_is_skipped_and_another_is_added(ledger, rows, kind, add):
    adding = getattr(ledger, add)
    first = adding(rows(kind, 100), actor="clerk", source="monday")
    again = adding(rows(kind, 100), actor="clerk", source="monday")
    assert (again.inserted, again.entry.id) == (False, first.entry.id)
    assert adding(rows(kind, 100), actor="clerk", source="tuesday").inserted
    assert getattr(ledger, kind)().column("amount").to_pylist() == [100, 100]


@pytest.mark.parametrize(("kind", "add"), ADDING)
def test_they_are_reversed_and_read_as_of_a_day(place, rows, kind, add):
    days = iter([datetime(2026, 5, day, 3, tzinfo=UTC) for day in range(1, 9)])

    def amounts(day=None):
        return getattr(ledger, kind)(day and date(2026, 5, day)).column("amount").to_pylist()

    with Ledger.create(place, clock=lambda: next(days)) as ledger:
        entry = getattr(ledger, add)(rows(kind, 1), actor="clerk", source="may").entry.id
        reversal = ledger.reverse_entry(entry, reason="misread", actor="chief").entry.id
        getattr(ledger, add)(rows(kind, 100), actor="clerk", source="may")
        assert (amounts(2), amounts(3), amounts(4), amounts()) == ([1], [], [100], [100])
        ledger.reverse_entry(reversal, reason="it was right", actor="chief")
        assert (amounts(4), amounts()) == ([100], [1, 100])
        with pytest.raises(InvalidInputError, match="ENTRY_REVERSED"):
            ledger.reverse_entry(reversal, reason="again", actor="chief")


@pytest.mark.parametrize(("kind", "add"), ADDING)
def test_a_reposted_source_is_not_restored_as_well(ledger, rows, kind, add):
    entry = getattr(ledger, add)(rows(kind, 1), actor="clerk").entry.id
    reversal = ledger.reverse_entry(entry, reason="misread", actor="chief").entry.id
    assert getattr(ledger, add)(rows(kind, 1), actor="clerk").inserted
    with pytest.raises(InvalidInputError, match="FILE_STANDS"):
        ledger.reverse_entry(reversal, reason="it was right", actor="chief")


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (pa.table({"amount": [1]}), "FIELD_MISSING"),
        (pa.table({"amount": [1.5], "credited_on": [date(2026, 5, 1)]}), "FIELD_TYPE"),
        (pa.table({"amount": [1, None], "credited_on": [date(2026, 5, 1)] * 2}), "FIELD_MISSING"),
        (pa.table({"amount": [1], "credited_on": [date(2026, 5, 1)], "reference": ["a\x00"]}), "CHARACTER"),
    ],
)
def test_invalid_deposits_are_rejected(ledger, table, code):
    before = ledger.status()
    with pytest.raises(InvalidInputError, match=code):
        ledger.add_deposits(table, actor="clerk")
    assert ledger.status() == before
