"""Three ways to read a file have one result: records, batches of the fast reader, and batches without it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.receipts import _fast, layouts
from kokin.receipts.layouts import Layout
from tests.receipts.differential import LAYOUTS, agree, reading_of, synthetic
from tests.support import examples


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("newline", ["CRLF", "LF", "CR", ""])
def test_all_readers_agree_on_valid_files(layout: str, newline: str) -> None:
    if layouts.load(layout).format == "csv" and newline in ("CR", ""):
        return
    rows, totals, issues, fatal_issues = agree(synthetic(layout, newline=newline), layout)
    assert rows
    assert not fatal_issues
    assert {issue.code for issue in issues} <= {"LAYOUT_UNVERIFIED"}
    assert totals.read == 60


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_fast_reader_supports_every_built_in_layout_but_xml(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests of this module would compare the record reader with itself."""
    batches, sizes = _fast.batches, list[int]()

    def counted(*arguments: Any, **options: Any) -> Any:
        for batch in batches(*arguments, **options):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(_fast, "batches", counted)
    rows = reading_of(synthetic(layout), layout).rows
    assert sum(sizes) == (0 if layouts.load(layout).format == "xml" else len(rows))


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.booleans())
def test_all_readers_agree_on_damaged_files(data: st.DataObject, layout: str, newline: str, lenient: bool) -> None:
    if layouts.load(layout).format == "csv":
        newline = newline or "LF"
    content = bytearray(synthetic(layout, newline=newline))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["byte", "digit", "blank", "delete", "insert"])):
            case "byte":
                content[at] = data.draw(st.integers(0, 255))
            case "digit":
                content[at] = data.draw(st.integers(0x30, 0x39))
            case "blank":
                content[at] = 0x20
            case "delete":
                del content[at : at + data.draw(st.integers(1, 3))]
            case "insert":
                content[at:at] = data.draw(st.binary(min_size=1, max_size=3))
    agree(bytes(content), layout, lenient=lenient)


CELLS = {
    "payee_code": ["99999", "", "9999", "999999", "９９９９９"],
    "item_code": ["127", "", "12"],
    "case_key": ["00000000001234567890", "1234567890", "", "0", "123456789012345678901", "12 4"],
    "confirmation": ["123456", "", "12345"],
    "amount": ["1", "0", "00100", "99999999999", "100000000000", "", "1,000", "-1", "1.0", " 1"],
    "paid_on": ["2026-04-01", "2026-02-30", "20260401", "2026/04/01", "0000-00-00", "", "2026-4-1", "1899-12-31"],
    "barcode": [
        "",
        "91929023252070000010123499900199999900106050",
        "91929023252070000010123499900199999900106051",
        "91",
    ],
    "customer_number": ["", "A-1", " 12 ", "x" * 20, "x" * 21, "番号", "　", "\ta"],
    "kind": ["", "final", "cancel", "correction", "reversal", "Final", "manual", "final ", '"final"', 'fi"nal'],
    "paid_time": ["", "12:00:00", "12:00", "1200", "24:00:00", "12:60", "12-00"],
    "settled_on": ["", "2026-04-05", "0", "-"],
    "channel": [
        "",
        "コンビニ",
        "ファミリーマート",
        "あ" * 20,
        "あ" * 21,
        "\ue000",
        "\u2028",
        '"quoted, ""twice"""',
        '"two\nlines"',
        "é",
    ],
    "provider_key": ["", "k1", '"', '""', '"k"'],
    "cancels": ["", "k1", "%|"],
    "actor": ["", "会計課"],
}


@settings(deadline=None, max_examples=examples(150))
@given(
    st.permutations(sorted(CELLS)),
    st.lists(st.tuples(*(st.sampled_from(cells) for _, cells in sorted(CELLS.items()))), min_size=1, max_size=30),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\x1a", "\n\x1a", ",", '"']),
    st.booleans(),
    st.sampled_from(["comma", "tab", "semicolon"]),
)
def test_all_readers_agree_on_valid_and_invalid_cells(
    columns: list[str], rows: list[tuple[str, ...]], newline: str, end: str, mostly_valid: bool, delimiter: str
) -> None:
    layout = with_delimiter("kokin-csv", delimiter)
    assert layout.csv
    mark = layout.csv.delimiter_byte.decode()
    if mostly_valid:  # so that some rows are valid in all fields
        rows = [
            tuple(cells[0] if i % 3 else cell for i, (cell, cells) in enumerate(zip(row, CELLS_IN_ORDER, strict=True)))
            for row in rows
        ]
    by_name = [dict(zip(sorted(CELLS), row, strict=True)) for row in rows]
    lines = [mark.join(columns), *(mark.join(row[name] for name in columns) for row in by_name)]
    agree((newline.join(lines) + end).encode(), layout)


def with_delimiter(name: str, delimiter: str) -> Layout:
    """Return a built-in layout of a CSV with another delimiter between the cells."""
    layout = layouts.load(name)
    assert layout.csv
    return layout.model_copy(update={"csv": layout.csv.model_copy(update={"delimiter": delimiter})})


@pytest.mark.parametrize("delimiter", ["tab", "semicolon"])
@pytest.mark.parametrize("max_issues", [3, 9999])
def test_the_fast_reader_supports_every_delimiter(delimiter: str, max_issues: int) -> None:
    layout = with_delimiter("kokin-csv", delimiter)
    assert layout.csv
    assert _fast.supports(layout, [field.id for field in layout.data.fields])
    head = ["payee_code", "item_code", "case_key", "confirmation", "amount", "paid_on", "provider_key"]
    row = ["99999", "127", "00000000001234567890", "123456", "12300", "2026-04-01", "a,b"]
    mark = layout.csv.delimiter_byte.decode()
    quoted = [*row[:6], '"a;b"']
    lines = [head, *[row, quoted, row[:6], [*row, "x"], [*row[:6], 'a"b'], ["x"], [*row[:4], "1,2", *row[5:]]] * 20]
    content = "\n".join(mark.join(cells) for cells in lines).encode()
    rows, totals, issues, _ = agree(content, layout, max_issues=max_issues)
    assert {each["provider_key"] for each in rows} == {"a,b", "a;b"}
    assert (totals.accepted, totals.rejected, len(issues)) == (40, 100, min(max_issues, 100))


def test_a_quote_that_does_not_close_rejects_its_own_line_only() -> None:
    head = "payee_code,item_code,case_key,confirmation,provider_key,amount,paid_on"
    valid, opened, closed = (f"99999,127,1,123456,{key},1,2026-04-01" for key in ("", '"a', 'b"'))
    for middle in ([opened, closed], [opened, valid, closed], [opened, valid], [closed]):
        lines = [head, *[valid] * 20, *middle, *[valid] * 20, ""]
        rows, totals, issues, fatal_issues = agree("\n".join(lines).encode(), "kokin-csv")
        invalid = [21 + i for i, line in enumerate(middle) if line != valid]
        assert [(issue.code, issue.location.record) for issue in issues] == [("QUOTES", number) for number in invalid]
        assert {row["record_no"] for row in rows} == set(range(1, 41 + len(middle))) - set(invalid)
        assert (totals.rejected, len(fatal_issues)) == (len(invalid), 0)


CELLS_IN_ORDER = [cells for _, cells in sorted(CELLS.items())]


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.booleans())
def test_all_readers_agree_on_many_damaged_files(data: st.DataObject, layout: str, newline: str, lenient: bool) -> None:
    test_all_readers_agree_on_damaged_files.hypothesis.inner_test(data, layout, newline, lenient)  # type: ignore[attr-defined]


CONSTANT_CSV = """
ja = "x"
en = "x"
format = "csv"
encoding = "cp932"
newline = "LF"
verified = true
source = ["x"]
[csv]
header = "none"
[records.data]
role = "data"
ja = "x"
en = "x"
fields = [
  { id = "mark", ja = "x", en = "x", type = "text", length = 4, const = "AB" },
  { id = "code", ja = "x", en = "x", type = "digits", length = 2, const = "07" },
  { id = "day", ja = "x", en = "x", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "x", en = "x", type = "yen", length = 11 },
]
[identity]
fields = ["day", "amount"]

[receipt]
paid_on = "day"
amount = "amount"
"""


@pytest.mark.parametrize("channel", ["", 'channel = "mark"\n', 'channel = "code"\n'])
def test_constants_of_a_csv(channel: str) -> None:
    rows = [
        "AB,07,20260401,5",
        "ABC,07,20260401,5",
        "AB,7,20260401,5",
        "AB,08,20260401,5",
        'AB,"07","20260401",5',
        "AB ,07,20260401,5",
    ]
    layout = layouts.parse(CONSTANT_CSV + channel, "constant")
    read, totals, *_ = agree("\n".join(rows * 4).encode() + b"\n", layout)
    assert (len(read), totals.rejected) == (8, 16)


MAPPED_CODES = """
ja = "x"
en = "x"
format = "fixed"
encoding = "half-width"
width = 24
newline = "LF"
verified = true
source = ["x"]
[records.data]
role = "data"
ja = "x"
en = "x"
fields = [
  { id = "mark", ja = "x", en = "x", type = "digits", length = 1%s },
  { id = "day", ja = "x", en = "x", type = "date", format = "YYYYMMDD", length = 8 },
  { id = "amount", ja = "x", en = "x", type = "yen", length = 11 },
  { id = "filler", ja = "x", en = "x", type = "filler", length = 4 },
]
[identity]
fields = ["day", "amount"]

[receipt]
kind = { field = "mark", values = { 1 = "final", 2 = "cancel" } }
paid_on = "day"
amount = "amount"
"""


@pytest.mark.parametrize("codes", ["", ', codes = { 1 = "x", 2 = "x", 3 = "x" }', ', open = true, codes = { 3 = "x" }'])
def test_a_code_that_the_mapping_does_not_know(codes: str) -> None:
    rows = [f"{i % 5}2026040100000000{i + 1:03d}    \n" for i in range(100)]
    read, totals, issues, _ = agree("".join(rows).encode(), layouts.parse(MAPPED_CODES % codes, "mapped"))
    assert (len(read), totals.rejected, {issue.code for issue in issues}) == (40, 60, {"CODE_UNKNOWN"})
