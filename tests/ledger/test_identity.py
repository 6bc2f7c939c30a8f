"""A payment that comes again is one payment in the ledger too, in whatever bytes, files, order of days or layouts."""

from itertools import permutations

import pyarrow as pa
import pytest

from kokin.ledger import Ledger
from kokin.ledger import _settle as settling
from kokin.reconcile import reconcile

EL = ("payee_code", "item_code", "case_key", "confirmation")
NO_NUMBER = dict.fromkeys(EL)
BARCODE = "91929999" + "7".zfill(21) + "0999999" + "0" + "010000" + "9"
BY_BARCODE = NO_NUMBER | {"barcode": BARCODE}


def key(name, **more):
    """An assigned reference, and what else the receipt says."""
    return {"provider_key": name, **more}


def composed(name, **more):
    return key(name, key_composed=True, **more)


def takes_back(name, **more):
    """A reversal that names its payment."""
    return {"kind": "reversal", "cancels": name, **more}


#: Files, each of rows of bill, yen, day and the rest; and the outcomes of all records, sorted, in any order of files.
FILES_AND_OUTCOMES = {
    "an assigned key, the number in one record only": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 1, key("k", **NO_NUMBER))]],
        ["DUPLICATE_RECORD", "MATCHED"],
    ),
    "an assigned key, numbers of two kinds": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 1, key("k", **BY_BARCODE))]],
        ["DUPLICATE_RECORD", "MATCHED"],
    ),
    "a composed key and no number": (
        [[("B1", 100, 1, composed("c", **NO_NUMBER))], [("B1", 100, 1, composed("c", **NO_NUMBER))]],
        ["DUPLICATE_RECORD", "KEY_MISSING"],
    ),
    "neither key nor number: the content": (
        [[("B1", 100, 1, NO_NUMBER)], [("B1", 100, 1, NO_NUMBER)]],
        ["DUPLICATE_RECORD", "KEY_MISSING"],
    ),
    "neither key nor number, another content": (
        [[("B1", 100, 1, NO_NUMBER)], [("B1", 100, 2, NO_NUMBER)]],
        ["KEY_MISSING", "KEY_MISSING"],
    ),
    "two equal records of one file, then the file again in halves": (
        [[("B1", 100, 1, NO_NUMBER)] * 2, [("B1", 100, 1, NO_NUMBER)] * 2],
        ["DUPLICATE_RECORD", "DUPLICATE_RECORD", "KEY_MISSING", "KEY_MISSING"],
    ),
    "a booking and its transactions": (
        [
            [("B1", 300, 1, key("booking", **NO_NUMBER))],
            [("B1", 100, 1, key("t1", batch_key="booking"))],
            [("B2", 200, 1, key("t2", batch_key="booking"))],
        ],
        ["DUPLICATE_RECORD", "MATCHED", "MATCHED"],
    ),
    "a reversal that names an assigned key": (
        [[("B1", 100, 1, key("k"))], [("B1", 100, 3, takes_back("k", **NO_NUMBER))]],
        ["REVERSAL", "REVERSED"],
    ),
    "a reversal that names a composed key": (
        [[("B1", 100, 1, composed("c"))], [("B1", 100, 3, takes_back("c", **NO_NUMBER))]],
        ["REVERSAL", "REVERSED"],
    ),
    "a reversal by the number, told before its payment": (
        [[("B1", 100, 3, {"kind": "reversal"})], [("B1", 100, 1)]],
        ["REVERSAL", "REVERSED"],
    ),
    "a reversal that comes again, and then another payment": (
        [
            [("B1", 100, 1, key("k"))],
            [("B1", 100, 3, takes_back("k"))],
            [("B1", 100, 3, takes_back("k"))],
            [("B1", 100, 5, key("l"))],
        ],
        ["DUPLICATE_RECORD", "MATCHED", "REVERSAL", "REVERSED"],
    ),
    "a chain: a booking, its transaction without a number, its reversal": (
        [
            [("B1", 100, 1, key("booking", **NO_NUMBER))],
            [("B1", 100, 1, key("t1", batch_key="booking", **NO_NUMBER))],
            [("B1", 100, 2, takes_back("t1", **NO_NUMBER))],
        ],
        ["DUPLICATE_RECORD", "REVERSAL", "REVERSED"],
    ),
}


@pytest.mark.parametrize("at_once", [1, 1 << 19])
@pytest.mark.parametrize("case", FILES_AND_OUTCOMES)
def test_records_of_one_payment_meet_in_any_order_of_days(new_place, bills, receipts, monkeypatch, case, at_once):
    monkeypatch.setattr(settling, "_AT_ONCE", at_once)
    files, outcomes = FILES_AND_OUTCOMES[case]
    tables = [receipts(f"{number}.csv", *rows) for number, rows in enumerate(files)]
    orders = list(permutations(tables))
    register = pa.concat_tables([bills({"barcode": BARCODE}, B1=100), bills({"barcode": None}, B2=200)])
    want = reconcile(register, tables)
    for order in (orders[0], orders[-1], orders[len(orders) // 2]):
        with Ledger.create(new_place()) as ledger:
            ledger.add_bills(register, actor="clerk")
            for file in order:
                ledger.post(file, actor="batch")
            assert ledger.outcomes().to_pylist() == want.outcomes.to_pylist()
            assert ledger.balances().to_pylist() == want.balances.to_pylist()
            assert all(control["holds"] for control in ledger.status()["controls"].values())
            found = ledger.verify(again=True)
            assert found.is_clean, found.issues
    assert sorted(want.outcomes.column("outcome").to_pylist()) == outcomes
