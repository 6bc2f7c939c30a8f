"""Duplicate records of a payment are one payment, in whatever bytes, files, order of days or layouts."""

from itertools import permutations

import pyarrow as pa
import pytest

from kokin import receipts as receipt_files
from kokin.ledger import Ledger, _rematch
from kokin.reconcile import reconcile

EL = ("payee_code", "item_code", "case_key", "confirmation")
NO_KEY = dict.fromkeys(EL)
BARCODE = "91929999" + "7".zfill(21) + "0999999" + "0" + "010000" + "9"
BY_BARCODE = NO_KEY | {"barcode": BARCODE}


def key(name, **more):
    """An assigned reference, and the other columns of the receipt."""
    return {"provider_key": name, **more}


def composed(name, **more):
    return key(name, key_composed=True, **more)


def reversal_of(name, **more):
    """A reversal that names its payment."""
    return {"kind": "reversal", "cancels": name, **more}


#: Files, each of rows of bill, yen, day and the rest; and the outcomes of all records, sorted, in any order of files.
FILES_AND_OUTCOMES = {
    "an assigned key, the number in one record only": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 1, key("k", **NO_KEY))]],
        ["DUPLICATE_RECORD", "MATCHED"],
    ),
    "an assigned key, numbers of two kinds": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 1, key("k", **BY_BARCODE))]],
        ["DUPLICATE_RECORD", "MATCHED"],
    ),
    "a composed key and no number": (
        [[("B1", 100, 1, composed("c", **NO_KEY))], [("B1", 100, 1, composed("c", **NO_KEY))]],
        ["DUPLICATE_RECORD", "KEY_MISSING"],
    ),
    "neither key nor number: the content": (
        [[("B1", 100, 1, NO_KEY)], [("B1", 100, 1, NO_KEY)]],
        ["DUPLICATE_RECORD", "KEY_MISSING"],
    ),
    "neither key nor number, another content": (
        [[("B1", 100, 1, NO_KEY)], [("B1", 100, 2, NO_KEY)]],
        ["KEY_MISSING", "KEY_MISSING"],
    ),
    "two equal records of one file, then the file again in halves": (
        [[("B1", 100, 1, NO_KEY)] * 2, [("B1", 100, 1, NO_KEY)] * 2],
        ["DUPLICATE_RECORD", "DUPLICATE_RECORD", "KEY_MISSING", "KEY_MISSING"],
    ),
    "a booking and its transactions": (
        [
            [("B1", 300, 1, key("booking", **NO_KEY))],
            [("B1", 100, 1, key("t1", batch_key="booking"))],
            [("B2", 200, 1, key("t2", batch_key="booking"))],
        ],
        ["DUPLICATE_RECORD", "MATCHED", "MATCHED"],
    ),
    "a reversal that names an assigned key": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 3, reversal_of("k", **NO_KEY))]],
        ["REVERSAL", "REVERSED"],
    ),
    "a reversal that names a composed key": (
        [[("B1", 100, 1, composed("c"))], [("B1", 100, 3, reversal_of("c", **NO_KEY))]],
        ["REVERSAL", "REVERSED"],
    ),
    "a reversal by the number, reported before its payment": (
        [[("B1", 100, 3, {"kind": "reversal"})], [("B1", 100, 1)]],
        ["REVERSAL", "REVERSED"],
    ),
    "a duplicate reversal, and then another payment": (
        [
            [("B1", 100, 1, key("k"))],
            [("B1", 100, 3, reversal_of("k"))],
            [("B1", 100, 3, reversal_of("k"))],
            [("B1", 100, 5, key("l"))],
        ],
        ["DUPLICATE_RECORD", "MATCHED", "REVERSAL", "REVERSED"],
    ),
    "a chain: a booking, its transaction without a number, its reversal": (
        [
            [("B1", 100, 1, key("booking", **NO_KEY))],
            [("B1", 100, 1, key("t1", batch_key="booking", **NO_KEY))],
            [("B1", 100, 2, reversal_of("t1", **NO_KEY))],
        ],
        ["DUPLICATE_RECORD", "REVERSAL", "REVERSED"],
    ),
}


@pytest.mark.parametrize("case", FILES_AND_OUTCOMES)
def test_records_of_one_payment_are_matched_in_any_order_of_files(new_place, bills, receipts, monkeypatch, case):
    files, outcomes = FILES_AND_OUTCOMES[case]
    tables = [receipts(f"{number}.csv", *rows) for number, rows in enumerate(files)]
    orders = list(permutations(tables))
    register = pa.concat_tables([bills({"barcode": BARCODE}, B1=100), bills({"barcode": None}, B2=200)])
    want = reconcile(register, tables)
    # Several rounds of matching, with one key each, or one round with all keys.
    for number, keys_per_round in {0: 1 << 19, len(orders) // 2: 1, len(orders) - 1: 1}.items():
        monkeypatch.setattr(_rematch, "_KEYS_PER_ROUND", keys_per_round)
        order = orders[number]
        with Ledger.create(new_place()) as ledger:
            ledger.add_bills(register, actor="clerk")
            for file in order:
                ledger.post(file, actor="batch")
            assert ledger.outcomes().to_pylist() == want.outcomes.to_pylist()
            assert ledger.balances().to_pylist() == want.balances.to_pylist()
            assert all(control.holds for control in ledger.status().controls.values())
            found = ledger.verify(rematch=True)
            assert found.is_clean, found.issues
    assert sorted(want.outcomes.column("outcome").to_pylist()) == outcomes


def balances(ledger):
    return [(row["bill_id"], row["paid"]) for row in ledger.balances().to_pylist()]


def test_a_redelivered_file_of_other_bytes_is_posted_with_its_overlap(ledger, bills, receipts, tmp_path):
    ledger.add_bills(bills(B1=100, B2=200), actor="clerk")
    path = tmp_path / "mon.csv"
    rows = receipts("", ("B1", 100, 1, key("k")), ("B2", 200, 1, NO_KEY | {"channel": "app"})).to_pylist()
    receipt_files.write(rows, path, "kokin-csv")
    first = ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch")
    assert (first.overlaps, first.issues) == ((), [])
    again = ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch")
    assert (again.inserted, again.overlaps, again.issues) == (False, (), [])
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n") + b"\n")
    done = ledger.post(receipt_files.open(path, "kokin-csv"), actor="batch", source="mon-again.csv")
    assert done.inserted
    # Which of two equal files counts depends on their digests, as in a reconciliation of both at once.
    by_file = [sorted(set(ledger.outcomes(entry.id).column("outcome").to_pylist())) for entry in ledger.entries()[2:]]
    assert sorted(by_file) == [["DUPLICATE_RECORD"], ["KEY_MISSING", "MATCHED"]]
    assert done.rematched == (2 if by_file[0] == ["DUPLICATE_RECORD"] else 0)
    assert ledger.status().dispositions == {
        "applied": 100,
        "excess": 0,
        "suspense": 200,
        "provisional": 0,
        "no_effect": 300,
    }
    (overlap,) = done.overlaps
    assert (overlap.entry, overlap.source, overlap.digest) == (3, "mon.csv", first.entry.digest)
    assert (overlap.repeated, overlap.records) == (2, 2)
    (issue,) = done.issues
    assert (issue.code, issue.location.file, issue.found) == ("FILE_OVERLAPS", "mon-again.csv", overlap.text)


def test_overlaps_count_the_records_of_the_new_file_by_earlier_file(ledger, bills, receipts):
    ledger.add_bills(bills(**{f"B{number}": 100 for number in range(1, 7)}), actor="clerk")
    rows = [(f"B{number}", 100, number, key(f"k{number}")) for number in range(1, 7)]
    ledger.post(receipts("a.csv", *rows[:3]), actor="batch")
    reversed_file = ledger.post(receipts("b.csv", *rows[3:5]), actor="batch").entry.id
    ledger.post(receipts("c.csv", *rows[1:4]), actor="batch")
    ledger.reverse_entry(reversed_file, reason="wrong file", actor="chief")
    # Records of later days, so that some of the new ones are the records that count, and some are not.
    done = ledger.post(receipts("0.csv", *rows, rows[0]), actor="batch")
    assert [(each.source, each.repeated, each.records) for each in done.overlaps] == [("a.csv", 4, 7), ("c.csv", 3, 7)]


def test_reused_keys_are_reported_with_their_counts(ledger, bills, receipts):
    ledger.add_bills(bills(B1=100, B2=200, B3=300), actor="clerk")
    done = ledger.post(receipts("a.csv", ("B1", 100, 1, key("k"))), actor="batch")
    assert done.reused_keys == {}
    done = ledger.post(receipts("b.csv", ("B2", 200, 1, key("k")), ("B3", 300, 1, key("l"))), actor="batch")
    assert done.reused_keys == {"k": 1}
    (issue,) = done.issues
    assert (issue.code, issue.field, issue.found) == ("KEY_REUSED", "provider_key", "1 records: k")
    assert balances(ledger) == [("B1", 100), ("B2", 200), ("B3", 300)]


def test_the_outcomes_of_post_are_those_of_the_ledger(ledger, bills, receipts):
    ledger.add_bills(bills(B1=100, B2=200), actor="clerk")
    reversal = ("B1", 100, 3, reversal_of("k"))
    for number, rows in enumerate(([("B1", 100, 1, key("k")), reversal], [reversal, ("B2", 200, 1)], [("B2", 200, 1)])):
        done = ledger.post(receipts(f"{number}.csv", *rows), actor="batch")
        outcomes = ledger.outcomes(done.entry.id).column("outcome").to_pylist()
        assert {name: total["count"] for name, total in done.outcomes.items()} == {
            name: outcomes.count(name) for name in outcomes
        }
        yen = sum(total["amount"] for total in done.outcomes.values())
        assert yen == sum(row[1] * (-1 if row is reversal else 1) for row in rows)
    assert ledger.status().outcomes["DUPLICATE_RECORD"] == {"count": 2, "amount": 100}


def test_after_reversing_one_of_two_overlapping_files_the_other_counts(ledger, bills, receipts):
    ledger.add_bills(bills(B1=100, B2=200, B3=300), actor="clerk")
    rows = [("B1", 100, 1, key("k")), ("B2", 200, 1, NO_KEY), ("B3", 300, 1)]
    first = ledger.post(receipts("a.csv", *rows[:2]), actor="batch").entry.id
    second = ledger.post(receipts("b.csv", *rows), actor="batch").entry.id
    all_paid = ledger.balances().to_pylist()

    def outcomes(entry):
        return ledger.outcomes(entry).column("outcome").to_pylist()

    assert outcomes(first) == ["MATCHED", "KEY_MISSING"]
    assert outcomes(second) == ["DUPLICATE_RECORD", "DUPLICATE_RECORD", "MATCHED"]
    reversal = ledger.reverse_entry(first, reason="wrong file", actor="chief").entry.id
    assert outcomes(second) == ["MATCHED", "KEY_MISSING", "MATCHED"]
    assert ledger.balances().to_pylist() == all_paid
    ledger.reverse_entry(reversal, reason="it was ours", actor="chief")
    assert outcomes(first) == ["MATCHED", "KEY_MISSING"]
    assert outcomes(second) == ["DUPLICATE_RECORD", "DUPLICATE_RECORD", "MATCHED"]
    ledger.reverse_entry(second, reason="twice", actor="chief")
    assert balances(ledger) == [("B1", 100), ("B2", 0), ("B3", 0)]
    assert all(control.holds for control in ledger.status().controls.values())
    assert ledger.verify(rematch=True).is_clean


def test_the_match_keys_of_references_and_content_are_stored(ledger, bills, receipts):
    ledger.add_bills(bills(B1=100), actor="clerk")
    ledger.post(receipts("a.csv", ("B1", 100, 1, key("k")), ("B1", 5, 1, NO_KEY)), actor="batch")
    assert ledger.verify().is_clean
    again = [("B1", 100, 1, key("k", **NO_KEY)), ("B1", 5, 1, NO_KEY)]
    done = ledger.post(receipts("b.csv", *again), actor="batch")
    assert done.outcomes == {"DUPLICATE_RECORD": {"count": 2, "amount": 105}}
    assert ledger.verify(rematch=True).is_clean
