"""A whole register: the open bills of the ledger that it lacks."""

import random

import pyarrow as pa
import pytest

from kokin.ledger import _vanished_bills
from tests.support import examples


def vanished(result):
    return {row["bill_id"]: row["residual"] for row in result.vanished.to_pylist()}


def test_open_bills_that_the_register_lacks(ledger, bills, receipts):
    ledger.add_bills(bills(B1=1_000, B2=2_000, B3=3_000, B4=4_000, B5=5_000), actor="clerk")
    ledger.add_bills(bills({"status": "cancelled"}, B5=5_000), actor="clerk")
    # B2 is paid in part, B4 in full; B5 is cancelled.
    ledger.post(receipts("may.csv", ("B2", 500, 1), ("B4", 4_000, 2)), actor="batch")
    balances = ledger.balances()
    result = ledger.add_bills(bills(B1=1_000, B6=600), actor="clerk", source="all.csv", whole=True)
    assert vanished(result) == {"B2": 1_500, "B3": 3_000}
    assert result.entry.totals == {"given": 2, "new": 1, "changed": 0, "unchanged": 1} | {
        "vanished": 2,
        "vanished_yen": 4_500,
    }
    assert [(issue.code, issue.found, issue.location.file) for issue in result.issues] == [
        ("BILL_VANISHED", "B2: 1,500 yen open", "all.csv"),
        ("BILL_VANISHED", "B3: 3,000 yen open", "all.csv"),
    ]
    # They are not changed: only B6 is new.
    assert ledger.balances().slice(0, 5) == balances
    assert ledger.add_bills(bills(B1=1_000), actor="clerk").vanished is None
    assert ledger.verify(rematch=True).is_clean


def test_a_register_of_one_system_says_nothing_about_others(ledger, bills):
    ledger.add_bills(bills({"system": "water"}, B1=1_000, B2=2_000), actor="clerk")
    ledger.add_bills(bills({"system": "tax"}, B3=3_000), actor="clerk")
    ledger.add_bills(bills({"payee_code": "99998", "system": "water"}, B4=4_000), actor="clerk")
    result = ledger.add_bills(bills({"system": "water"}, B1=1_500), actor="clerk", whole=True)
    assert result.entry.totals["changed"] == 1
    assert vanished(result) == {"B2": 2_000}
    empty = bills(B9=1).slice(0, 0)
    assert vanished(ledger.add_bills(empty, actor="clerk", whole=True)) == {
        "B1": 1_500,
        "B2": 2_000,
        "B3": 3_000,
        "B4": 4_000,
    }


def test_a_bill_whose_load_was_reversed_has_not_vanished(ledger, bills):
    ledger.add_bills(bills(B1=1_000), actor="clerk")
    load = ledger.add_bills(bills(B2=2_000), actor="clerk").entry
    ledger.reverse_entry(load.id, reason="wrong file", actor="chief")
    assert vanished(ledger.add_bills(bills(B1=1_000), actor="clerk", whole=True)) == {}


@pytest.mark.parametrize("seed", range(examples(6)))
def test_the_register_and_what_vanished_are_all_open_bills(ledger, bills, receipts, monkeypatch, seed):
    """In any order of chunks, of any size."""
    monkeypatch.setattr(_vanished_bills, "BATCH_ROWS", 3)
    draw = random.Random(seed)
    amounts = {f"B{n}": draw.randrange(1, 9) * 100 for n in range(1, 21)}
    ledger.add_bills(bills(**amounts), actor="clerk")
    paid = [(name, draw.randrange(1, 9) * 100, 1) for name in amounts if draw.random() < 0.5]
    ledger.post(receipts("may.csv", *paid), actor="batch")
    register = {name: yen + draw.choice([0, 0, 100]) for name, yen in amounts.items() if draw.random() < 0.6}
    names = draw.sample(sorted(register), len(register))
    chunks = [bills(**{name: register[name]}) for name in names] or [bills(B1=1).slice(0, 0)]
    before = {row["bill_id"]: row["residual"] for row in ledger.balances().to_pylist()}
    result = ledger.add_bills(iter(chunks), actor="clerk", whole=True)
    assert vanished(result) == {name: yen for name, yen in before.items() if yen and name not in register}
    yen = {row["bill_id"]: row["residual"] for row in ledger.balances().to_pylist()}
    assert sum(yen.values()) == sum(yen[name] for name in register) + result.entry.totals["vanished_yen"]


def test_many_vanished_bills_are_named_in_part(ledger, bills, monkeypatch):
    monkeypatch.setattr("kokin.ledger._journal.MAX_ISSUES", 2)
    ledger.add_bills(bills(B1=1, B2=2, B3=3), actor="clerk")
    result = ledger.add_bills(bills(B4=4), actor="clerk", whole=True)
    assert (len(result.issues), len(result.vanished)) == (2, 3)
    assert isinstance(result.vanished, pa.Table)
