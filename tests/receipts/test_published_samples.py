"""Samples published in specifications (zengin-91, DSK): receipts, counts, and the issues of damaged copies."""

from __future__ import annotations

import io
from datetime import date, time

import pytest

from kokin import receipts
from kokin.model import ReceiptKind

REFERENCE = date(2026, 11, 1)

_SAMPLE_91 = """\
19101234567890ｻﾝﾌﾟﾙｼ··································10319999ﾃｽﾄｷﾞﾝｺｳ·······001ﾎﾝﾃﾝ···········11234567·················
29999ﾃｽﾄｷﾞﾝｺｳ·······002ﾋｶﾞｼ···············17654321ｽｲﾄﾞｳ·ﾀﾛｳ·····················00000043200000000000000000000123450········
29999ﾃｽﾄｷﾞﾝｺｳ·······002ﾋｶﾞｼ···············17654322ｺｳｷﾝ·ﾊﾅｺ······················00000120001000000000000000123461········
8000002000000016320000001000000004320000001000000012000·································································
9·······················································································································
"""
# The first data record is printed with three zeros too many in the specification: 123 bytes.
RECORDS_91 = [
    line.replace("·", " ")
    .replace("00000043200000000000000000000123450", "00000043200000000000000000123450")
    .encode("cp932")
    for line in _SAMPLE_91.splitlines()
]
SAMPLE_91 = b"".join(record + b"\r\n" for record in RECORDS_91)

ROW_DSK = (
    "01,20240112,1815,EAN91929023252070000010123499900199999900106050,000001,01234999001,0,10605,010,"
    '"セブン－イレブン",110001,0,20240117'
).encode("cp932")


def opened(content: bytes, layout: str, **options: object) -> receipts.ReceiptFile:
    return receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE, **options)  # type: ignore[arg-type]


def fatal_issues(content: bytes, layout: str = "zengin-91") -> list[tuple[str, int | None]]:
    file = opened(content, layout)
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    with pytest.raises(receipts.FileRejectedError):
        receipts.read(io.BytesIO(content), layout, reference_date=REFERENCE)
    return [(issue.code, issue.location.byte) for issue in file.fatal_issues]


def test_the_sample_of_a_direct_debit_result_is_read_without_an_issue() -> None:
    file = opened(SAMPLE_91, "zengin-91")
    (receipt,) = file
    assert (receipt.amount, receipt.customer_number, receipt.paid_on) == (
        4320,
        "00000000000000012345",
        date(2026, 10, 31),
    )
    assert (receipt.bank_code, receipt.branch_code, receipt.record_no, receipt.byte_offset) == ("9999", "002", 2, 122)
    assert not file.issues
    totals = file.totals
    assert (totals.records, totals.read, totals.accepted, totals.unpaid, totals.rejected) == (5, 2, 1, 1, 0)
    assert (totals.accepted_yen, totals.unpaid_yen) == (4320, 12000)
    assert len(totals.declared) == 6
    assert all(total.agrees for total in totals.declared)
    assert "ﾀﾛｳ" not in repr(receipt)


def test_the_row_of_the_vendor_is_read_without_an_issue() -> None:
    header = "種別,収納日,収納時刻,バーコード,使用欄1,使用欄2,印紙,金額,本部,本部名,店舗,振込日,作成日\r\n".encode(
        "cp932"
    )
    for content in (ROW_DSK, header + ROW_DSK, header + ROW_DSK + b"\r\n"):
        file = opened(content, "dsk-csv")
        (receipt,) = file
        assert not file.issues
        assert receipt.kind is ReceiptKind.PROVISIONAL
        assert (receipt.paid_on, receipt.paid_time, receipt.settled_on) == (date(2024, 1, 12), time(18, 15), None)
        assert (receipt.amount, receipt.barcode) == (10605, "91929023252070000010123499900199999900106050")
        assert (receipt.agent_code, receipt.channel, receipt.store_code) == ("010", "セブン－イレブン", "110001")
        assert receipt.stamp is False


def test_the_table_equals_the_records() -> None:
    (receipt,) = opened(SAMPLE_91, "zengin-91")
    (row,) = receipts.read(io.BytesIO(SAMPLE_91), "zengin-91", reference_date=REFERENCE).table.to_pylist()
    assert row == {name: getattr(receipt, name) for name in row}
    assert {"layout", "source", "digest", "record_no", "byte_offset", "amount"} <= row.keys()


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"", [("FILE_EMPTY", 0)]),
        (b"\xef\xbb\xbf" + SAMPLE_91, [("FILE_BOM", 0)]),
        (SAMPLE_91.replace(b"0000000163200", b"0000000163210"), [("TOTAL_MISMATCH", 373)]),
        (SAMPLE_91.replace(b"\xc3\xbd\xc4", b"\xc3\x80\xc4", 1), [("BYTE_UNKNOWN", 63)]),
        (SAMPLE_91[:-3], [("RECORD_TRUNCATED", 488)]),
        (b"".join(RECORDS_91)[:-1], [("RECORD_TRUNCATED", 480)]),
        (SAMPLE_91[: -2 * 122], [("RECORD_MISSING", None)]),
        (SAMPLE_91[:-122], [("RECORD_MISSING", None)]),
        (SAMPLE_91[122:], [("RECORD_ORDER", 0)]),
    ],
)
def test_a_damaged_file_is_rejected_at_its_byte(content: bytes, problems: list[tuple[str, int | None]]) -> None:
    assert fatal_issues(content)[: len(problems)] == problems


def test_an_error_response_is_rejected() -> None:
    answer = b"error:\r\n1\r\n2\r\n3\r\n"
    assert fatal_issues(answer, "dsk-csv") == [("FILE_ERROR_ANSWER", 0)]


def test_a_request_is_not_read_as_a_result() -> None:
    trailer = b"8" + b"000002" + b"000000016320" + b"0" * 36 + b" " * 65
    records = [RECORDS_91[0], RECORDS_91[1], RECORDS_91[2].replace(b"123461", b"123460"), trailer, RECORDS_91[4]]
    content = b"".join(records)
    assert fatal_issues(content) == [("REQUEST_FILE", 360)]


def test_a_result_without_any_debit_is_a_result() -> None:
    trailer = b"8" + b"000002" + b"000000016320" + b"0" * 18 + b"000002" + b"000000016320" + b" " * 65
    records = [RECORDS_91[0], RECORDS_91[1].replace(b"123450", b"123451"), RECORDS_91[2], trailer, RECORDS_91[4]]
    file = opened(b"".join(records), "zengin-91")
    assert list(file) == []
    assert (file.totals.unpaid, file.totals.unpaid_yen) == (2, 16320)


def test_an_invalid_record_is_rejected_and_the_others_are_read() -> None:
    content = SAMPLE_91.replace(b"0000012000", b"000001200O", 1)
    file = opened(content, "zengin-91")
    assert [receipt.amount for receipt in file] == [4320]
    (problem, *unsure) = file.issues
    assert (problem.code, problem.field, problem.location.record, problem.location.byte) == (
        "NOT_DIGITS",
        "amount",
        3,
        333,
    )
    assert {issue.code for issue in unsure} == {"TOTAL_UNSURE"}
    assert (file.totals.read, file.totals.accepted, file.totals.rejected) == (2, 1, 1)


@pytest.mark.parametrize(
    ("found", "code", "field"),
    [
        (b"20260230", "DATE_INVALID", "paid_day"),
        (b"2024011", "DATE_INVALID", "paid_day"),
        (b"", "FIELD_MISSING", "paid_day"),
    ],
)
def test_an_invalid_date_is_an_issue(found: bytes, code: str, field: str) -> None:
    file = opened(ROW_DSK.replace(b"20240112", found) + b"\r\n" + ROW_DSK, "dsk-csv")
    assert len(list(file)) == 1
    (issue,) = file.issues
    assert (issue.code, issue.field, issue.location.record, issue.location.byte) == (code, field, 1, 3)


def test_an_invalid_check_digit_of_a_barcode_is_a_warning() -> None:
    file = opened(ROW_DSK.replace(b"106050,", b"106051,"), "dsk-csv")
    assert len(list(file)) == 1
    (issue,) = file.issues
    assert (issue.code, issue.field, issue.is_error) == ("BARCODE_CHECK_DIGIT", "barcode", False)


@pytest.mark.parametrize("layout", ["kokin-csv", "dsk-csv", "zengin-91"])
def test_a_written_file_is_read_with_the_same_values(layout: str) -> None:
    content = io.BytesIO()
    receipts.generate_sample(content, layout, 40, seed=5)
    file = opened(content.getvalue(), layout)
    first = receipts.read(content, layout, reference_date=date(2026, 4, 15)).table
    assert file.validate().read == 40
    assert not file.issues
    copy = io.BytesIO()
    days = {"made_day": [date(2026, 4, 30)] * first.num_rows, "area_1": ["1"] * first.num_rows}
    table = first
    for name, column in days.items():
        table = table.append_column(name, [column])
    receipts.write(table, copy, layout)
    second = receipts.read(copy, layout, reference_date=date(2026, 4, 15)).table
    # A composed key has parts that no receipt carries, such as the header's 委託者コード.
    not_kept = {"digest", "byte_offset", "record_no"} | ({"provider_key"} if layout != "kokin-csv" else set())
    kept = [name for name in first.column_names if name not in not_kept]
    assert second.select(kept).to_pylist() == first.select(kept).to_pylist()


def test_issues_above_the_maximum_are_counted_and_not_kept() -> None:
    file = opened((ROW_DSK.replace(b",10605,", b",x,") + b"\r\n") * 200, "dsk-csv", max_issues=10)
    assert list(file) == []
    assert (len(file.issues), file.issues.total, file.totals.rejected) == (10, 200, 200)


def test_a_manual_entry_needs_a_name_and_a_reason() -> None:
    head = "customer_number,amount,paid_on,kind,actor,reason\n"
    rows = "1,10,2026-04-01,deduction,会計課,児童手当\n2,20,2026-04-01,manual,,\n3,30,2026-04-01,,,\n"
    file = opened((head + rows).encode(), "kokin-csv")
    assert [(receipt.amount, receipt.actor) for receipt in file] == [(10, "会計課"), (30, None)]
    assert [(issue.code, issue.field, issue.location.record) for issue in file.issues] == [
        ("FIELD_MISSING", "actor", 2),
        ("FIELD_MISSING", "reason", 2),
    ]


def test_a_file_is_rejected_even_if_no_issue_is_kept() -> None:
    file = opened(SAMPLE_91[:-200], "zengin-91", max_issues=0)
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    assert (len(file.fatal_issues), bool(file.fatal_issues)) == (0, True)


def test_a_cell_of_a_file_without_a_header_is_never_shown() -> None:
    file = opened("山田太郎,99999,paid_om,12300\n".encode(), "kokin-csv")
    with pytest.raises(receipts.FileRejectedError) as error:
        file.validate()
    unknown = [issue.field for issue in error.value.issues if issue.code == "FIELD_UNKNOWN"]
    assert unknown == ["column 1", "column 2", "column 3", "column 4"]
    assert "山田" not in repr(error.value) + str(error.value)
