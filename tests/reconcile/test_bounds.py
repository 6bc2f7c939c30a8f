"""Yen are bounded at every entrance, and their sums do not wrap."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from kokin.issues import MAX_ISSUES, InvalidInputError
from kokin.matching import MATCHED_COLUMNS, Index
from kokin.model import Bill
from kokin.reconcile import build_accounts, reconcile
from kokin.reconcile._columns import exact_sum
from tests.reconcile.accounts_cases import JUNE_1, MAY_1, books, paid, slip, table

MOST = 99_999_999_999
B1 = slip(1)
OUTSIDE = [MOST + 1, 2**62, 2**63 - 1, -1, -(2**63)]


def issues(run):
    with pytest.raises(InvalidInputError) as caught:
        run()
    return [(issue.code, issue.field, issue.location.record) for issue in caught.value.issues]


@pytest.mark.parametrize("yen", OUTSIDE)
@pytest.mark.parametrize("name", ["amount", "principal", "late_charge", "demand_fee"])
def test_receipts(name, yen):
    receipts = [paid(B1), {**paid(B1), name: yen}]
    assert issues(lambda: reconcile(table([B1]), table(receipts))) == [("AMOUNT_RANGE", name, 2)]


@pytest.mark.parametrize("yen", OUTSIDE)
@pytest.mark.parametrize("name", ["amount", "paid_before"])
def test_bills(name, yen):
    assert issues(lambda: Index.build(table([B1, {**slip(2), name: yen}]))) == [("AMOUNT_RANGE", name, 2)]


DEPOSIT = {"credited_on": MAY_1, "amount": 1}
REPORT = {"first_day": MAY_1, "last_day": JUNE_1, "count": 1, "amount": 1}


@pytest.mark.parametrize(
    ("entrance", "row"),
    [
        ("deposits", {**DEPOSIT, "amount": MOST + 1}),
        ("deposits", {**DEPOSIT, "amount": -MOST - 1}),
        ("agent_reports", {**REPORT, "amount": MOST + 1}),
        ("agent_reports", {**REPORT, "amount": -1}),
        ("agent_reports", {**REPORT, "count": -1}),
        ("write_offs", {"bill_id": "B1", "amount": MOST + 1}),
        ("write_offs", {"bill_id": "B1", "amount": 0}),
    ],
)
def test_other_tables(entrance, row):
    field = "count" if row.get("count") == -1 else "amount"
    assert issues(lambda: books([B1], [paid(B1)], **{entrance: table([row])})) == [("AMOUNT_RANGE", field, 1)]


@pytest.mark.parametrize("kind", ["final", "provisional", "cancel", "reversal", None])
def test_a_receipt_of_0_yen(kind):
    receipts = [paid(B1), paid(B1, 0, kind=kind)]
    assert issues(lambda: reconcile(table([B1]), table(receipts))) == [("AMOUNT_ZERO", "amount", 2)]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], ["CANCEL"]),
        ([paid(B1)], ["CANCEL", "SUPERSEDED"]),
        ([paid(B1), paid(B1, 10_000, kind="final", store_code="2")], ["CANCEL", "SUPERSEDED", "MATCHED"]),
        ([paid(B1, 9_000, kind="correction")], ["CANCEL", "SUPERSEDED"]),
    ],
    ids=["of nothing", "of a payment", "when the bill was paid at another store too", "of a correction"],
)
def test_a_correction_to_0_yen_is_no_payment(others, expected):
    receipts = [paid(B1, 0, kind="correction", provider_key="z"), *others]
    done = reconcile(table([B1]), table([{"record_no": n, **row} for n, row in enumerate(receipts, 1)]))
    assert done.outcomes["outcome"].to_pylist() == expected
    assert done.balances["residual"].to_pylist() == [0 if "MATCHED" in expected else 10_000]
    assert done.exceptions.num_rows == 0


def test_the_most_is_in_bounds():
    done = reconcile(table([{**B1, "amount": MOST}]), table([paid(B1, MOST)]))
    assert done.outcomes["outcome"].to_pylist() == ["MATCHED"]


def test_sums_do_not_wrap():
    """More rows of the most yen than int64 holds: 92,233,721 would do."""
    yen = np.broadcast_to(np.int64(MOST), 100_000_000)
    assert exact_sum(yen) == 100_000_000 * MOST > 2**63


def test_write_offs_without_bills():
    nothing = table([B1]).slice(0, 0)
    done = reconcile(nothing, table([paid(B1)]))
    row = {"bill_id": "B1", "amount": 1}
    assert issues(lambda: build_accounts(done, write_offs=table([row]))) == [("CODE_UNKNOWN", "bill_id", 1)]
    empty = table([row]).slice(0, 0)
    assert build_accounts(done, write_offs=empty).receivables.num_rows == 0


def test_indexes_and_obligations_are_compared_by_identity():
    one, other = Index.build(table([B1])), Index.build(table([B1]))
    assert one == one
    assert one != other
    assert one.obligations != other.obligations
    assert len({one, other}) == 2


PARTS = pa.map_(pa.string(), pa.int64())
NOT_MATCHED_ON = {
    "office_code": (pa.array(["x"]), "NOT_DIGITS"),
    "levy_year": (pa.array([10_000]), "AMOUNT_RANGE"),
    "tax_year": (pa.array([-1]), "AMOUNT_RANGE"),
    "period": (pa.array(["1"]), "WIDTH"),
    "payable_until": (pa.array(["x"]), "DATE_INVALID"),
    "payer_key": (pa.array(["x" * 65]), "WIDTH"),
    "system": (pa.array(["x" * 41]), "WIDTH"),
    "charge": (pa.array(["a\x07"]), "CHARACTER"),
    "name": (pa.array(["a\x07"]), "CHARACTER"),
    "postal_code": (pa.array(["x" * 9]), "WIDTH"),
    "address": (pa.array(["x" * 201]), "WIDTH"),
    "parts": (pa.array([[("a", -1), ("b", 10_001)]], PARTS), "AMOUNT_RANGE"),
}
OTHER_PARTS = [
    (pa.array([[("a", 1), ("a", 9_999)]], PARTS), "PARTS_DUPLICATE"),
    (pa.array([[("a", 10_000.0)]], pa.map_(pa.string(), pa.float64())), "FIELD_TYPE"),
    (pa.array(["a=x"]), "PARTS_FORM"),
]


def test_every_column_of_a_bill_is_matched_on_or_checked_by_the_accounts():
    assert NOT_MATCHED_ON.keys() == Bill.model_fields.keys() - MATCHED_COLUMNS


@pytest.mark.parametrize(
    ("field", "column", "code"),
    [(name, *values) for name, values in NOT_MATCHED_ON.items()] + [("parts", *values) for values in OTHER_PARTS],
)
def test_the_accounts_check_what_matching_does_not_read(field, column, code):
    bills = table([B1])
    if field in bills.column_names:
        bills = bills.drop_columns([field])
    bills = bills.append_column(field, column)
    done = reconcile(bills, table([paid(B1)]))
    found = issues(lambda: build_accounts(done))
    assert found == [(code, field, None if code == "FIELD_TYPE" else 1)]


@pytest.mark.parametrize(
    ("side", "column", "value", "code"),
    [
        ("bills", "confirmation", "12345X", "NOT_DIGITS"),
        ("bills", "amount", 0, "AMOUNT_RANGE"),
        ("receipts", "confirmation", "12345X", "NOT_DIGITS"),
        ("receipts", "amount", 0, "AMOUNT_ZERO"),
        ("receipts", "paid_on", "2026-13-01", "DATE_INVALID"),
    ],
)
def test_of_very_many_invalid_rows_the_first_are_named_and_all_are_counted(side, column, value, code):
    count = MAX_ISSUES + 2_000
    number = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "amount": 5}
    keys = [str(n) for n in range(count)]

    def table(**own):
        columns = {name: pa.array([each] * count) for name, each in {**number, **own}.items()}
        return pa.table({**columns, "case_key": keys, "bill_id": keys})

    tables = {"bills": table(due_on=date(2026, 6, 1)), "receipts": table(paid_on=date(2026, 5, 1)).drop(["bill_id"])}
    at = tables[side].column_names.index(column)
    tables[side] = tables[side].set_column(at, column, pa.array([value] * count))
    with pytest.raises(InvalidInputError, match=r"11,980 more \(the first 10,000 in \.issues\)") as raised:
        reconcile(tables["bills"], tables["receipts"])
    error = raised.value
    assert ({issue.code for issue in error.issues}, len(error.issues), error.total) == ({code}, MAX_ISSUES, count)
    assert [issue.location.record for issue in error.issues] == list(range(1, MAX_ISSUES + 1))
