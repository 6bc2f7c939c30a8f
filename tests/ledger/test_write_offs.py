"""Write-offs (不納欠損): the limitation list, entries with article and reason, and their effect on balances."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import LIMITATION_COLUMNS, EntryKind
from kokin.reconcile import Policy
from tests.support import added_changes

DAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)


def row(bill_id, amount, **more):
    row = {"bill_id": bill_id, "amount": amount, "written_off_on": DAY, "article": "地方税法18①", "reason": "消滅時効"}
    return {**row, **more}


def write_off(ledger, *rows, source="list.csv", **more):
    table = pa.Table.from_pylist(list(rows))
    return ledger.write_off(table, actor="clerk", source=source, **more)


def balances(ledger, **more):
    names = ("bill_id", "paid", "residual", "status")
    return [tuple(each[name] for name in names) for each in ledger.balances(**more).to_pylist()]


def issues(call):
    with pytest.raises(InvalidInputError) as caught:
        call()
    return [(issue.code, issue.field, issue.location.record) for issue in caught.value.issues]


@pytest.fixture
def town(ledger, bills, receipts):
    ledger.add_bills(bills(B1=1_000, B2=2_000, B3=3_000), actor="clerk")
    ledger.post(receipts("may.csv", ("B2", 500, 1)), actor="clerk")
    return ledger


def test_a_write_off_lowers_the_balance_and_is_reversed_and_restored(town):
    before = town.balances()
    result = write_off(town, row("B1", 1_000), row("B2", 1_400))
    assert (result.inserted, result.entry.kind, result.entry.totals) == (
        True,
        EntryKind.WRITE_OFF,
        {"given": 2, "yen": 2_400},
    )
    after = [("B1", 0, 0, "written_off"), ("B2", 500, 100, "partial"), ("B3", 0, 3_000, "expected")]
    assert balances(town) == after
    assert town.write_offs().column("amount").to_pylist() == [1_000, 1_400]
    reversal = town.reverse_entry(result.entry.id, reason="時効の更新", actor="chief")
    assert town.balances().equals(before)
    assert not len(town.write_offs())
    town.reverse_entry(reversal.entry.id, reason="誤り", actor="chief")
    assert balances(town) == after
    assert balances(town, as_of=result.entry.id - 1) == balances(town, as_of=reversal.entry.id)
    assert town.verify(rematch=True).is_clean


def test_a_payment_after_a_write_off_is_named_and_not_lost(town, receipts):
    write_off(town, row("B1", 1_000), row("B2", 1_000))
    posted = town.post(receipts("june.csv", ("B1", 1_000, 2), ("B2", 1_500, 2), ("B3", 3_000, 2)), actor="clerk")
    assert posted.outcomes == {"MATCHED": {"count": 3, "amount": 5_500}}
    expected = [("B1", 1_000, 0, "settled"), ("B2", 2_000, 0, "settled"), ("B3", 3_000, 0, "settled")]
    assert balances(town) == expected
    accounts = town.accounts().accounts
    names = ("exception_id", "code", "bill_id", "amount", "field", "expected", "found")
    found = [tuple(each[name] for name in names) for each in town.work_list().to_pylist()]
    code = "WRITE_OFF_EXCEEDS_BALANCE"
    assert [each for each in found if each[1] != "UNDERPAID"] == [
        (f"R2-{code}", code, "B1", 1_000, "written_off", "0", "1000"),
        (f"R3-{code}", code, "B2", 1_500, "written_off", "0", "1000"),
    ]
    sums = accounts.receivables.select(["billed", "received", "written_off", "unpaid"]).to_pylist()
    assert sums == [{"billed": 6_000, "received": 6_000, "written_off": 0, "unpaid": 0}]
    assert {control.name for control in accounts.controls if control.holds is False} == set()
    town.decide(pa.Table.from_pylist([{"exception_id": f"R2-{code}", "decision": "accept", "reason": "x"}]), actor="c")
    assert [each["exception_id"] for each in town.work_list().to_pylist()] == ["R1-UNDERPAID", f"R3-{code}"]


def test_a_bill_that_is_lowered_after_a_write_off_is_named(town, bills):
    entry = write_off(town, row("B1", 1_000), row("B3", 3_000)).entry.id
    town.add_bills(bills(B1=600), actor="clerk")
    _, found = town.work_list().to_pylist()
    assert (found["exception_id"], found["entry_id"]) == ("WB1-WRITE_OFF_EXCEEDS_BALANCE", entry)
    assert (found["expected"], found["found"]) == ("600", "1000")
    assert balances(town)[0] == ("B1", 0, 0, "written_off")
    load = town.add_bills(bills(B9=900), actor="clerk").entry.id
    write_off(town, row("B9", 900))
    town.reverse_entry(load, reason="x", actor="chief")
    found = [(each["exception_id"], each["expected"], each["found"]) for each in town.work_list().to_pylist()]
    assert found[-1] == ("WB9-WRITE_OFF_EXCEEDS_BALANCE", "0", "900")
    decision = {"exception_id": "WB9-WRITE_OFF_EXCEEDS_BALANCE", "decision": "accept", "reason": "調定取消"}
    town.decide(pa.Table.from_pylist([decision]), actor="clerk", open_only=True)
    assert [each["exception_id"][:2] for each in town.work_list().to_pylist()] == ["R1", "WB"]
