"""The work list: every open exception once with a stable id, candidates for unknown money, and what closes it."""

import io
import random
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger
from kokin.ledger._candidates import find_candidates
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report
from tests.support import examples

TODAY = date(2026, 11, 28)


def decide(ledger, *rows, **options):
    table = [
        {"exception_id": exception, "decision": kind, "reason": "seen", **(more[0] if more else {})}
        for exception, kind, *more in rows
    ]
    return ledger.decide(pa.Table.from_pylist(table), actor="clerk", source="work.xlsx", **options)


def ids(ledger, as_of=None):
    return ledger.work_list(as_of).column("exception_id").to_pylist()


def rows_by_id(ledger):
    return {row["exception_id"]: row for row in ledger.work_list().to_pylist()}


def candidates_of(row):
    found = [(row[f"candidate_{at}"], row[f"candidate_{at}_reason"]) for at in (1, 2, 3)]
    return [each for each in found if each[0]]


@pytest.fixture
def town(ledger, bills, receipts):
    """A payment with exchanged digits (R1), a paid bill (R2), paid again (R3) and after its deadline (R4)."""
    ledger.add_bills(bills({"payer_key": "P1"}, B1234=1_000, B1235=2_000), actor="clerk")
    ledger.add_bills(bills({"payer_key": "P2", "payable_until": date(2026, 5, 1)}, B77=500), actor="clerk")
    rows = [("B1243", 2_000, 1), ("B1234", 1_000, 2), ("B1234", 1_000, 3), ("B77", 400, 4)]
    ledger.post(receipts("mon.csv", *rows), actor="batch")
    return ledger


def test_every_exception_is_in_the_list_with_what_differs(town):
    rows = rows_by_id(town)
    assert set(rows) == {"R1-NO_BILL", "R3-DUPLICATE_PAYMENT", "R4-UNDERPAID", "R4-EXPIRED"}
    found = rows["R4-EXPIRED"]
    assert (found["source"], found["record_no"], found["amount"], found["bill_id"]) == ("mon.csv", 4, 400, "B77")
    assert (found["field"], found["expected"], found["found"]) == ("paid_on", "2026-05-01", "2026-05-04")
    assert (found["paid_on"], found["entry_id"], found["receipt_id"]) == (date(2026, 5, 4), 4, 4)


def test_the_exceptions_are_those_of_the_accounts(town):
    decisions = town.decisions()
    result = reconcile(town.bills(), town.receipts(), town.policy, decisions=decisions, check_paid_before=False)
    exceptions = build_accounts(result, as_of=TODAY).exceptions.to_pylist()
    expected = {f"R{row['record_no']}-{row['outcome']}" for row in exceptions}
    assert set(ids(town)) == expected


def test_the_payer_of_a_similar_number_is_a_candidate_and_nothing_is_applied(town):
    balances = town.balances()
    assert candidates_of(rows_by_id(town)["R1-NO_BILL"]) == [("B1235", "payer + amount")]
    assert candidates_of(rows_by_id(town)["R4-UNDERPAID"]) == []
    assert town.balances() == balances


def test_a_decided_exception_leaves_the_list_and_returns_with_its_reversal(town):
    before = ids(town)
    entry = decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B1235"}), ("R4-EXPIRED", "accept")).entry
    assert entry.totals == {"decisions": {"accept": 1, "assign": 1}, "given": 2, "yen": 2_000}
    assert set(ids(town)) == {"R3-DUPLICATE_PAYMENT", "R4-UNDERPAID"}
    town.reverse_entry(entry.id, reason="wrong", actor="chief")
    assert ids(town) == before


def test_a_held_exception_is_in_the_list_from_its_day_on(town):
    decide(town, ("R1-NO_BILL", "hold", {"hold_until": "2027-01-10"}))
    assert "R1-NO_BILL" not in ids(town)
    assert "R1-NO_BILL" not in ids(town, date(2027, 1, 9))
    assert "R1-NO_BILL" in ids(town, date(2027, 1, 10))


def ids_in(rows, state):
    return {row["exception_id"] for row in rows if row["exception_state"] == state}


def test_a_closed_exception_is_in_the_report_with_its_state_and_who_decided(town):
    decide(town, ("R1-NO_BILL", "hold", {"hold_until": "2027-01-10"}), ("R4-EXPIRED", "accept"))
    decide_refund(town, "P3")
    day = Report.from_ledger(town).as_of
    rows = {row["exception_id"]: row for row in town.exceptions(town.entries()[-1].id, day).to_pylist()}
    names = ("outcome", "exception_state", "hold_until", "decided_by", "applied", "payee_code")
    assert {name: tuple(row[each] for each in names) for name, row in rows.items()} == {
        "R1-NO_BILL": ("NO_BILL", "held", date(2027, 1, 10), "clerk", 0, "99999"),
        "R3-DUPLICATE_PAYMENT": ("DUPLICATE_PAYMENT", "decided", None, "clerk", 0, "99999"),
        "R4-UNDERPAID": ("UNDERPAID", "open", None, None, 400, "99999"),
        "R4-EXPIRED": ("EXPIRED", "accepted", None, "clerk", 400, "99999"),
        "P3-REFUND_DECIDED": ("REFUND_DECIDED", "open", None, None, 0, "99999"),
    }
    assert {row["since"] for row in rows.values()} == {day}
    later = town.exceptions(town.entries()[-1].id, date(2027, 1, 10)).to_pylist()
    assert "R1-NO_BILL" in ids_in(later, "open")
    before = town.exceptions(town.entries()[-3].id, day).to_pylist()
    assert ids_in(before, "open") == set(rows) - {"P3-REFUND_DECIDED"} == {row["exception_id"] for row in before}


def test_the_age_is_counted_from_the_entry(place, bills, receipts):
    days = iter([datetime(2026, 6, day, tzinfo=UTC) for day in (1, 2, 3, 20)])
    with Ledger.create("sqlite://", clock=lambda: next(days)) as ledger:
        ledger.add_bills(bills(B1=1_000), actor="clerk")
        ledger.post(receipts("mon.csv", ("B9", 1_000, 1)), actor="batch")
        assert ledger.work_list().column("age_days").to_pylist() == [17]


def test_deposits_files_and_overlaps_have_ids(town, receipts):
    deposits = [{"credited_on": date(2026, 5, 9), "amount": 3, "agent_code": "A1"}]
    town.add_deposits(pa.Table.from_pylist(deposits), actor="clerk", source="bank.txt")
    report = {"first_day": date(2026, 5, 1), "last_day": date(2026, 5, 9), "count": 9, "amount": 9}
    town.add_agent_reports(pa.Table.from_pylist([report]), actor="clerk", source="report.csv")
    town.post(receipts("tue.csv", ("B1243", 2_000, 1)), actor="batch")
    header = b"payee_code,item_code,case_key,confirmation,amount,paid_on\n"
    good, bad = b"99999,127,5,123456,100,2026-05-01\n", b"99999,127,2,12345x,100,2026-05-01\n"
    town.post(named(header + good + bad, "wed.csv"), actor="batch")
    with pytest.raises(InvalidInputError):
        town.post(named(header + b"99999,12", "thu.csv"), actor="batch")
    rows = rows_by_id(town)
    assert {key: rows[key]["code"] for key in rows if key[0] != "R"} == {
        "S2026-05-09-A1-SETTLEMENT_MISMATCH": "SETTLEMENT_MISMATCH",
        "A1-TOTAL_MISMATCH-count": "TOTAL_MISMATCH",
        "A1-TOTAL_MISMATCH-amount": "TOTAL_MISMATCH",
        "O4-7": "FILE_OVERLAPS",
        "I1": "NOT_DIGITS",
        "F9": "FILE_REJECTED",
    }
    assert rows["O4-7"]["found"] == "1 of 1 in mon.csv"
    assert rows["S2026-05-09-A1-SETTLEMENT_MISMATCH"]["age_days"] > 0
    issues = town.issues().column("entry_id").to_pylist()
    assert issues == [8, 9]
    closed = [key for key in rows if key[0] in "SAOIF"]
    decide(town, *((key, "accept") for key in closed), open_only=True)
    assert {key[0] for key in ids(town)} == {"R"}
    assert len(town.issues()) == 0
    with pytest.raises(InvalidInputError, match="DECISION_SETTLED"):
        decide(town, ("F9", "accept"), open_only=True)


HEADER_LINE = b"payee_code,item_code,case_key,confirmation,amount,paid_on\n"


def named(content, name):
    """An open receipt file."""
    stream = io.BytesIO(content)
    stream.name = name
    return receipt_files.open(stream, "kokin-csv")


def test_an_accepted_exception_returns_when_its_yen_change(town):
    def deposit(yen):
        rows = pa.Table.from_pylist([{"credited_on": date(2026, 5, 9), "amount": yen, "agent_code": "A1"}])
        town.add_deposits(rows, actor="clerk", source=f"{yen}.txt")

    name = "S2026-05-09-A1-SETTLEMENT_MISMATCH"
    deposit(3)
    entry = decide(town, (name, "accept"), open_only=True).entry
    assert name not in ids(town)
    assert settled(town, (name, "accept")) == [(1, "DECISION_SETTLED", f"{name} (entry {entry.id})")]
    deposit(4)
    assert rows_by_id(town)[name]["found"] == "7"
    decide(town, (name, "accept"), open_only=True)
    assert name not in ids(town)


def settled(ledger, *rows):
    with pytest.raises(InvalidInputError) as caught:
        decide(ledger, *rows, open_only=True)
    return [(issue.location.record, issue.code, issue.found) for issue in caught.value.issues]


def test_an_exception_that_is_no_longer_open_is_rejected(town):
    decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B1235"}), ("R4-EXPIRED", "accept"), open_only=True)
    assert settled(town, ("R1-NO_BILL", "unapply"), ("R4-EXPIRED", "accept"), ("R2-EXPIRED", "accept")) == [
        (1, "DECISION_SETTLED", "R1-NO_BILL (entry 5)"),
        (2, "DECISION_SETTLED", "R4-EXPIRED (entry 5)"),
        (3, "DECISION_SETTLED", "R2-EXPIRED (entry 4)"),
    ]
    assert (
        settled(town, ("S2026-05-01--MISSING_SETTLEMENT", "accept"), ("O3-4", "accept"), ("R99-NO_BILL", "hold")) != []
    )
    # A payment on a wrong bill is no exception; it is named by its outcome.
    decide(town, ("R2-MATCHED", "move", {"bill_id": "B77"}), open_only=True)
    assert "R2-OVERPAID" in ids(town) or "R2-UNDERPAID" in ids(town)


def test_a_dry_run_of_a_decision_says_what_would_change_and_writes_nothing(town):
    before, status = town.outcomes(), town.status()
    result = decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B1235"}), dry_run=True)
    changes = result.effect.as_dict()
    assert changes["outcomes"]["MATCHED"] == {
        "before": {"count": 1, "amount": 1_000},
        "after": {"count": 2, "amount": 3_000},
    }
    assert changes["dispositions"]["suspense"] == {"before": 2_000, "after": 0}
    assert (town.outcomes(), town.status()) == (before, status)
    assert town.verify(rematch=True).is_clean
    # The real one gives what the dry run has said.
    decide(town, ("R1-NO_BILL", "assign", {"bill_id": "B1235"}))
    assert town.status().outcomes == dict(result.effect.after.outcomes)


def test_files_of_one_dry_run_see_each_other(ledger, bills, receipts):
    ledger.add_bills(bills(B1=1_000), actor="clerk")
    status = ledger.status()
    with ledger.dry_run():
        ledger.post(receipts("mon.csv", ("B1", 1_000, 2)), actor="batch", dry_run=True)
        second = ledger.post(receipts("tue.csv", ("B1", 1_000, 1)), actor="batch", dry_run=True)
        assert second.rematched == 1
        assert second.effect.as_dict()["dispositions"]["excess"] == {"before": 0, "after": 1_000}
        with pytest.raises(InvalidInputError):
            ledger.reverse_entry(99, reason="wrong", actor="chief")
        assert len(ledger.outcomes()) == 2
    assert (ledger.status(), len(ledger.outcomes())) == (status, 0)
    ledger.post(receipts("mon.csv", ("B1", 1_000, 2)), actor="batch")
    assert ledger.verify(rematch=True).is_clean


def test_a_rejected_file_is_not_recorded_in_a_dry_run(ledger):
    stream = io.BytesIO(b"payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,12")
    with pytest.raises(InvalidInputError):
        ledger.post(receipt_files.open(stream, "kokin-csv"), actor="batch", dry_run=True)
    assert len(ledger.entries()) == 1


@settings(max_examples=examples(30))
@given(st.integers(0, 2**32))
def test_the_list_has_each_open_exception_once_whatever_was_decided(bills, receipts, seed):
    rng = random.Random(seed)
    with Ledger.create("sqlite://") as ledger:
        ledger.add_bills(bills({"payable_until": date(2026, 5, 3)}, B1=1_000, B2=500, B3=800), actor="clerk")
        accepted = set()
        for file in range(3):
            rows = [(f"B{rng.randrange(1, 6)}", rng.choice((500, 800, 1_000)), rng.randrange(1, 9)) for _ in range(4)]
            ledger.post(receipts(f"{file}.csv", *rows), actor="batch")
            listed = ids(ledger)
            assert listed == ids(ledger)
            assert len(set(listed)) == len(listed)
            for exception in rng.sample(listed, min(2, len(listed))):
                if exception not in ids(ledger):
                    continue
                if rng.random() < 0.5:
                    decide(ledger, (exception, "accept"), open_only=True)
                    accepted.add(exception)
                elif exception[0] == "R" and "DUPLICATE_RECORD" not in exception:
                    bill = rng.choice(("B1", "B2", "B3"))
                    decide(ledger, (exception, "assign", {"bill_id": bill}), open_only=True)
        options = {"decisions": ledger.decisions(), "check_paid_before": False}
        result = reconcile(ledger.bills(), ledger.receipts(), ledger.policy, **options)
        exceptions = build_accounts(result, as_of=datetime.now(UTC).date()).exceptions
        of_receipts = [row for row in exceptions.to_pylist() if row["record_no"] is not None]
        known = {(row["source"], row["record_no"], row["outcome"]) for row in of_receipts}
        listed = ledger.work_list().to_pylist()
        listed = [row for row in listed if row["code"] != "REFUND_OPEN"]
        found = {(row["source"], row["record_no"], row["code"]) for row in listed if row["receipt_id"]}
        receipt_of = {row["receipt_id"]: (row["source"], row["record_no"]) for row in listed if row["receipt_id"]}
        closed = {
            (*receipt_of.get(int(each[1:].partition("-")[0]), (None, None)), each.partition("-")[2])
            for each in accepted
            if each[0] == "R"
        }
        assert found <= known
        assert {row for row in known - found if row[:2] in receipt_of.values()} <= closed
        assert len(listed) == len({row["exception_id"] for row in listed})


# Refunds

ACCOUNT = {"bank_code": "9999", "branch_code": "001", "account_number": "123", "name": "ｺｳｷﾝ ﾊﾅｺ"}
HEADER = {"consignor_name": "ﾚｲｼﾞｼ", "transfer_day": date(2026, 12, 21), "bank_code": "9999"}
EXCESS = {"OVERPAID", "DUPLICATE_PAYMENT", "BILL_CHANGED", "CANCELLED_BILL"}


def decide_refund(ledger, proposal, amount=None):
    row = {"proposal_id": proposal, "kind": "refund", "amount": amount, "debt_bill_id": None, "consent": None}
    rows = pa.Table.from_pylist([{**row, "reason": None, "approver": None}])
    return ledger.decide_refunds(rows, actor="clerk", decided_on=date(2026, 12, 18))


def take_step(ledger, proposal, state, folder, rng):
    """Take the next step of a decided refund."""
    if state == "ordered":
        rows = [{"proposal_id": proposal, "result": rng.choice(("paid", "returned")), "result_on": date(2026, 12, 22)}]
        ledger.add_refund_results(pa.Table.from_pylist(rows), actor="clerk", source=f"{rng.random()}.csv")
    else:
        rows = pa.Table.from_pylist([{"proposal_id": proposal, **ACCOUNT}])
        ledger.order_refunds(rows, folder / f"{rng.random()}.txt", header=HEADER, actor="clerk")


def tasks(report, ledger, accepted):
    """What a person has to do, from the accounts of the report: (file, record, code), and the proposal of a part."""
    overpaid = report.tables["overpayments"].to_pylist()
    undecided = {(row["source"], row["record_no"]) for row in overpaid if row["state"] == "open"}
    decided = {(row["source"], row["record_no"]) for row in overpaid if row["state"] != "open"}
    found, covered = [], set()
    for row in ledger.accounts(day=report.as_of).accounts.exceptions.to_pylist():
        receipt, code = (row["source"], row["record_no"]), row["outcome"]
        if code == "FILE_OVERLAPS":
            found.append(pair_of_files(row))
        elif row["record_no"] is None:
            found.append((row["field"], code))
        elif code in EXCESS and receipt in decided - undecided:
            continue
        elif (*receipt, code, row["expected"], row["found"]) not in accepted:
            found.append((*receipt, code))
            covered |= {receipt} if code in EXCESS else set()
    found += [(*receipt, "REFUND_OPEN") for receipt in undecided - covered]
    states = {row["proposal_id"]: row["state"] for row in ledger.refunds().to_pylist()}
    found += [(name, f"REFUND_{state.upper()}") for name, state in states.items() if state != "paid"]
    found += [(row["file"], row["record"], row["code"]) for row in report.tables["issues"].to_pylist()]
    return sorted(set(found), key=str)  # an overlap has a row for each of its files


def pair_of_files(row):
    """The files of an overlap, in their order."""
    return (*sorted((row["source"], row["found"].rpartition(" in ")[2])), "FILE_OVERLAPS")


def task(row):
    """A row of the work list in the form of :func:`tasks`."""
    if row["exception_id"][0] == "P":
        return (row["exception_id"].rpartition("-REFUND")[0], row["code"])
    return pair_of_files(row) if row["code"] == "FILE_OVERLAPS" else (row["source"], row["record_no"], row["code"])


@settings(max_examples=examples(8))
@given(st.integers(0, 2**32))
def test_the_list_has_what_the_report_shows_to_be_done(bills, receipts, tmp_path_factory, seed):
    rng, folder = random.Random(seed), tmp_path_factory.mktemp("orders")
    with Ledger.create("sqlite://") as ledger:
        ledger.add_bills(bills({"payable_until": date(2026, 5, 6)}, B1=1_000, B2=500), actor="clerk")
        ledger.post(named(HEADER_LINE + b"99999,127,2,12345x,100,2026-05-01\n", "bad.csv"), actor="batch")
        accepted, files = set(), []
        for number in range(8):
            proposals = ledger.refund_proposals(decided_on=date(2026, 12, 18)).to_pylist()
            todo = [row for row in proposals if row["state"] not in ("paid", "open")]
            undecided = [row for row in proposals if row["state"] == "open"]
            action = rng.random()
            if action < 0.3 or number == 0:
                rows = [(f"B{rng.randrange(1, 4)}", rng.choice((500, 1_000)), rng.randrange(1, 9)) for _ in range(3)]
                files.append(ledger.post(receipts(f"{number}.csv", *rows), actor="batch").entry.id)
            elif action < 0.55 and undecided:
                row = rng.choice(undecided)
                decide_refund(ledger, row["proposal_id"], rng.choice((None, max(row["amount"] // 2, 1))))
            elif action < 0.8 and todo:
                row = rng.choice(todo)
                take_step(ledger, row["proposal_id"], row["state"], folder, rng)
            elif action < 0.9 and len(files) > 1:
                ledger.reverse_entry(files.pop(rng.randrange(len(files))), reason="wrong", actor="chief")
            else:
                listed = [row for row in ledger.work_list().to_pylist() if row["code"] in EXCESS]
                if listed:
                    row = rng.choice(listed)
                    decide(ledger, (row["exception_id"], "accept"), open_only=True)
                    names = ("source", "record_no", "code", "expected", "found")
                    accepted.add(tuple(row[name] for name in names))
            listed, report = ledger.work_list().to_pylist(), Report.from_ledger(ledger)
            shown = report.tables["exceptions"].to_pylist()
            assert ids_in(shown, "open") == {row["exception_id"] for row in listed}
            assert report.summary["open_exceptions"] == len(listed)
            assert len({row["exception_id"] for row in shown}) == len(shown)
            assert sorted(map(task, listed), key=str) == tasks(report, ledger, accepted)
            assert len({row["exception_id"] for row in listed}) == len(listed)


def test_a_refund_is_in_the_list_until_it_is_paid(town, tmp_path):
    def steps():
        return [each for each in ids(town) if "3-" in each]

    assert steps() == ["R3-DUPLICATE_PAYMENT"]
    decide(town, ("R3-DUPLICATE_PAYMENT", "accept"), open_only=True)
    assert steps() == ["R3-REFUND_OPEN"]  # accepted: it is a duplicate; its yen are still to be given back
    decide_refund(town, "P3", 400)
    assert set(steps()) == {"R3-REFUND_OPEN", "P3-REFUND_DECIDED"}
    decide_refund(town, "P3-2")
    row = rows_by_id(town)["P3-2-REFUND_DECIDED"]
    assert (row["amount"], row["source"], row["record_no"]) == (600, "mon.csv", 3)
    assert (row["field"], row["expected"], row["found"]) == ("step", "ordered", "decided")
    decide(town, ("P3-2-REFUND_DECIDED", "accept"), open_only=True)  # such as a claim that is time-barred
    rng = random.Random(1)
    for state, listed in (("decided", ["P3-REFUND_ORDERED"]), ("ordered", [])):
        take_step(town, "P3", state, tmp_path, rng)
        while steps() == ["P3-REFUND_RETURNED"]:
            take_step(town, "P3", "returned", tmp_path, rng)
            take_step(town, "P3", "ordered", tmp_path, rng)
        assert steps() == listed


# Candidates


def similar(one, other):
    """Whether two texts differ by one error of typing."""
    if one == other:
        return False
    if len(one) == len(other):
        at = [n for n in range(len(one)) if one[n] != other[n]]
        exchanged = len(at) == 2 and at[1] == at[0] + 1 and one[at[0]] == other[at[1]] and one[at[1]] == other[at[0]]
        return len(at) == 1 or exchanged
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and any(long[:n] + long[n + 1 :] == short for n in range(len(long)))


def similar_keys(one, other):
    """Whether two case keys differ by one error of typing; zeros before them mean nothing."""
    width = max(len(one), len(other))
    shorter = any(
        int(long[:n] + long[n + 1 :] or 0) == int(short)
        for short, long in ((one, other), (other, one))
        for n in range(len(long))
    )
    return int(one) != int(other) and (shorter or similar(one.zfill(width), other.zfill(width)))


def tables(payments, register):
    """Payments and bills from (case key, yen) and (case key, yen, payer)."""
    slip = {"payee_code": "99999", "item_code": "127", "customer_number": None, "virtual_account": None}
    rows = [
        {**slip, "case_key": key, "amount": yen, "paid_on": date(2026, 5, 1), "bill_id": None} for key, yen in payments
    ]
    kinds = {"amount": pa.int64(), "paid_on": pa.date32(), "due_on": pa.date32(), "residual": pa.int64()}
    due = {"due_on": date(2026, 6, 1), "status": "open"}
    bills = [
        {**slip, **due, "bill_id": f"B{number:03}", "case_key": key, "payer_key": payer}
        for number, (key, _, payer) in enumerate(register)
    ]
    balances = [{"residual": yen} for _, yen, _ in register]

    def table(dicts):
        names = list(dicts[0])
        return pa.Table.from_pylist(dicts, pa.schema([(name, kinds.get(name, pa.string())) for name in names]))

    return table(rows), table(bills), table(balances)


@settings(max_examples=examples(60))
@given(st.integers(0, 2**32))
def test_similar_numbers_are_all_pairs_with_one_error(seed):
    rng = random.Random(seed)
    keys = {str(rng.randrange(1, 2_000)) for _ in range(30)}
    register = [(key, 7, None) for key in sorted(keys)]
    payments = [(str(rng.randrange(1, 2_000)), 9) for _ in range(10)]
    found = find_candidates(*tables(payments, register))
    for at, (number, _) in enumerate(payments):
        expected = {n for n, (key, _, _) in enumerate(register) if key == number or similar_keys(key, number)}
        offered = {bill for bill in found.bill[at].tolist() if bill >= 0}
        assert offered <= expected
        assert len(offered) == min(len(expected), 3)
        # The same number comes first.
        if number in keys:
            assert register[found.bill[at][0]][0] == number


def test_candidates_are_ranked():
    register = [("1234", 500, "P1"), ("1299", 700, "P1"), ("1324", 700, "P2"), ("5555", 700, None), ("1234", 9, None)]
    found = find_candidates(*tables([("1234", 700), ("888", 500), ("4321", 1)], register))
    names = found.texts(pa.table({"bill_id": [f"B{n}" for n in range(5)]}))
    shown = [[names[f"candidate_{at}{end}"].to_pylist() for end in ("", "_reason")] for at in (1, 2, 3)]
    assert [(bill[0], reason[0]) for bill, reason in shown] == [
        ("B0", "number"),
        ("B2", "similar + amount"),
        ("B4", "number"),
    ]
    assert [bill[1] for bill, _ in shown] == ["B0", None, None]
    assert [bill[2] for bill, _ in shown] == [None, None, None]


def test_an_amount_of_many_bills_is_no_candidate():
    register = [(str(number * 1_111), 500, None) for number in range(1, 5)]
    assert (find_candidates(*tables([("999999", 500)], register)).bill == -1).all()


def test_a_paid_bill_is_no_candidate():
    assert (find_candidates(*tables([("1234", 0)], [("1234", 0, None)])).bill == -1).all()
