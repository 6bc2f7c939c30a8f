"""Data frames as they are: bills and receipts from each library, with every type that it uses for their values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from kokin import bills
from kokin.issues import InvalidInputError, from_table
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import reconcile

KEYS = {"payee_code": "99999", "item_code": "007", "case_key": "00000000000000000001", "confirmation": "012345"}
BILL: dict[str, Any] = {
    "bill_id": "B1", **KEYS, "amount": 12_300, "due_on": date(2026, 6, 1), "status": "open", "levy_year": 2026,
    "covers": [], "parts": [("water-charge", 12_000), ("sewerage-charge", 300)], "obligation_id": "O1",
}  # fmt: skip
PAID: dict[str, Any] = {
    **KEYS, "amount": 12_300, "paid_on": date(2026, 5, 29), "kind": "final", "paid_time": time(9, 30),
    "channel": "窓口",
}  # fmt: skip


def arrow(row: dict[str, Any], record: type) -> pa.Table:
    return pa.Table.from_pylist([row, {**row, "bill_id": "B2", "case_key": "2", "obligation_id": "O2"}],
                                pa.schema([field for field in arrow_schema(record) if field.name in row]))  # fmt: skip


def cast(kinds: dict[pa.DataType, pa.DataType]) -> Callable[[pa.Table], pa.Table]:
    """Every column of some type in another type."""

    def form(table: pa.Table) -> pa.Table:
        fields = [(field.name, kinds.get(field.type, field.type)) for field in table.schema]
        return pa.table({name: table[name].cast(kind) for name, kind in fields})

    return form


def views_in_dictionaries(table: pa.Table) -> pa.Table:
    columns = {}
    for field in table.schema:
        column = table[field.name].combine_chunks()
        if field.type == pa.string():
            coded = (column.chunk(0) if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
            indices = coded.indices.cast(pa.uint32())
            column = pa.DictionaryArray.from_arrays(indices, coded.dictionary.cast(pa.string_view()))
        columns[field.name] = column
    return pa.table(columns)


def polars(*changes: Callable[[Any, Any], Any]) -> Callable[[pa.Table], Any]:
    def form(table: pa.Table) -> Any:
        library = pytest.importorskip("polars")
        frame = library.from_arrow(table)
        for change in changes:
            frame = change(library, frame)
        return frame

    return form


def pandas(change: Callable[[Any, Any], Any], **options: Any) -> Callable[[pa.Table], Any]:
    def form(table: pa.Table) -> Any:
        library = pytest.importorskip("pandas")
        return change(library, table.to_pandas(maps_as_pydicts="strict", **options))

    return form


def duckdb(query: str) -> Callable[[pa.Table], Any]:
    def form(rows: pa.Table) -> Any:
        connection = pytest.importorskip("duckdb").connect()
        connection.register("rows", rows)
        return connection.sql(query)

    return form


def of_type(pl: Any, frame: Any, wanted: Any, to: Any) -> Any:
    return frame.with_columns([frame[name].cast(to) for name, kind in frame.schema.items() if kind == wanted])


FORMS: dict[str, Callable[[pa.Table], Any]] = {
    "arrow": lambda table: table,
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "reader": lambda table: table.to_reader(),
    "chunks": lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
    "large_string": cast({pa.string(): pa.large_string(), pa.list_(pa.string()): pa.large_list(pa.large_string())}),
    "string_view": cast({pa.string(): pa.string_view(), pa.list_(pa.string()): pa.list_(pa.string_view())}),
    "dictionary of views": views_in_dictionaries,
    "date64, uint64": cast({pa.date32(): pa.date64(), pa.int64(): pa.uint64()}),
    "midnight, decimal": cast({pa.date32(): pa.timestamp("ns"), pa.int64(): pa.decimal128(38, 0)}),
    "decimal with zeros": cast({pa.int64(): pa.decimal128(38, 2)}),
    "small integers, text days": cast({pa.int64(): pa.int16(), pa.date32(): pa.string()}),
    "all text": cast({pa.int64(): pa.string(), pa.date32(): pa.string(), pa.time32("s"): pa.string()}),
    "polars": polars(),
    "polars text": polars(
        lambda pl, frame: of_type(pl, frame, pl.Date, pl.String),
        lambda pl, frame: of_type(pl, frame, pl.Int64, pl.String),
    ),
    "polars categorical": polars(lambda pl, frame: of_type(pl, frame, pl.String, pl.Categorical)),
    "polars enum": polars(lambda pl, frame: frame.with_columns(
        [frame[name].cast(pl.Enum(frame[name].unique().to_list())) for name, kind in frame.schema.items()
         if kind == pl.String])),
    "polars datetime": polars(lambda pl, frame: of_type(pl, frame, pl.Date, pl.Datetime("ns"))),
    "polars decimal": polars(lambda pl, frame: of_type(pl, frame, pl.Int64, pl.Decimal(20, 2))),
    "polars uint32": polars(lambda pl, frame: of_type(pl, frame, pl.Int64, pl.UInt32)),
    "pandas": pandas(lambda pd, frame: frame),
    "pandas object": pandas(lambda pd, frame: frame.astype(object)),
    "pandas category": pandas(
        lambda pd, frame: frame.astype(dict.fromkeys(set(frame) & {*KEYS, "bill_id", "status", "kind"}, "category"))
    ),
    "pandas datetime64": pandas(lambda pd, frame: frame, date_as_object=False),
    "pandas StringDtype, Int64": pandas(lambda pd, frame: frame.astype(
        {**dict.fromkeys(KEYS, "string"), "amount": "Int64"})),
    "pandas arrow types": pandas(lambda pd, frame: frame.convert_dtypes(dtype_backend="pyarrow")),
    "duckdb": duckdb("from rows"),
    "duckdb hugeint as decimal": duckdb("select * replace (amount::decimal(38, 0) as amount) from rows"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_data_frame_as_it_is(form: str) -> None:
    plain = arrow(BILL, Bill), arrow(PAID, Receipt)
    expected = reconcile(*plain)
    assert expected.outcomes["outcome"].to_pylist() == ["MATCHED", "MATCHED"]
    for billed, paid in ((FORMS[form](plain[0]), plain[1]), (plain[0], FORMS[form](plain[1]))):
        found = reconcile(billed, paid)
        assert found.outcomes.equals(expected.outcomes)
        assert found.balances.equals(expected.balances)


@pytest.mark.parametrize("form", FORMS)
def test_bills_of_a_data_frame(form: str) -> None:
    plain = bills.check_batch(arrow(BILL, Bill))
    assert plain.rejected == 0
    found = bills.check_batch(FORMS[form](arrow(BILL, Bill)))
    assert found.table == plain.table
    assert found.issues == plain.issues


@pytest.mark.parametrize(
    ("field", "values", "code"),
    [
        ("due_on", [datetime(2026, 6, 1), datetime(2026, 6, 1, 9)], "DATE_INVALID"),
        ("amount", pa.array([1, 2**64 - 1], pa.uint64()), "AMOUNT_RANGE"),
        ("amount", [1, 10**11], "AMOUNT_RANGE"),
        ("amount", [Decimal("1.00"), Decimal("1.50")], "NOT_DIGITS"),
        ("amount", ["1", "1,000"], "NOT_DIGITS"),
        ("paid_before", [0, 2], "PAID_BEFORE_RANGE"),
    ],
)
def test_a_bill_of_a_table_is_named_with_its_row(field: str, values: Any, code: str) -> None:
    columns = {name: [BILL[name]] * 2 for name in ("bill_id", *KEYS, "due_on")} | {"amount": [1, 1], field: values}
    table = pa.table({**columns, "bill_id": ["B1", "B2"]})
    with pytest.raises(InvalidInputError) as caught:
        reconcile(table, arrow(PAID, Receipt))
    assert from_table(bills.check_batch(table).issues) == caught.value.issues
    assert [(issue.code, issue.field, issue.location.record) for issue in caught.value.issues] == [(code, field, 2)]


@pytest.mark.parametrize(
    ("slips", "issues"),
    [
        ([(1_000, 1_000, "open"), (1_000, 0, "open")], []),
        ([(1_000, 1_001, "open"), (1_000, 0, "open")], [(1, "at most 1000")]),
        # a slip of a smaller amount: the largest open one says what is billed
        ([(1_000, 0, "open"), (100, 1_000, "open")], []),
        # the amount was lowered after it was paid
        ([(1_000, 1_000, "superseded"), (800, 0, "open")], [(1, "at most 800")]),
        ([(1_000, 1_000, "cancelled"), (800, 0, "cancelled")], []),
    ],
)
def test_more_paid_before_than_an_obligation_bills_is_an_issue(slips: Any, issues: list[Any]) -> None:
    rows = [
        {**BILL, "parts": [], "bill_id": f"B{n}", "obligation_id": "O1", "amount": amount, "paid_before": paid,
         "status": status}
        for n, (amount, paid, status) in enumerate(slips)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, arrow_schema(Bill))
    if not issues:
        assert len(reconcile(table, arrow(PAID, Receipt)).outcomes) == 2
        return
    with pytest.raises(InvalidInputError) as caught:
        reconcile(table, arrow(PAID, Receipt))
    assert [(issue.code, issue.location.record, issue.expected) for issue in caught.value.issues] == [
        ("PAID_BEFORE_RANGE", *issue) for issue in issues
    ]


def test_an_entirely_null_column_of_any_type_is_absent() -> None:
    plain = arrow(BILL, Bill), arrow(PAID, Receipt)
    nulls = [pa.nulls(2, kind) for kind in (pa.float64(), pa.null(), pa.bool_(), pa.int8())]
    for column in nulls:
        billed = plain[0].drop_columns(["levy_year", "parts"])
        billed = billed.append_column("paid_before", column).append_column("customer_number", column)
        paid = plain[1].append_column("provider_key", column).append_column("levy_year", column)
        assert reconcile(billed, paid).outcomes.equals(reconcile(*plain).outcomes)
