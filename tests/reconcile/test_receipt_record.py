"""A table of receipts is checked as the record is, in every field."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.model import Bill, Receipt, ReceiptKind, arrow_schema
from kokin.reconcile import reconcile
from tests.support import examples

BILLS = pa.Table.from_pylist(
    [
        Bill(
            bill_id="B1", payee_code="99999", item_code="127", case_key="1", confirmation="123456", amount=5,
            due_on="2026-06-01",
        ).model_dump()
    ],
    arrow_schema(Bill),
)  # fmt: skip
ROW = {"payee_code": "99999", "item_code": "127", "case_key": "1", "confirmation": "123456", "amount": 5,
       "paid_on": date(2026, 6, 1)}  # fmt: skip

TEXTS = st.none() | st.sampled_from(["B1", "公金 花子", "a\x07b", "x" * 21, "x" * 41, "x" * 401, "寿" * 81, "\u3000"])
YEN = st.none() | st.sampled_from([-1, 0, 1, 99_999_999_999, 10**11, 2**63 - 1])
YEARS = st.none() | st.sampled_from([-1, 0, 2026, 9999, 10_000])
DAYS = st.none() | st.dates()


def digits(width: int) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(["9" * width, "9" * (width - 1), "9" * (width + 1), "x" * width, "９" * width])


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "layout": TEXTS, "source": TEXTS, "digest": TEXTS, "record_no": YEN, "byte_offset": YEN,
    "raw": st.none() | st.binary(max_size=3), "kind": st.sampled_from([*ReceiptKind, "maybe"]),
    "payee_code": digits(5), "office_code": digits(3), "item_code": digits(3),
    "case_key": st.none() | st.sampled_from(["1", "9" * 20, "9" * 21, "x"]), "confirmation": digits(6),
    "barcode": digits(44), "customer_number": TEXTS, "virtual_account": digits(10), "other_keys": TEXTS,
    "levy_year": YEARS, "tax_year": YEARS, "period": digits(2), "paid_on": DAYS,
    "paid_time": st.none() | st.times().map(lambda moment: moment.replace(microsecond=0)),
    "received_on": DAYS, "settled_on": DAYS, "amount": YEN, "bank_charge": YEN,
    "principal": YEN, "late_charge": YEN, "demand_fee": YEN,
    "channel": TEXTS, "agent_code": TEXTS, "bank_code": digits(4), "branch_code": digits(3), "store_code": TEXTS,
    "stamp": st.none() | st.booleans(), "payable_until": DAYS, "provider_key": TEXTS,
    "key_composed": st.none() | st.booleans(), "batch_key": TEXTS, "cancels": TEXTS, "name": TEXTS, "actor": TEXTS,
    "reason": TEXTS,
}  # fmt: skip


@st.composite
def rows_with_a_few_odd_fields(draw: st.DrawFn) -> dict[str, Any]:
    assert FIELDS.keys() == Receipt.model_fields.keys(), "each field of Receipt needs a strategy"
    names = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=5))
    return {**ROW, **{name: draw(FIELDS[name]) for name in sorted(names)}}


@settings(max_examples=examples(400), deadline=None)
@example({**ROW, "amount": 0, "late_charge": 10**11})
@given(rows_with_a_few_odd_fields())
def test_a_row_is_checked_as_the_record_is(row: dict[str, Any]) -> None:
    table = pa.Table.from_pylist([row], pa.schema([arrow_schema(Receipt).field(name) for name in row]))
    try:
        Receipt(**{name: value for name, value in row.items() if value is not None})
        expected = []
    except InvalidInputError as error:
        expected = sorted((issue.field, issue.code) for issue in error.issues)
    try:
        reconcile(BILLS, table)
        found = []
    except InvalidInputError as error:
        found = sorted((issue.field, issue.code) for issue in error.issues)
    # What a person must say of a receipt by hand is asked when all the rest is in order.
    by_hand = [("actor", "FIELD_MISSING"), ("reason", "FIELD_MISSING")]
    if expected and any(issue not in by_hand for issue in expected):
        found = [issue for issue in found if issue not in by_hand]
    assert found == expected


def test_a_time_of_day_keeps_its_seconds() -> None:
    paid = pa.table({**{name: [value] for name, value in ROW.items()}, "paid_time": pa.array([time(9, 30)])})
    assert reconcile(BILLS, paid).outcomes["outcome"].to_pylist() == ["MATCHED"]
