"""Refunds and set-offs to the end: the steps of each overpayment, control T8, the file for the bank, and reversals."""

import random
from collections import Counter
from datetime import date
from itertools import count

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, LedgerError, RefundDecision, active_entries
from kokin.reconcile import Policy, build_accounts, reconcile
from kokin.reports import Report
from tests.support import added_changes, examples

DAY = date(2026, 12, 18)
TAX = {"charge": "fixed-asset-tax", "payer_key": "P1"}
ACCOUNT = {"bank_code": "9999", "branch_code": "001", "account_number": "123", "name": "ｺｳｷﾝ ﾊﾅｺ"}
HEADER = {"consignor_name": "ﾚｲｼﾞｼ", "transfer_day": date(2026, 12, 21), "bank_code": "9999"}


def decide(ledger, *rows, actor="clerk", **options):
    """Decide proposals from tuples of proposal, kind and other columns."""
    absent = dict.fromkeys(RefundDecision.model_fields)
    table = [{**absent, "proposal_id": name, "kind": kind, **(more[0] if more else {})} for name, kind, *more in rows]
    options = {"decided_on": DAY, "source": "refunds.csv", **options}
    return ledger.decide_refunds(pa.Table.from_pylist(table), actor=actor, **options)


def order(ledger, path, *names, actor="clerk", **options):
    rows = pa.Table.from_pylist([{"proposal_id": name, **ACCOUNT} for name in names])
    return ledger.order_refunds(rows, path, header=HEADER, actor=actor, source="accounts.csv", **options)


def result(ledger, *rows, source="result.csv", day=date(2026, 12, 22)):
    table = [{"proposal_id": name, "result": what, "result_on": day} for name, what in rows]
    return ledger.add_refund_results(pa.Table.from_pylist(table), actor="clerk", source=source)


def states(ledger):
    """State and yen of each proposal."""
    rows = ledger.refund_proposals(decided_on=DAY).to_pylist()
    return {row["proposal_id"]: (row["state"], row["amount"]) for row in rows}


def codes(error):
    return [(issue.code, issue.field, issue.location.record) for issue in error.value.issues]


def assert_sound(ledger):
    """The journal equals a reconciliation of everything, every control holds, and the rows are unchanged."""
    found = reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions(), check_paid_before=False)
    assert found.outcomes == ledger.outcomes()
    assert found.balances == ledger.balances()
    controls = {**ledger.status().controls, "T5": found.controls[4], "T6": found.controls[5]}
    assert {name for name, control in controls.items() if control.holds} == {"T1", "T4", "T5", "T6", "T7", "T8"}
    assert ledger.verify(rematch=True).is_clean


@pytest.fixture
def town(ledger, bills, receipts):
    """B1 is paid in duplicate (R2, 500,000); B2 of the same tax is due (300,000), B3 of another system (12,000)."""
    ledger.add_bills(bills(TAX, B1=500_000), actor="clerk")
    ledger.add_bills(bills({**TAX, "due_on": date(2026, 10, 30)}, B2=300_000), actor="clerk")
    more = {"charge": "long-term-care-premium", "payer_key": "P1", "due_on": date(2026, 10, 31)}
    ledger.add_bills(bills(more, B3=12_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 500_000, 20), ("B1", 500_000, 25)), actor="batch")
    return ledger


SETOFF = ("P2", "setoff", {"debt_bill_id": "B2"})


def test_proposals_divide_the_excess_by_law(town):
    rows = town.refund_proposals(decided_on=DAY).to_pylist()
    names = ("proposal_id", "kind", "amount", "interest", "debt_bill_id", "article", "needs_consent", "cause")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("P2", "setoff", 300_000, 1_300, "B2", "地方税法17の2①", False, "double"),
        ("P2-2", "setoff", 12_000, 0, "B3", "民法505", True, "double"),
        ("P2-3", "refund", 188_000, 1_100, None, "地方税法17", False, "double"),
    ]
    assert_sound(town)


def test_a_set_off_writes_both_sides(town):
    entry = decide(town, SETOFF).entry
    assert entry.kind == EntryKind.REFUND
    assert states(town) == {"P2": ("set_off", 300_000), "P2-2": ("open", 12_000), "P2-3": ("open", 188_000)}
    credit = town.receipts().to_pylist()[-1]
    assert (credit["kind"], credit["amount"], credit["paid_on"]) == ("setoff", 300_000, date(2026, 10, 30))
    balances = {row["bill_id"]: row["residual"] for row in town.balances().to_pylist()}
    assert balances == {"B1": 0, "B2": 0, "B3": 12_000}
    assert_sound(town)
    # The money came through no bank.
    accounts = build_accounts(reconcile(town.bills(), town.receipts()), deposits=town.bank_deposits(), as_of=DAY)
    assert sum(accounts.settlements["expected"].to_pylist()) == 1_000_000
    reversal = town.reverse_entry(entry.id, reason="wrong debt", actor="chief").entry
    assert states(town)["P2"] == ("open", 300_000)
    assert_sound(town)
    town.reverse_entry(reversal.id, reason="right debt", actor="chief")
    assert states(town)["P2"] == ("set_off", 300_000)
    assert_sound(town)


def test_a_refund_goes_to_the_end(town, tmp_path):
    decide(town, SETOFF, ("P2-2", "setoff", {"debt_bill_id": "B3", "consent": True}), ("P2-3", "refund"))
    path = tmp_path / "refunds.txt"
    # The interest on the set-off is transferred, too.
    found = order(town, path, "P2-3", "P2")
    assert (found.transfers, found.yen, found.inserted) == (2, 188_000 + 1_100 + 1_300, True)
    assert states(town)["P2-3"] == ("ordered", 188_000)
    read = path.read_bytes().decode("cp932").split("\r\n")
    data = [line for line in read if line.startswith("2")]
    assert [(line[80:90], line[91:111].rstrip(), line[42:43], line[43:50]) for line in data] == [
        ("0000189100", "P2-3", "1", "0000123"),
        ("0000001300", "P2", "1", "0000123"),
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["refunds.txt"]
    result(town, ("P2-3", "returned"), ("P2", "paid"))
    assert states(town) == {"P2": ("set_off", 300_000), "P2-2": ("set_off", 12_000), "P2-3": ("returned", 188_000)}
    order(town, tmp_path / "again.txt", "P2-3")
    assert result(town, ("P2-3", "paid"), source="second.csv").inserted
    assert not result(town, ("P2-3", "paid"), source="second.csv").inserted
    assert states(town)["P2-3"] == ("paid", 188_000)
    assert_sound(town)
    report = Report.from_ledger(town)
    rows = report.tables["overpayments"].select(["proposal_id", "state", "refund"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("P2", "set_off", 0), ("P2-2", "set_off", 0), ("P2-3", "paid", 0)]
    assert report.summary["controls"]["T8"]["holds"]


def test_accounts_and_names_are_in_the_file_only(town, tmp_path, place):
    decide(town, ("P2-3", "refund"))
    long_name = {**ACCOUNT, "proposal_id": "P2-3", "name": "ﾅ" * 31, "account_number": "12x"}
    with pytest.raises(InvalidInputError) as error:
        town.order_refunds(pa.Table.from_pylist([long_name]), tmp_path / "a.txt", header=HEADER, actor="clerk")
    assert "ﾅ" not in str(error.value.issues)
    assert "12x" not in str(error.value.issues)
    assert [*tmp_path.iterdir()] == []
    order(town, tmp_path / "a.txt", "P2-3")
    exported = b"".join(path.read_bytes() for path in town.export(tmp_path / "export"))
    assert "ﾊﾅｺ".encode() not in exported
    assert b"0000123" not in exported


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("P9", "refund")], [("PROPOSAL_UNKNOWN", "proposal_id", 1)]),
        ([("P2-1", "refund")], [("PROPOSAL_UNKNOWN", "proposal_id", 1)]),
        ([("R2", "refund")], [("PROPOSAL_UNKNOWN", "proposal_id", 1)]),
        ([SETOFF, ("P2", "refund")], [("PROPOSAL_DUPLICATE", "proposal_id", 2)]),
        ([("P2", "refund", {"debt_bill_id": "B2"})], [("FIELD_NOT_EMPTY", "debt_bill_id", 1)]),
        ([("P2", "setoff")], [("FIELD_MISSING", "debt_bill_id", 1)]),
        ([("P2", "setoff", {"debt_bill_id": "B1"})], [("SETOFF_DEBT", "debt_bill_id", 1)]),
        ([("P2", "setoff", {"debt_bill_id": "B2", "amount": 300_001})], [("SETOFF_DEBT", "amount", 1)]),
        ([("P2", "setoff", {"debt_bill_id": "B3"})], [("SETOFF_CONSENT", "consent", 1)]),
        ([("P2", "refund", {"amount": 200_001})], [("SETOFF_MANDATORY", "amount", 1)]),
        ([SETOFF, ("P2-2", "refund", {"amount": 200_001})], [("REFUND_EXCEEDS", "amount", n) for n in (1, 2)]),
        ([("P2-7", "refund")], [("FIELD_MISSING", "amount", 1)]),
        ([("P2", "refund")], [("SETOFF_MANDATORY", "amount", 1)]),
        ([("P2", "paid")], [("CODE_UNKNOWN", "kind", 1)]),
    ],
)
def test_decisions_that_are_rejected(town, rows, found):
    before = town.status().hash
    with pytest.raises(InvalidInputError) as error:
        decide(town, *rows)
    assert codes(error) == found
    assert town.status().hash == before


def test_a_part_of_the_yen_can_be_decided(town):
    """Without the payer's consent all that law leaves is refunded as one sum; its interest is cut once."""
    decide(town, ("P2-3", "refund", {"amount": 200_000}))
    assert states(town) == {"P2": ("open", 300_000), "P2-3": ("decided", 200_000)}
    row = town.refunds().to_pylist()[0]
    assert (row["interest"], row["transfer"], row["article"], row["decided_on"]) == (1_200, 201_200, "地方税法17", DAY)
    assert_sound(town)


def test_four_eyes(ledger, town, tmp_path):
    town.set_policy(Policy(four_eyes=True), actor="chief")
    for approver, code in ((None, "FIELD_MISSING"), ("clerk", "APPROVER_SAME")):
        with pytest.raises(InvalidInputError) as error:
            decide(town, ("P2-3", "refund", {"approver": approver}))
        assert codes(error) == [(code, "approver", 1)]
    decide(town, ("P2-3", "refund", {"approver": "chief"}))
    for approver, code in (("", "FIELD_MISSING"), ("clerk", "APPROVER_SAME")):
        with pytest.raises(InvalidInputError) as error:
            order(town, tmp_path / "a.txt", "P2-3", approver=approver)
        assert codes(error) == [(code, "approver", 1)]
    assert order(town, tmp_path / "a.txt", "P2-3", approver="chief").transfers == 1


def test_no_step_is_taken_out_of_order(town, tmp_path):
    decided = decide(town, SETOFF, ("P2-2", "refund", {"amount": 200_000})).entry
    for step, code in ((("P2-2",), None), (("P2-2",), "REFUND_STATE"), (("P7",), "PROPOSAL_UNKNOWN")):
        if code is None:
            ordered = order(town, tmp_path / "a.txt", *step).entry
            continue
        with pytest.raises(InvalidInputError) as error:
            order(town, tmp_path / "b.txt", *step)
        assert codes(error) == [(code, "proposal_id", 1)]
    with pytest.raises(InvalidInputError) as error:
        result(town, ("P2", "paid"))
    assert codes(error) == [("REFUND_STATE", "proposal_id", 1)]
    with pytest.raises(InvalidInputError) as error:
        decide(town, ("P2-2", "refund"))
    assert codes(error) == [("REFUND_STATE", "proposal_id", 1)]
    with pytest.raises(InvalidInputError, match="nothing was reversed") as error:
        town.reverse_entry(decided.id, reason="no", actor="chief")
    assert error.value.issues[0].code == "REFUND_FOLLOWED"
    # The file was never transferred.
    town.reverse_entry(ordered.id, reason="not transferred", actor="chief")
    assert states(town)["P2-2"] == ("decided", 200_000)
    other = order(town, tmp_path / "c.txt", "P2-2").entry
    for entry, code in ((town.entries()[-2].id, "REFUND_FOLLOWED"), (ordered.id, "ENTRY_REVERSED")):
        with pytest.raises(InvalidInputError) as error:
            town.reverse_entry(entry, reason="no", actor="chief")
        assert error.value.issues[0].code == code
    paid = result(town, ("P2-2", "paid")).entry
    with pytest.raises(InvalidInputError) as error:
        town.reverse_entry(other.id, reason="no", actor="chief")
    assert error.value.issues[0].code == "REFUND_FOLLOWED"
    town.reverse_entry(paid.id, reason="of another day", actor="chief")
    assert states(town)["P2-2"] == ("ordered", 200_000)
    assert_sound(town)


def test_one_side_of_a_set_off_is_not_reversed_alone(town):
    decide(town, SETOFF)
    postings = town.history("B2").postings.column("id").to_pylist()
    with pytest.raises(InvalidInputError) as error:
        town.reverse_posting(postings[-1], reason="dishonoured", actor="chief")
    assert error.value.issues[0].code == "SETOFF_POSTING"
    decision = {"exception_id": "R3-MATCHED", "decision": "unapply", "reason": "seen"}
    with pytest.raises(InvalidInputError) as error:
        town.decide(pa.Table.from_pylist([decision]), actor="clerk")
    assert error.value.issues[0].code == "DECISION_KIND"


def findings(ledger):
    accounts = build_accounts(
        reconcile(ledger.bills(), ledger.receipts(), decisions=ledger.decisions(), check_paid_before=False),
        refunds=ledger.refunds(),
        as_of=DAY,
    )
    rows = accounts.exceptions.to_pylist()
    names = ("source", "record_no", "field", "expected", "found")
    return [tuple(row[name] for name in names) for row in rows if row["outcome"] == "REFUND_EXCEEDS_EXCESS"]


def test_later_data_that_removes_the_excess_is_a_finding(town, bills, receipts, tmp_path):
    decide(town, ("P2-3", "refund", {"amount": 200_000}))
    order(town, tmp_path / "a.txt", "P2-3")
    load = town.add_bills(bills(TAX, B1=900_000), actor="clerk").entry
    assert findings(town) == [("mon.csv", 2, "excess", "100000", "200000")]
    assert states(town) == {"P2-3": ("ordered", 200_000)}
    assert_sound(town)
    result(town, ("P2-3", "paid"))
    town.reverse_entry(load.id, reason="wrong bill", actor="chief")
    assert (findings(town), states(town)["P2"]) == ([], ("open", 300_000))
    # The whole file was another authority's.
    town.reverse_entry(5, reason="wrong file", actor="chief")
    assert findings(town) == [("", None, "P2-3", "0", "200000")]
    assert states(town) == {"P2-3": ("paid", 200_000)}
    assert_sound(town)
    # The same payment in another file takes over what was decided.
    town.post(receipts("0copy.csv", ("B1", 500_000, 20), ("B1", 500_000, 25)), actor="batch")
    town.post(receipts("mon.csv", ("B1", 500_000, 20), ("B1", 500_000, 25)), actor="batch")
    assert findings(town) == []
    open_yen = sum(yen for state, yen in states(town).values() if state == "open")
    assert (open_yen, states(town)["P2-3"]) == (300_000, ("paid", 200_000))
    assert_sound(town)


def test_a_decision_is_not_restored_about_yen_that_are_decided_by_another(town):
    first = decide(town, ("P2-3", "refund", {"amount": 200_000})).entry
    reversal = town.reverse_entry(first.id, reason="no", actor="chief").entry
    second = decide(town, ("P2-4", "refund", {"amount": 200_000}), ("P2", "setoff", {"debt_bill_id": "B2"})).entry
    with pytest.raises(InvalidInputError) as error:
        town.reverse_entry(reversal.id, reason="yes", actor="chief")
    assert error.value.issues[0].code == "REFUND_EXCEEDS"
    town.reverse_entry(second.id, reason="no", actor="chief")
    town.reverse_entry(reversal.id, reason="yes", actor="chief")
    assert states(town)["P2-3"] == ("decided", 200_000)
    assert_sound(town)


def test_the_excess_of_a_set_off_is_a_proposal_itself(town, receipts):
    """The debt is paid, too, by a payment of an earlier day: what was set off is too much."""
    decide(town, SETOFF)
    town.post(receipts("late.csv", ("B2", 300_000, 30)), actor="batch")
    assert states(town)["P3"] == ("open", 300_000)
    assert sum(yen for state, yen in states(town).values() if state == "open") == 500_000
    assert_sound(town)


def test_an_interrupted_order_is_completed_by_the_same_call(town, tmp_path, monkeypatch):
    from kokin.ledger._upload_files import EntryDrafts

    decide(town, ("P2-3", "refund"))

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(EntryDrafts, "complete", killed)
    with pytest.raises(KeyboardInterrupt):
        order(town, tmp_path / "a.txt", "P2-3")
    monkeypatch.undo()
    assert not (tmp_path / "a.txt").exists()
    found = order(town, tmp_path / "a.txt", "P2-3")
    assert (found.inserted, found.transfers) == (False, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InvalidInputError) as error:
        order(town, tmp_path / "a.txt", "P2-3")
    assert error.value.issues[0].code == "REFUND_STATE"


def test_an_old_result_is_not_that_of_a_later_order(town, tmp_path):
    """The file of the bank comes again under another name after the returned transfer was ordered again."""
    decide(town, ("P2-3", "refund"))
    order(town, tmp_path / "a.txt", "P2-3")
    result(town, ("P2-3", "returned"))
    order(town, tmp_path / "b.txt", "P2-3")
    assert not result(town, ("P2-3", "returned")).inserted
    for day in (date(2026, 12, 21), date(2026, 12, 22)):
        with pytest.raises(InvalidInputError) as error:
            result(town, ("P2-3", "returned"), source="renamed.csv", day=day)
        assert codes(error) == [("REFUND_REPORTED", "result_on", 1)]
    with pytest.raises(InvalidInputError) as error:
        result(town, ("P2-3", "paid"), source="renamed.csv", day=date(2026, 12, 21))
    assert codes(error) == [("REFUND_REPORTED", "result_on", 1)]
    assert states(town)["P2-3"] == ("ordered", 188_000)
    assert result(town, ("P2-3", "paid"), source="paid.csv").inserted
    assert states(town)["P2-3"] == ("paid", 188_000)
    assert_sound(town)


def test_no_transfer_is_ordered_of_an_excess_that_is_gone(town, bills, receipts, tmp_path):
    """The payment was taken back, or the bill was raised, between decision and order."""
    decide(town, ("P2-3", "refund", {"amount": 150_000}), ("P2-4", "refund", {"amount": 50_000}))
    load = town.add_bills(bills(TAX, B1=801_000), actor="clerk").entry
    assert findings(town) == [("mon.csv", 2, "excess", "199000", "200000")]
    for names in (("P2-3",), ("P2-4", "P2-3")):
        with pytest.raises(InvalidInputError, match="nothing was ordered") as error:
            order(town, tmp_path / "a.txt", *names)
        assert codes(error) == [("REFUND_EXCEEDS", "proposal_id", row) for row in range(1, len(names) + 1)]
    town.reverse_entry(load.id, reason="wrong bill", actor="chief")
    town.reverse_entry(5, reason="wrong file", actor="chief")
    with pytest.raises(InvalidInputError) as error:
        order(town, tmp_path / "a.txt", "P2-3")
    assert codes(error) == [("REFUND_EXCEEDS", "proposal_id", 1)]
    assert not [*tmp_path.iterdir()]
    # The same payments in another file take over what was decided.
    town.post(receipts("copy.csv", ("B1", 500_000, 20), ("B1", 500_000, 25)), actor="batch")
    town.post(receipts("mon.csv", ("B1", 500_000, 20), ("B1", 500_000, 25)), actor="batch")
    assert order(town, tmp_path / "a.txt", "P2-3", "P2-4").transfers == 2


def test_no_order_is_written_in_a_dry_run(town, tmp_path):
    decide(town, ("P2-3", "refund"))
    with town.dry_run(), pytest.raises(LedgerError, match="dry run"):
        order(town, tmp_path / "a.txt", "P2-3")
    assert not [*tmp_path.iterdir()]
    assert states(town)["P2-3"] == ("decided", 188_000)


def test_an_existing_file_is_not_replaced(town, tmp_path):
    decide(town, ("P2-3", "refund"))
    (tmp_path / "a.txt").write_text("of yesterday")
    with pytest.raises(InvalidInputError) as error:
        order(town, tmp_path / "a.txt", "P2-3")
    assert error.value.issues[0].code == "FOLDER_TAKEN"
    assert (tmp_path / "a.txt").read_text() == "of yesterday"
    assert states(town)["P2-3"][0] == "decided"


@pytest.mark.parametrize("seed", range(examples(24)))
def test_any_sequence_of_posts_steps_and_reversals_keeps_the_controls(seed, ledger, bills, receipts, tmp_path):
    """No proposal is ordered again before its transfer came back or its order was reversed; T4 to T8 hold."""
    rng = random.Random(seed)
    names = [f"B{number}" for number in range(1, 7)]
    more = {"charge": "fixed-asset-tax", "due_on": date(2026, 6, 1)}
    for name in names:
        ledger.add_bills(bills({**more, "payer_key": rng.choice("PQ")}, **{name: 500_000}), actor="clerk")
    in_transfer = Counter()

    def post():
        rows = [(rng.choice(names), rng.choice((200_000, 500_000, 900_000)), rng.randint(1, 28)) for _ in range(3)]
        ledger.post(receipts(f"{next(_NUMBERS)}.csv", *rows), actor="batch")

    def bill():
        name = rng.choice(names)
        ledger.add_bills(
            bills({**more, "payer_key": "P"}, **{name: rng.choice((100_000, 500_000, 800_000))}), actor="x"
        )

    def decide_some():
        rows = [row for row in ledger.refund_proposals(decided_on=DAY).to_pylist() if row["state"] == "open"]
        rows = [row for row in rows if rng.random() < 0.6]
        if rows:
            table = [{name: row[name] for name in ("proposal_id", "kind", "amount", "debt_bill_id")} for row in rows]
            ledger.decide_refunds(pa.Table.from_pylist(table), actor="clerk", decided_on=DAY)

    def order_some():
        rows = [name for name, (state, _) in states(ledger).items() if state != "open" and rng.random() < 0.7]
        if rows:
            found = order(ledger, tmp_path / f"{next(_NUMBERS)}.txt", *rows)
            in_transfer.update(rows)
            orders[found.entry.id] = rows

    def report_some():
        rows = [name for name, (state, _) in states(ledger).items() if state == "ordered"]
        rows = [(name, rng.choice(("paid", "returned"))) for name in rows if rng.random() < 0.7]
        if rows:
            found = result(ledger, *rows, source=f"{next(_NUMBERS)}.csv")
            returned = [name for name, what in rows if what == "returned"]
            in_transfer.subtract(returned)
            orders[found.entry.id] = [f"-{name}" for name in returned]

    def reverse():
        entry = rng.choice(ledger.entries()[7:] or ledger.entries()[-1:])
        before = active_entries(ledger.entries())
        ledger.reverse_entry(entry.id, reason="test", actor="chief")
        after = active_entries(ledger.entries())
        for entry, rows in orders.items():
            sign = (entry in after) - (entry in before)
            for name in rows:
                in_transfer[name.removeprefix("-")] += sign * (-1 if name.startswith("-") else 1)

    orders = {}
    for _ in range(14):
        step = rng.choice((post, bill, decide_some, decide_some, order_some, order_some, report_some, reverse, reverse))
        before = ledger.status(recompute=False).hash
        try:
            step()
        except InvalidInputError as error:
            rejected = {issue.code for issue in error.issues}
            assert ledger.status(recompute=False).hash == before
        else:
            rejected = set()
        assert rejected <= {"REFUND_STATE", "REFUND_FOLLOWED", "REFUND_EXCEEDS", "ENTRY_REVERSED", "ENTRY_KIND"}
        assert max(in_transfer.values(), default=0) <= 1
    assert_sound(ledger)
    added_changes(ledger)


_NUMBERS = count()
