"""Framing: blank lines, padding, newlines, EBCDIC and stray quotes, with every way to read a file."""

from __future__ import annotations

import io
import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.issues import InvalidInputError
from kokin.receipts import _framing, layouts
from kokin.receipts._framing import has_stray_quote, split_row
from kokin.receipts.layouts import Layout
from kokin.text import EBCDIC_TO_HALF_WIDTH, HALF_WIDTH_TO_EBCDIC
from tests.receipts.differential import agree, reading_of, synthetic
from tests.support import examples

REFERENCE = date(2026, 4, 15)
FIXED = [name for name in layouts.names() if layouts.load(name).format == "fixed" and layouts.load(name).receipt]
CSV = [name for name in layouts.names() if layouts.load(name).format == "csv" and layouts.load(name).receipt]
PADDING = [b"\n", b"\r\n", b"\x1a", b"\x1a\r\n", b"\0" * 8, b" ", b" " * 130, b"\0" * 300]


def read(content: bytes, layout: str | Layout) -> tuple[Any, ...]:
    """Read a file in every way, and leave out the digest of its bytes."""
    rows, *rest = agree(content, layout)
    return [{name: value for name, value in row.items() if name != "digest"} for row in rows], *rest


def ebcdic(layout: str, newline: bytes) -> bytes:
    plain = synthetic(layout, newline="")
    width = layouts.load(layout).width or 0
    records = [plain[at : at + width].translate(HALF_WIDTH_TO_EBCDIC) for at in range(0, len(plain), width)]
    return b"".join(record + newline for record in records)


def is_ebcdic(content: bytes) -> bool:
    """Whether EBCDIC has each of the characters."""
    return content.translate(HALF_WIDTH_TO_EBCDIC).translate(EBCDIC_TO_HALF_WIDTH) == content


# --- after the last record --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [*FIXED, "zengin-21"])
@pytest.mark.parametrize("newline", ["CRLF", "LF", "CR", ""])
@pytest.mark.parametrize("tail", PADDING)
def test_padding_after_the_end_record_is_ignored(layout: str, newline: str, tail: bytes) -> None:
    content = synthetic(layout, newline=newline)
    before = receipts.check(io.BytesIO(content), layout, reference_date=REFERENCE)
    after = receipts.check(io.BytesIO(content + tail), layout, reference_date=REFERENCE)
    assert (list(after.issues), after.totals, after.exit_code) == (list(before.issues), before.totals, before.exit_code)
    assert not after.fatal_issues


@settings(deadline=None, max_examples=examples(80))
@given(
    st.sampled_from(FIXED),
    st.sampled_from(["CRLF", "LF", "CR", ""]),
    st.booleans(),
    st.lists(st.sampled_from(PADDING), max_size=6),
)
def test_padding_does_not_change_the_result(layout: str, newline: str, ended: bool, tail: list[bytes]) -> None:
    content = synthetic(layout, newline=newline)
    if not ended:
        content = content.rstrip(b"\r\n")
    assert read(content + b"".join(tail), layout) == read(content, layout)


EBCDIC_PADDING = [b"\r\n", b"\n", b"\r\x15", b"\x25", b"\r\x25", b"\x15", b"\x40" * 130, b"\0" * 8, b"\x3f", b"\x1a"]


@settings(deadline=None, max_examples=examples(40))
@given(st.sampled_from([b"", b"\r\x25", b"\x25", b"\x15"]), st.lists(st.sampled_from(EBCDIC_PADDING), max_size=5))
def test_padding_does_not_change_the_result_in_ebcdic(newline: bytes, tail: list[bytes]) -> None:
    content = ebcdic("zengin-91", newline)
    assert read(content + b"".join(tail), "zengin-91") == read(content, "zengin-91")


@pytest.mark.parametrize("layout", CSV)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["\n", ",,,,\n", '"","",""\n', "\n\n,,\n", ",,,", " \n", "\x1a", "\x1a\n", "\0\0"])
def test_rows_without_a_value_at_the_end_are_ignored(layout: str, newline: str, tail: str) -> None:
    content = synthetic(layout, newline={"\n": "LF", "\r\n": "CRLF"}[newline])
    content = content.rstrip(b"\r\n") + newline.encode()
    assert read(content + tail.replace("\n", newline).encode(), layout) == read(content, layout)


@pytest.mark.parametrize("layout", CSV)
@pytest.mark.parametrize("tail", [b"\x1a", b"\0\0", b"\x1a\0\x1a", b"\x1a\r\n\x1a", b"\0\n,,\n"])
@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_padding_after_a_last_row_without_a_newline_is_ignored(layout: str, tail: bytes, newline: bytes) -> None:
    content = synthetic(layout, newline="CRLF").rstrip(b"\r\n")
    assert read(content + tail + newline, layout) == read(content, layout)


@pytest.mark.parametrize("layout", CSV)
def test_padding_behind_another_row_is_damage(layout: str) -> None:
    """Only the last row may have it; a row that is cut before it rejects the file."""
    rows = synthetic(layout, newline="CRLF").rstrip(b"\r\n").split(b"\r\n")
    inside = b"\r\n".join([*rows[:-1], rows[-2] + b"\x1a", rows[-1]])
    totals = receipts.check(io.BytesIO(inside), layout, reference_date=REFERENCE).totals
    assert totals.rejected == 1
    cut = b"\r\n".join([*rows[:-1], rows[-1][: len(rows[-1]) // 2]])
    for tail in (b"", b"\x1a", b"\x1a\r\n"):
        checked = receipts.check(io.BytesIO(cut + tail), layout, reference_date=REFERENCE)
        assert "RECORD_TRUNCATED" in {issue.code for issue in checked.fatal_issues}
    agree(inside, layout)


@settings(deadline=None, max_examples=examples(60))
@given(
    st.sampled_from(CSV),
    st.one_of(st.just(["\r"] * 61), st.lists(st.sampled_from(["\r", "\n", "\r\n"]), min_size=61, max_size=61)),
    st.booleans(),
    st.integers(40, 400),
)
def test_every_newline_of_a_csv_ends_a_row(layout: str, newlines: list[str], ended: bool, chunk: int) -> None:
    """Also a CR alone, in the whole file or in some of its lines, wherever a chunk ends."""
    rows = synthetic(layout, newline="LF").rstrip(b"\n").split(b"\n")
    plain = b"\n".join(rows) + b"\n" * ended
    pairs = zip(rows, [*newlines[: len(rows) - 1], newlines[-1] * ended], strict=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_framing, "_CSV_CHUNK_BYTES", chunk)
        other = read(b"".join(row + newline.encode() for row, newline in pairs), layout)
    expected = read(plain, layout)
    assert [{**row, "byte_offset": 0} for row in other[0]] == [{**row, "byte_offset": 0} for row in expected[0]]
    assert other[1:] == expected[1:]


def test_a_carriage_return_within_a_value_ends_its_row() -> None:
    """So no payment is hidden in the row of another one, and each is rejected at its place."""
    rows = synthetic("dsk-csv", 6, newline="LF").split(b"\n")
    rows[3] = rows[3][:60] + b"\r" + rows[3][60:]
    checked = receipts.check(io.BytesIO(b"\n".join(rows)), "dsk-csv")
    assert (checked.totals.read, checked.totals.accepted, checked.totals.rejected) == (7, 5, 2)
    assert [issue.location.record for issue in checked.issues] == [3, 4]


def test_duplicate_rows_are_found_behind_any_newline() -> None:
    header, row, other, *_ = synthetic("dsk-csv", newline="LF").split(b"\n")
    for newline in (b"\r", b"\n", b"\r\n"):
        checked = receipts.check(io.BytesIO(newline.join([header, row, other, row])), "dsk-csv")
        assert [(issue.code, issue.location.record) for issue in checked.issues] == [("RECORD_REPEATED", 3)]


EBCDIC_NEWLINES = [b"", b"\r\x25", b"\x25", b"\x15", b"\r\x15", b"\r", b"\r\n", b"\n"]


# eltax-example has text that EBCDIC cannot express.
@pytest.mark.parametrize("layout", [name for name in FIXED if is_ebcdic(synthetic(name, newline=""))])
@pytest.mark.parametrize("newline", EBCDIC_NEWLINES)
def test_ebcdic_records_with_every_newline(layout: str, newline: bytes) -> None:
    """Also those of ASCII, and any of them, or blanks, behind the last record."""

    def accepted(content: bytes) -> list[dict[str, Any]]:
        rows, _, _, fatal_issues = read(content, layout)
        assert not fatal_issues
        return [{name: value for name, value in row.items() if name != "byte_offset"} for row in rows]

    expected = accepted(ebcdic(layout, b""))
    assert expected
    for tail in (*EBCDIC_NEWLINES, b"\x40" * 50, b"\r\n\x1a"):
        assert accepted(ebcdic(layout, newline) + tail) == expected


def test_a_layout_without_an_end_record_ends_with_its_last_record() -> None:
    layout = layouts.parse(NO_END, "own")
    content = b"".join(b"2026040100000000%03d" % i for i in range(1, 60))
    for tail in PADDING:
        assert read(content + tail, layout) == read(content, layout)


NO_END = """
identity = "content"
ja = "x"
en = "x"
format = "fixed"
encoding = "half-width"
width = 19
newline = ""
verified = true
source = ["x"]
[records.data]
role = "data"
ja = "x"
en = "x"
fields = [
  { id = "day", ja = "x", en = "x", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "x", en = "x", type = "yen", length = 11 },
]
[receipt]
paid_on = "day"
amount = "amount"
"""


def test_a_second_end_record_is_out_of_order() -> None:
    content = synthetic("zengin-91", newline="CRLF")
    end = content[-122:]
    _, _, issues, fatal_issues = agree(content + end, "zengin-91")
    assert [(issue.code, issue.expected, issue.found, issue.location.byte) for issue in fatal_issues] == [
        ("RECORD_ORDER", "nothing after the end record", "end", len(content))
    ]
    assert list(issues) == list(fatal_issues)


# --- between the records ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r", b""])
@pytest.mark.parametrize("blank", [b"", b" ", b" " * 120])
@pytest.mark.parametrize("count", [1, 3])
def test_a_blank_line_between_records_is_one_warning(newline: bytes, blank: bytes, count: int) -> None:
    if not newline and len(blank) < 120:
        return
    content = synthetic("zengin-91", newline="")
    records = [content[at : at + 120] for at in range(0, len(content), 120)]
    good = reading_of(b"".join(record + newline for record in records), "zengin-91")
    records[30:30] = [blank] * count
    rows, totals, issues, fatal_issues = agree(b"".join(record + newline for record in records), "zengin-91")
    (issue,) = issues
    assert (issue.code, issue.location.record, issue.found) == ("LINE_BLANK", 31, f"{count} lines" if count > 1 else "")
    assert issue.location.byte == 30 * (120 + len(newline))
    assert not issue.is_error
    assert not fatal_issues
    assert totals.records == good.totals.records
    assert [row["amount"] for row in rows] == [row["amount"] for row in good.rows]
    assert (totals.read, totals.rejected, totals.accepted_yen) == (60, 0, good.totals.accepted_yen)
    assert all(total.agrees for total in totals.declared)
    # A number is the number of a line: what follows the blank lines is counted on.
    assert {row["record_no"] - before["record_no"] for row, before in zip(rows, good.rows, strict=True)} == {0, count}


@pytest.mark.parametrize("newline", [b"\r\n", b""])
@pytest.mark.parametrize("hole", [b"\0" * 120, b"\0" * 60 + b" " * 60])
def test_nul_bytes_between_records_are_damage(newline: bytes, hole: bytes) -> None:
    content = synthetic("zengin-91", newline="")
    records = [content[at : at + 120] for at in range(0, len(content), 120)]
    records.insert(30, hole)
    *_, fatal_issues = agree(b"".join(record + newline for record in records), "zengin-91")
    assert [(issue.code, issue.location.record, issue.found) for issue in fatal_issues] == [
        ("BYTE_UNKNOWN", 31, "NUL or SUB")
    ]
    _, totals, issues, _ = agree(b"".join(record + newline for record in records), "zengin-91", lenient=True)
    assert (totals.rejected, [issue.code for issue in issues]) == (1, ["BYTE_UNKNOWN"])


@pytest.mark.parametrize("layout", CSV)
@pytest.mark.parametrize("blank", [b"", b",,,,", b'"",""', b" "])
def test_a_row_without_a_value_between_rows_is_one_warning(layout: str, blank: bytes) -> None:
    lines = synthetic(layout, newline="LF").splitlines()
    good = reading_of(b"\n".join(lines), layout)
    lines[31:31] = [blank]
    rows, totals, issues, fatal_issues = agree(b"\n".join(lines), layout)
    new = [(issue.code, issue.location.record) for issue in issues if issue.code != "LAYOUT_UNVERIFIED"]
    assert new == [("LINE_BLANK", 31 if layouts.load(layout).csv.header != "none" else 32)]  # type: ignore[union-attr]
    assert not fatal_issues
    assert totals == good.totals
    assert [row["amount"] for row in rows] == [row["amount"] for row in good.rows]


def test_a_blank_line_before_the_header_row_is_skipped() -> None:
    content = synthetic("kokin-csv", newline="LF")
    rows, totals, issues, _ = agree(b"\n\n" + content, "kokin-csv")
    good = agree(content, "kokin-csv")
    assert [row["record_no"] for row in rows] == [row["record_no"] for row in good.rows]
    assert [(issue.code, issue.found, issue.location.byte) for issue in issues] == [("LINE_BLANK", "2 lines", 0)]
    assert totals == good.totals


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from([*FIXED, *CSV]), st.sampled_from(["CRLF", "LF"]))
def test_blank_lines_anywhere_change_no_receipt(data: st.DataObject, layout: str, newline: str) -> None:
    lines = synthetic(layout, newline=newline).splitlines(keepends=True)
    end = {"CRLF": b"\r\n", "LF": b"\n"}[newline]
    lines[-1] = lines[-1].rstrip(b"\r\n") + end
    good = agree(b"".join(lines), layout)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(1, len(lines)))
        lines[at:at] = [end] * data.draw(st.integers(1, 40))
    rows, totals, issues, fatal_issues = agree(b"".join(lines), layout)
    assert totals.accepted_yen == good.totals.accepted_yen
    assert [row["amount"] for row in rows] == [row["amount"] for row in good.rows]
    assert {issue.code for issue in issues} <= {"LINE_BLANK", "LAYOUT_UNVERIFIED"}
    assert not fatal_issues


# --- files without records --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [*FIXED, "zengin-21", *CSV])
@pytest.mark.parametrize(
    "content", [b"", b"\x1a", b"\0" * 4096, b" " * 500, b"\r\n" * 9, b"\0\x1a \r\n", b"\0" * 200_000, b"\x40" * 240]
)
def test_a_file_without_records_is_empty(layout: str, content: bytes) -> None:
    if content.startswith(b"\x40") and layouts.load(layout).format == "csv":
        return
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
    with pytest.raises(receipts.FileRejectedError):
        file.validate()
    assert [issue.code for issue in file.fatal_issues] == ["FILE_EMPTY"]


def test_a_record_after_much_padding_is_read() -> None:
    content = b"\0" * 120_000 + synthetic("zengin-91", newline="")
    *_, fatal_issues = agree(content, "zengin-91")
    assert [issue.code for issue in fatal_issues] == ["BYTE_UNKNOWN"]


# --- quotes -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(100))
@given(st.data(), st.sampled_from(CSV), st.sampled_from(["CRLF", "LF"]))
def test_a_stray_quote_changes_at_most_its_own_record(data: st.DataObject, layout: str, newline: str) -> None:
    content = synthetic(layout, newline=newline)
    rows = agree(content, layout)[0]
    header = 0 if layouts.load(layout).csv.header == "none" else content.index(b"\n") + 1  # type: ignore[union-attr]
    at = data.draw(st.integers(header, len(content)))
    number = content[header:at].count(b"\n") + 1
    changed, totals, issues, fatal_issues = agree(content[:at] + b'"' + content[at:], layout)
    if at == len(content) and content.endswith(b"\n"):
        number = len(rows)  # a line of its own, with nothing in it
    others = [(row["record_no"], row["amount"]) for row in rows if row["record_no"] != number]
    assert [(row["record_no"], row["amount"]) for row in changed if row["record_no"] != number] == others
    assert not fatal_issues
    assert (totals.read, totals.rejected) in ((60, 1), (60, 0))
    assert {issue.code for issue in issues} <= {"QUOTES", "LAYOUT_UNVERIFIED"}


def test_two_rows_with_a_bare_quote_reject_two_rows() -> None:
    lines = synthetic("dsk-csv", newline="CRLF").split(b"\r\n")
    for at in (2, 5):
        lines[at] = lines[at].replace(b'"', b'"AB"', 1)
    _, totals, issues, _ = agree(b"\r\n".join(lines), "dsk-csv")
    assert (totals.read, totals.accepted, totals.rejected) == (60, 58, 2)
    assert [(issue.code, issue.location.record) for issue in issues] == [("QUOTES", 2), ("QUOTES", 5)]


def test_a_row_that_is_cut_in_a_quoted_value_rejects_the_file() -> None:
    content = synthetic("dsk-csv", newline="CRLF")
    *_, fatal_issues = agree(content[: content.rindex(b'"')], "dsk-csv")
    assert [issue.code for issue in fatal_issues] == ["RECORD_TRUNCATED"]


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x1b[2J"])
def test_a_control_character_is_never_written(value: str) -> None:
    row = {"amount": 1, "paid_on": date(2026, 4, 1), "channel": value}
    with pytest.raises(InvalidInputError, match="CHARACTER"):
        receipts.write([row], io.BytesIO(), "kokin-csv")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["YAMADATARO", "yamada", "山田太郎", "ﾔﾏﾀﾞ ﾀﾛｳ"])
def test_a_name_in_any_column_is_never_shown(name: str) -> None:
    good = dict(zip(*(line.split(",") for line in synthetic("kokin-csv").decode().splitlines()[:2]), strict=True))
    for column in good:
        lines = [",".join(good), ",".join({**good, column: name}.values())]
        for content in ("\n".join(lines), lines[1], f"{lines[1]}\n{lines[1]}"):
            report = receipts.check(io.BytesIO(content.encode()), "kokin-csv", reference_date=REFERENCE)
            text = "".join(issue.describe(language) for issue in report.issues for language in ("en", "ja"))
            assert name not in f"{text}{report.as_dict()}{report.as_sarif()}"
    for at in range(0, 100, 7):
        content = bytearray(synthetic("zengin-91", newline=""))
        raw = name.encode("cp932")
        content[120 + at : 120 + at + len(raw)] = raw
        report = receipts.check(io.BytesIO(bytes(content)), "zengin-91", reference_date=REFERENCE)
        assert name not in f"{report.as_dict()}{report.as_sarif()}"


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", [b'"' + b"a" * 60_000 + b'"a', b'"' * 60_001, b'"a' * 30_000, b',"' * 20_001, b"a" * 60_000 + b'"']
)
def test_a_row_of_quotes_is_split_in_one_pass(row: bytes) -> None:
    """A search for the end of a quote would take the square of the length: minutes."""
    with pytest.raises(InvalidInputError, match="QUOTES"):
        split_row(row)
    assert has_stray_quote(row)


@given(st.text('",\t;a', max_size=12), st.sampled_from([b",", b"\t", b";"]))
@settings(deadline=None, max_examples=examples(300))
def test_a_row_has_a_stray_quote_if_it_cannot_be_split(text: str, delimiter: bytes) -> None:
    raised = False
    try:
        split_row(text.encode(), delimiter)
    except InvalidInputError:
        raised = True
    assert has_stray_quote(text.encode(), delimiter) == raised


ORDINARY = synthetic("kokin-csv", 30_000)
HEADER, ROW = ORDINARY.split(b"\n", 2)[:2]
FIXED_LINES = synthetic("zengin-91", newline="CRLF").splitlines(keepends=True)
HOSTILE = {
    "empty lines between records": b"".join([*FIXED_LINES[:30], b"\r\n" * 500_000, *FIXED_LINES[30:]]),
    "a record and an empty line": b"\r\n".join([FIXED_LINES[0], *FIXED_LINES[1:61] * 300, *FIXED_LINES[61:]]),
    "quotes": HEADER + b"\n" + (b'"' + b"a" * 60_000 + b'"a\n') * 50,
    "only quotes": HEADER + b"\n" + b'"' * 3_000_000,
    "empty lines": HEADER + b"\n" * 2_000_000 + ROW,
    "a row and an empty line": HEADER + b"\n" + (ROW + b"\n\n") * 20_000,
    "long fields": HEADER + b"\n" + (b"9" * 60_000 + b"\n") * 50,
    "one long line": HEADER + b"\n" + b"x" * 5_000_000,
    "many columns": HEADER + b"\n" + (b"," * 10_000 + b"x\n") * 300,
    "a header of many columns": b"a," * 30_000 + b"\n" + (ROW + b"\n") * 20_000,
    "NULs": b"\0" * 5_000_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", HOSTILE)
@pytest.mark.parametrize("layout", ["kokin-csv", "dsk-csv", "zengin-91"])
def test_no_input_costs_much_more_than_an_ordinary_one(shape: str, layout: str) -> None:
    def seconds(content: bytes, layout: str) -> float:
        start = time.perf_counter()
        file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
        try:
            for _ in file:
                pass
        except receipts.FileRejectedError:
            pass
        return time.perf_counter() - start

    ordinary = seconds(ORDINARY, "kokin-csv") / len(ORDINARY)
    assert seconds(HOSTILE[shape], layout) / len(HOSTILE[shape]) < 10 * ordinary + 1e-7
