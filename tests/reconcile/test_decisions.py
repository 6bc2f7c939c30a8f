"""What persons decided about payments: on columns as in plain Python, whatever comes later, and reversible."""

import random
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.model import Decision, arrow_schema
from kokin.reconcile import reconcile
from tests.reconcile import cities, reference
from tests.support import examples

MONEY = ("final", "correction", "deduction", "manual")
KINDS = ("assign", "assign", "assign", "unapply", "other_authority", "not_a_payment", "hold", "accept")


def decisions_of(rng, bills, receipts):
    """Decisions about records of a city that bring money, some of them several times, some divided among bills."""
    count = Counter((row["digest"], row["record_no"]) for row in receipts if row["digest"] and row["record_no"])
    unique = [row for row in receipts if count[row["digest"], row["record_no"]] == 1]
    records = [row for row in unique if (row["kind"] or "final") in MONEY and row["amount"]]
    out = []
    for number in range(1, 1 + rng.randrange(8)) if records else ():
        row = rng.choice(records)
        base = {
            "decision_no": number,
            "digest": row["digest"],
            "record_no": row["record_no"],
            "decision": rng.choice(KINDS),
            **dict.fromkeys(("bill_id", "amount", "hold_until")),
        }
        if base["decision"] == "hold":
            out.append({**base, "hold_until": row["paid_on"]})
        elif base["decision"] != "assign":
            out.append(base)
        else:
            ids = [*(bill["bill_id"] for bill in bills), "unknown"]
            count = min(rng.choice((1, 1, 2, 3)), row["amount"])
            cuts = [0, *sorted(rng.sample(range(1, row["amount"]), count - 1)), row["amount"]]
            parts = [b - a for a, b in pairwise(cuts)]
            out += [{**base, "bill_id": rng.choice(ids), "amount": yen if count > 1 else None} for yen in parts]
    return out


def table_of(decisions):
    return pa.Table.from_pylist(decisions, arrow_schema(Decision))


@settings(max_examples=examples(150))
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 30))
def test_equals_the_reference(seed, bill_count, receipt_count):
    rng = random.Random(seed)
    bills, receipts = cities.city(rng.choice, bill_count, receipt_count)
    decisions = decisions_of(rng, bills, receipts)
    result = reconcile(*cities.tables(bills, receipts), decisions=table_of(decisions))
    outcomes, _, balances, _ = reference.reconcile(bills, receipts, decisions=decisions)
    assert result.outcomes.to_pylist() == outcomes
    assert result.balances.to_pylist() == balances
    total = sum(-row["amount"] if row["kind"] == "reversal" else row["amount"] for row in receipts)
    assert sum(result.summary.dispositions.values()) == total
    assert {name for name, control in result.summary.controls.items() if control.holds is True} == {"T4", "T5", "T6"}


@settings(max_examples=examples(60))
@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(1, 20))
def test_only_the_last_decision_about_a_payment_applies(seed, bill_count, receipt_count):
    rng = random.Random(seed)
    bills, receipts = cities.city(rng.choice, bill_count, receipt_count)
    decisions = decisions_of(rng, bills, receipts)
    last = {}
    for row in decisions:
        if row["decision"] not in ("hold", "accept"):
            last[row["digest"], row["record_no"]] = row["decision_no"]
    in_force = [row for row in decisions if last.get((row["digest"], row["record_no"])) == row["decision_no"]]
    rng.shuffle(in_force)
    parts = sorted(in_force, key=lambda row: decisions.index(row))
    inputs = cities.tables(bills, receipts)
    all_of_them, in_force_only = (reconcile(*inputs, decisions=table_of(rows)) for rows in (decisions, parts))
    assert in_force_only.outcomes == all_of_them.outcomes
    assert in_force_only.balances == all_of_them.balances


BILLS = [
    {"bill_id": name, "payee_code": "99999", "item_code": "127", "case_key": number, "confirmation": "123456"}
    | {"amount": yen, "due_on": "2026-06-01", "charge": "固定資産税"}
    for name, number, yen in (("A", "1", 500), ("B", "2", 1000))
]
RECEIPT = {"digest": "d", "source": "a.csv", "record_no": 1, "payee_code": "99999", "item_code": "127", "case_key": "9"}
RECEIPT |= {"confirmation": "123456", "paid_on": "2026-05-20", "amount": 1500}


def one(decision, **changed):
    return {"decision_no": 1, "digest": "d", "record_no": 1, "decision": decision, **changed}


def outcome_of(decisions, receipt=RECEIPT):
    bills, receipts = pa.Table.from_pylist(BILLS), pa.Table.from_pylist([receipt])
    result = reconcile(bills, receipts, decisions=pa.Table.from_pylist(decisions))
    row = result.outcomes.to_pylist()[0]
    return [row[name] for name in ("outcome", "disposition", "bill_id", "applied", "excess", "balance_before")]


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        ([one("hold", hold_until="2026-07-01")], ["NO_BILL", "suspense", None, 0, 0, None]),
        ([one("assign", bill_id="B")], ["OVERPAID", "applied", "B", 1000, 500, 1000]),
        (
            [one("assign", bill_id="A", amount=500), one("assign", bill_id="B", amount=1000)],
            ["MATCHED", "applied", "A", 1500, 0, 1500],
        ),
        # The balances have the sum of the parts, but one part is too much and the other too little.
        (
            [one("assign", bill_id="A", amount=600), one("assign", bill_id="B", amount=900)],
            ["OVERPAID", "applied", "A", 1400, 100, 1500],
        ),
        ([one("assign", bill_id="C")], ["NO_BILL", "suspense", None, 0, 0, None]),
        ([one("unapply")], ["UNAPPLIED", "suspense", None, 0, 0, None]),
        ([one("other_authority")], ["OTHER_AUTHORITY", "suspense", None, 0, 0, None]),
        ([one("not_a_payment")], ["NOT_A_PAYMENT", "no_effect", None, 0, 0, None]),
        ([one("assign", bill_id="A"), one("unapply", decision_no=2)], ["UNAPPLIED", "suspense", None, 0, 0, None]),
    ],
)
def test_outcome_of_decisions(decisions, outcome):
    assert outcome_of(decisions) == outcome


@pytest.mark.parametrize(
    ("decisions", "receipt", "code", "field"),
    [
        ([one("assign", bill_id="A", amount=100)], RECEIPT, "DECISION_SUM", "amount"),
        ([one("assign")], RECEIPT, "FIELD_MISSING", "bill_id"),
        ([one("unapply", bill_id="A")], RECEIPT, "FIELD_NOT_EMPTY", "bill_id"),
        ([one("hold")], RECEIPT, "FIELD_MISSING", "hold_until"),
        ([one("unapply", amount=3)], RECEIPT, "FIELD_NOT_EMPTY", "amount"),
        ([one("unapply")], {**RECEIPT, "kind": "provisional"}, "DECISION_KIND", "decision"),
    ],
)
def test_invalid_decisions(decisions, receipt, code, field):
    with pytest.raises(InvalidInputError) as caught:
        outcome_of(decisions, receipt)
    assert {(issue.code, issue.field) for issue in caught.value.issues} == {(code, field)}


def test_a_decision_applies_to_the_payment_if_another_record_of_it_counts():
    # The same payment in a file with a smaller digest counts; the decision named the record of the other file.
    bills = pa.Table.from_pylist(BILLS)
    receipts = pa.Table.from_pylist([RECEIPT, {**RECEIPT, "digest": "c", "source": "b.csv"}])
    result = reconcile(bills, receipts, decisions=pa.Table.from_pylist([one("assign", bill_id="B")]))
    assert [(row["source"], row["outcome"], row["bill_id"]) for row in result.outcomes.to_pylist()] == [
        ("a.csv", "DUPLICATE_RECORD", None),
        ("b.csv", "OVERPAID", "B"),
    ]
