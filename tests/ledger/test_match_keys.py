"""The match keys decide what is a duplicate payment: nothing is posted while they are incomplete."""

from datetime import date

import pyarrow as pa
import pytest
from sqlalchemy.exc import DBAPIError

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError, _ledger
from kokin.ledger._schema import KEY_KINDS, TABLES
from kokin.reports import Report
from tests.support import row_issues

KEYS = TABLES["match_keys"]


@pytest.fixture
def paid(ledger, bills, receipts):
    """A ledger with paid bills."""
    ledger.add_bills(bills(B1=10_000, B2=5_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_000, 1), ("B2", 5_000, 1)), actor="batch")
    return ledger


@pytest.mark.parametrize("kind", KEY_KINDS)
@pytest.mark.parametrize("missing", [True, False])
def test_nothing_is_written_while_match_keys_are_incomplete(paid, raw, unguarded, bills, receipts, kind, missing):
    unguarded()
    number = KEY_KINDS[kind]
    with raw.begin() as connection:
        change = KEYS.delete().where(KEYS.c.kind == number) if missing else KEYS.insert().values((number, 5, 1))
        connection.execute(change)
    before = paid.status().hash
    for write in (
        lambda: paid.post(receipts("tue.csv", ("B1", 10_000, 2)), actor="batch"),
        lambda: paid.add_bills(bills(B3=1), actor="clerk"),
        lambda: paid.reverse_entry(3, reason="wrong file", actor="chief"),
        lambda: paid.reverse_posting(1, reason="dishonoured", actor="chief"),
    ):
        with pytest.raises(LedgerError) as rejected:
            write()
        assert [issue.code for issue in rejected.value.issues] == ["LEDGER_KEYS"]
    assert paid.status().hash == before
    assert [issue.code for issue in row_issues(paid.verify())] == ["LEDGER_KEYS"]


def test_the_batch_cannot_remove_or_change_match_keys(paid, raw):
    for change in (KEYS.delete(), KEYS.update().values(row_id=2), KEYS.insert().values((1, 5, 1))):
        with pytest.raises(DBAPIError, match="never changed"), raw.begin() as connection:
            connection.execute(change)


def test_control_t7_names_the_bills_whose_postings_differ(paid, raw, unguarded, receipts, monkeypatch):
    unguarded()
    with raw.begin() as connection:
        connection.execute(KEYS.delete().where(KEYS.c.kind == KEY_KINDS["receipts"]))
    # As if the check were missing.
    monkeypatch.setattr(_ledger, "require_complete", lambda *_: None)
    done = paid.post(receipts("tue.csv", ("B1", 10_000, 2), ("B2", 5_000, 2)), actor="batch")
    assert set(done.outcomes) == {"MATCHED"}
    control = paid.status().controls["T7"]
    assert (control.left, control.right, control.holds) == (30_000, 15_000, False)
    assert control.broken == ("B1", "B2")
    assert "T7" not in paid.status(recompute=False).controls
    recomputed = Report.from_ledger(paid).summary["controls"]["T7"]
    assert recomputed == control.as_dict()


@pytest.mark.parametrize("amount", [-1, 100_000_000_000, 10**18, 2**63 - 1])
def test_amounts_out_of_range_are_rejected_before_anything_is_written(paid, receipts, bills, amount):
    before = paid.status()
    sums = {"amount": [amount if amount > 0 else -(10**11)], "credited_on": ["2026-05-01"]}
    days = {"first_day": ["2026-05-01"], "last_day": ["2026-05-01"], "count": [1], "amount": [amount]}
    for write in (
        lambda: paid.post(receipts("tue.csv", ("B1", amount, 2)), actor="batch"),
        lambda: paid.add_bills(bills(B3=amount), actor="clerk"),
        lambda: paid.add_deposits(pa.table(sums), actor="clerk"),
        lambda: paid.add_agent_reports(pa.table(days), actor="clerk"),
    ):
        with pytest.raises(InvalidInputError) as rejected:
            write()
        assert [(issue.code, issue.field) for issue in rejected.value.issues] == [("AMOUNT_RANGE", "amount")]
    assert paid.status() == before


def test_status_as_of_a_past_time(paid, receipts, bills):
    before = paid.status()
    moment = paid.entries()[-1].at
    paid.add_bills(bills(B1=9_000), actor="clerk")
    paid.post(receipts("tue.csv", ("B1", 10_000, 2)), actor="batch")
    paid.reverse_entry(3, reason="wrong file", actor="chief")
    assert paid.status() != before
    assert paid.status(moment) == before
    empty = paid.status(date(2000, 1, 1))
    assert (empty.entries, empty.hash, empty.outcomes, sum(empty.dispositions.values())) == (0, "", {}, 0)


def test_open_does_not_create_and_create_does_not_open(new_place, place):
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(place)
    Ledger.create(place, actor="chief").close()
    with Ledger.open(place) as ledger:
        assert [entry.actor for entry in ledger.entries()] == ["chief"]
        before = ledger.status()
    with pytest.raises(LedgerError, match="already"):
        Ledger.create(place)
    with Ledger.open(place) as ledger:
        assert ledger.status() == before
