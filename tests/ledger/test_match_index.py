"""The match index decides what is a duplicate payment: nothing is posted while it is incomplete."""

import struct
from datetime import date

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError, _ledger
from kokin.ledger._schema import INDEX_KINDS, TABLES
from kokin.reports import Report

LINKS = TABLES["links"]


def surplus(kind):
    return LINKS.insert().values(kind=kind, id=999, run=999, low=5, high=5, pairs=struct.pack("<qq", 5, 1))


@pytest.fixture
def paid(ledger, bills, receipts):
    """A ledger with paid bills."""
    ledger.add_bills(bills(B1=10_000, B2=5_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_000, 1), ("B2", 5_000, 1)), actor="batch")
    return ledger


@pytest.mark.parametrize("kind", INDEX_KINDS)
@pytest.mark.parametrize("missing", [True, False])
def test_nothing_is_written_while_the_index_is_incomplete(paid, raw, bills, receipts, kind, missing):
    with raw.begin() as connection:
        connection.execute(LINKS.delete().where(LINKS.c.kind == kind) if missing else surplus(kind))
    before = paid.status()["hash"]
    for write in (
        lambda: paid.post(receipts("tue.csv", ("B1", 10_000, 2)), actor="batch"),
        lambda: paid.add_bills(bills(B3=1), actor="clerk"),
        lambda: paid.reverse_entry(3, reason="wrong file", actor="chief"),
        lambda: paid.reverse_posting(1, reason="dishonoured", actor="chief"),
        lambda: paid.history("B1"),
        paid.outcomes,
    ):
        with pytest.raises(LedgerError) as rejected:
            write()
        assert [issue.code for issue in rejected.value.issues] == ["LEDGER_LINKS"]
    assert paid.status()["hash"] == before
    assert [issue.code for issue in paid.verify().issues] == ["LEDGER_LINKS"]
    assert paid.reindex().is_clean
    done = paid.post(receipts("tue.csv", ("B1", 10_000, 2)), actor="batch")
    assert done.outcomes == {"DUPLICATE_PAYMENT": {"count": 1, "amount": 10_000}}


def test_a_truncated_page_is_not_read(paid, raw, receipts):
    with raw.begin() as connection:
        connection.execute(LINKS.update().where(LINKS.c.kind == "receipts").values(pairs=b"x" * 31))
    with pytest.raises(LedgerError, match="LEDGER_LINKS"):
        paid.post(receipts("tue.csv", ("B1", 10_000, 2)), actor="batch")
    (issue,) = paid.verify().issues
    assert (issue.code, issue.location.file) == ("LEDGER_LINKS", "links")


def test_reindex_reports_what_was_posted_against_an_incomplete_index(paid, raw, receipts, place, monkeypatch):
    with raw.begin() as connection:
        connection.execute(LINKS.delete().where(LINKS.c.kind == "receipts"))
    # Earlier versions posted without this check.
    monkeypatch.setattr(_ledger, "require_complete", lambda *_: None)
    done = paid.post(receipts("tue.csv", ("B1", 10_000, 2), ("B2", 5_000, 2)), actor="batch")
    assert set(done.outcomes) == {"MATCHED"}
    monkeypatch.undo()
    control = paid.status()["controls"]["T7"]
    assert (control["left"], control["right"], control["holds"]) == (30_000, 15_000, False)
    assert control["broken"] == ["B1", "B2"]
    recomputed = Report.from_ledger(paid).summary["controls"]["T7"]
    assert (recomputed["left"], recomputed["right"], recomputed["holds"]) == (30_000, 15_000, False)
    assert recomputed["broken"] == ["applied", "excess"]
    found = paid.reindex()
    assert [(issue.code, issue.location.file) for issue in found.issues] == [("LEDGER_VERDICT", "postings")] * 2
    # The next entry that affects them corrects them.
    back = paid.reverse_entry(done.entry.id, reason="posted against an incomplete index", actor="chief")
    paid.reverse_entry(back.entry.id, reason="to match it again", actor="chief")
    assert paid.verify(rematch=True).is_clean
    assert paid.status()["controls"]["T7"]["holds"]
    assert sorted(paid.outcomes().column("outcome").to_pylist()) == ["DUPLICATE_PAYMENT"] * 2 + ["MATCHED"] * 2


def test_control_t7_adds_the_slips_of_an_obligation(ledger, bills, receipts, raw, monkeypatch):
    one = bills({"obligation_id": "O1"}, B1=10_000, B2=10_500)
    ledger.add_bills(one, actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_500, 1)), actor="batch")
    # More than the paid slip bills, but not more than the largest slip.
    assert ledger.status()["controls"]["T7"]["holds"]
    with raw.begin() as connection:
        connection.execute(LINKS.delete().where(LINKS.c.kind == "receipts"))
    monkeypatch.setattr(_ledger, "require_complete", lambda *_: None)
    ledger.post(receipts("tue.csv", ("B2", 10_500, 2)), actor="batch")
    control = ledger.status()["controls"]["T7"]
    assert (control["left"], control["right"], control["holds"]) == (21_000, 10_500, False)


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
    assert (empty["entries"], empty["hash"], empty["outcomes"], sum(empty["dispositions"].values())) == (0, "", {}, 0)


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
