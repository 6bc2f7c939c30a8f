"""Bills as a batch: the columns say what the record says, and a file says where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import bills
from kokin.issues import RefusedError
from kokin.model import Bill, schema

ROW = {
    "bill_id": "B1",
    "payee_code": "99999",
    "item_code": "127",
    "case_key": "1234567890",
    "confirmation": "123456",
    "amount": "12300",
    "due_on": "2026-06-01",
}


def csv_of(tmp_path: Path, text: str, encoding: str = "utf-8", name: str = "bills.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def problems(issues: pa.Table) -> list[tuple[int, str, str]]:
    return [(row["record"], row["field"], row["code"]) for row in issues.to_pylist()]


texts = st.sampled_from(["", "B1", "公金 花子", "a\x07b", "x" * 70, "127", "12a", "00", "9" * 21, "2026-06-01", "0"])
odd = st.none() | texts
# Numbers that a record, too, takes as they are: its own types are whole numbers, which text is not.
amounts = st.none() | st.integers(-1, 10**11)
days = st.none() | st.sampled_from(["2026-02-30", "2026-06-01", "20260601", "", "0000-00-00"]) | st.dates()


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {
            "bill_id": odd,
            "payee_code": st.sampled_from(["99999", "9999", "9999x", None]),
            "item_code": st.sampled_from(["127", "12a", "1270"]),
            "case_key": st.sampled_from(["1", "9" * 20, "9" * 21, "", "１"]),
            "confirmation": st.sampled_from(["123456", "12345"]),
            "amount": amounts,
            "due_on": days,
            "payable_until": days,
            "levy_year": st.none() | st.integers(-1, 10_000),
            "barcode": st.sampled_from([None, "9" * 44, "9" * 43]),
            "charge": odd,
            "status": st.sampled_from(["open", "superseded", "paid"]),
            "paid_before": st.integers(-1, 5),
        }
    )
)
def test_a_row_is_judged_as_the_record_is(row) -> None:
    dated = {name: row[name] if isinstance(row[name], str) else None for name in ("due_on", "payable_until")}
    typed = {**row, **{name: [text or row[name]] for name, text in dated.items()}}
    if any(isinstance(row[name], date) for name in dated):
        for name in dated:  # one column has one type
            value = row[name]
            typed[name] = [value.isoformat() if isinstance(value, date) else value]
    table = pa.table(
        {
            name: value if isinstance(value, list) else pa.array([value], schema(Bill).field(name).type)
            for name, value in typed.items()
        }
    )
    found = bills.check(table)
    present = {name: value for name, value in row.items() if value is not None}
    try:
        expected, wrong = Bill(**present), []
    except RefusedError as error:
        expected, wrong = None, [(issue.field, issue.code) for issue in error.issues]
    assert sorted((issue["field"], issue["code"]) for issue in found.issues.to_pylist()) == sorted(wrong)
    assert found.rejected == bool(wrong)
    assert [Bill(**kept) for kept in found.table.to_pylist()] == ([expected] if expected else [])


def test_a_file_is_read_with_its_zeros(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,obligation_id,covers,parts,status\r\n"
        'B1,99999,001,0000000001,000001,8360,2026-06-01,,,"water=4400;sewerage=3960",\r\n'
        "B2,99999,001,0000000002,000002,100,2026-06-01,o2,o2;o3,,cancelled\r\n",
    )
    found = bills.read(path)
    assert found.issues.num_rows == 0
    assert found.rejected == 0
    rows = found.table.to_pylist(maps_as_pydicts="strict")
    assert rows[0]["confirmation"] == "000001"
    assert rows[0]["parts"] == {"water": 4400, "sewerage": 3960}
    assert rows[0]["status"] == "open"
    assert rows[0]["obligation_id"] is None
    assert rows[1]["covers"] == ["o2", "o3"]
    assert rows[1]["parts"] == {}
    assert found.table.schema.field("due_on").type == pa.date32()


@pytest.mark.parametrize(("encoding", "bom"), [("utf-8", ""), ("utf-8", "\ufeff"), ("cp932", "")])
def test_both_encodings_of_the_field_are_told_apart(tmp_path: Path, encoding: str, bom: str) -> None:
    path = csv_of(tmp_path, f"{bom}{','.join(ROW)},charge\n{','.join(ROW.values())},水道料金\n", encoding)
    assert bills.read(path).table["charge"].to_pylist() == ["水道料金"]


def test_bad_rows_are_told_with_their_number_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [",".join(ROW)]
    lines += [
        "B1,99999,127,1,123456,100,2026-06-01",
        "B2,99999,127,2,123456,1.5,2026-06-01",
        "B3,999999,127,3,12345X,100,2026-02-30",
        "B4,99999,127,4,123456,100,2026-06-01",
        "B5,99999,127,5,123456,,2026-06-01",
    ]
    found = bills.read(csv_of(tmp_path, "\n".join(lines)))
    assert problems(found.issues) == [
        (2, "amount", "NOT_DIGITS"),
        (3, "payee_code", "WIDTH"),
        (3, "confirmation", "NOT_DIGITS"),
        (3, "due_on", "DATE_INVALID"),
        (5, "amount", "FIELD_MISSING"),
    ]
    assert found.table["bill_id"].to_pylist() == ["B1", "B4"]
    assert found.records.to_pylist() == [1, 4]
    assert found.rejected == 3


def test_parts_that_do_not_add_up_are_told() -> None:
    table = pa.table({name: [value] * 3 for name, value in ROW.items()})
    table = table.append_column("parts", pa.array(["a=12300", "a=1;b=2", "a"]))
    assert problems(bills.check(table).issues) == [(2, "parts", "PARTS_SUM"), (3, "parts", "PARTS_FORM")]


def test_columns_are_held_to_their_names() -> None:
    table = pa.table({name: [value] for name, value in ROW.items()})
    assert problems(bills.check(table.append_column("obligaton_id", [["o"]])).issues) == [
        (None, "obligaton_id", "COLUMN_UNKNOWN")
    ]
    with pytest.raises(RefusedError, match="amount: FIELD_MISSING"):
        bills.check(table.drop_columns("amount"))
    with pytest.raises(RefusedError, match="COLUMN_TWICE"):
        bills.check(table.append_column("amount", [["1"]]))
    with pytest.raises(RefusedError, match="FIELD_TYPE"):
        bills.check(table.set_column(5, "amount", [[1.5]]))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"bill_id\nB1\n", "FIELD_MISSING"),
        ((",".join(ROW) + "\n1,2\n").encode(), "COLUMNS_COUNT"),
        ((",".join(ROW) + "\n").encode() + b"B\x81", "BYTE_UNKNOWN"),
        (b"PAR1 and nothing more", "FILE_FORM"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "bills.csv"
    path.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        bills.read(path)
    assert code in {issue.code for issue in caught.value.issues}


def test_parquet_and_csv_hold_the_same_bills(tmp_path: Path) -> None:
    rows = [
        Bill(**{**ROW, "amount": 8360, "bill_id": f"B{i}"}, parts={"water": 4400, "sewerage": 3960}, covers=("a", "b"))
        for i in range(5)
    ]
    for name in ("bills.csv", "bills.parquet"):
        bills.write(rows, tmp_path / name)
        found = bills.read(tmp_path / name).table.to_pylist(maps_as_pydicts="strict")
        assert [Bill(**{**row, "covers": tuple(row["covers"])}) for row in found] == rows
    assert pq.read_metadata(tmp_path / "bills.parquet").num_rows == 5


@pytest.mark.parametrize("block", [256, 1 << 20])
def test_stretches_number_their_rows_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("kokin.bills._files._BLOCK", block)
    lines = [",".join(ROW)] + [f"B{i},99999,127,{i},123456,{'x' if i == 37 else 1},2026-06-01" for i in range(50)]
    pieces = list(bills.batches(csv_of(tmp_path, "\n".join(lines)), rows=7))
    assert [len(piece.table) + piece.rejected for piece in pieces] == [7] * 7 + [1]
    assert [n for piece in pieces for n in piece.records.to_pylist()] == [i + 1 for i in range(50) if i != 37]
    assert [p for piece in pieces for p in problems(piece.issues)] == [(38, "amount", "NOT_DIGITS")]
