"""Opening balances: tied to the totals of the old system, and alive afterwards."""

import random
from datetime import date

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, OpeningBills, OpeningTotal, OpeningTotals
from kokin.ledger._openings import ITEM_KINDS
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report
from tests.ledger.conftest import SLIP
from tests.support import examples

PAID_ON = date(2026, 2, 10)
TAX = {"charge": "fixed-asset-tax"}


def slips(*rows, **more):
    """Bills from tuples of number, yen and yen paid before."""
    return pa.Table.from_pylist(
        [
            {**SLIP, **TAX, "bill_id": f"B{n}", "case_key": str(n).zfill(20), "amount": yen, "paid_before": paid}
            | {"due_on": date(2026, 1, 31), **more}
            for n, yen, paid in rows
        ]
    )


def items(*rows):
    """Items from tuples of yen and other columns."""
    absent = {"bill_id": None, "case_key": None, "provider_key": None}
    return pa.Table.from_pylist(
        [
            {"amount": yen, "paid_on": PAID_ON, **absent, **(SLIP if "case_key" in more else {}), **more}
            for yen, more in rows
        ]
    )


BILLS = slips((1, 10_000, 10_000), (2, 8_000, 3_000), (3, 5_000, 0))
OPENING = {
    "bills": BILLS,
    "overpayments": items((2_000, {"bill_id": "B1", "provider_key": "K-17"})),
    "suspense": items((700, {"case_key": "999"}), (300, {"provider_key": "F-1"})),
    "provisionals": items((5_000, {"bill_id": "B3"})),
}
TOTALS = OpeningTotals(
    bills=OpeningBills(count=3, billed=23_000, paid=13_000, open=10_000),
    overpayments=OpeningTotal(count=1, yen=2_000),
    suspense=OpeningTotal(count=2, yen=1_000),
    provisionals=OpeningTotal(count=1, yen=5_000),
)


def open_balances(ledger, totals=TOTALS, **changes):
    return ledger.open_balances(**{**OPENING, **changes}, totals=totals, actor="clerk", source="old system")


def codes(error):
    return [(issue.code, issue.field, issue.expected, issue.found) for issue in error.value.issues]


def assert_sound(ledger):
    """The journal equals a reconciliation of everything, every control holds, and the rows are unchanged."""
    found = reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions(), check_paid_before=False)
    assert found.outcomes == ledger.outcomes()
    assert found.balances == ledger.balances()
    controls = Report.from_ledger(ledger).summary["controls"]
    assert {name for name, control in controls.items() if control["holds"] is not True} <= {"T2", "T3"}
    assert all(control.holds for control in ledger.status().controls.values())
    assert ledger.verify(rematch=True).is_clean


def test_the_balances_are_those_of_the_old_system(ledger):
    result = open_balances(ledger)
    assert (result.entry.kind, result.entry.source) == (EntryKind.OPENING, "old system")
    assert result.entry.totals["opening"] == TOTALS.model_dump(mode="json")
    assert {row["bill_id"]: row["residual"] for row in ledger.balances().to_pylist()} == {
        "B1": 0,
        "B2": 5_000,
        "B3": 5_000,
    }
    dispositions = ledger.status().dispositions
    assert {name: yen for name, yen in dispositions.items() if yen} == {
        "excess": 2_000,
        "suspense": 1_000,
        "provisional": 5_000,
    }
    kinds = ledger.receipts().column("kind").to_pylist()
    assert kinds == ["manual", "manual", "manual", "provisional"]
    assert_sound(ledger)
    assert not open_balances(ledger).inserted


def test_no_file_and_no_deposit_is_expected_for_them(ledger, receipts):
    open_balances(ledger)
    status = ledger.status()
    assert (status.controls["T1"].left, status.files) == (0, 0)
    ledger.post(receipts("may.csv", ("B2", 5_000, 1)), actor="batch")
    deposit = [{"credited_on": date(2026, 5, 1), "amount": 5_000, "agent_code": None}]
    ledger.add_deposits(pa.Table.from_pylist(deposit), actor="clerk", source="bank.txt")
    control = ledger.status().controls["T1"]
    assert (control.left, control.right, control.holds) == (5_000, 5_000, True)
    run = reconcile(ledger.bills(), ledger.receipts())
    accounts = build_accounts(run, deposits=ledger.bank_deposits(), as_of=date(2026, 12, 31))
    # The receipt of May has no day of settlement; those of the opening need none.
    assert sum(accounts.settlements["receipts"].to_pylist()) == 1
    assert_sound(ledger)


def test_a_later_final_confirms_an_opened_provisional(ledger):
    open_balances(ledger)
    final = {
        **SLIP,
        "case_key": "3".zfill(20),
        "amount": 5_000,
        "paid_on": PAID_ON,
        "source": "feb.csv",
        "record_no": 1,
    }
    ledger.post(pa.Table.from_pylist([final]), actor="batch")
    outcomes = dict(zip(*(ledger.outcomes().column(name).to_pylist() for name in ("source", "outcome")), strict=True))
    assert outcomes["feb.csv"] == "MATCHED"
    assert ledger.status().outcomes["SUPERSEDED"]["amount"] == 5_000
    assert ledger.status().dispositions["provisional"] == 0
    assert_sound(ledger)


def test_a_later_refund_of_an_opened_overpayment(ledger):
    open_balances(ledger)
    (proposal,) = ledger.refund_proposals(decided_on=date(2026, 6, 1)).to_pylist()
    assert (proposal["bill_id"], proposal["amount"], proposal["state"]) == ("B1", 2_000, "open")
    decision = {"proposal_id": proposal["proposal_id"], "kind": "refund"}
    ledger.decide_refunds(pa.Table.from_pylist([decision]), actor="clerk", decided_on=date(2026, 6, 1))
    assert ledger.refunds().column("state").to_pylist() == ["decided"]
    assert_sound(ledger)


def test_a_later_decision_on_opened_suspense(ledger):
    open_balances(ledger)
    listed = {row["amount"]: row["exception_id"] for row in ledger.work_list().to_pylist()}
    assert {700, 300} <= set(listed)
    decision = {"exception_id": listed[700], "decision": "assign", "bill_id": "B2", "reason": "the payer called"}
    ledger.decide(pa.Table.from_pylist([decision]), actor="clerk")
    assert ledger.balances().column("residual").to_pylist() == [0, 4_300, 5_000]
    assert ledger.status().dispositions["suspense"] == 300
    assert_sound(ledger)


def test_an_opening_can_be_reversed_and_restored(ledger):
    entry = open_balances(ledger).entry
    reversal = ledger.reverse_entry(entry.id, reason="of the wrong day", actor="chief").entry
    assert (len(ledger.balances()), len(ledger.receipts())) == (0, 0)
    assert_sound(ledger)
    corrected = OpeningTotals(**{**TOTALS.model_dump(), "suspense": {"count": 1, "yen": 700}})
    other = open_balances(ledger, corrected, suspense=OPENING["suspense"].slice(0, 1)).entry
    assert len(ledger.receipts()) == 3
    ledger.reverse_entry(other.id, reason="the first was right", actor="chief")
    ledger.reverse_entry(reversal.id, reason="the first was right", actor="chief")
    assert sum(ledger.balances().column("residual").to_pylist()) == 10_000
    assert len(ledger.receipts()) == 4
    assert_sound(ledger)


def test_totals_that_do_not_tie_are_named(ledger):
    before = ledger.status().hash
    other = OpeningTotals(
        bills=OpeningBills(count=3, billed=23_000, paid=13_001, open=9_999), suspense=OpeningTotal(count=2, yen=1_000)
    )
    with pytest.raises(InvalidInputError, match="nothing was opened") as error:
        open_balances(ledger, other, provisionals=None)
    assert codes(error) == [
        ("OPENING_TOTAL", "bills.paid", "13,001", "13,000"),
        ("OPENING_TOTAL", "bills.open", "9,999", "10,000"),
        ("OPENING_TOTAL", "overpayments.count", "0", "1"),
        ("OPENING_TOTAL", "overpayments.yen", "0", "2,000"),
    ]
    assert ledger.status().hash == before


@pytest.mark.parametrize(
    ("name", "table", "found"),
    [
        # The bill is not paid: the yen would lower its balance.
        ("overpayments", items((2_000, {"bill_id": "B3"})), ("excess 2,000", "UNDERPAID: applied 2,000")),
        # The number is that of an open bill.
        ("suspense", items((700, {"case_key": "3"}), (300, {})), ("suspense 700", "UNDERPAID: applied 700")),
        # The same number of the old system for the same yen.
        (
            "suspense",
            items((500, {"provider_key": "F"}), (500, {"provider_key": "F"})),
            ("suspense 500", "DUPLICATE_RECORD: no_effect 500"),
        ),
    ],
)
def test_an_item_of_another_disposition(ledger, name, table, found):
    before = ledger.status().hash
    with pytest.raises(InvalidInputError) as error:
        open_balances(ledger, **{name: table})
    assert codes(error) == [("OPENING_DISPOSITION", "amount", *found)]
    assert ledger.status().hash == before


def test_bills_and_receipts_that_the_ledger_has(ledger, receipts):
    ledger.add_bills(BILLS.slice(2, 1), actor="clerk")
    with pytest.raises(InvalidInputError) as error:
        open_balances(ledger)
    assert codes(error) == [("OPENING_NOT_NEW", "bills", "0", "1")]


def test_a_receipt_of_the_ledger_that_pays_an_opened_bill(ledger, receipts):
    ledger.post(receipts("may.csv", ("B3", 5_000, 1)), actor="batch")
    with pytest.raises(InvalidInputError) as error:
        open_balances(ledger)
    assert codes(error) == [("OPENING_NOT_NEW", "receipts", "0", "1")]


def test_an_overpayment_needs_a_known_bill(ledger):
    totals = OpeningTotals(overpayments=OpeningTotal(count=1, yen=2_000))
    for more, code in (({}, "FIELD_MISSING"), ({"bill_id": "B9"}, "BILL_UNKNOWN")):
        with pytest.raises(InvalidInputError) as error:
            ledger.open_balances(overpayments=items((2_000, more)), totals=totals, actor="clerk")
        assert [(issue.code, issue.location.record) for issue in error.value.issues] == [(code, 1)]


def test_a_bill_of_another_load_can_be_overpaid(ledger):
    ledger.add_bills(BILLS, actor="clerk")
    totals = OpeningTotals(overpayments=OpeningTotal(count=1, yen=2_000))
    ledger.open_balances(overpayments=OPENING["overpayments"], totals=totals, actor="clerk")
    assert ledger.status().dispositions["excess"] == 2_000
    assert_sound(ledger)


@pytest.mark.parametrize("seed", range(examples(6)))
def test_opened_balances_are_the_totals_and_what_reports_show(ledger, seed):
    draw = random.Random(seed)
    bills = [
        (n, yen, draw.choice([0, yen, draw.randrange(yen)])) for n in range(1, 9) for yen in [draw.randrange(1, 9_999)]
    ]
    settled = [n for n, yen, paid in bills if yen == paid]
    unpaid = [n for n, yen, paid in bills if paid < yen]
    rows = {
        "overpayments": [(draw.randrange(1, 999), {"bill_id": f"B{n}"}) for n in settled for _ in range(2)],
        "suspense": [(draw.randrange(1, 999), draw.choice([{}, {"case_key": "77"}])) for _ in range(draw.randrange(4))],
        "provisionals": [(draw.randrange(1, 999), {"bill_id": f"B{n}"}) for n in unpaid if draw.random() < 0.5],
    }
    tables = {name: items(*each) if each else None for name, each in rows.items()}
    counts = {name: {"count": len(each), "yen": sum(yen for yen, _ in each)} for name, each in rows.items()}
    billed, paid = sum(yen for _, yen, _ in bills), sum(paid for *_, paid in bills)
    slip_totals = {"count": len(bills), "billed": billed, "paid": paid, "open": billed - paid}
    ledger.open_balances(
        bills=slips(*bills), **tables, totals=OpeningTotals(bills=slip_totals, **counts), actor="clerk"
    )
    assert sum(ledger.balances().column("residual").to_pylist()) == billed - paid
    status = ledger.status()
    for name, (_, disposition) in ITEM_KINDS.items():
        assert status.dispositions[disposition] == counts[name]["yen"]
    assert status.dispositions["applied"] == 0
    report = Report.from_ledger(ledger)
    receivables = report.tables["receivables"]
    assert sum(receivables.column("unpaid").to_pylist()) == billed - paid
    assert sum(receivables.column("paid_before").to_pylist()) == paid
    assert sum(report.tables["overpayments"].column("excess").to_pylist()) == counts["overpayments"]["yen"]
    pending = report.tables["pending"].to_pylist()
    for name, kind in (("suspense", "suspense"), ("provisionals", "provisional")):
        assert sum(row["amount"] for row in pending if row["kind"] == kind) == counts[name]["yen"]
    assert_sound(ledger)


def test_a_consumer_of_changes_gets_the_opened_bills(ledger):
    open_balances(ledger)
    rows = ledger.changes("billing").table.to_pylist()
    assert {row["bill_id"]: (row["change_cause"], row["residual_to"], row["excess_to"]) for row in rows} == {
        "B1": ("bill", 0, 2_000),
        "B2": ("bill", 5_000, 0),
        "B3": ("bill", 5_000, 0),
    }
