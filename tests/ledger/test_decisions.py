"""Decisions about exceptions: what they do to the books, what comes later, and that they can be reversed."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, ExceptionDecision, Ledger
from kokin.reconcile import Policy, reconcile
from tests.support import added_changes, examples


def decide(ledger, *rows, actor="clerk"):
    """Record decisions from tuples of exception, kind and other columns."""
    empty = dict.fromkeys(ExceptionDecision.model_fields)
    table = [
        {**empty, "exception_id": exception, "decision": kind, "reason": "seen", **(more[0] if more else {})}
        for exception, kind, *more in rows
    ]
    return ledger.decide(pa.Table.from_pylist(table), actor=actor, source="work.xlsx")


def outcomes(ledger):
    """Outcome, bill and yen applied of each receipt, by file and record."""
    rows = ledger.outcomes().to_pylist()
    return {(row["source"], row["record_no"]): (row["outcome"], row["bill_id"], row["applied"]) for row in rows}


def assert_sound(ledger):
    """The journal equals a reconciliation of everything, and every control holds."""
    result = reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions(), check_paid_before=False)
    assert result.outcomes == ledger.outcomes()
    assert result.balances == ledger.balances()
    assert {name for name, control in ledger.status().controls.items() if control.holds} == {"T1", "T4", "T7", "T8"}
    assert ledger.verify(rematch=True).is_clean


@pytest.fixture
def town(ledger, bills, receipts):
    """Two bills; a payment with an unknown number (R1), one for B1 (R2)."""
    ledger.add_bills(bills(B1=1_000, B2=2_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B8", 2_000, 1), ("B1", 1_000, 2)), actor="batch")
    return ledger


def test_an_unknown_payment_is_assigned_and_the_decision_reversed(town):
    before = outcomes(town)
    result = decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B2"}))
    assert (result.entry.kind, result.rematched) == (EntryKind.DECISION, 1)
    assert outcomes(town)["mon.csv", 1] == ("MATCHED", "B2", 2_000)
    assert_sound(town)
    reversal = town.reverse_entry(result.entry.id, reason="wrong bill", actor="chief").entry
    assert outcomes(town) == before
    assert_sound(town)
    town.reverse_entry(reversal.id, reason="right after all", actor="chief")
    assert outcomes(town)["mon.csv", 1] == ("MATCHED", "B2", 2_000)
    assert_sound(town)


def test_a_payment_is_divided_among_bills(town):
    parts = [("R1-NO_BILL", "assign", {"bill_id": bill, "amount": yen}) for bill, yen in (("B1", 500), ("B2", 1_500))]
    town.reverse_posting(2, reason="dishonoured", actor="chief")
    decide(town, *parts)
    assert outcomes(town) == {("mon.csv", 1): ("UNDERPAID", "B1", 2_000)}
    assert [row["residual"] for row in town.balances().to_pylist()] == [500, 500]
    assert_sound(town)


def test_a_payment_is_moved_to_the_bill_that_it_was_for(town):
    decide(town, ("R2-MATCHED", "move", {"bill_id": "B2"}))
    assert outcomes(town)["mon.csv", 2] == ("UNDERPAID", "B2", 1_000)
    assert [row["residual"] for row in town.balances().to_pylist()] == [1_000, 1_000]
    assert_sound(town)


@pytest.mark.parametrize(
    ("kind", "outcome", "disposition"),
    [
        ("unapply", "UNAPPLIED", "suspense"),
        ("other_authority", "OTHER_AUTHORITY", "suspense"),
        ("not_a_payment", "NOT_A_PAYMENT", "no_effect"),
    ],
)
def test_a_payment_for_none_of_the_bills(town, kind, outcome, disposition):
    decide(town, ("R2-MATCHED", kind))
    row = town.outcomes().to_pylist()[1]
    assert (row["outcome"], row["disposition"], row["bill_id"]) == (outcome, disposition, None)
    assert [row["residual"] for row in town.balances().to_pylist()] == [1_000, 2_000]
    assert_sound(town)


def test_hold_and_accept_change_no_yen(town):
    before = outcomes(town)
    result = decide(town, ("R1-NO_BILL", "hold", {"hold_until": "2026-07-01"}), ("R2-EXPIRED", "accept"))
    assert result.rematched == 0
    assert outcomes(town) == before
    assert_sound(town)


def test_later_payments_and_files_see_what_was_decided(town, bills, receipts):
    decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B2"}))
    # Later by its day: the bill is paid by the assigned payment.
    town.post(receipts("tue.csv", ("B2", 2_000, 9)), actor="batch")
    assert outcomes(town)["tue.csv", 1] == ("DUPLICATE_PAYMENT", "B2", 0)
    # The same payments in another file change nothing.
    town.post(receipts("0copy.csv", ("B8", 2_000, 1)), actor="batch")
    found = outcomes(town)
    assert sorted((found["mon.csv", 1], found["0copy.csv", 1]), key=str) == [
        ("DUPLICATE_RECORD", None, 0),
        ("MATCHED", "B2", 2_000),
    ]
    assert_sound(town)
    # The number becomes known: the decision still applies.
    town.add_bills(bills(B8=2_000), actor="clerk")
    assert [row["residual"] for row in town.balances().to_pylist()] == [0, 0, 2_000]
    # The bill is cancelled: the money is too much.
    town.add_bills(bills({"status": "cancelled"}, B2=2_000), actor="clerk")
    assert "CANCELLED_BILL" in {outcome for outcome, *_ in outcomes(town).values()}
    assert_sound(town)


def test_the_bill_of_a_decision_is_withdrawn_and_comes_back(ledger, bills, receipts):
    ledger.add_bills(bills(B1=1_000), actor="clerk")
    load = ledger.add_bills(bills(B2=2_000), actor="clerk").entry
    ledger.post(receipts("mon.csv", ("B8", 2_000, 1)), actor="batch")
    decide(ledger, ("R1-NO_BILL", "assign", {"bill_id": "B2"}))
    withdrawal = ledger.reverse_entry(load.id, reason="wrong load", actor="chief").entry
    assert outcomes(ledger)["mon.csv", 1] == ("NO_BILL", None, 0)
    assert_sound(ledger)
    ledger.reverse_entry(withdrawal.id, reason="right load", actor="chief")
    assert outcomes(ledger)["mon.csv", 1] == ("MATCHED", "B2", 2_000)
    assert_sound(ledger)


def test_a_decision_applies_to_a_file_that_is_posted_again(town, receipts):
    decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B2"}))
    town.reverse_entry(3, reason="wrong day", actor="chief")
    assert_sound(town)
    town.post(receipts("mon.csv", ("B8", 2_000, 1), ("B1", 1_000, 2)), actor="batch")
    assert outcomes(town)["mon.csv", 1] == ("MATCHED", "B2", 2_000)
    assert_sound(town)


def test_the_books_of_an_earlier_time_do_not_know_a_later_decision(town):
    before = town.entries()[-1].at
    decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B2"}))
    assert [row["residual"] for row in town.balances(before).to_pylist()] == [0, 2_000]
    assert len(town.decisions(before)) == 0
    balances = town.history("B2").balances.to_pylist()
    assert [row["residual"] for row in balances] == [2_000, 0]


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ([("R9-NO_BILL", "unapply")], [(1, "exception_id", "DECISION_UNKNOWN")]),
        ([("S1", "unapply")], [(1, "decision", "DECISION_KIND")]),
        ([("R1-NO_BILL", "assign", {"bill_id": "B7"})], [(1, "bill_id", "BILL_UNKNOWN")]),
        ([("R1-NO_BILL", "assign", {"bill_id": "B3"})], [(1, "bill_id", "DECISION_BILL")]),
        ([("R1-NO_BILL", "assign", {"bill_id": "B2", "amount": 1})], [(1, "amount", "DECISION_SUM")]),
        ([("R3-CANCEL", "unapply")], [(1, "decision", "DECISION_KIND")]),
        ([("R1-NO_BILL", "unapply"), ("R1-EXPIRED", "not_a_payment")], [(2, "decision", "DECISION_CONFLICT")]),
        (
            [("R1-NO_BILL", "assign", {"bill_id": "B1"}), ("R1-NO_BILL", "assign", {"bill_id": "B2"})],
            [(1, "amount", "FIELD_MISSING"), (2, "amount", "FIELD_MISSING")],
        ),
        ([("R1-NO_BILL", "assign"), ("R2-MATCHED", "unapply")], [(1, "bill_id", "FIELD_MISSING")]),
        ([("R1-NO_BILL", "unapply", {"approver": "clerk"})], [(1, "approver", "APPROVER_SAME")]),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_decided(town, bills, receipts, rows, problems):
    town.add_bills(bills({"status": "cancelled"}, B3=1), actor="clerk")
    town.post(receipts("tue.csv", ("B1", 1, 3, {"kind": "cancel"})), actor="batch")
    entries = town.entries()
    with pytest.raises(InvalidInputError) as caught:
        decide(town, *rows)
    assert [(i.location.record, i.field, i.code) for i in caught.value.issues] == problems
    assert {issue.location.file for issue in caught.value.issues} == {"work.xlsx"}
    assert town.entries() == entries


def test_four_eyes(town):
    town.set_policy(Policy(four_eyes=True), actor="chief")
    with pytest.raises(InvalidInputError, match="approver"):
        decide(town, ("R1-NO_BILL", "unapply"))
    decide(town, ("R1-NO_BILL", "unapply", {"approver": "chief"}))
    assert outcomes(town)["mon.csv", 1][0] == "UNAPPLIED"


KINDS = ("assign", "assign", "divide", "unapply", "other_authority", "not_a_payment", "accept")


def random_decision(rng, receipt, amount):
    exception, kind = f"R{receipt}-NO_BILL", rng.choice(KINDS)
    ids = [f"B{number}" for number in range(1, 5)]
    if kind == "assign":
        return [(exception, "assign", {"bill_id": rng.choice(ids)})]
    if kind == "divide":
        first = rng.randrange(1, amount)
        return [(exception, "assign", {"bill_id": rng.choice(ids), "amount": yen}) for yen in (first, amount - first)]
    return [(exception, kind)]


@settings(max_examples=examples(40))
@given(st.integers(0, 2**32))
def test_any_sequence_of_decisions_and_reversals_gives_the_books_of_those_in_force(bills, receipts, seed):
    """A model in plain Python knows which decisions are in force; a second ledger gets only these, at once."""
    rng = random.Random(seed)
    register = bills({"customer_number": "C1"} if rng.random() < 0.3 else None, B1=1_000, B2=500, B3=800, B4=1_000)
    amounts = [rng.choice((300, 500, 1_000, 1_500)) for _ in range(6)]
    names = [f"B{rng.randrange(1, 7)}" for _ in amounts]
    rows = [(name, yen, number + 1) for number, (name, yen) in enumerate(zip(names, amounts, strict=True))]
    with Ledger.create("sqlite://") as ledger, Ledger.create("sqlite://") as at_once:
        for each in (ledger, at_once):
            each.add_bills(register, actor="clerk")
            each.post(receipts("mon.csv", *rows[:4]), actor="batch")
        written = {}  # entry -> receipt and decision
        active = {}  # entry -> whether it is active
        last_of = {}  # entry -> the last entry of its chain of reversals
        for _ in range(rng.randrange(1, 8)):
            if written and rng.random() < 0.4:
                entry = rng.choice(list(written))
                last_of[entry] = ledger.reverse_entry(last_of[entry], reason="changed", actor="chief").entry.id
                active[entry] = not active[entry]
            else:
                receipt = rng.randrange(1, 5)
                decision = random_decision(rng, receipt, amounts[receipt - 1])
                entry = decide(ledger, *decision).entry.id
                written[entry], active[entry], last_of[entry] = (receipt, decision), True, entry
            if rng.random() < 0.2:
                ledger.post(receipts("tue.csv", *rows[4:]), actor="batch")
        in_force = {}
        for entry, (receipt, decision) in written.items():
            if active[entry] and decision[0][1] != "accept":
                in_force[receipt] = decision
        at_once.post(receipts("tue.csv", *rows[4:]), actor="batch")
        ledger.post(receipts("tue.csv", *rows[4:]), actor="batch")
        if in_force:
            decide(at_once, *(row for decision in in_force.values() for row in decision))
        assert ledger.outcomes() == at_once.outcomes()
        assert ledger.balances() == at_once.balances()
        assert ledger.status().dispositions == at_once.status().dispositions
        added_changes(ledger)
        assert_sound(ledger)
