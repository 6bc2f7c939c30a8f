"""A null in a required column is FIELD_MISSING at every entrance of tables, in every form of a null."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from kokin import bills, elqr
from kokin._arrow.validate import validate_table
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue, from_table
from kokin.ledger import Ledger
from kokin.matching import Index
from kokin.model import Bill, Receipt, Record, arrow_schema
from kokin.reconcile import AgentReport, BankDeposit, WriteOff, bank_deposits, overlaps, reconcile
from tests.reconcile.accounts_cases import JUNE_1, MAY_1, books, paid, slip, table

B1, B2 = slip(1), slip(2)
CODE = {name: B1[name] for name in ("payee_code", "item_code", "case_key", "confirmation", "amount", "due_on")}
ROWS: dict[type[Record], dict[str, Any]] = {
    Bill: B1,
    Receipt: paid(B1),
    BankDeposit: {"credited_on": MAY_1, "amount": 1},
    AgentReport: {"first_day": MAY_1, "last_day": JUNE_1, "count": 1, "amount": 1},
    WriteOff: {"bill_id": "B1", "amount": 1},
    ElQr: {**CODE, "levy_year": 2026, "tax_year": 2026, "payable_until": date(2026, 7, 10)},
}


def with_ledger(add: Callable[[Ledger, Any], Any]) -> Callable[[Any], Any]:
    def run(rows: Any) -> Any:
        with Ledger.create("sqlite://") as ledger:
            return add(ledger, rows)

    return run


def raising(found: pa.Table) -> None:
    if found.num_rows:
        raise InvalidInputError(from_table(found))


ENTRANCES: list[tuple[str, type[Record], Callable[[Any], Any]]] = [
    ("reconcile", Bill, lambda rows: reconcile(rows, table([paid(B1)]))),
    ("index", Bill, Index.build),
    ("bills", Bill, lambda rows: raising(bills.check_batch(rows).issues)),
    ("ledger", Bill, with_ledger(lambda ledger, rows: ledger.add_bills(rows, actor="a"))),
    ("reconcile", Receipt, lambda rows: reconcile(table([B1]), rows)),
    ("reconcile files", Receipt, lambda rows: reconcile(table([B1]), [table([paid(B2)]), rows])),
    ("overlaps", Receipt, overlaps),
    ("bank_deposits", Receipt, bank_deposits),
    ("ledger", Receipt, with_ledger(lambda ledger, rows: ledger.post(rows, actor="a"))),
    ("accounts", BankDeposit, lambda rows: books([B1], [paid(B1)], deposits=rows)),
    ("ledger", BankDeposit, with_ledger(lambda ledger, rows: ledger.add_deposits(rows, actor="a"))),
    ("accounts", AgentReport, lambda rows: books([B1], [paid(B1)], agent_reports=rows)),
    ("ledger", AgentReport, with_ledger(lambda ledger, rows: ledger.add_agent_reports(rows, actor="a"))),
    ("accounts", WriteOff, lambda rows: books([B1], [paid(B2)], write_offs=rows)),
    ("build_many", ElQr, lambda rows: raising(elqr.build_many(rows).issues)),
]
WITH_DEFAULT = {name for name, field in Bill.model_fields.items() if not field.is_required()}
CASES = [
    pytest.param(record, field, entrance, id=f"{name}-{record.__name__}-{field}")
    for name, record, entrance in ENTRANCES
    for field in record.model_fields
    # A column of a batch of codes may be null where the bill has a default.
    if record.model_fields[field].is_required() and (record is not ElQr or field not in WITH_DEFAULT)
]


def issues(run: Callable[[Any], Any], rows: Any) -> list[Issue]:
    with pytest.raises(InvalidInputError) as caught:
        run(rows)
    return list(caught.value.issues)


def nullable(record: type[Record], rows: list[dict[str, Any]]) -> pa.Table:
    fields = [arrow_schema(record).field(name) for name in rows[0]]
    return pa.Table.from_pylist(rows, pa.schema([field.with_nullable(True) for field in fields]))


@pytest.mark.parametrize(("record", "field", "entrance"), CASES)
@pytest.mark.parametrize("form", ["one null", "all null"])
def test_a_null_is_missing(record: type[Record], field: str, entrance: Callable[[Any], Any], form: str) -> None:
    """The whole column is absent (one issue of the column, or of each row) or one value of it is."""
    row = ROWS[record]
    key = {name: value for name, value in (("bill_id", "B2"), ("case_key", "2".zfill(20))) if name in row}
    rows = [{**row, field: None}] if form == "all null" else [{**row, **key}, {**row, field: None}]
    found = issues(entrance, nullable(record, rows))
    assert {(issue.code, issue.field) for issue in found} == {("FIELD_MISSING", field)}
    assert [issue.location.record for issue in found] == [len(rows)]


def polars(values: list[int | None]) -> Any:
    return pytest.importorskip("polars").Series(values, dtype=pytest.importorskip("polars").Int64)


def pandas(values: list[int | None]) -> Any:
    return pytest.importorskip("pandas").array(values, dtype="Int64")


@pytest.mark.parametrize("record", [Bill, Receipt, BankDeposit, AgentReport, WriteOff, ElQr])
@pytest.mark.parametrize(
    "form",
    [
        lambda yen: pa.array([*yen, None], pa.int64()),
        lambda yen: pa.array([*map(str, yen), None], pa.string()),
        lambda yen: pa.array([*map(str, yen), None], pa.string_view()),
        lambda yen: pa.array([*yen, None], pa.decimal128(12, 0)),
        lambda yen: pa.array([*yen, None]).dictionary_encode(),
        lambda yen: pa.nulls(2, pa.int64()),
        lambda yen: pa.nulls(2, pa.float64()),
        lambda yen: pa.nulls(2),
    ],
    ids=["int64", "text", "view", "decimal", "dictionary", "null int64", "null float", "null"],
)
def test_every_form_of_a_null_amount(record: type[Record], form: Callable[[list[int]], pa.Array]) -> None:
    row = ROWS[record]
    rows = nullable(record, [{**row, "case_key": "2", "bill_id": "B2"} if record is Bill else row, row])
    column = form([row["amount"]])
    rows = rows.set_column(rows.column_names.index("amount"), "amount", column)
    for _, of, entrance in ENTRANCES:
        if of is record:
            found = {(issue.code, issue.field) for issue in issues(entrance, rows)}
            assert found == {("FIELD_MISSING", "amount")}


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_null_amount_of_a_data_frame(library: str) -> None:
    frames = pytest.importorskip(library)
    columns = {name: [B1[name], B2[name]] for name in ("bill_id", *CODE)}
    missing = {"polars": polars, "pandas": pandas}[library]([None, 5000])
    found = issues(Index.build, frames.DataFrame({**columns, "amount": missing}))
    assert [(issue.code, issue.field, issue.location.record) for issue in found] == [("FIELD_MISSING", "amount", 1)]


@pytest.mark.parametrize("record", [Bill, Receipt, BankDeposit, AgentReport, WriteOff])
def test_an_empty_text_is_no_text(record: type[Record]) -> None:
    for name, field in record.model_fields.items():
        if field.is_required() and arrow_schema(record).field(name).type == pa.string():
            with pytest.raises(InvalidInputError) as caught:
                validate_table(nullable(record, [{**ROWS[record], name: ""}]), record)
            assert [(issue.code, issue.field) for issue in caught.value.issues] == [("FIELD_MISSING", name)]
