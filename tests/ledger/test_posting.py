"""Posting day by day equals one reconciliation; reversals can be reversed; a rejected file changes nothing."""

import _thread
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import HealthCheck

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import EntryKind, Ledger
from kokin.reports import Report

ANY_PLACE = [HealthCheck.function_scoped_fixture]


def test_the_three_way_example(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000, B2=10_000, B3=10_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_000, 1), ("B1", 10_000, 2)), actor="batch")
    done = ledger.post(receipts("tue.csv", ("B2", 9_500, 3)), actor="batch")
    assert done.outcomes == {"UNDERPAID": {"count": 1, "amount": 9_500}}
    assert ledger.status().dispositions == {
        "applied": 19_500,
        "excess": 10_000,
        "suspense": 0,
        "provisional": 0,
        "no_effect": 0,
    }
    rows = [(row["bill_id"], row["residual"], row["status"]) for row in ledger.balances().to_pylist()]
    assert rows == [("B1", 0, "settled"), ("B2", 500, "partial"), ("B3", 10_000, "expected")]


def test_receipts_of_two_layouts_affect_one_another(ledger, bills, receipts):
    barcode = "91929999" + "7".zfill(21) + "0999999001000" + "04"
    barcode = barcode[:43] + "0"
    ledger.add_bills(bills({"barcode": barcode}, B1=10_000), actor="clerk")
    by_barcode = dict.fromkeys(("payee_code", "item_code", "case_key", "confirmation")) | {"barcode": barcode}
    store = receipts("store.csv", ("B1", 10_000, 1, by_barcode))
    ledger.post(store.drop_columns(["payee_code", "item_code", "case_key", "confirmation"]), actor="batch")
    done = ledger.post(receipts("qr.csv", ("B1", 10_000, 2)).drop_columns(["barcode"]), actor="batch")
    assert (list(done.outcomes), done.rematched) == (["DUPLICATE_PAYMENT"], 0)


def test_an_earlier_payment_in_a_later_file_is_the_first(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    ledger.post(receipts("tue.csv", ("B1", 10_000, 9)), actor="batch")
    done = ledger.post(receipts("wed.csv", ("B1", 10_000, 2)), actor="batch")
    assert done.rematched == 1
    history = ledger.history("B1")
    postings = [
        (row["entry_id"], row["posting_reason"], row["outcome"], row["applied"]) for row in history.postings.to_pylist()
    ]
    assert postings == [
        (3, "posted", "MATCHED", 10_000),
        (4, "rematched", "MATCHED", -10_000),
        (4, "rematched", "DUPLICATE_PAYMENT", 0),
        (4, "posted", "MATCHED", 10_000),
    ]
    assert history.postings.column("reverses_id").to_pylist() == [None, 1, None, None]


def test_provisional_final_and_cancel_records_on_three_days(ledger, bills, receipts):
    till = {"paid_time": time(9, 30), "store_code": "100"}
    ledger.add_bills(bills(B1=10_000, B2=5_000), actor="clerk")
    ledger.post(
        receipts(
            "mon.csv",
            ("B1", 10_000, 1, {"kind": "provisional", **till}),
            ("B2", 5_000, 1, {"kind": "provisional", **till}),
        ),
        actor="batch",
    )
    assert ledger.balances().column("status").to_pylist() == ["provisional", "provisional"]
    assert ledger.status().dispositions["provisional"] == 15_000
    ledger.post(receipts("tue.csv", ("B2", 5_000, 1, {"kind": "cancel", **till})), actor="batch")
    ledger.post(receipts("fri.csv", ("B1", 10_000, 1, till)), actor="batch")
    assert ledger.balances().column("status").to_pylist() == ["settled", "expected"]
    outcomes = ["SUPERSEDED", "CANCELLED", "CANCEL", "MATCHED"]
    assert sorted(ledger.outcomes().column("outcome").to_pylist()) == sorted(outcomes)


def test_a_posted_file_is_skipped(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    first = ledger.post(receipts("mon.csv", ("B1", 10_000, 1)), actor="batch")
    before = ledger.status()
    again = ledger.post(receipts("mon.csv", ("B1", 10_000, 1)), actor="batch")
    assert (first.inserted, again.inserted, again.entry.id) == (True, False, first.entry.id)
    assert ledger.status() == before


def test_a_reversed_file_can_be_reposted_but_then_not_restored(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    mon = receipts("mon.csv", ("B1", 10_000, 1))
    reversal = ledger.reverse_entry(ledger.post(mon, actor="batch").entry.id, reason="wrong layout", actor="chief")
    assert ledger.balances().column("status").to_pylist() == ["expected"]
    assert ledger.post(mon, actor="batch").inserted
    with pytest.raises(InvalidInputError, match="FILE_STANDS"):
        ledger.reverse_entry(reversal.entry.id, reason="by mistake", actor="chief")
    assert ledger.status().outcomes == {"MATCHED": {"count": 1, "amount": 10_000}}


def test_the_same_payment_in_another_file_is_a_duplicate_record(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    key = {"provider_key": "EL1"}
    ledger.post(receipts("mon.csv", ("B1", 10_000, 1, key)), actor="batch")
    done = ledger.post(receipts("tue.csv", ("B1", 10_000, 1, key)), actor="batch")
    outcomes = ledger.outcomes().column("outcome").to_pylist()
    assert sorted(outcomes) == ["DUPLICATE_RECORD", "MATCHED"]
    assert done.entry.kind is EntryKind.RECEIPT_FILE
    assert ledger.status().dispositions["no_effect"] == 10_000


def test_a_dishonoured_payment_is_reversed_by_its_posting(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    ledger.post(receipts("mon.csv", ("B1", 10_000, 1), ("B1", 10_000, 2)), actor="batch")
    posting = ledger.history("B1").postings.to_pylist()[0]["id"]
    done = ledger.reverse_posting(posting, reason="dishonoured", actor="chief")
    assert done.rematched == 1
    assert ledger.outcomes().column("outcome").to_pylist() == ["MATCHED"]
    with pytest.raises(InvalidInputError, match="POSTING_REPLACED"):
        ledger.reverse_posting(posting, reason="again", actor="chief")
    rows = ledger.history("B1").postings.to_pylist()
    reversal = next(row["id"] for row in rows if row["posting_reason"] == "reversed")
    with pytest.raises(InvalidInputError, match="ENTRY_REVERSED"):
        ledger.reverse_posting(reversal, reason="honoured after all", actor="chief")
    ledger.reverse_entry(done.entry.id, reason="honoured after all", actor="chief")
    assert ledger.outcomes().column("outcome").to_pylist() == ["MATCHED", "DUPLICATE_PAYMENT"]


def test_a_dishonoured_payment_is_not_restored_while_its_file_is_reversed(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    file = ledger.post(receipts("mon.csv", ("B1", 10_000, 1)), actor="batch").entry.id
    dishonoured = ledger.reverse_posting(1, reason="dishonoured", actor="chief").entry.id
    of_file = ledger.reverse_entry(file, reason="wrong file", actor="chief").entry.id
    ledger.reverse_entry(dishonoured, reason="honoured after all", actor="chief")
    assert (len(ledger.outcomes()), ledger.totals()) == (0, {})
    ledger.reverse_entry(of_file, reason="it was ours", actor="chief")
    assert ledger.outcomes().column("outcome").to_pylist() == ["MATCHED"]


def test_reversals_need_a_reason_and_something_to_reverse(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    entry = ledger.post(receipts("mon.csv", ("B1", 10_000, 1)), actor="batch").entry.id
    before = ledger.status()
    for reverse, number, reason, code in (
        (ledger.reverse_entry, entry, " ", "FIELD_MISSING"),
        (ledger.reverse_entry, 1, "x", "ENTRY_KIND"),
        *((ledger.reverse_entry, number, "x", "ENTRY_UNKNOWN") for number in (99, 0, -1, 2**63, 10**30)),
        *((ledger.reverse_posting, number, "x", "ENTRY_UNKNOWN") for number in (99, 0, -1, 2**63, 10**30)),
    ):
        with pytest.raises(InvalidInputError, match=code):
            reverse(number, reason=reason, actor="chief")
    assert len(ledger.outcomes(10**30)) == 0
    assert ledger.status() == before
    ledger.reverse_entry(entry, reason="wrong file", actor="chief")
    with pytest.raises(InvalidInputError, match="ENTRY_REVERSED"):
        ledger.reverse_entry(entry, reason="wrong file", actor="chief")


def test_a_receipt_without_any_number_can_be_reversed_too(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000), actor="clerk")
    nothing = dict.fromkeys(("payee_code", "item_code", "case_key", "confirmation"))
    entry = ledger.post(receipts("mon.csv", ("B1", 10_000, 1, nothing)), actor="batch").entry.id
    assert ledger.outcomes().column("outcome").to_pylist() == ["KEY_MISSING"]
    ledger.reverse_entry(entry, reason="wrong file", actor="chief")
    assert len(ledger.outcomes()) == 0
    assert ledger.status().dispositions["suspense"] == 0


def test_of_a_rejected_file_only_its_issues_are_written(ledger, tmp_path):
    path = tmp_path / "cut.csv"
    path.write_text(
        "payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,127,1,123456,100,2026-05-01\n99999,12"
    )
    before = ledger.status()
    with pytest.raises(receipt_files.FileRejectedError, match="RECORD_TRUNCATED"):
        ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch")
    after = ledger.status()
    assert dict(after.rows) == {**before.rows, "file_issues": 1}
    assert (after.outcomes, after.dispositions, after.files) == (before.outcomes, before.dispositions, 0)


def test_a_part_of_a_file_does_not_hide_the_rest(ledger, bills, tmp_path):
    """A table has the digest of its file, but may be a part of it."""
    ledger.add_bills(bills(B1=1000, B2=1000, B3=1000), actor="batch")
    path = tmp_path / "eltax.csv"
    rows = [f"99999,127,{n},123456,1000,2026-05-29" for n in (1, 2)]
    header = "payee_code,item_code,case_key,confirmation,amount,paid_on"
    path.write_text("\n".join([header, *rows, "99999,127,3,123456,1000,2026-02-30", ""]), encoding="utf-8")
    result = receipt_files.read(path, "kokin-csv", on_error="skip")
    entry = ledger.post(result.table.slice(0, 1), actor="batch").entry
    for whole in (receipt_files.open(path, "kokin-csv"), result, result.table.slice(1)):
        with pytest.raises(InvalidInputError) as caught:
            ledger.post(whole, actor="batch", source="eltax.csv")
        assert [issue.code for issue in caught.value.issues] == ["FILE_PART"]
    ledger.reverse_entry(entry.id, reason="a part of the file", actor="chief")
    # The result of reading a file is posted with its totals, rejected records included.
    posted = ledger.post(result, actor="batch")
    assert (posted.entry.totals["read"], posted.entry.totals["rejected"], posted.entry.source) == (3, 1, "eltax.csv")
    assert not ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch").inserted
    assert [row["paid"] for row in ledger.balances().to_pylist()] == [1000, 1000, 0]


def test_a_file_with_its_totals(ledger, bills, tmp_path):
    path = tmp_path / "mon.csv"
    path.write_text(
        "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
        "99999,127,1,123456,100,2026-05-01\n99999,127,2,123456,1O0,2026-05-01\n"
    )
    ledger.add_bills(bills(B1=100), actor="clerk")
    entry = ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch").entry
    assert (entry.source, entry.layout, len(entry.digest)) == ("mon.csv", "kokin-csv", 64)
    assert (entry.totals["read"], entry.totals["accepted"], entry.totals["rejected"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"record_no": 1}, {"record_no": 1}], "RECORD_TWICE"),
        ([{"source": "a"}, {"source": "b"}], "SEVERAL_FILES"),
        ([{"digest": "a"}, {"digest": "b"}], "SEVERAL_FILES"),
        ([{"record_no": None}, {}], "FIELD_MISSING"),
        ([{"channel": "a\x1fb"}, {}], "CHARACTER"),
    ],
)
def test_a_table_that_is_not_one_file_is_rejected(tmp_path, receipts, rows, code):
    with Ledger.create(f"sqlite:///{tmp_path}/city.db") as ledger:
        before = ledger.status()
        with pytest.raises(InvalidInputError, match=code):
            ledger.post(receipts("mon.csv", *(("B1", 100, 1, row) for row in rows)), actor="batch")
        assert ledger.status() == before


def test_an_invalid_receipt_is_located(ledger, receipts):
    before = ledger.status()
    with pytest.raises(InvalidInputError) as rejected:
        ledger.post(receipts("mon.csv", ("B1", 100, 1), ("B1", 100, 1, {"confirmation": "12"})), actor="batch")
    locations = [
        (issue.code, issue.field, issue.location.file, issue.location.record) for issue in rejected.value.issues
    ]
    assert locations == [("WIDTH", "confirmation", "mon.csv", 2)]
    assert ledger.status() == before


def test_a_load_with_invalid_bills_is_rejected_as_a_whole(ledger, bills):
    duplicates = pa.concat_tables([bills(B1=1, B2=2), bills(B1=3)])
    for table, code in (
        (duplicates, "BILL_REPEATED"),
        ([bills(B1=1), bills(B1=1)], "BILL_REPEATED"),
        (bills({"covers": ["O9"]}, B1=1), "OBLIGATION_UNKNOWN"),
        (bills({"confirmation": "12"}, B1=1), "WIDTH"),
    ):
        with pytest.raises(InvalidInputError, match=code):
            ledger.add_bills(table, actor="clerk")
    assert ledger.status().entries == 1


def not_shared(result):
    return [(issue.code, issue.found) for issue in result.issues]


@pytest.mark.parametrize("order", ["together", "first", "reminder"])
def test_a_debt_that_only_one_of_two_slips_names_is_reported(ledger, bills, order):
    """In one load or in two, in any order; until the other slip has the obligation_id, too."""
    first, reminder = bills(B1=1_000), bills({"obligation_id": "B1"}, B2=1_000)
    loads = {"together": [[first, reminder]], "first": [first, reminder], "reminder": [reminder, first]}[order]
    *before, last = (ledger.add_bills(load, actor="clerk") for load in loads)
    assert [not_shared(result) for result in before] == [[] for _ in before]
    assert not_shared(last) == [("OBLIGATION_NOT_SHARED", "B1")]
    other = bills({"payee_code": "99998", "obligation_id": "B1"}, B9=1_000)
    assert not_shared(ledger.add_bills(other, actor="clerk")) == []
    assert not_shared(ledger.add_bills(bills({"obligation_id": "B1"}, B1=1_000), actor="clerk")) == []
    assert not_shared(ledger.add_bills([bills({"obligation_id": "B1"}, B1=1_000), reminder], actor="clerk")) == []
    assert not_shared(ledger.add_bills(bills({"obligation_id": "B1"}, B3=1_000), actor="clerk")) == []


def test_a_bill_that_shares_no_debt_is_reported_with_every_register(ledger, bills):
    whole = pa.concat_tables([bills({"obligation_id": None}, B1=1_000), bills({"obligation_id": "B1"}, B2=1_000)])
    for _ in range(2):
        assert not_shared(ledger.add_bills(whole, actor="clerk", whole=True)) == [("OBLIGATION_NOT_SHARED", "B1")]


def test_the_only_slip_of_a_covered_obligation_stays(ledger, bills):
    slips = [bills({"obligation_id": name}, **{f"B{name[1:]}": 1_000}) for name in ("O1", "O2")]
    for table in (*slips, bills({"covers": ["O1", "O2"]}, B3=2_000)):
        ledger.add_bills(table, actor="clerk")
    before = ledger.status()
    for change in ({"obligation_id": "O9"}, {"covers": ["O2"]}):
        with pytest.raises(InvalidInputError, match="OBLIGATION_UNKNOWN"):
            ledger.add_bills(bills(change, B1=1_000), actor="clerk")
    assert ledger.status() == before


def test_less_can_be_billed_than_was_paid_before(ledger, bills, receipts):
    """The slips of one obligation come in several loads; a correction of one does not know the other."""
    for name, paid in (("B1", 0), ("B2", 800)):
        ledger.add_bills(bills({"obligation_id": "O1", "paid_before": paid}, **{name: 1_000}), actor="clerk")
    ledger.add_bills(bills({"obligation_id": "O1", "status": "cancelled"}, B1=1_000), actor="clerk")
    ledger.add_bills(bills({"obligation_id": "O1", "paid_before": 800}, B2=500), actor="clerk")
    ledger.post(receipts("mon.csv", ("B2", 500, 1)), actor="batch")
    assert [row["residual"] for row in ledger.balances().to_pylist()] == [0, 0]
    assert ledger.status().controls["T7"].holds
    assert ledger.history("B2").balances.to_pylist()[-1]["residual"] == 0
    assert Report.from_ledger(ledger).summary["controls"]["T7"]["holds"]


def test_balances_as_of_any_day(place, bills, receipts):
    days = iter([datetime(2026, 5, day, 14, 59, tzinfo=UTC) for day in (1, 2, 3, 4, 5)])
    with Ledger.create(place, clock=lambda: next(days)) as ledger:
        ledger.add_bills(bills(B1=10_000), actor="clerk")
        entry = ledger.post(receipts("mon.csv", ("B1", 4_000, 1)), actor="batch").entry.id
        ledger.add_bills(bills(B1=8_000, B2=1_000), actor="clerk")
        ledger.reverse_entry(entry, reason="wrong file", actor="chief")
        rows = {
            day: [tuple(row.values())[2:] for row in ledger.balances(date(2026, 5, day)).to_pylist()]
            for day in (1, 2, 3, 4, 5)
        }
    assert rows == {
        1: [],
        2: [(10_000, 0, 10_000, "expected")],
        3: [(10_000, 4_000, 6_000, "partial")],
        4: [(8_000, 4_000, 4_000, "partial"), (1_000, 0, 1_000, "expected")],
        5: [(8_000, 0, 8_000, "expected"), (1_000, 0, 1_000, "expected")],
    }


def test_an_entry_is_neither_before_the_last_nor_in_the_future(place, bills):
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with Ledger.create(place, clock=lambda: noon - timedelta(days=1)) as ledger:
        before = ledger.status()
    with Ledger.open(place, clock=lambda: noon) as ledger:
        for at in (
            noon - timedelta(days=2),
            noon + timedelta(minutes=6),
            datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))),  # before the first year in UTC
            datetime(2026, 5, 1, 12),
        ):
            with pytest.raises(InvalidInputError, match="LEDGER_TIME"):
                ledger.add_bills(bills(B1=1), actor="clerk", at=at)
        assert ledger.status() == before
        soon = noon + timedelta(minutes=4)  # by a clock that is ahead
        japan = soon.astimezone(timezone(timedelta(hours=9)))
        assert ledger.add_bills(bills(B1=1), actor="clerk", at=japan).entry.at == soon
        # A clock may be behind: then the entry has the time of the last one.
        assert ledger.add_bills(bills(B2=1), actor="clerk").entry.at == soon
        assert ledger.add_bills(bills(B3=1), actor="clerk", at=soon).entry.at == soon
    with Ledger.open(place, clock=lambda: datetime(2026, 5, 1)) as ledger:
        with pytest.raises(InvalidInputError, match="LEDGER_TIME"):
            ledger.add_bills(bills(B4=1), actor="clerk")
        with pytest.raises(InvalidInputError, match="as_of"):
            ledger.bills(datetime(2026, 5, 1))


def test_every_entry_has_an_actor(ledger, bills):
    with pytest.raises(InvalidInputError, match="actor"):
        ledger.add_bills(bills(B1=1), actor="")
    assert ledger.status().entries == 1


def test_the_history_of_a_bill_has_its_balance_after_each_change(ledger, bills, receipts):
    ledger.add_bills(bills(B1=10_000, B2=1), actor="clerk")
    entry = ledger.post(receipts("mon.csv", ("B1", 4_000, 1), ("B2", 1, 1)), actor="batch").entry.id
    ledger.post(receipts("tue.csv", ("B2", 1, 2)), actor="batch")
    ledger.add_bills(bills(B1=8_000), actor="clerk")
    ledger.add_bills(bills({"case_key": "9".zfill(20)}, B1=8_000), actor="clerk")
    ledger.add_bills(bills(B1=8_000), actor="clerk")
    ledger.reverse_entry(entry, reason="wrong file", actor="chief")
    history = ledger.history("B1")
    assert history.versions.column("amount").to_pylist() == [10_000, 8_000, 8_000, 8_000]
    assert [tuple(row.values()) for row in history.balances.drop_columns("payee_code").to_pylist()] == [
        (2, "B1", 10_000, 0, 10_000, "expected"),
        (3, "B1", 10_000, 4_000, 6_000, "partial"),
        (5, "B1", 8_000, 4_000, 4_000, "partial"),
        (6, "B1", 8_000, 0, 8_000, "expected"),
        (7, "B1", 8_000, 4_000, 4_000, "partial"),
        (8, "B1", 8_000, 0, 8_000, "expected"),
    ]


def test_the_history_of_a_bill_whose_payment_names_an_earlier_bill_too(ledger, bills, receipts):
    ledger.add_bills(bills(B2=1_000, B1=10_000), actor="clerk")
    key = {"provider_key": "EL1"}
    ledger.post(receipts("mon.csv", ("B1", 4_000, 1, key), ("B2", 1_000, 1, key)), actor="batch")
    ledger.add_bills(bills(B1=8_000), actor="clerk")
    balances = ledger.history("B1").balances.select(["entry_id", "amount", "paid"]).to_pylist()
    assert [tuple(row.values()) for row in balances] == [(2, 10_000, 0), (3, 10_000, 4_000), (4, 8_000, 4_000)]


def test_a_waiting_writer_can_be_interrupted(quick_folder, bills):
    place = quick_folder / "busy.db"
    with Ledger.create(f"sqlite:///{place}") as ledger, closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stop = threading.Timer(0.3, _thread.interrupt_main)
        # A process that was started in the background ignores SIGINT, and then the call does nothing.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                ledger.add_bills(bills(B1=1), actor="clerk")
        finally:
            signal.signal(signal.SIGINT, handler)
        other.execute("ROLLBACK")
        assert ledger.add_bills(bills(B1=1), actor="clerk").inserted


def test_two_authorities_can_use_the_same_obligation_id(ledger, bills, receipts):
    own = [
        bills({"payee_code": payee, "obligation_id": "O1"}, **{name: 100})
        for payee, name in (("99999", "B1"), ("99998", "B2"))
    ]
    ledger.add_bills(own, actor="clerk")
    cover = {"payee_code": "99998", "covers": ["O1", "O2"]}
    with pytest.raises(InvalidInputError, match="OBLIGATION_UNKNOWN"):
        ledger.add_bills(
            [bills({"obligation_id": "O2"}, B3=100), bills(cover, B4=200)], actor="clerk"
        )  # O2 is of the other authority
    ledger.post(receipts("mon.csv", ("B1", 100, 1), ("B2", 100, 1, {"payee_code": "99998"})), actor="batch")
    assert [(row["payee_code"], row["paid"]) for row in ledger.balances().to_pylist()] == [
        ("99999", 100),
        ("99998", 100),
    ]
    assert ledger.verify(rematch=True).is_clean


def test_the_status_has_the_totals_of_each_payee(ledger, bills, receipts):
    ledger.add_bills([bills(B1=100), bills({"payee_code": "99998"}, B2=200)], actor="clerk")
    other = {"payee_code": "99998"}
    ledger.post(receipts("mon.csv", ("B1", 100, 1), ("B2", 150, 1, other), ("B9", 7, 1, other)), actor="batch")
    payees = ledger.status().payees
    assert payees["99999"]["outcomes"] == {"MATCHED": 1}
    assert payees["99998"]["outcomes"] == {"NO_BILL": 1, "UNDERPAID": 1}
    assert (payees["99999"]["dispositions"]["applied"], payees["99998"]["dispositions"]["applied"]) == (100, 150)
    assert (payees["99998"]["receipts"], payees["99998"]["dispositions"]["suspense"]) == (2, 7)
