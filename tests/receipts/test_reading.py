"""Reading a file drops no record silently, and its digest is that of the bytes that were parsed."""

from __future__ import annotations

import io
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kokin import receipts
from kokin.issues import InvalidInputError, RejectedRecordsError
from kokin.receipts import layouts
from kokin.receipts._file_digest import HashedStream

HEAD = "customer_number,amount,paid_on\n"
VALID = HEAD + "1,7,2026-04-01\n"
ONE_REJECTED = VALID + "2,9999,2026-02-30\n"


# --- rejected records are never dropped silently ----------------------------------------------------------------------


@pytest.mark.parametrize("row", ["2,9999,2026-02-30\n", '2,"1,000",2026-04-01\n', "2,0,2026-04-01\n", "2\n"])
def test_a_rejected_record_raises_unless_the_caller_skips_it(row: str) -> None:
    content = (VALID + row).encode()
    stream = io.BytesIO(content)
    stream.name = "paid.csv"  # type: ignore[misc]
    with pytest.raises(RejectedRecordsError, match=r"paid\.csv: 1 of 2 records rejected") as caught:
        receipts.read(stream, "kokin-csv")
    assert [issue.location.record for issue in caught.value.issues] == [2]
    paid = receipts.read(io.BytesIO(content), "kokin-csv", on_error="skip")
    assert paid.table["amount"].to_pylist() == [7]
    assert [issue.code for issue in paid.issues] == [issue.code for issue in caught.value.issues]
    assert (paid.totals.read, paid.totals.accepted, paid.totals.rejected) == (2, 1, 1)


def test_a_result_is_an_arrow_stream_with_its_issues_and_totals() -> None:
    paid = receipts.read(io.BytesIO(VALID.encode()), "kokin-csv")
    assert pa.table(paid).equals(paid.table)
    assert (len(paid), list(paid.issues), paid.totals.accepted_yen) == (1, [], 7)


def test_an_unverified_layout_is_an_issue_of_the_result() -> None:
    content = io.BytesIO()
    receipts.generate_sample(content, "eltax-example", 3)
    paid = receipts.read(content, "eltax-example")
    assert [issue.code for issue in paid.issues] == ["LAYOUT_UNVERIFIED"]


def test_a_table_of_a_file_raises_as_read_does_and_an_iteration_does_not() -> None:
    file = receipts.open(io.BytesIO(ONE_REJECTED.encode()), "kokin-csv")
    with pytest.raises(RejectedRecordsError):
        file.table()
    assert file.table(on_error="skip").num_rows == len(list(file)) == sum(len(batch) for batch in file.batches()) == 1
    assert [issue.code for issue in file.issues] == ["DATE_INVALID"]


def test_an_unknown_value_of_on_error_raises() -> None:
    with pytest.raises(InvalidInputError, match="CODE_UNKNOWN"):
        receipts.read(io.BytesIO(VALID.encode()), "kokin-csv", on_error="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [("final", 0), ("provisional", 0), ("cancel", 0), ("reversal", 0), ("correction", 1)],
)
@pytest.mark.parametrize("count", [1, 40])
def test_only_a_correction_may_be_of_0_yen(kind: str, accepted: int, count: int) -> None:
    content = ("customer_number,amount,paid_on,kind\n" + f"1,0,2026-04-01,{kind}\n" * count).encode()
    file = receipts.open(io.BytesIO(content), "kokin-csv")
    assert file.table(on_error="skip").num_rows == len(list(file)) == accepted * count
    assert [(issue.code, issue.field, issue.location.record) for issue in file.issues] == [
        ("AMOUNT_ZERO", "amount", i + 1) for i in range(count * (1 - accepted))
    ]


@pytest.mark.parametrize(
    ("field", "old", "new", "code"),
    [
        ("amount", 'type = "yen", length = 11', 'type = "yen", length = 15', "AMOUNT_RANGE"),
        ("case_key", 'type = "digits", length = 20', 'type = "text", length = 21', "NOT_DIGITS"),
        ("kind", '訂正"', '訂正", other = "他"', "CODE_UNKNOWN"),
    ],
)
def test_a_rejected_value_is_not_reported_as_missing(field: str, old: str, new: str, code: str) -> None:
    text = (Path(layouts.__file__).parent / "kokin-csv.toml").read_text(encoding="utf-8")
    start = text.index(f'id = "{field}"')
    layout = layouts.parse(text[:start] + text[start:].replace(old, new, 1), "kokin-csv")
    row = {"payee_code": "99999", "item_code": "127", "case_key": "1" * 20, "confirmation": "123456"}
    row |= {"amount": "1", "paid_on": "2026-04-01", "kind": "final"}
    row[field] = {"amount": "100000000000", "case_key": "1" * 19 + "X", "kind": "other"}[field]
    file = receipts.open(io.BytesIO(f"{','.join(row)}\n{','.join(row.values())}\n".encode()), layout)
    assert list(file) == []
    assert [(issue.code, issue.field) for issue in file.issues] == [(code, field)]


# --- the digest is of the bytes that were parsed ----------------------------------------------------------------------

# More bytes than the head that is compared before a reading.
BEFORE, AFTER = (HEAD + f"1,{yen},2026-04-01\n" * 9_000 for yen in (7, 8))


def rows_of(file: receipts.ReceiptFile, how: str) -> list[dict[str, Any]]:
    match how:
        case "iter":
            return [{"amount": one.amount, "digest": one.digest} for one in file]
        case "batches":
            return [row for batch in file.batches() for row in batch.select(["amount", "digest"]).to_pylist()]
        case _:
            return file.table().select(["amount", "digest"]).to_pylist()


@pytest.mark.parametrize("how", ["iter", "batches", "table"])
def test_the_digest_is_that_of_the_file(how: str, tmp_path: Path) -> None:
    path = tmp_path / "paid.csv"
    path.write_text(BEFORE, encoding="utf-8")
    assert {row["digest"] for row in rows_of(receipts.open(path, "kokin-csv"), how)} == {
        sha256(BEFORE.encode()).hexdigest()
    }


@pytest.mark.parametrize("how", ["iter", "batches", "table", "finish"])
@pytest.mark.parametrize("same_head", [False, True])
def test_a_file_that_was_replaced_between_two_readings_is_rejected(how: str, same_head: bool, tmp_path: Path) -> None:
    path = tmp_path / "paid.csv"
    path.write_text(BEFORE, encoding="utf-8")
    file = receipts.open(path, "kokin-csv")
    first = file.table()
    path.write_text(BEFORE[: len(BEFORE) // 2] + AFTER[len(AFTER) // 2 :] if same_head else AFTER, encoding="utf-8")
    with pytest.raises(receipts.FileRejectedError, match="FILE_CHANGED"):
        _ = file.validate() if how == "finish" else rows_of(file, how)
    assert [issue.code for issue in file.fatal_issues] == ["FILE_CHANGED"]
    reopened = receipts.open(path, "kokin-csv").table()
    digests = [set(table["digest"].to_pylist()) for table in (first, reopened)]
    assert digests[1] == {sha256(path.read_bytes()).hexdigest()} != digests[0]


def test_a_file_that_was_replaced_after_it_was_opened_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "paid.csv"
    path.write_text(VALID, encoding="utf-8")
    file = receipts.open(path, "kokin-csv")
    path.write_text(VALID.replace("customer_number,amount", "amount,customer_number"), encoding="utf-8")
    with pytest.raises(receipts.FileRejectedError, match="FILE_CHANGED"):
        file.table()


@pytest.mark.thorough
@pytest.mark.parametrize(("how", "size"), [("batches", 40), ("iter", 40)])
def test_a_file_that_is_overwritten_during_a_reading_is_rejected(how: str, size: int, tmp_path: Path) -> None:
    """The file is larger than what the system reads ahead."""
    path = tmp_path / "paid.csv"
    path.write_text(BEFORE * size, encoding="utf-8")
    file = receipts.open(path, "kokin-csv")
    reading = iter(file.batches() if how == "batches" else file)
    next(reading)
    path.write_text(AFTER * size, encoding="utf-8")
    with pytest.raises(receipts.FileRejectedError):
        for _ in reading:
            pass
    assert "FILE_CHANGED" in file.fatal_issues.counts


def test_the_digest_of_an_xml_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "paid.xml"
    receipts.generate_sample(path, "camt.054", 30)
    file = receipts.open(path, "camt.054")
    assert set(file.table()["digest"].to_pylist()) == {sha256(path.read_bytes()).hexdigest()}
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(receipts.FileRejectedError, match="FILE_CHANGED"):
        file.table()


@pytest.mark.parametrize(
    "steps",
    [
        lambda stream: stream.read(),
        lambda stream: (stream.seek(5), stream.read(2), stream.seek(1), stream.read(20)),
        lambda stream: (stream.readline(), stream.readline(3), stream.seek(0), stream.readline()),
        lambda stream: (stream.seek(1_000_000), stream.read(10)),
        lambda stream: None,
    ],
)
def test_each_byte_is_hashed_once_in_the_order_of_the_file(steps: Callable[[Any], Any]) -> None:
    content = bytes(range(256)) * 9000
    with HashedStream(io.BytesIO(content)) as stream:
        plain = io.BytesIO(content)
        assert steps(stream) == steps(plain)
        assert stream.tell() == plain.tell()
        assert stream.digest() == sha256(content).hexdigest()
        assert stream.tell() == plain.tell()
