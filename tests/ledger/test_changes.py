"""Changes of bills for systems next door: one row per entry and bill, cursors, acknowledgements, the written files.

That the deltas add up to the balances after any sequence is tested with the sequences of postings, reversals
(`test_sequences.py`), decisions (`test_decisions.py`) and refunds (`test_refunds.py`).
"""

import json
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import event

from kokin._arrow import runs
from kokin.issues import InvalidInputError
from kokin.ledger import ChangeCause, _changes
from kokin.reports import write_rows
from tests.support import added_changes


def rows_of(ledger, cursor="billing"):
    """The changes as tuples of entry, cause, bill, paid after, status after."""
    names = ("entry_id", "change_cause", "bill_id", "paid_to", "status_to")
    return [tuple(row[name] for name in names) for row in ledger.changes(cursor).table.to_pylist()]


def decide(ledger, *rows):
    table = pa.Table.from_pylist([{"reason": "the payer called", **row} for row in rows])
    return ledger.decide(table, actor="clerk")


@pytest.fixture
def town(ledger, bills, receipts):
    """Entry 2: the bills; 3: B1 is paid; 4: B1 is paid by an earlier payment; 5: entry 3 is reversed."""
    ledger.add_bills(bills(B1=1_000, B2=500, B3=300), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 1_000, 9)), actor="batch")
    ledger.post(receipts("tue.csv", ("B1", 1_000, 2), ("B2", 200, 2)), actor="batch")
    ledger.reverse_entry(3, reason="wrong file", actor="chief")
    return ledger


def test_each_entry_has_a_row_for_each_bill_that_it_changed(town):
    assert rows_of(town) == [
        (2, "bill", "B1", 0, "expected"),
        (2, "bill", "B2", 0, "expected"),
        (2, "bill", "B3", 0, "expected"),
        (3, "posting", "B1", 1_000, "settled"),
        (4, "posting", "B1", 1_000, "settled"),  # the other payment is an excess now
        (4, "posting", "B2", 200, "partial"),
        (5, "reversal", "B1", 1_000, "settled"),
    ]
    row = town.changes("billing").table.to_pylist()[4]
    assert (row["paid_from"], row["paid_to"], row["excess_from"], row["excess_to"]) == (1_000, 1_000, 0, 1_000)
    added_changes(town)


def test_every_cause_is_named(town, bills, receipts):
    town.post(receipts("wed.csv", ("B9", 300, 4)), actor="batch")
    town.add_bills(bills(B9=300), actor="clerk")  # the receipt of entry 6 is matched again: its cause is the bill
    receipt = {row["receipt_id"]: row["exception_id"] for row in town.work_list().to_pylist()}
    assert 3 in receipt  # B2 is underpaid
    decided = decide(town, {"exception_id": "R4-MATCHED", "decision": "move", "bill_id": "B3"})
    town.reverse_entry(decided.entry.id, reason="no", actor="chief")
    found = rows_of(town)[7:]
    assert found == [
        (7, "bill", "B9", 300, "settled"),
        (8, "decision", "B3", 300, "settled"),
        (8, "decision", "B9", 0, "expected"),
        (9, "reversal", "B3", 0, "expected"),
        (9, "reversal", "B9", 300, "settled"),
    ]
    more = {"charge": "fixed-asset-tax", "payer_key": "P1"}
    town.add_bills(bills({**more, "due_on": date(2026, 5, 1)}, B5=100, B6=100), actor="clerk")
    town.post(receipts("thu.csv", ("B5", 200, 3)), actor="batch")
    refund = {"proposal_id": "P5", "kind": "setoff", "amount": 100, "debt_bill_id": "B6"}
    town.decide_refunds(pa.Table.from_pylist([refund]), actor="clerk", decided_on=date(2026, 6, 10))
    assert rows_of(town)[-1] == (12, "set_off", "B6", 100, "settled")
    town.add_bills(bills({**more, "due_on": date(2026, 5, 1)}, B5=200), actor="clerk")
    written_off = {"bill_id": "B2", "amount": 1, "article": "地方税法18①", "reason": "消滅時効"}
    town.write_off(pa.Table.from_pylist([written_off]), actor="clerk", written_off_on=date(2026, 6, 10))
    assert {row[1] for row in rows_of(town)} | {"rematch"} == {cause.value for cause in ChangeCause}
    added_changes(town)


def test_a_receipt_that_is_matched_again_by_the_file_of_another_bill(ledger, bills, receipts):
    """Two slips of one obligation: a payment of the first slip makes the later payment of the second an excess."""
    ledger.add_bills(bills({"obligation_id": "O1"}, B1=1_000, B2=1_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B2", 1_000, 9)), actor="batch")
    ledger.post(receipts("tue.csv", ("B1", 1_000, 2)), actor="batch")
    assert rows_of(ledger)[2:] == [
        (3, "posting", "B1", 1_000, "settled"),
        (3, "posting", "B2", 1_000, "settled"),
        (4, "rematch", "B2", 1_000, "settled"),
    ]
    added_changes(ledger)


def test_another_division_of_a_payment_changes_both_bills(town):
    payment = {"exception_id": "R3-UNDERPAID", "decision": "move"}
    decide(town, {**payment, "bill_id": "B2", "amount": 150}, {**payment, "bill_id": "B3", "amount": 50})
    decide(town, {**payment, "bill_id": "B2", "amount": 100}, {**payment, "bill_id": "B3", "amount": 100})
    assert rows_of(town)[-4:] == [
        (6, "decision", "B2", 150, "partial"),
        (6, "decision", "B3", 50, "partial"),
        (7, "decision", "B2", 100, "partial"),
        (7, "decision", "B3", 100, "partial"),
    ]
    added_changes(town)


def test_a_bill_that_has_got_another_number(ledger, bills, receipts, monkeypatch):
    """The versions have no key in common: the payment of the old number concerns no bill, that of the new one does."""
    ledger.add_bills(bills(B1=1_000, B2=500), actor="clerk")
    ledger.add_bills(bills({"case_key": "77".zfill(20)}, B1=900), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 1_000, 1)), actor="batch")
    ledger.post(receipts("tue.csv", ("B77", 900, 1)), actor="batch")
    ledger.add_bills(bills(B1=1_000), actor="clerk")
    expected = [
        (2, "bill", "B1", 0, "expected"),
        (2, "bill", "B2", 0, "expected"),
        (3, "bill", "B1", 0, "expected"),
        (5, "posting", "B1", 900, "settled"),
        (6, "bill", "B1", 1_000, "settled"),
    ]
    assert rows_of(ledger) == expected
    monkeypatch.setattr(_changes, "_ROWS_PER_ROUND", 1)
    assert rows_of(ledger) == expected
    added_changes(ledger)


def test_batches_are_the_rows_in_their_order(town, monkeypatch):
    table = town.changes("billing").table
    monkeypatch.setattr(runs, "_BATCH_ROWS", 1)
    monkeypatch.setattr(_changes, "_ROWS_PER_ROUND", 1)
    monkeypatch.setattr(_changes, "_BATCH_ROWS", 2)
    with town.change_batches("billing") as found:
        for _ in range(2):
            batches = list(found.batches())
            assert [len(batch) for batch in batches] == [2, 2, 2, 1]
            assert pa.Table.from_batches(batches) == table
        assert (found.rows, found.first_entry, found.last_entry) == (7, 1, 5)
        assert found.causes == {"bill": 3, "posting": 3, "reversal": 1}
        deltas = town.changes("billing").deltas()
        assert found.deltas == {name: pc.sum(deltas.column(name)).as_py() for name in found.deltas}
    town.acknowledge("billing", 5, actor="batch")
    with town.change_batches("billing") as found:
        assert [len(batch) for batch in found.batches()] == [0]


def test_small_rounds_give_the_same_rows(town, monkeypatch):
    rows = rows_of(town)
    monkeypatch.setattr(_changes, "_ROWS_PER_ROUND", 1)
    assert rows_of(town) == rows


def test_what_is_acknowledged_does_not_come_again(town, receipts):
    assert town.changes("billing") == town.changes("billing")
    every = rows_of(town)
    first = town.acknowledge("billing", 3, actor="batch")
    assert first.inserted
    assert first.entry.totals == {"cursor": "billing", "first_entry": 1, "last_entry": 3}
    assert rows_of(town) == every[4:]
    assert rows_of(town, "care") == every  # another consumer
    again = town.acknowledge("billing", 3, actor="batch")
    assert (again.inserted, again.entry) == (False, first.entry)
    last = town.changes("billing").last_entry
    second = town.acknowledge("billing", last, actor="batch")
    assert rows_of(town) == []
    town.post(receipts("wed.csv", ("B3", 300, 4)), actor="batch")
    assert rows_of(town) == [(second.entry.id + 1, "posting", "B3", 300, "settled")]
    town.reverse_entry(second.entry.id, reason="the file was lost", actor="chief")
    assert rows_of(town)[: len(every) - 4] == every[4:]
    assert town.verify().is_clean


@pytest.mark.parametrize(
    ("cursor", "entry", "code"),
    [
        ("billing", 0, "ENTRY_UNKNOWN"),
        ("billing", 99, "ENTRY_UNKNOWN"),
        ("billing", 2**70, "ENTRY_UNKNOWN"),
        ("billing", 2, "CHANGES_ACKNOWLEDGED"),
        ("", 4, "CURSOR_NAME"),
        ("福祉", 4, "CURSOR_NAME"),
    ],
)
def test_an_acknowledgement_that_is_rejected(town, cursor, entry, code):
    town.acknowledge("billing", 3, actor="batch")
    before = town.status(recompute=False).hash
    with pytest.raises(InvalidInputError, match=code):
        town.acknowledge(cursor, entry, actor="batch")
    assert town.status(recompute=False).hash == before


def test_the_rows_of_other_bills_are_not_read(ledger, bills, receipts):
    ledger.add_bills(bills(**{f"B{number}": 100 for number in range(1, 2_001)}), actor="clerk")
    ledger.acknowledge("billing", 2, actor="batch")
    ledger.post(receipts("mon.csv", ("B7", 100, 9)), actor="batch")
    read = []
    original = _changes.find_components

    def counted(*arguments, **options):
        components = original(*arguments, **options)
        read.append(len(components.bills))
        return components

    statements = []
    event.listen(ledger._database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    _changes.find_components = counted
    try:
        assert rows_of(ledger) == [(4, "posting", "B7", 100, "settled")]
    finally:
        _changes.find_components = original
    assert read == [1]
    assert len(statements) < 60


def test_the_same_changes_are_the_same_bytes(town, tmp_path):
    for name in ("a.csv", "a.jsonl", "a.arrow"):
        contents = set()
        for _ in range(2):
            write_rows(town.changes("billing").table, tmp_path / name)
            contents.add((tmp_path / name).read_bytes())
        assert len(contents) == 1
    table = town.changes("billing").table
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert lines == table.to_pylist()
    assert pa.ipc.open_file(tmp_path / "a.arrow").read_all() == table
    first, second = (tmp_path / "a.csv").read_text().splitlines()[:2]
    assert first.split(",")[:4] == ["entry_id", "change_cause", "bill_id", "payee_code"]
    assert second == "2,bill,B1,99999,0,1000,0,0,0,1000,0,0,0,0,,expected"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.arrow"])
def test_a_file_is_replaced_as_a_whole_or_not_at_all(town, tmp_path, name):
    """The writing ends after the first batch: the file of the day before stays, and the next call writes all rows."""

    def interrupted():
        yield next(iter(found.batches()))
        raise KeyboardInterrupt

    (tmp_path / name).write_bytes(b"of yesterday")
    with town.change_batches("billing") as found, pytest.raises(KeyboardInterrupt):
        write_rows(interrupted, tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"of yesterday")]
    with town.change_batches("billing") as found:
        write_rows(found.batches, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    write_rows(town.changes("billing").table, tmp_path / name)
    assert (tmp_path / name).read_bytes() == content != b"of yesterday"
