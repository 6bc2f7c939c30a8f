"""Cases of the Zengin and DSK layouts: framing, batches, reversals, short dates, characters, duplicates."""

from __future__ import annotations

import io
from datetime import date
from importlib import resources
from typing import Any

import pytest

from kokin import receipts
from kokin.issues import InvalidInputError
from kokin.model import ReceiptKind
from kokin.receipts import layouts
from kokin.text import EBCDIC_TO_HALF_WIDTH, HALF_WIDTH_TO_EBCDIC

REFERENCE = date(2026, 4, 15)


def synthetic(layout: str, rows: int = 30, newline: str | None = None) -> bytes:
    content = io.BytesIO()
    receipts.generate_sample(content, layout, rows, seed=4, newline=newline)
    return content.getvalue()


def opened(
    content: bytes, layout: str = "zengin-91", reference: date = REFERENCE, **options: Any
) -> receipts.ReceiptFile:
    return receipts.open(io.BytesIO(content), layout, reference_date=reference, **options)


def written(rows: list[dict[str, Any]], layout: str, **options: Any) -> bytes:
    content = io.BytesIO()
    receipts.write(rows, content, layout, **options)
    return content.getvalue()


def values_of(file: receipts.ReceiptFile) -> list[tuple[Any, ...]]:
    """Return the values of the receipts, without their location in the file."""
    return [(one.customer_number, one.amount, one.paid_on, one.name) for one in file]


def fatal_codes(content: bytes, layout: str = "zengin-91", **options: Any) -> list[str]:
    file = opened(content, layout, **options)
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    return [issue.code for issue in file.fatal_issues]


# --- framing ----------------------------------------------------------------------------------------------------------

PLAIN = synthetic("zengin-91", newline="")
RECORDS = [PLAIN[at : at + 120] for at in range(0, len(PLAIN), 120)]


@pytest.mark.parametrize(
    ("content", "framing"),
    [
        (b"".join(RECORDS), "120 bytes without newline"),
        (b"\r\n".join(RECORDS), "120 bytes and CRLF"),
        (b"\n".join(RECORDS) + b"\n", "120 bytes and LF"),
        (b"\r".join(RECORDS) + b"\r", "120 bytes and CR"),
        (b"\r\n".join(RECORDS) + b"\r\n\x1a", "120 bytes and CRLF"),
        (b"".join(RECORDS) + b"\x1a", "120 bytes without newline"),
        (b"".join(RECORDS) + b"\r\n", "120 bytes without newline"),
        (b"".join(record[:118] + b"\r\n" for record in RECORDS), "118 bytes and CRLF"),
        (b"".join(record[:119] + b"\n" for record in RECORDS), "119 bytes and LF"),
    ],
)
def test_every_framing_yields_the_same_receipts(content: bytes, framing: str) -> None:
    file = opened(content)
    assert values_of(file) == values_of(opened(PLAIN))
    assert file.framing.describe() == framing
    assert not file.issues
    assert values_of(file)


@pytest.mark.parametrize("newline", [b"", b"\x0d\x25", b"\x25", b"\x15"])
def test_ebcdic_is_detected_by_the_first_byte(newline: bytes) -> None:
    content = b"".join(record.translate(HALF_WIDTH_TO_EBCDIC) + newline for record in RECORDS)
    assert content[0] == 0xF1
    file = opened(content)
    assert values_of(file) == values_of(opened(PLAIN))
    assert file.framing.ebcdic
    assert not file.issues
    raw = receipts.open(io.BytesIO(content), "zengin-91", reference_date=REFERENCE).batches(raw=True)
    (first, *_) = next(raw)["raw"].to_pylist()
    assert first.translate(EBCDIC_TO_HALF_WIDTH) in RECORDS


def test_blanks_stripped_by_an_editor_are_restored_only_if_lenient() -> None:
    content = b"".join(record.rstrip() + b"\r\n" for record in RECORDS)
    assert "WIDTH" in fatal_codes(content)
    file = opened(content, lenient=True)
    assert values_of(file) == values_of(opened(PLAIN))
    assert set(file.issues.counts) == {"RECORD_PADDED"}


def test_a_byte_order_mark_rejects_the_file() -> None:
    assert fatal_codes(b"\xef\xbb\xbf" + PLAIN) == ["FILE_BOM"]
    assert fatal_codes(b"\xff\xfe" + PLAIN) == ["FILE_BOM"]
    file = opened(b"\xef\xbb\xbf" + PLAIN, lenient=True)
    assert values_of(file) == values_of(opened(PLAIN))
    assert set(file.issues.counts) == {"BOM_PASSED_OVER"}


def test_several_batches_in_one_file() -> None:
    rows = [
        {"customer_number": str(i), "amount": 100 + i, "paid_on": date(2026, 4, 1 + i % 3), "payer_name": "ｺｳｷﾝ"}
        for i in range(60)
    ]
    content = written(rows, "zengin-91")
    file = opened(content)
    found = list(file)
    assert sorted((one.amount, one.paid_on) for one in found) == sorted((row["amount"], row["paid_on"]) for row in rows)
    assert len(file.totals.declared) == 3 * 6
    assert file.totals.records == 60 + 2 * 3 + 1
    # Each trailer is compared with its own batch.
    lines = content.split(b"\r\n")
    trailers = [i for i, line in enumerate(lines) if line.startswith(b"8")]
    lines[trailers[0]], lines[trailers[1]] = lines[trailers[1]], lines[trailers[0]]
    assert set(fatal_codes(b"\r\n".join(lines))) == {"TOTAL_MISMATCH"}


def test_a_different_sum_rejects_the_whole_file() -> None:
    content = bytearray(PLAIN)
    content[-240 + 18] = ord("1") if content[-240 + 18] != ord("1") else ord("2")
    assert set(fatal_codes(bytes(content))) == {"TOTAL_MISMATCH"}


def test_a_record_after_the_end_rejects_the_file() -> None:
    assert "RECORD_ORDER" in fatal_codes(PLAIN + RECORDS[1])
    assert "RECORD_ORDER" in fatal_codes(b"".join([RECORDS[0], RECORDS[0], *RECORDS[1:]]))


# --- zengin -----------------------------------------------------------------------------------------------------------


def test_01_form_a_and_form_b() -> None:
    content = synthetic("zengin-01", newline="")
    records = [content[at : at + 200] for at in range(0, len(content), 200)]
    for i in range(1, 31, 2):
        amount = records[i][19:29]
        records[i] = records[i][:128] + b"00" + amount + b"0" * 12 + b"EDI".ljust(20) + b" " * 28
    file = opened(b"".join(records), "zengin-01")
    kinds = [record.kind for record in file.records()]
    assert kinds.count("data_a") == kinds.count("data_b") == 15
    before = list(opened(content, "zengin-01"))
    assert [(one.amount, one.virtual_account) for one in file] == [(one.amount, one.virtual_account) for one in before]
    assert not file.issues


def test_01_a_cancelled_transfer_is_a_reversal_with_a_positive_amount() -> None:
    kinds = (ReceiptKind.FINAL, ReceiptKind.REVERSAL, ReceiptKind.FINAL)
    rows = [{"amount": 500, "paid_on": date(2026, 4, 1), "kind": kind.value} for kind in kinds]
    header: dict[str, Any] = {"branch_code": "001"}
    file = opened(written(rows, "zengin-01", header=header), "zengin-01")
    assert [(one.kind, one.amount) for one in file] == [(kind, 500) for kind in kinds]
    counted = {total.field: total.counted for total in file.totals.declared}
    assert counted["trailer.transfer_count"] == 2
    assert counted["trailer.cancel_amount"] == 500


@pytest.mark.parametrize("layout", ["zengin-01", "zengin-03"])
@pytest.mark.parametrize("value_day", [date(2026, 3, 28), None])
def test_a_transfer_is_paid_on_its_value_day_and_received_on_the_day_of_account(
    layout: str, value_day: date | None
) -> None:
    """起算日 is a Saturday, 勘定日 the Monday after it."""
    monday = date(2026, 3, 30)
    rows = [{"amount": 500, "value_day": value_day, "account_day": monday, "direction": "1", "transaction": "11"}]
    file = opened(written(rows, layout), layout)
    expected = [(value_day or monday, monday)]
    assert [(one.paid_on, one.received_on) for one in file] == expected
    table = file.table()
    assert list(zip(table["paid_on"].to_pylist(), table["received_on"].to_pylist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("direction", "transaction", "returned_day", "kind"),
    [
        ("1", "11", None, "final"),
        ("1", "19", None, "final"),
        ("1", "12", date(2026, 4, 2), "final"),
        ("2", "11", None, None),
        ("2", "19", None, "reversal"),
        ("2", "13", date(2026, 4, 2), "reversal"),
    ],
)
@pytest.mark.parametrize("count", [1, 20])
def test_03_a_withdrawal_for_a_correction_or_a_returned_bill_is_a_reversal(
    direction: str, transaction: str, returned_day: date | None, kind: str | None, count: int
) -> None:
    row = {"amount": 500, "paid_on": date(2026, 4, 1), "direction": direction, "transaction": transaction}
    content = written([row | {"returned_day": returned_day, "reference": "00000001"}] * count, "zengin-03")
    for kinds in (
        [one.kind.value for one in opened(content, "zengin-03")],
        opened(content, "zengin-03").table()["kind"].to_pylist(),
    ):
        assert kinds == [kind] * count * (kind is not None)
    totals = opened(content, "zengin-03").validate()
    assert totals.unpaid == count * (kind is None)


def test_03_a_withdrawal_is_not_a_receipt_and_the_count_of_all_records_only_warns() -> None:
    content = synthetic("zengin-03", newline="")
    file = opened(content, "zengin-03")
    assert len(list(file)) == file.totals.accepted > 0
    assert file.totals.unpaid == 30 - file.totals.accepted > 0
    other = content[:-200] + b"9" + b"0000000030" + content[-189:]
    file = opened(other, "zengin-03")
    assert len(list(file)) == file.totals.accepted
    assert dict(file.issues.counts) == {"TOTAL_DIFFERS": 1}


def test_99_is_paid_on_its_term_and_reported_as_unverified() -> None:
    file = opened(synthetic("zengin-99"), "zengin-99")
    assert all(one.paid_on == file.header["due_day"] for one in file)
    assert dict(file.issues.counts) == {"LAYOUT_UNVERIFIED": 1}


def test_21_contains_no_receipts_and_can_be_checked() -> None:
    content = synthetic("zengin-21")
    with pytest.raises(InvalidInputError, match="LAYOUT_NOT_RECEIPTS"):
        next(iter(opened(content, "zengin-21")))
    assert receipts.check(io.BytesIO(content), "zengin-21", reference_date=REFERENCE).exit_code == 0
    lines = content.split(b"\r\n")
    lines[-3] = lines[-3][:18] + b"9" + lines[-3][19:]
    report = receipts.check(io.BytesIO(b"\r\n".join(lines)), "zengin-21", reference_date=REFERENCE)
    assert report.exit_code == 3
    assert [issue.code for issue in report.fatal_issues] == ["TOTAL_MISMATCH"]


@pytest.mark.parametrize(
    ("reference", "day"), [(date(2019, 6, 1), date(2019, 5, 1)), (date(1989, 6, 1), date(1989, 5, 1))]
)
def test_a_date_without_its_era(reference: date, day: date) -> None:
    content = written([{"amount": 1, "paid_on": date(2019, 5, 1)}], "zengin-01")
    assert b"010501" in content
    assert [one.paid_on for one in opened(content, "zengin-01", reference)] == [day]


@pytest.mark.parametrize(
    ("reference", "day"), [(date(2026, 1, 5), date(2025, 12, 26)), (date(2025, 12, 20), date(2025, 12, 26))]
)
def test_a_date_without_its_year_at_the_turn_of_the_year(reference: date, day: date) -> None:
    content = written([{"amount": 1, "paid_on": date(1999, 12, 26), "customer_number": "1"}], "zengin-91")
    assert [one.paid_on for one in opened(content, "zengin-91", reference)] == [day]


def test_a_western_year_in_a_layout_of_eras_is_an_issue_and_names_both_readings() -> None:
    content = written([{"amount": 1, "paid_on": date(2014, 4, day)} for day in (1, 3)], "zengin-01")
    assert content.count(b"2604") == 4
    file = opened(content, "zengin-01")
    assert list(file) == []
    assert file.totals.rejected == 2
    issue = file.issues[0]
    assert (issue.code, issue.field, issue.location.record) == ("DATE_TOO_FAR", "account_day", 2)
    assert issue.found == "260401 = 2014-04-01, western 2026-04-01"
    assert 'format = "YYMMDD"' in issue.message("en")
    assert 'format = "YYMMDD"' in issue.message("ja")


def test_a_header_date_that_is_too_far_rejects_the_file() -> None:
    content = written([{"amount": 1, "paid_on": date(2026, 4, 1)}], "zengin-01", header={"made_day": date(2014, 4, 6)})
    file = opened(content, "zengin-01")
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    assert [(issue.code, issue.field, issue.location.record, issue.location.byte) for issue in file.fatal_issues] == [
        ("DATE_TOO_FAR", "made_day", 1, 4)
    ]


def test_a_layout_declares_its_kind_of_years_and_their_range() -> None:
    text = resources.files("kokin.receipts.layouts").joinpath("zengin-01.toml").read_text(encoding="utf-8")
    far = written([{"amount": 1, "paid_on": date(2021, 4, 1)}], "zengin-01")
    western = far.replace(b"030401", b"260401")
    days = {
        ("wareki YYMMDD", ""): (None, None),
        ("YYMMDD", ""): (None, date(2026, 4, 1)),
        ("wareki or western YYMMDD", ""): (None, date(2026, 4, 1)),
        ("wareki YYMMDD", "[dates]\nyears_back = 6\n"): (date(2021, 4, 1), None),
        ("wareki or western YYMMDD", "[dates]\nyears_back = 6\n"): (date(2021, 4, 1), date(2026, 4, 1)),
        ('wareki YYMMDD", dates = { years_back = 6 }, note = "', ""): (date(2021, 4, 1), None),
    }
    for (style, dates), expected in days.items():
        layout = layouts.parse(text.replace("wareki YYMMDD", style) + dates, "custom")
        for content, day in zip((far, western), expected, strict=True):
            for table in (False, True):
                file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
                found = file.table(on_error="skip")["paid_on"].to_pylist() if table else [one.paid_on for one in file]
                assert found == ([day] if day else []), (style, dates)


@pytest.mark.parametrize(
    "option",
    ["years_back = 9", "years_ahead = 3", "years_back = -1", "months = 12", "days = 1"],
)
def test_a_range_of_dates_that_allows_two_readings_is_an_invalid_layout(option: str) -> None:
    text = resources.files("kokin.receipts.layouts").joinpath("zengin-01.toml").read_text(encoding="utf-8")
    with pytest.raises(layouts.LayoutError, match="LAYOUT_INVALID"):
        layouts.parse(f"{text}\n[dates]\n{option}\n", "custom")


def test_a_leap_day_without_a_leap_year_in_range_is_an_issue() -> None:
    content = written([{"amount": 1, "paid_on": date(2024, 2, 29), "customer_number": "1"}], "zengin-91")
    assert [one.paid_on for one in opened(content, reference=date(2024, 3, 1))] == [date(2024, 2, 29)]
    assert fatal_codes(content) == ["DATE_TOO_FAR"]


def test_a_layout_of_short_dates_needs_a_reference_date() -> None:
    with pytest.raises(InvalidInputError, match="REFERENCE_DATE_MISSING"):
        receipts.open(io.BytesIO(PLAIN), "zengin-91")


# --- convenience stores -----------------------------------------------------------------------------------------------

BARCODE = "91929023252070000010123499900199999900106050"


def dsk(*rows: tuple[str, str, int]) -> bytes:
    lines = [
        f'{code},20260401,1200,EAN{BARCODE},000001,01234999001,0,{amount},010,"セブン－イレブン",110001,{settled},20260402'
        for code, settled, amount in rows
    ]
    return "\r\n".join(lines).encode("cp932")


def test_every_record_type_of_a_convenience_store() -> None:
    file = opened(
        dsk(
            ("01", "0", 10),
            ("03", "0", 10),
            ("02", "20260410", 10),
            ("12", "20260410", 10),
            ("22", "0", 9),
            ("81", "0", 8),
        ),
        "dsk-csv",
    )
    assert [(one.kind.value, one.amount) for one in file] == [
        ("provisional", 10),
        ("cancel", 10),
        ("final", 10),
        ("final", 10),
        ("correction", 9),
        ("provisional", 8),
    ]
    assert [one.settled_on for one in file] == [None, None, date(2026, 4, 10), date(2026, 4, 10), None, None]


def test_an_unknown_record_type_is_an_issue() -> None:
    file = opened(dsk(("9", "0", 10), ("01", "0", 10)), "dsk-csv")
    assert [one.amount for one in file] == [10]
    assert [(issue.code, issue.field, issue.location.record) for issue in file.issues] == [("CODE_UNKNOWN", "type", 1)]


# --- text -------------------------------------------------------------------------------------------------------------

NAME_FIELD = slice(50, 80)


def with_name(name: bytes) -> bytes:
    records = list(RECORDS)
    paid = next(i for i, record in enumerate(records) if record[:1] == b"2" and record[111:112] == b"0")
    records[paid] = records[paid][:50] + name.ljust(30) + records[paid][80:]
    return b"".join(records)


@pytest.mark.parametrize("byte", [0x80, 0xA0, 0xE0, 0xFD, 0x00, 0x1A])
def test_an_unknown_byte_rejects_the_file_at_its_location(byte: int) -> None:
    content = with_name(b"ABC" + bytes([byte]))
    file = opened(content)
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    (issue,) = file.fatal_issues
    assert (issue.code, issue.location.byte) == ("BYTE_UNKNOWN", content.index(b"ABC") + 3)
    lenient = opened(content, lenient=True)
    assert len(list(lenient)) == len(list(opened(PLAIN))) - 1
    assert lenient.totals.rejected == 1


def test_a_dakuten_at_the_end_of_a_full_name_field_is_read() -> None:
    name = "ｱ" * 28 + "ｶﾞ"
    assert len(name.encode("cp932")) == 30
    found = [one.name for one in opened(with_name(name.encode("cp932")))]
    assert name in found


def example(name: bytes) -> bytes:
    content = synthetic("eltax-example", newline="")
    layout = receipts.layouts.load("eltax-example")
    start = layout.width + layout.data.offsets["name"] if layout.width else 0
    return content[:start] + name.ljust(40) + content[start + 40 :]


def test_a_rare_kanji_is_read_and_its_bytes_are_kept() -> None:
    # Python encodes 髙 as EEE0, so only the raw bytes preserve FBFC.
    content = example(bytes.fromhex("FBFC") + "橋　一郎".encode("cp932"))
    file = opened(content, "eltax-example")
    first = next(iter(file))
    assert first.name == "髙橋　一郎"
    batch = next(opened(content, "eltax-example").batches(raw=True))
    assert bytes.fromhex("FBFC") in batch["raw"][0].as_py()
    assert batch["name"][0].as_py() == "髙橋　一郎"


def test_gaiji_pass_and_are_flagged() -> None:
    file = opened(example(b"\xf0\x40" + "橋".encode("cp932")), "eltax-example")
    assert next(iter(file)).name == "\ue000橋"
    assert next(file.batches())["name"][0].as_py() == "\ue000橋"
    assert file.validate().rejected == 0
    assert file.issues.counts["GAIJI"] == 1


@pytest.mark.parametrize("content", [b"\x8c", b"A\x80", b"A\xa0", b"A\xff", b"\x82\x20A"])
def test_an_incomplete_kanji_or_an_unknown_byte_in_a_kanji_field_rejects_the_file(content: bytes) -> None:
    file_content = example(content.rjust(40, b"A"))
    assert fatal_codes(file_content, "eltax-example") == ["BYTE_UNKNOWN"]


def test_names_are_masked_in_everything_shown() -> None:
    content = example("公金　花子".encode("cp932"))
    file = opened(content, "eltax-example")
    shown = repr(list(file)) + repr(list(file.records())) + repr(list(file.issues)) + repr(file)
    assert "花子" not in shown
    invalid = with_name("ｺｳｷﾝ ﾊﾅｺ".encode("cp932")).replace(b"29999", b"2X999")
    report = receipts.check(io.BytesIO(invalid), "zengin-91", reference_date=REFERENCE)
    assert report.issues.total
    assert "ﾊﾅｺ" not in str(report.as_dict()) + str(report.as_sarif()) + repr(report)


@pytest.mark.parametrize(
    ("layout", "newline"), [("zengin-91", ""), ("zengin-91", "CRLF"), ("dsk-csv", None), ("zengin-21", "LF")]
)
def test_a_duplicate_record_is_a_warning(layout: str, newline: str | None) -> None:
    content = synthetic(layout, newline=newline)
    width = 120 + len({"CRLF": "xx", "LF": "x"}.get(newline or "", ""))
    if layout == "dsk-csv":
        lines = content.split(b"\r\n")
        content = b"\r\n".join([*lines[:4], lines[3], lines[2], *lines[4:]])
        expected = [(4, "record 3"), (5, "record 2")]
    else:
        lines = [content[at : at + width] for at in range(0, len(content), width)]
        content = b"".join([*lines[:4], lines[3], lines[2], *lines[4:]])
        expected = [(5, "record 4"), (6, "record 3")]
    report = receipts.check(io.BytesIO(content), layout, reference_date=REFERENCE)
    duplicates = [(issue.location.record, issue.found) for issue in report.issues if issue.code == "RECORD_REPEATED"]
    assert duplicates == expected
    assert not receipts.check(io.BytesIO(synthetic(layout)), layout, reference_date=REFERENCE).issues


def test_an_invalid_last_record_of_a_short_body_is_not_truncated() -> None:
    content = b"".join(record[:118] + b"\r\n" for record in RECORDS)[:-2]
    last = content.rfind(b"\r\n") + 2
    file = opened(content[:last] + b"8" + content[last + 1 :])
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    assert "RECORD_TRUNCATED" not in [issue.code for issue in file.fatal_issues]
