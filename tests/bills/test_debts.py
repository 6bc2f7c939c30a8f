"""Debts without numbers: the columns of a bill, the number of the debt, and the issue number."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kokin import bills
from kokin.issues import InvalidInputError, from_table

DEBT = {"payee_code": "99999", "item_code": "127", "amount": "100", "due_on": "2026-06-01", "obligation_id": "A"}


def table(*changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{**DEBT, **change} for change in changes])


def codes(issues: pa.Table) -> list[tuple[str, str, int | None]]:
    return [(issue.code, issue.field, issue.location.record) for issue in from_table(issues)]


def test_debts_have_the_types_of_bills_and_an_issue_number() -> None:
    batch = bills.check_debts(table({}, {"obligation_id": "B"}))
    assert batch.table.to_pylist()[0] == {**DEBT, "amount": 100, "due_on": date(2026, 6, 1), "issue_no": 1}
    assert (batch.rejected, batch.row_numbers.to_pylist()) == (0, [1, 2])
    assert not len(batch.issues)


def test_issue_numbers_are_read_and_checked() -> None:
    batch = bills.check_debts(table(*({"issue_no": value} for value in ("2", None, "0", "10000", "x", "9999"))))
    assert batch.table["issue_no"].to_pylist() == [2, 1, 9999]
    assert batch.row_numbers.to_pylist() == [1, 2, 6]
    assert codes(batch.issues) == [
        ("AMOUNT_RANGE", "issue_no", 3),
        ("AMOUNT_RANGE", "issue_no", 4),
        ("NOT_DIGITS", "issue_no", 5),
    ]
    with pytest.raises(InvalidInputError, match="FIELD_TYPE"):
        bills.check_debts(table({"issue_no": 1.5}))


def test_every_debt_needs_its_number() -> None:
    batch = bills.check_debts(table({"obligation_id": ""}, {}, {"obligation_id": None, "amount": "x"}), first_row=11)
    assert codes(batch.issues) == [
        ("FIELD_MISSING", "obligation_id", 11),
        ("NOT_DIGITS", "amount", 13),
        ("FIELD_MISSING", "obligation_id", 13),
    ]
    assert (batch.rejected, batch.row_numbers.to_pylist()) == (2, [12])
    with pytest.raises(InvalidInputError, match="obligation_id: FIELD_MISSING"):
        bills.check_debts(table({}).drop_columns("obligation_id"))


def test_a_file_of_bills_is_not_one_of_debts() -> None:
    numbered = table({"bill_id": "1", "case_key": "1", "barcode": None})
    with pytest.raises(InvalidInputError) as error:
        bills.check_debts(numbered, file="bills.csv")
    assert [(issue.code, issue.field, issue.location.file) for issue in error.value.issues] == [
        ("DEBT_NUMBERED", "bill_id", "bills.csv"),
        ("DEBT_NUMBERED", "case_key", "bills.csv"),
    ]
    assert bills.check_debts(table({"bill_id": None, "confirmation": None})).rejected == 0


@pytest.mark.parametrize("name", ["debts.csv", "debts.parquet"])
def test_files_are_read_in_batches(tmp_path: Path, name: str) -> None:
    names = [{"obligation_id": name, "issue_no": None} for name in ("A", "B", "", "D")]
    rows = table(names[0], {**names[1], "issue_no": "2"}, *names[2:])
    rows = rows.append_column("other", pa.array(["x"] * 4))
    path = tmp_path / name
    if path.suffix == ".csv":
        lines = [",".join(rows.column_names), *(",".join(v or "" for v in row.values()) for row in rows.to_pylist())]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        pq.write_table(rows, path)
    batches = list(bills.debt_batches(path, rows=2))
    assert [batch.table["obligation_id"].to_pylist() for batch in batches] == [["A", "B"], ["D"]]
    assert [batch.table["issue_no"].to_pylist() for batch in batches] == [[1, 2], [1]]
    assert [code for batch in batches for code in codes(batch.issues)] == [
        ("COLUMN_UNKNOWN", f"column {rows.num_columns}", None),
        ("FIELD_MISSING", "obligation_id", 3),
    ]
