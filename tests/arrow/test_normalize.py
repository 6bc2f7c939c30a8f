"""Every Arrow type that other libraries use for texts, dates, yen, lists and maps is normalised."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
import pytest

from kokin._arrow.convert import as_table
from kokin._arrow.normalize import normalize, normalize_column
from kokin._arrow.validate import validate_table
from kokin.issues import InvalidInputError
from kokin.model import Bill, Receipt
from kokin.reconcile import BankDeposit
from kokin.text import JAPAN

TEXT, YEN, DAY, TIME = pa.string(), pa.int64(), pa.date32(), pa.time32("s")
LIST, MAP = pa.list_(pa.string()), pa.map_(pa.string(), pa.int64())
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]


def dictionary(values: list[Any], texts: pa.DataType, index: pa.DataType) -> pa.Array:
    categories = list(dict.fromkeys(value for value in values if value is not None)) or [""]
    indices = pa.array([None if value is None else categories.index(value) for value in values], index)
    return pa.DictionaryArray.from_arrays(indices, pa.array(categories, texts))


def texts(values: list[str | None]) -> list[pa.Array]:
    plain = [pa.array(values, kind) for kind in TEXT_TYPES]
    indices = [pa.int8(), pa.uint8(), pa.int32(), pa.uint32(), pa.int64()]
    coded = [dictionary(values, kind, index) for kind in TEXT_TYPES for index in indices]
    with_null = pa.DictionaryArray.from_arrays(
        pa.array([len(values) - values[::-1].index(v) - 1 for v in values]), pa.array(values, pa.string())
    )
    return [*plain, *coded, with_null]


@pytest.mark.parametrize("array", texts(["a", None, "寿", "a"]), ids=lambda array: str(array.type))
def test_any_type_of_text_is_accepted(array: pa.Array) -> None:
    for column in (array, pa.chunked_array([array[:1], array[1:]])):
        found = normalize_column(column, TEXT)
        assert found is not None
        kind = found.type.value_type if pt.is_dictionary(found.type) else found.type
        assert pt.is_string(kind) or pt.is_large_string(kind)
        assert found.cast(TEXT).to_pylist() == ["a", None, "寿", "a"]


@pytest.mark.parametrize("wanted", [YEN, DAY, TIME, LIST, MAP], ids=str)
@pytest.mark.parametrize("array", texts(["1", None, "2"]), ids=lambda array: str(array.type))
def test_a_text_for_another_type_is_not_converted(array: pa.Array, wanted: pa.DataType) -> None:
    found = normalize_column(array, wanted)
    assert found is not None
    assert (found.type, found.to_pylist()) == (TEXT, ["1", None, "2"])


NINE = datetime(2026, 6, 1, 9, tzinfo=JAPAN)
MIDNIGHT = datetime(2026, 6, 1, tzinfo=JAPAN)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (pa.array([date(2026, 6, 1), None], pa.date32()), [date(2026, 6, 1), None]),
        (pa.array([date(2026, 6, 1), None], pa.date64()), [date(2026, 6, 1), None]),
        (pa.array([date(1, 1, 1), date(9999, 12, 31)], pa.date64()), [date(1, 1, 1), date(9999, 12, 31)]),
        *(
            (pa.array([datetime(2026, 6, 1), None], pa.timestamp(unit)), [date(2026, 6, 1), None])
            for unit in ("s", "ms", "us", "ns")
        ),
        # a timestamp with a zone is the date on which it is midnight in Japan, not the date in its own zone
        (pa.array([MIDNIGHT], pa.timestamp("us", "UTC")), [date(2026, 6, 1)]),
        (pa.array([MIDNIGHT], pa.timestamp("us", "Asia/Tokyo")), [date(2026, 6, 1)]),
        (pa.array([MIDNIGHT], pa.timestamp("ns", "no/zone")), [date(2026, 6, 1)]),
        # a timestamp that is not midnight becomes text, so that the row is reported
        (pa.array([datetime(2026, 6, 1, 9)], pa.timestamp("us")), ["2026-06-01 09:00:00"]),
        (pa.array([datetime(2026, 6, 1, 0, 0, 0, 1)], pa.timestamp("us")), ["2026-06-01 00:00:00"]),
        (pa.array([NINE], pa.timestamp("us", "UTC")), ["2026-06-01 09:00:00+0900"]),
        (pa.array([MIDNIGHT, NINE], pa.timestamp("us", "UTC")), ["2026-06-01", "2026-06-01 09:00:00+0900"]),
        (pa.array([2**62, 0]).view(pa.timestamp("s")), None),
    ],
    ids=str,
)
def test_any_type_of_date_is_accepted(array: pa.Array, found: list[Any] | None) -> None:
    column = normalize_column(array, DAY)
    assert column is not None
    if found is None:
        assert column.type == TEXT
    else:
        assert column.to_pylist() == found


@pytest.mark.parametrize(
    ("array", "found"),
    [
        *(
            (pa.array([0, 12, None], kind), [0, 12, None])
            for kind in (getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64))
        ),
        (pa.array([Decimal(12), None], pa.decimal128(20, 0)), [12, None]),
        (pa.array([Decimal("12.00")], pa.decimal128(20, 2)), [12]),
        (pa.array([Decimal("12.00")], pa.decimal256(50, 2)), [12]),
        (pa.array([Decimal("12.50"), Decimal(3)], pa.decimal128(20, 2)), ["12.50", "3"]),
        (pa.array([2**63, 5], pa.uint64()), [str(2**63), "5"]),
        (pa.array([Decimal(10**30)], pa.decimal128(38, 0)), [str(10**30)]),
        (pa.array([None, None], pa.float64()), [None, None]),
        (pa.array([1.0, None], pa.float64()), None),
        (pa.array([True]), None),
    ],
    ids=str,
)  # fmt: skip
def test_any_type_of_integer_is_accepted(array: pa.Array, found: list[Any] | None) -> None:
    column = normalize_column(array, YEN)
    assert (column and column.to_pylist()) == found


LISTS = [
    pa.list_(pa.string()), pa.list_(pa.string_view()), pa.list_(pa.large_string()), pa.large_list(pa.string()),
    pa.large_list(pa.string_view()), pa.list_view(pa.string()), pa.large_list_view(pa.string_view()),
    pa.list_(pa.string(), 2), pa.list_(pa.string_view(), 2),
]  # fmt: skip


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_any_type_of_list_is_accepted(kind: pa.DataType) -> None:
    column = normalize_column(pa.array([["x", "y"], ["a", "b"], None], kind)[1:], LIST)
    assert column is not None
    assert (column.type, column.to_pylist()) == (LIST, [["a", "b"], None])


def test_a_list_of_a_dictionary_of_views_is_accepted() -> None:
    values = dictionary(["a", "b"], pa.string_view(), pa.uint32())
    column = normalize_column(pa.LargeListArray.from_arrays([0, 2], values), LIST)
    assert column is not None
    assert column.to_pylist() == [["a", "b"]]


PAIRS = pa.struct([("key", pa.string_view()), ("value", pa.int64())])


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[("a", 1), ("b", 2)], None], MAP),
        pa.array([[("a", 1), ("b", 2)], None], pa.map_(pa.large_string(), pa.uint8())),
        pa.array([[("a", Decimal(1)), ("b", Decimal(2))], None], pa.map_(pa.string(), pa.decimal128(11, 0))),
        pa.array([{"a": 1, "b": 2, "c": None}, None]),
        pa.array([[{"key": "a", "value": 1}, {"key": "b", "value": 2}], None], pa.large_list(PAIRS)),
    ],
    ids=lambda array: str(array.type),
)
def test_any_type_of_map_is_accepted(array: pa.Array) -> None:
    column = normalize_column(array, MAP)
    assert column is not None
    assert (column.type, column.to_pylist()) == (MAP, [[("a", 1), ("b", 2)], None])


def test_any_type_of_time_is_accepted() -> None:
    for kind in (pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        column = normalize_column(pa.array([time(9, 30), None], kind), TIME)
        assert column is not None
        assert (column.type, column.to_pylist()) == (TIME, [time(9, 30), None])
    column = normalize_column(pa.array([time(9, 30, 0, 1)], pa.time64("us")), TIME)
    assert column is not None
    assert column.type == TEXT


@pytest.mark.parametrize("wanted", [TEXT, YEN, DAY, TIME, LIST, MAP], ids=str)
@pytest.mark.parametrize(
    "kind", [pa.null(), pa.float64(), pa.int8(), pa.bool_(), pa.date64(), pa.large_list(pa.int8())], ids=str
)
def test_a_column_of_nulls_is_accepted_with_any_type(kind: pa.DataType, wanted: pa.DataType) -> None:
    column = normalize_column(pa.nulls(3, kind), wanted)
    assert column is not None
    assert (column.type, column.null_count) == (wanted, 3)


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        (TEXT, [1]), (TEXT, [1.0]), (TEXT, [b"a"]), (TEXT, [["a"]]), (TEXT, [date(2026, 6, 1)]), (TEXT, [True]),
        (YEN, [1.5]), (YEN, [True]), (YEN, [date(2026, 6, 1)]), (YEN, [["a"]]),
        (DAY, [1]), (DAY, [time(9)]), (DAY, [1.0]), (TIME, [1]), (TIME, [datetime(2026, 6, 1)]),
        (LIST, [1]), (LIST, [[1]]), (LIST, [{"a": 1}]), (MAP, [1]), (MAP, [["a"]]), (MAP, [{"a": 1.5}]),
        (MAP, [{"a": "1"}]),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_that_could_lose_data_is_rejected(wanted: pa.DataType, values: list[Any]) -> None:
    assert normalize_column(pa.array(values), wanted) is None


BILL = {
    "bill_id": ["B1"], "payee_code": ["99999"], "item_code": ["127"], "case_key": ["1"], "confirmation": ["123456"],
    "amount": [12300], "due_on": [date(2026, 6, 1)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"status": [1]}, ("FIELD_TYPE", "status", "int64")),
        ({"covers": [1]}, ("FIELD_TYPE", "covers", "int64")),
        ({"covers": [[127]]}, ("FIELD_TYPE", "covers", "list<item: int64>")),
        ({"parts": [1]}, ("FIELD_TYPE", "parts", "int64")),
        ({"item_code": [127]}, ("FIELD_TYPE", "item_code", "int64")),
        ({"amount": [1.5]}, ("FIELD_TYPE", "amount", "double")),
        ({"due_on": [1]}, ("FIELD_TYPE", "due_on", "int64")),
    ],
    ids=str,
)
def test_a_wrong_type_is_reported_with_its_column(change: dict[str, Any], issue: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        normalize(pa.table({**BILL, **change}), Bill)
    assert [(found.code, found.field, found.found) for found in caught.value.issues] == [issue]


def test_missing_and_duplicate_columns_are_reported_together() -> None:
    table = pa.table([pa.array(["B1"])] * 3, ["bill_id", "amount", "amount"])
    with pytest.raises(InvalidInputError) as caught:
        normalize(table, Bill)
    assert {(found.code, found.field) for found in caught.value.issues} == {
        ("COLUMN_TWICE", "amount"),
        *(("FIELD_MISSING", name) for name in ("payee_code", "item_code", "case_key", "confirmation", "due_on")),
    }


@pytest.mark.parametrize(
    ("change", "issues"),
    [
        ({"amount": pa.array([5, 2**64 - 1], pa.uint64())}, [("AMOUNT_RANGE", "amount", 2)]),
        ({"amount": [5, 10**11]}, [("AMOUNT_RANGE", "amount", 2)]),
        ({"amount": pa.array([Decimal("5.50"), Decimal("5.00")])}, [("NOT_DIGITS", "amount", 1)]),
        ({"paid_on": [datetime(2026, 6, 1), datetime(2026, 6, 1, 9)]}, [("DATE_INVALID", "paid_on", 2)]),
        ({"paid_on": [NINE, MIDNIGHT]}, [("DATE_INVALID", "paid_on", 1)]),
        ({"paid_on": pa.array([2**31 - 1, 0], pa.int32()).view(DAY)}, [("DATE_INVALID", "paid_on", 1)]),
        ({"paid_time": ["09:30", "25:00"]}, [("TIME_INVALID", "paid_time", 2)]),
        ({"channel": ["x" * 21, "x"]}, [("WIDTH", "channel", 1)]),
        ({"channel": ["コンビニ", "a\x07"]}, [("CHARACTER", "channel", 2)]),
        ({"levy_year": ["2026", "R8"]}, [("NOT_DIGITS", "levy_year", 2)]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value[0][0],
)
def test_an_invalid_value_is_reported_with_its_row(change: dict[str, Any], issues: list[Any]) -> None:
    table = pa.table({"paid_on": [date(2026, 6, 1)] * 2, "amount": [1, 2], **change})
    with pytest.raises(InvalidInputError) as caught:
        validate_table(table, Receipt)
    assert [(issue.code, issue.field, issue.location.record) for issue in caught.value.issues] == issues


def test_a_column_without_an_arrow_type_is_reported() -> None:
    """Int128 of Polars; a column of mixed Python values of pandas, whose message would contain a value."""
    polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
    frames: list[tuple[Any, str]] = [
        (polars.DataFrame(BILL).with_columns(polars.col("amount").cast(polars.Int128)), "amount"),
        (polars.DataFrame({**BILL, "山田": [1]}).with_columns(polars.col("山田").cast(polars.Int128)), "column 8"),
        (pandas.DataFrame({"bill_id": ["B1", "B2"], "amount": ["山田太郎", 1]}, dtype=object), "amount"),
    ]
    for frame, name in frames:
        with pytest.raises(InvalidInputError) as caught:
            as_table(frame)
        assert [(issue.code, issue.field) for issue in caught.value.issues] == [("FIELD_TYPE", name)]
        assert "山田" not in str(caught.value)


BIG = 99_999_999_999


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-5000", -5000),
        ("-0", 0),
        ("-00012", -12),
        ("7", 7),
        (str(-BIG), -BIG),
        (str(-BIG - 1), "AMOUNT_RANGE"),
        ("-" + "9" * 30, "AMOUNT_RANGE"),
        ("-", "NOT_DIGITS"),
        ("--5", "NOT_DIGITS"),
        ("5-", "NOT_DIGITS"),
        ("- 5", "NOT_DIGITS"),
        ("", "NOT_DIGITS"),
    ],
)
def test_negative_yen_are_parsed_from_text(text: str, found: int | str) -> None:
    """In a field with negative yen (a reversed deposit), texts are parsed like numbers."""
    table = pa.table({"credited_on": [date(2026, 6, 1)] * 2, "amount": ["1", text]})
    if isinstance(found, int):
        assert validate_table(table, BankDeposit)["amount"].to_pylist() == [1, found]
        return
    with pytest.raises(InvalidInputError) as caught:
        validate_table(table, BankDeposit)
    assert [(issue.code, issue.location.record) for issue in caught.value.issues] == [(found, 2)]


def test_a_minus_is_rejected_in_a_field_without_negative_yen() -> None:
    with pytest.raises(InvalidInputError, match="NOT_DIGITS"):
        validate_table(pa.table({"paid_on": [date(2026, 6, 1)], "amount": ["-5"]}), Receipt)
