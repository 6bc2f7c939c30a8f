"""Tables and files of bills: validated like the record, with the row of each issue."""

from __future__ import annotations

import codecs
import random
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokin import bills
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location, RejectedRecordsError, from_table
from kokin.model import Amounts, Bill, BillStatus, Date, Digits, Names, Text, Yen, arrow_schema, field_types
from tests.support import examples

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


def issue_keys(issues: Sequence[Issue]) -> list[tuple[int | None, str, str]]:
    return [(issue.location.record, issue.field, issue.code) for issue in issues]


def table_keys(issues: pa.Table) -> list[tuple[int, str, str]]:
    return [(row["record"], row["field"], row["code"]) for row in issues.to_pylist()]


# Valid and invalid values for each field of a bill.
TEXTS = st.sampled_from(["", "B1", "公金 花子", "a\x07b", "x" * 70, "x" * 41, "127", "00", "\u3000", "a;b=c"])
DAYS = st.none() | st.dates()
NAMES = st.sampled_from(["o1", " o2 ", "", "x" * 65, "x" * 41, "a\x07", "a;b", "a=1", "調定１", "o1\u3000"])
CODES = st.sampled_from(["", "127", "12a", "1270", "１２７", "000", "00", "9" * 20, "9" * 43, "9" * 44])


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "bill_id": st.none() | TEXTS,
    "payee_code": st.none() | st.sampled_from(["99999", "9999", "9999x"]),
    "item_code": st.sampled_from(["127", "12a", "1270"]),
    "case_key": st.none() | st.sampled_from(["1", "9" * 20, "9" * 21, "", "１"]),
    "confirmation": st.sampled_from(["123456", "12345"]),
    "amount": st.none() | st.sampled_from([-1, 0, 1, 5, 100, 99_999_999_999, 10**11, 2**63 - 1]),
    "due_on": DAYS,
    "office_code": CODES,
    "levy_year": st.none() | st.integers(-1, 10_000),
    "tax_year": st.none() | st.sampled_from([-1, 0, 2026, 9999, 10_000]),
    "period": CODES,
    "payable_until": DAYS,
    "status": st.sampled_from(["open", "superseded", "cancelled", "paid", ""]),
    "barcode": st.none() | CODES,
    "customer_number": st.none() | TEXTS,
    "virtual_account": st.none() | st.sampled_from(["0010000001", "001000000", "001000000x"]),
    "obligation_id": st.none() | TEXTS,
    "covers": st.lists(NAMES, max_size=3),
    "payer_key": st.none() | TEXTS,
    "system": st.none() | TEXTS,
    "charge": st.none() | TEXTS,
    "parts": st.lists(st.tuples(NAMES, st.sampled_from([-1, 0, 1, 2, 5, 10**11])), max_size=3),
    "paid_before": st.sampled_from([-1, 0, 1, 6, 101, 10**11]),
    "name": st.none() | TEXTS,
    "postal_code": st.none() | TEXTS,
    "address": st.none() | TEXTS,
}
#: Valid values of the required fields.
VALID = {**ROW, "amount": 5, "due_on": date(2026, 6, 1)}


@st.composite
def rows_with_a_few_random_fields(draw: st.DrawFn) -> dict[str, Any]:
    assert FIELDS.keys() == Bill.model_fields.keys(), "each field of Bill needs a strategy"
    names = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=5))
    return {**VALID, **{name: draw(FIELDS[name]) for name in sorted(names)}}


@settings(max_examples=examples(400), deadline=None)
@given(rows_with_a_few_random_fields())
def test_a_row_has_the_issues_of_the_record(row: dict[str, Any]) -> None:
    found = bills.check_batch(pa.Table.from_pylist([row], pa.schema([arrow_schema(Bill).field(name) for name in row])))
    try:
        expected, invalid = Bill(**{name: value for name, value in row.items() if value is not None}), []
    except InvalidInputError as error:
        expected, invalid = None, error.issues
    assert sorted((issue["field"], issue["code"]) for issue in found.issues.to_pylist()) == sorted(
        (issue.field, issue.code) for issue in invalid
    )
    as_record = {(issue.field, issue.code): (issue.expected, issue.found) for issue in invalid}
    for issue in from_table(found.issues):
        if issue.code not in ("CODE_UNKNOWN", "CHARACTER"):  # whose expected value pydantic words
            assert (issue.expected, issue.found) == as_record[issue.field, issue.code]
    assert found.rejected == bool(invalid)
    assert [Bill(**row) for row in found.table.to_pylist()] == ([expected] if expected else [])


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(FIELDS["covers"], max_size=4), st.lists(FIELDS["parts"], max_size=4))
def test_texts_have_the_issues_of_lists_and_maps(covers: list[list[str]], parts: list[list[tuple[str, int]]]) -> None:
    """`a;b` and `name=yen;name=yen` of a file, if no name contains a separator."""
    covers = [names for names in covers if ";" not in "".join(names) and all(name.strip() for name in names)]
    parts = [pairs for pairs in parts if all(n.strip() and not {";", "="} & set(n) and y >= 0 for n, y in pairs)]
    row = {name: [value] for name, value in VALID.items()}
    for column, values, text, kind in (
        ("covers", covers, lambda names: ";".join(names), pa.list_(pa.string())),
        ("parts", parts, lambda pairs: ";".join(f"{n}={y}" for n, y in pairs), pa.map_(pa.string(), pa.int64())),
    ):
        for value in values:
            typed = bills.check_batch(pa.table({**row, column: pa.array([value], kind)}))
            texts = bills.check_batch(pa.table({**row, column: [text(value)]}))
            assert (typed.table, typed.issues) == (texts.table, texts.issues)


def valid_bills() -> st.SearchStrategy[Bill]:
    """Bills with any valid value in each field."""
    characters = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs"))

    def text(width: int, minimum: int = 0) -> st.SearchStrategy[str]:
        return st.text(characters, min_size=minimum, max_size=width)

    def value(name: str) -> st.SearchStrategy[Any]:
        rule = field_types(Bill).get(name)
        match rule:
            case Digits(width=width):
                digits = st.text("0123456789", min_size=1 if rule.zero_pad else width, max_size=width)
                return (
                    digits
                    if Bill.model_fields[name].is_required()
                    else digits | st.just(Bill.model_fields[name].default)
                )
            case Names():
                return st.lists(text(5, 1), max_size=3)
            case Amounts():
                return st.dictionaries(text(5, 1), st.integers(0, 10**9), max_size=3)
            case Text(width=width, min=minimum):
                return text(min(width, 8), minimum) | (st.nothing() if minimum else st.none())
            case Yen(min=minimum, max=maximum):
                number = st.integers(minimum, maximum)
                return number if arrow_schema(Bill).field(name).nullable is False else number | st.none()
            case Date():
                return st.dates() if name == "due_on" else st.dates() | st.none()
        return st.sampled_from(BillStatus)

    def bill(values: dict[str, Any]) -> Bill | None:
        if values["parts"]:
            values["amount"] = min(max(sum(values["parts"].values()), 1), 99_999_999_999)
        values["paid_before"] = min(values["paid_before"], values["amount"])
        try:
            return Bill(**values)
        except InvalidInputError:
            return None

    fields = st.fixed_dictionaries({name: value(name) for name in Bill.model_fields})
    return fields.map(bill).filter(lambda bill: bill is not None)


@pytest.mark.parametrize("name", ["bills.csv", "bills.parquet"])
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(valid_bills(), max_size=4))
def test_written_bills_are_read_back_unchanged(tmp_path: Path, name: str, rows: list[Bill]) -> None:
    bills.write(rows, tmp_path / name)
    read = bills.read(tmp_path / name)
    assert [Bill(**row) for row in read.table.to_pylist()] == rows
    assert read.issues == []
    assert read.totals == bills.BillTotals(len(rows), len(rows), 0)
    bills.write(read, tmp_path / f"second-{name}")
    assert (tmp_path / f"second-{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_an_unknown_column_is_not_written(tmp_path: Path) -> None:
    table = pa.table({name: [value] for name, value in {**ROW, "花子": "x"}.items()})
    with pytest.raises(InvalidInputError) as caught:
        bills.write(table, tmp_path / "bills.csv")
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [("COLUMN_UNKNOWN", "column 8")]
    assert not (tmp_path / "bills.csv").exists()


def test_leading_zeros_of_a_file_are_kept(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,obligation_id,covers,parts,status\r\n"
        'B1,99999,001,0000000001,000001,8360,2026-06-01,,,"water=4400;sewerage=3960",\r\n'
        "B2,99999,001,0000000002,000002,100,2026-06-01,o2,o2;o3,,cancelled\r\n",
    )
    found = bills.read(path)
    assert found.issues == []
    assert found.totals.as_dict() == {"read": 2, "accepted": 2, "rejected": 0}
    rows = found.table.to_pylist(maps_as_pydicts="strict")
    assert rows[0]["confirmation"] == "000001"
    assert rows[0]["parts"] == {"water": 4400, "sewerage": 3960}
    assert rows[0]["status"] == "open"
    assert rows[0]["obligation_id"] is None
    assert rows[1]["covers"] == ["o2", "o3"]
    assert rows[1]["parts"] == {}
    assert found.table.schema.field("due_on").type == pa.date32()


@pytest.mark.parametrize(("encoding", "bom"), [("utf-8", ""), ("utf-8", "\ufeff"), ("cp932", "")])
def test_utf8_and_cp932_are_detected(tmp_path: Path, encoding: str, bom: str) -> None:
    path = csv_of(tmp_path, f"{bom}{','.join(ROW)},charge\n{','.join(ROW.values())},水道料金\n", encoding)
    assert bills.read(path).table["charge"].to_pylist() == ["水道料金"]


def test_invalid_rows_are_reported_with_their_number_and_the_others_are_read(tmp_path: Path) -> None:
    lines = [",".join(ROW)]
    lines += [
        "B1,99999,127,1,123456,100,2026-06-01",
        "B2,99999,127,2,123456,1.5,2026-06-01",
        "B3,999999,127,3,12345X,100,2026-02-30",
        "B4,99999,127,4,123456,100,2026-06-01",
        "B5,99999,127,5,123456,,2026-06-01",
    ]
    path = csv_of(tmp_path, "\n".join(lines))
    with pytest.raises(RejectedRecordsError) as caught:
        bills.read(path)
    found = bills.read(path, on_error="skip")
    assert caught.value.issues == found.issues
    assert issue_keys(found.issues) == [
        (2, "amount", "NOT_DIGITS"),
        (3, "payee_code", "WIDTH"),
        (3, "confirmation", "NOT_DIGITS"),
        (3, "due_on", "DATE_INVALID"),
        (5, "amount", "FIELD_MISSING"),
    ]
    assert found.table["bill_id"].to_pylist() == ["B1", "B4"]
    assert [batch.row_numbers.to_pylist() for batch in bills.batches(path)] == [[1, 4]]
    assert found.totals == bills.BillTotals(read=5, accepted=2, rejected=3)


def test_parts_that_do_not_add_up_are_rejected() -> None:
    table = pa.table({name: [value] * 3 for name, value in ROW.items()})
    table = table.append_column("parts", pa.array(["a=12300", "a=1;b=2", "a"]))
    assert table_keys(bills.check_batch(table).issues) == [(2, "parts", "PARTS_SUM"), (3, "parts", "PARTS_FORM")]


def test_unknown_missing_and_duplicate_columns_are_reported() -> None:
    table = pa.table({name: [value] for name, value in ROW.items()})
    unknown = from_table(bills.check_batch(table.append_column("obligaton_id", [["o"]])).issues)
    assert [(issue.code, issue.field, issue.expected) for issue in unknown] == [
        ("COLUMN_UNKNOWN", "column 8", "obligation_id")
    ]
    with pytest.raises(InvalidInputError, match="amount: FIELD_MISSING"):
        bills.check_batch(table.drop_columns("amount"))
    with pytest.raises(InvalidInputError, match="COLUMN_TWICE"):
        bills.check_batch(table.append_column("amount", [["1"]]))
    with pytest.raises(InvalidInputError, match="FIELD_TYPE"):
        bills.check_batch(table.set_column(5, "amount", [[1.5]]))


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_a_file_of_utf_16_is_rejected_unless_the_caller_names_it(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """Otherwise cp932 would decode its header to names that no column has."""
    path = tmp_path / "bills.csv"
    path.write_bytes(mark + "\n".join([",".join(ROW), ",".join(ROW.values())]).encode(encoding))
    (issue,) = bills.check(path)
    assert (issue.code, issue.location.file, issue.location.byte) == ("FILE_BOM", "bills.csv", 0)
    assert bills.read(path, encoding="utf-16").table["bill_id"].to_pylist() == ["B1"]


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
def test_a_file_without_valid_bills_is_rejected(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "bills.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        bills.read(path)
    assert code in {issue.code for issue in caught.value.issues}


HEADER = ",".join(ROW)


def line(number: int, **changes: str) -> str:
    return ",".join({**ROW, "bill_id": f"B{number}", "case_key": f"{number}", **changes}.values())


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("lines", "accepted", "issues"),
    [
        # a misplaced quote rejects its own line: at the start of a value, inside it, at its end
        ([line(1), '"' + line(2), line(3), '"' + line(4), line(5)], [1, 3, 5], [(2, "QUOTES"), (4, "QUOTES")]),
        ([line(1), line(2, confirmation='"123456'), line(3)], [1, 3], [(2, "QUOTES")]),
        ([line(1), line(2, confirmation='123"456'), line(3)], [1, 3], [(2, "QUOTES")]),
        ([line(1), line(2, confirmation='123456"'), line(3)], [1, 3], [(2, "QUOTES")]),
        ([line(1), line(2) + '"'], [1], [(2, "QUOTES")]),
        # a newline inside a value: two lines, both rejected
        ([line(1), line(2, confirmation='"123'), '456",2026-06-01', line(4)], [1, 4], [(2, "QUOTES"), (3, "QUOTES")]),
        # more or fewer columns
        ([line(1), line(2) + ",", line(3), "B4,9"], [1, 3], [(2, "COLUMNS_COUNT"), (4, "COLUMNS_COUNT")]),
        # rows without a value: ignored at the end, a warning elsewhere; blank lines are ignored
        ([line(1), line(2), "", "", ",,,,,,", ' , ,"",,,,', "\x1a"], [1, 2], []),
        (["", line(2), ",,,,,,", "", line(5), "", ",,,"], [2, 5], [(3, "ROW_EMPTY")]),
        ([line(1), ",,", ",,,,,,", line(4)], [1, 4], [(2, "ROW_EMPTY"), (3, "ROW_EMPTY")]),
        ([",,,,,,"], [], []),
        # whole values in quotes
        ([",".join(f'"{value}"' for value in line(1).split(",")), line(2)], [1, 2], []),
    ],
)  # fmt: skip
def test_each_line_of_a_csv_is_one_row(
    tmp_path: Path, newline: str, lines: list[str], accepted: list[int], issues: list[tuple[int, str]]
) -> None:
    path = csv_of(tmp_path, newline.join([HEADER, *lines, ""]))
    for rows in (1, 2, 100):
        batches = list(bills.batches(path, rows=rows))
        assert [name for batch in batches for name in batch.table["bill_id"].to_pylist()] == [f"B{n}" for n in accepted]
        assert [number for batch in batches for number in batch.row_numbers.to_pylist()] == accepted
        found = [issue for batch in batches for issue in from_table(batch.issues)]
        assert [(issue.location.record, issue.code) for issue in found] == issues
    rejected = sum(issue.is_error for issue in found)
    assert bills.read(path, on_error="skip").totals == bills.BillTotals(
        len(accepted) + rejected, len(accepted), rejected
    )
    if rejected:
        with pytest.raises(RejectedRecordsError):
            bills.read(path)
    else:
        assert len(bills.read(path)) == len(accepted)


@given(st.lists(st.sampled_from(["valid", '"', ",", '"valid"', '""']), max_size=12), st.randoms())
@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
def test_every_line_is_counted_whatever_its_quotes(tmp_path: Path, signs: list[str], chance: random.Random) -> None:
    lines = []
    for number, sign in enumerate(signs, 1):
        text = line(number)
        place = chance.randrange(len(text) + 1)
        lines.append(text if sign == "valid" else text[:place] + sign + text[place:])
    result = bills.read(csv_of(tmp_path, "\n".join([HEADER, *lines])), on_error="skip")
    assert result.totals.read == len(lines)
    assert len({issue.location.record for issue in result.issues if issue.is_error}) == result.totals.rejected


def test_issues_of_a_file_without_a_header_contain_no_names(tmp_path: Path) -> None:
    """Its first row is read as the header, which may contain personal names."""
    first = "B1,山田太郎,yamada,山田太郎,TARO YAMADA,yamada\n"
    with pytest.raises(InvalidInputError) as caught:
        bills.read(csv_of(tmp_path, first * 2))
    header = f"{HEADER},山田太郎,yamada,yamada\n"
    result = bills.read(csv_of(tmp_path, header + ",".join([*ROW.values(), "a", "b", "c"]) + "\n"))
    for text in (str(caught.value), *map(str, result.issues)):
        assert not {"山田", "yamada", "YAMADA"} & {text[i : i + n] for n in (2, 6) for i in range(len(text))}
    assert [issue.field for issue in result.issues] == ["column 8", "column 9", "column 10"]


@pytest.mark.parametrize("name", [name for name in ROW if name != "bill_id"] + ["status"])
def test_a_personal_name_in_another_column_is_redacted(name: str) -> None:
    for person in ("YAMADATARO", "yamada taro", "山田太郎"):
        found = bills.check_batch(pa.table({key: [value] for key, value in {**ROW, name: person}.items()}))
        assert found.rejected == 1
        assert person not in str(from_table(found.issues))


@pytest.mark.parametrize("tail", ["\x1a", "\x1a\r\n", "\0\0", "\0\0\r\n", "\x1a\n\x1a", "\x1a\n,,,\n", "\n\x1a"])
@pytest.mark.parametrize("quoted", [False, True])
def test_padding_after_the_last_row_is_ignored(tmp_path: Path, tail: str, quoted: bool) -> None:
    rows = [",".join(ROW), ",".join(ROW.values()), ",".join({**ROW, "bill_id": "B2", "case_key": "2"}.values())]
    if quoted:
        rows[2] = rows[2].replace("2026-06-01", '"2026-06-01"')
    found = bills.read(csv_of(tmp_path, "\n".join(rows) + tail))
    assert (found.table["bill_id"].to_pylist(), len(found.issues)) == (["B1", "B2"], 0)


def test_padding_after_another_row_is_rejected(tmp_path: Path) -> None:
    rows = [",".join(ROW), ",".join(ROW.values()) + "\x1a", ",".join({**ROW, "bill_id": "B2"}.values())]
    found = bills.read(csv_of(tmp_path, "\n".join(rows)), on_error="skip")
    assert issue_keys(found.issues) == [(1, "due_on", "DATE_INVALID")]


def damaged(path: Path) -> Iterator[bytes]:
    whole = path.read_bytes()
    for offset in range(4, len(whole), 23):
        yield whole[:offset] + bytes([whole[offset] ^ 0xFF]) + whole[offset + 1 :]
    yield from (whole[:size] for size in range(4, len(whole), 97))


def test_a_damaged_parquet_is_rejected(tmp_path: Path) -> None:
    """It never raises an exception of pyarrow, and never returns other bills."""
    rows = [Bill(**{**VALID, "bill_id": f"B{number}", "charge": "水道料金"}) for number in range(50)]
    whole = tmp_path / "whole.parquet"
    bills.write(rows, whole)
    expected = bills.read(whole).table
    rejected = 0
    for content in damaged(whole):
        (tmp_path / "damaged.parquet").write_bytes(content)
        try:
            assert bills.read(tmp_path / "damaged.parquet").table.select(["bill_id", "amount"]) == expected.select(
                ["bill_id", "amount"]
            )
        except InvalidInputError:
            rejected += 1
    assert rejected > 20


def test_a_parquet_with_a_text_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    """Arrow does not check such a text; Python raises when it is converted."""
    for name in ("bill_id", "charge", "name", "covers"):
        invalid = pa.array([b"B\xff1"]).view(pa.string())
        column = pa.ListArray.from_arrays([0, 1], invalid) if name == "covers" else invalid
        row = {key: pa.array([value]) for key, value in ROW.items()} | {name: column}
        pq.write_table(pa.table(row), tmp_path / "bills.parquet")
        with pytest.raises(InvalidInputError) as caught:
            bills.read(tmp_path / "bills.parquet")
        assert [issue.code for issue in caught.value.issues] == ["FILE_FORM"]


def test_a_missing_parquet_raises_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bills.read(tmp_path / "missing.parquet")


def test_check_returns_the_issues_of_a_file_and_of_a_table(tmp_path: Path) -> None:
    table = pa.table({name: [value, value] for name, value in ROW.items()})
    assert bills.check(table) == []
    unknown = table.set_column(5, "amount", [["1", "x"]]).append_column("obligaton_id", [["o", "o"]])
    expected = [(None, "column 8", "COLUMN_UNKNOWN"), (2, "amount", "NOT_DIGITS")]
    assert issue_keys(bills.check(unknown)) == expected
    path = csv_of(tmp_path, ",".join(unknown.column_names) + "\n" + "\n".join(map(",".join, rows_of(unknown))))
    assert issue_keys(bills.check(path)) == expected
    assert [issue.location.file for issue in bills.check(path)] == ["", "bills.csv"]
    assert [issue.code for issue in bills.check(table.drop_columns("amount"))] == ["FIELD_MISSING"]
    assert [issue.code for issue in bills.check(csv_of(tmp_path, ""))] == ["FILE_EMPTY"]


def rows_of(table: pa.Table) -> list[list[str]]:
    return [list(row.values()) for row in table.to_pylist()]


def test_a_table_is_read_like_a_file(tmp_path: Path) -> None:
    table = pa.table({name: [value] * 3 for name, value in ROW.items()}).set_column(5, "amount", [["1", "x", "3"]])
    path = csv_of(tmp_path, ",".join(ROW) + "\n" + "\n".join(map(",".join, rows_of(table))))
    found = bills.read(table, on_error="skip")
    assert found.table == bills.read(path, on_error="skip").table
    assert found.totals == bills.BillTotals(read=3, accepted=2, rejected=1)
    with pytest.raises(RejectedRecordsError, match=r"^1 of 3 rejected"):
        bills.read(table)
    assert [len(batch.table) for batch in bills.batches(table, rows=2)] == [1, 1]


@pytest.mark.parametrize("block", [256, 1 << 20])
def test_row_numbers_continue_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("kokin.bills._rows._BLOCK", block)
    lines = [",".join(ROW)] + [f"B{i},99999,127,{i},123456,{'x' if i == 37 else 1},2026-06-01" for i in range(50)]
    batches = list(bills.batches(csv_of(tmp_path, "\n".join(lines)), rows=7))
    assert [len(batch.table) + batch.rejected for batch in batches] == [7] * 7 + [1]
    assert [n for batch in batches for n in batch.row_numbers.to_pylist()] == [i + 1 for i in range(50) if i != 37]
    assert [p for batch in batches for p in table_keys(batch.issues)] == [(38, "amount", "NOT_DIGITS")]


def test_the_first_issues_are_named_and_all_are_counted(tmp_path: Path) -> None:
    rows = MAX_ISSUES + 5
    table = pa.table({name: [value] * rows for name, value in ROW.items()})
    table = table.set_column(5, "amount", pa.array(["x"] * rows))
    path = csv_of(tmp_path, ",".join(ROW) + "\n" + "\n".join(map(",".join, rows_of(table))))
    for source in (table, path):
        with pytest.raises(RejectedRecordsError) as caught:
            bills.read(source)
        assert (len(caught.value.issues), caught.value.total) == (MAX_ISSUES, rows)
        result = bills.read(source, on_error="skip")
        assert (len(result.issues), result.totals.rejected) == (MAX_ISSUES, rows)
        assert [issue.location.record for issue in bills.check(source)] == list(range(1, MAX_ISSUES + 1))
    with pytest.raises(InvalidInputError) as error:
        bills.write(table, tmp_path / "out.csv")
    assert (len(error.value.issues), error.value.total) == (MAX_ISSUES, rows)


def test_all_lines_of_other_shapes_are_counted(tmp_path: Path) -> None:
    shapes = [line(1), "x", ",,,,,,", 'a"b', "", "a,b", '"a,b",c', line(1) + ",", "\x1a"]
    found = [None, ("COLUMNS_COUNT", "1"), ("ROW_EMPTY", ""), ("QUOTES", ""), None]
    found += [("COLUMNS_COUNT", "2"), ("COLUMNS_COUNT", "2"), ("COLUMNS_COUNT", "8"), None]
    times = MAX_ISSUES // 5
    expected = [
        Issue(
            code[0],
            expected="7" if code[1] else "",
            found=code[1],
            location=Location("bills.csv", i * len(shapes) + number),
        )
        for i in range(times)
        for number, code in enumerate(found, 1)
        if code
    ]
    path = csv_of(tmp_path, "\n".join([HEADER, *shapes * times]))
    with pytest.raises(RejectedRecordsError) as caught:
        bills.read(path)
    assert (caught.value.issues, caught.value.total) == (expected[:MAX_ISSUES], 6 * times)
    assert bills.read(path, on_error="skip").totals == bills.BillTotals(6 * times, times, 5 * times)
    with pytest.raises(InvalidInputError) as error:
        bills.read_columns(path)
    assert error.value.issues == expected[:MAX_ISSUES]


@pytest.mark.parametrize("as_text", [False, True])
def test_a_slip_covers_at_most_100_obligations(as_text: bool) -> None:
    names = [[f"O{number}" for number in range(count)] for count in (100, 101)]
    rows = [{**ROW, "bill_id": f"B{number}", "covers": covers} for number, covers in enumerate(names)]
    table = pa.Table.from_pylist(rows)
    if as_text:
        table = table.set_column(table.column_names.index("covers"), "covers", [[";".join(each) for each in names]])
    checked = bills.check_batch(table)
    (issue,) = from_table(checked.issues)
    assert (issue.code, issue.field, issue.location.record) == ("WIDTH", "covers", 2)
    assert (issue.expected, issue.found) == ("at most 100 names", "101")
    with pytest.raises(InvalidInputError, match="at most 100 names"):
        Bill(**{**VALID, "covers": names[1]})


#: A slip, its re-issue that names it, and what else there may be.
FIRST, REMINDER = {**ROW, "bill_id": "B1"}, {**ROW, "bill_id": "B2", "case_key": "2", "obligation_id": "B1"}
NOT_SHARED = [(2, "obligation_id", "OBLIGATION_NOT_SHARED")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([FIRST, REMINDER], NOT_SHARED),
        ([FIRST, {**REMINDER, "status": "superseded"}], NOT_SHARED),
        ([FIRST | {"obligation_id": ""}, REMINDER], NOT_SHARED),
        ([FIRST | {"obligation_id": "B1"}, REMINDER], []),
        ([FIRST | {"obligation_id": "O1"}, REMINDER], []),
        ([FIRST, REMINDER | {"obligation_id": "B2"}], []),
        # Of another authority: its debts have names of their own.
        ([FIRST | {"payee_code": "99998"}, REMINDER], []),
        ([FIRST | {"payee_code": "99998"}, REMINDER, {**FIRST, "bill_id": "B3", "case_key": "3"}], []),
        # A slip for the whole year has no obligation of its own, whatever its obligation_id.
        ([FIRST | {"covers": "O3"}, REMINDER, {**ROW, "bill_id": "B3", "case_key": "3", "obligation_id": "O3"}], []),
        ([FIRST, REMINDER | {"covers": "O3"}, {**ROW, "bill_id": "B3", "case_key": "3", "obligation_id": "O3"}], []),
    ],
)
def test_a_debt_that_only_one_of_two_slips_names_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]], expected: list[Any]
) -> None:
    """Two payments of such slips are found to be two debts, so the clerk must know."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    text = "\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)])
    path = csv_of(tmp_path, text)
    assert issue_keys(bills.read(table).issues) == issue_keys(bills.check(table)) == expected
    for found in (bills.read(path).issues, bills.check(path)):
        assert issue_keys(found) == expected
        assert [(issue.found, issue.location.file, issue.is_error) for issue in found] == [
            ("B1", "bills.csv", False) for _ in expected
        ]
    monkeypatch.setattr("kokin.bills._rows._BLOCK", 16)
    assert issue_keys(bills.check(path)) == expected
