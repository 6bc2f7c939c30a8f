"""Write-offs (不納欠損): the limitation list, entries with article and reason, and their effect on balances."""

import random
from collections import Counter
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.ledger import LIMITATION_COLUMNS, EntryKind, Ledger
from kokin.reconcile import Policy
from kokin.reports import Report
from tests.support import added_changes, examples

DAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
BEYOND = "WRITE_OFF_EXCEEDS_BALANCE"


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
    code = BEYOND
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
    assert (found["exception_id"], found["entry_id"]) == (f"WB1-{BEYOND}", entry)
    assert (found["expected"], found["found"]) == ("600", "1000")
    assert balances(town)[0] == ("B1", 0, 0, "written_off")
    load = town.add_bills(bills(B9=900), actor="clerk").entry.id
    write_off(town, row("B9", 900))
    town.reverse_entry(load, reason="x", actor="chief")
    found = [(each["exception_id"], each["expected"], each["found"]) for each in town.work_list().to_pylist()]
    assert found[-1] == (f"WB9-{BEYOND}", "0", "900")
    decision = {"exception_id": f"WB9-{BEYOND}", "decision": "accept", "reason": "調定取消"}
    town.decide(pa.Table.from_pylist([decision]), actor="clerk", open_only=True)
    assert [each["exception_id"][:2] for each in town.work_list().to_pylist()] == ["R1", "WB"]


# The limitation list


def test_the_limitation_list_has_the_debts_whose_limitation_ends_until_a_day(ledger, bills, receipts):
    for name, due_on, charge in (
        ("B1", date(2021, 5, 31), "light-vehicle-tax"),
        ("B2", date(2021, 6, 30), "water-charge"),
        ("B3", date(2021, 5, 31), "light-vehicle-tax"),
        ("B4", date(2024, 6, 2), "national-health-insurance-premium"),
        ("B5", date(2020, 5, 31), None),
        ("B6", date(2021, 7, 1), "extended-childcare-fee"),
    ):
        more = {"due_on": due_on, "item_code": "901", **({"charge": charge} if charge else {})}
        ledger.add_bills(bills(more, **{name: 1_000}), actor="clerk")
    paid = {"item_code": "901", "received_on": date(2026, 5, 1)}
    ledger.post(receipts("may.csv", ("B1", 400, 1, paid), ("B3", 1_000, 1, paid)), actor="clerk")

    def due(**more):
        names = ("bill_id", "balance", "lapses_on", "needs_invocation")
        table = ledger.write_offs_due(date(2026, 12, 31), **more)
        assert table.schema == LIMITATION_COLUMNS
        return [tuple(row[name] for name in names) for row in table.to_pylist()]

    unknown = ("B5", 1_000, None, None)
    lapsed = [("B1", 600, date(2026, 5, 31), False)]
    later = [("B4", 1_000, date(2026, 6, 2), False), ("B2", 1_000, date(2026, 6, 30), True)]
    assert due(until=date(2026, 5, 31)) == [*lapsed, unknown]
    assert due(until=date(2026, 6, 30)) == [*lapsed, *later, unknown]
    assert due() == [*lapsed, *later, ("B6", 1_000, date(2026, 7, 1), False), unknown]
    completed = ledger.write_offs_due(date(2026, 12, 31)).to_pylist()
    completed[0] |= {"amount": 600, "article": "地方税法18①", "reason": "消滅時効"}
    table = pa.Table.from_pylist(completed, LIMITATION_COLUMNS)
    result = ledger.write_off(table, actor="clerk", written_off_on=DAY)
    assert result.entry.totals == {"given": 1, "yen": 600}
    assert due(until=date(2026, 5, 31)) == [unknown]


# Rejected rows


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("B7", 1)], [("BILL_UNKNOWN", "bill_id", 1)]),
        ([row("B1", 1_000), row("B2", 1_501)], [("WRITE_OFF_EXCEEDS", "amount", 2)]),
        ([row("B1", 600), row("B1", 400)], [("BILL_REPEATED", "bill_id", 2)]),
        ([row("B1", 0)], [("AMOUNT_RANGE", "amount", 1)]),
        ([row("B1", -1)], [("AMOUNT_RANGE", "amount", 1)]),
        ([row("B1", 1, written_off_on=date(2999, 1, 1))], [("WRITE_OFF_FUTURE", "written_off_on", 1)]),
        ([row("B1", 1, article=None, reason=None)], [("FIELD_MISSING", "article", 1), ("FIELD_MISSING", "reason", 1)]),
        ([row("B1", None)], [("FIELD_MISSING", "amount", 1)]),
        ([row("B1", 1, reason="x" * 201)], [("WIDTH", "reason", 1)]),
        ([row("B1", 1, article="民法145")], [("WRITE_OFF_ARTICLE", "article", 1)]),
        ([dict.fromkeys(row("B1", 1)) | {"bill_id": "B1"}], [("FIELD_MISSING", "amount", None)]),
        (
            [row("B3", 1), row("B1", 2_000), row("B7", 1, article="民法")],
            [("WRITE_OFF_EXCEEDS", "amount", 2), ("BILL_UNKNOWN", "bill_id", 3)],
        ),
    ],
)
def test_a_row_that_is_rejected_is_named_and_nothing_is_written(town, bills, rows, expected):
    town.add_bills(bills({"charge": "light-vehicle-tax"}, B1=1_000), actor="clerk")
    before = len(town.entries())
    assert issues(lambda: write_off(town, *rows)) == expected
    assert len(town.entries()) == before


@pytest.mark.parametrize(
    ("charge", "article", "accepted"),
    [
        ("light-vehicle-tax", "地方税法第15条の7第4項", True),
        ("light-vehicle-tax", "地方自治法236①", True),
        ("water-charge", "民法145", True),
        ("water-charge", "地方自治法第二百三十六条", False),
        ("water-charge", "地方税法18", False),
        ("extended-childcare-fee", "地方税法15の7⑤", False),
        ("extended-childcare-fee", "自治法236", True),
        ("water-charge", "破産法253", True),
        (None, "民法145", True),
    ],
)
def test_an_article_applies_to_some_classes_of_claims(ledger, bills, charge, article, accepted):
    more = {"item_code": "901", **({"charge": charge} if charge else {})}
    ledger.add_bills(bills(more, B1=1_000), actor="clerk")
    if accepted:
        assert write_off(ledger, row("B1", 1_000, article=article)).inserted
    else:
        rejected = [("WRITE_OFF_ARTICLE", "article", 1)]
        assert issues(lambda: write_off(ledger, row("B1", 1_000, article=article))) == rejected


def test_closed_days_other_slips_and_approvers(town, bills):
    town.add_bills(bills({"status": "cancelled"}, B5=1_000), actor="clerk")
    assert issues(lambda: write_off(town, row("B5", 1))) == [("WRITE_OFF_BILL", "bill_id", 1)]
    town.close_period("day", DAY, actor="chief")
    assert issues(lambda: write_off(town, row("B1", 1))) == [("WRITE_OFF_CLOSED", "written_off_on", 1)]
    town.set_policy(Policy(four_eyes=True), actor="chief")
    open_day = {"written_off_on": date(2026, 6, 2)}
    for approver, code in ((None, "FIELD_MISSING"), ("clerk", "APPROVER_SAME")):
        problem = issues(lambda approver=approver: write_off(town, row("B1", 1, approver=approver, **open_day)))
        assert problem == [(code, "approver", 1)]
    assert write_off(town, row("B1", 1, approver="mayor", **open_day)).inserted


def test_slips_of_one_obligation_have_one_balance(ledger, bills):
    ledger.add_bills(bills({"obligation_id": "D1"}, B1=1_000, B2=1_000), actor="clerk")
    both = [("WRITE_OFF_EXCEEDS", "amount", 1), ("WRITE_OFF_EXCEEDS", "amount", 2)]
    assert issues(lambda: write_off(ledger, row("B1", 600), row("B2", 600))) == both
    write_off(ledger, row("B1", 600), row("B2", 400))
    assert balances(ledger) == [("B1", 0, 0, "written_off"), ("B2", 0, 0, "written_off")]


# Redelivery


def test_the_same_rows_are_booked_once(town):
    first = write_off(town, row("B1", 400), row("B2", 100))
    again = write_off(town, row("B2", 100), row("B1", 400), source="copy.csv")
    assert (again.inserted, again.entry.id) == (False, first.entry.id)
    duplicate = [("WRITE_OFF_DUPLICATE", "bill_id", 1)]
    assert issues(lambda: write_off(town, row("B1", 400), row("B3", 5))) == duplicate
    reversal = town.reverse_entry(first.entry.id, reason="x", actor="chief").entry.id
    second = write_off(town, row("B1", 400), row("B2", 100))
    assert (second.inserted, second.entry.id) == (True, reversal + 1)
    with pytest.raises(InvalidInputError, match="FILE_STANDS"):
        town.reverse_entry(reversal, reason="x", actor="chief")


def test_a_write_off_is_not_restored_beside_the_same_one_of_another_file(town):
    first = write_off(town, row("B1", 400), row("B2", 100)).entry.id
    reversal = town.reverse_entry(first, reason="x", actor="chief").entry.id
    second = write_off(town, row("B1", 400), row("B3", 5)).entry.id
    with pytest.raises(InvalidInputError, match="nothing was reversed") as error:
        town.reverse_entry(reversal, reason="x", actor="chief")
    found = [(issue.code, issue.field, issue.found) for issue in error.value.issues]
    assert found == [("WRITE_OFF_DUPLICATE", "bill_id", f"B1 (entry {second})")]
    assert [each[2] for each in balances(town)] == [600, 1_500, 2_995]
    town.reverse_entry(second, reason="x", actor="chief")
    town.reverse_entry(reversal, reason="x", actor="chief")
    assert [each[2] for each in balances(town)] == [600, 1_400, 3_000]


def test_a_dry_run_writes_nothing(town):
    result = write_off(town, row("B1", 1_000), dry_run=True)
    assert (result.inserted, result.entry.totals["yen"]) == (True, 1_000)
    assert balances(town)[0] == ("B1", 0, 1_000, "expected")
    assert issues(lambda: write_off(town, row("B1", 1_001), dry_run=True)) == [("WRITE_OFF_EXCEEDS", "amount", 1)]


# What reads them


def test_changes_history_and_lists_have_the_write_offs(town, bills, receipts):
    entry = write_off(town, row("B2", 1_500)).entry.id
    reversal = town.reverse_entry(entry, reason="x", actor="chief").entry.id
    restored = town.reverse_entry(reversal, reason="x", actor="chief").entry.id
    town.post(receipts("june.csv", ("B2", 1_500, 2)), actor="clerk")
    names = ("entry_id", "change_cause", "residual_from", "residual_to", "status_to")
    changes = [row for row in added_changes(town).to_pylist() if row["bill_id"] == "B2"]
    assert [tuple(each[name] for name in names) for each in changes[2:]] == [
        (entry, "write_off", 1_500, 0, "written_off"),
        (reversal, "reversal", 0, 1_500, "partial"),
        (restored, "reversal", 1_500, 0, "written_off"),
        (restored + 1, "posting", 0, 0, "settled"),
    ]
    history = town.history("B2")
    assert history.balances.column("residual").to_pylist() == [2_000, 1_500, 0, 1_500, 0, 0]
    assert history.write_offs.select(["entry_id", "amount", "active"]).to_pylist() == [
        {"entry_id": entry, "amount": 1_500, "active": True}
    ]
    vanished = town.add_bills(bills(B1=1_000), actor="clerk", whole=True).vanished
    assert vanished.column("bill_id").to_pylist() == ["B3"]


def test_a_past_report_is_printed_again_without_later_write_offs(town):
    closing = town.close_period("day", date(2026, 5, 31), actor="chief").entry.id
    printed = Report.from_ledger(town, closing=closing)
    write_off(town, row("B1", 1_000))
    now, again = Report.from_ledger(town), Report.from_ledger(town, closing=closing)
    for name in ("receivables", "balances", "arrears", "audit"):
        assert again.tables[name].equals(printed.tables[name])
        assert not now.tables[name].equals(printed.tables[name])
    assert now.tables["receivables"].column("written_off").to_pylist() == [1_000]
    assert {name for name, control in now.summary["controls"].items() if control["holds"] is False} == set()


@settings(max_examples=examples(30))
@given(st.integers(0, 2**32))
def test_write_offs_conserve_the_billed_yen(bills, receipts, seed):
    """調定 - 収入 - 不納欠損 = 未収 after every entry, also after reversals, against a model in plain Python."""
    rng = random.Random(seed)
    billed = {f"B{number}": rng.choice((500, 1_000, 2_000)) for number in range(1, 5)}
    paid = dict.fromkeys(billed, 0)
    written, last_of = {}, {}  # entry -> its rows and whether it is active; entry -> the last of its reversals
    with Ledger.create("sqlite://", clock=lambda: NOW) as ledger:
        ledger.add_bills(bills(**billed), actor="clerk")
        for step in range(rng.randrange(2, 9)):
            choice = rng.random()
            off = sums(written)
            is_open = {name: max(billed[name] - paid[name] - off.get(name, 0), 0) for name in billed}
            if choice < 0.3:
                name = rng.choice(list(billed))
                yen = rng.choice((100, 500, 1_000))
                ledger.post(receipts(f"{step}.csv", (name, yen, step + 1)), actor="clerk")
                paid[name] = min(paid[name] + yen, billed[name])
            elif choice < 0.5 and written:
                entry = rng.choice(list(written))
                last_of[entry] = ledger.reverse_entry(last_of[entry], reason="x", actor="chief").entry.id
                written[entry] = (written[entry][0], not written[entry][1])
            elif any(is_open.values()):
                names = rng.sample([name for name, yen in is_open.items() if yen], 1)
                rows = [row(name, rng.randrange(1, is_open[name] + 1), reason=f"step {step}") for name in names]
                entry = write_off(ledger, *rows).entry.id
                assert not write_off(ledger, *rows).inserted
                written[entry], last_of[entry] = ({each["bill_id"]: each["amount"] for each in rows}, True), entry
            off = {name: min(yen, billed[name] - paid[name]) for name, yen in sums(written).items()}
            expected = {name: billed[name] - paid[name] - off.get(name, 0) for name in billed}
            found = ledger.balances().to_pylist()
            assert {each["bill_id"]: each["residual"] for each in found} == expected
            accounts = ledger.accounts().accounts
            [total] = accounts.receivables.to_pylist()
            received = total["received"] - total["overpaid"]
            assert (total["billed"], received, total["written_off"], total["unpaid"]) == (
                sum(billed.values()),
                sum(paid.values()),
                sum(off.values()),
                sum(expected.values()),
            )
            assert total["billed"] - received - total["written_off"] == total["unpaid"]
            exceeding = {name for name, yen in sums(written).items() if yen > billed[name] - paid[name]}
            found = accounts.findings.filter(pc.equal(accounts.findings.column("outcome"), BEYOND))
            assert set(found.column("bill_id").to_pylist()) == exceeding
        added_changes(ledger)
        assert ledger.verify(rematch=True).is_clean
        assert all(control.holds is not False for control in ledger.status().controls.values())


def sums(written):
    total = Counter()
    for rows, is_active in written.values():
        if is_active:
            total.update(rows)
    return total
