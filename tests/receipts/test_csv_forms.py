"""Receipts in the columns of another system, in the forms that exports have: the readers agree on all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.receipts import layouts
from kokin.receipts._record import Decoder
from kokin.receipts.layouts import Layout
from tests.receipts.differential import agree, reading_of
from tests.support import examples

_LAYOUT = """
ja = "収納"
en = "receipts of an export"
format = "csv"
encoding = "%(encoding)s"
newline = "CRLF"
verified = true
source = ["invented"]
identity = %(identity)s

[csv]
header = "names"
delimiter = "%(delimiter)s"
other_columns = "ignore"

[records.data]
role = "data"
ja = "収納"
en = "receipt"
fields = [
  { id = "day", column = "領収日", ja = "領収日", en = "day", %(day)s },
  { id = "yen", column = "金額", ja = "金額", en = "yen", type = "yen", %(yen)s },
  { id = "customer", column = "お客様番号", ja = "番号", en = "number", %(customer)s },
  { id = "place", column = "場所", ja = "場所", en = "place", %(place)s },
]

[receipt]
paid_on = "day"
amount = "yen"
customer_number = %(number)s
channel = %(channel)s
%(more)s
"""
_DEFAULTS = {
    "encoding": "cp932",
    "delimiter": "comma",
    "identity": '"content"',
    "day": 'type = "date", format = "YYYY-MM-DD", length = 24',
    "yen": "length = 14",
    "customer": 'type = "digits", length = 8',
    "place": 'type = "text", length = 20',
    "number": '"customer"',
    "channel": '"place"',
    "more": "",
}


def layout_of(**changes: str) -> Layout:
    return layouts.parse(_LAYOUT % (_DEFAULTS | changes), "export")


def date_field(style: str, options: str = "") -> str:
    return f'type = "date", format = "{style}", length = 24{options}'


def file_of(
    layout: Layout, rows: Sequence[tuple[str, ...]], columns: str = "領収日,金額,お客様番号,場所,備考"
) -> bytes:
    """Return a file of rows whose cells are separated by ``|``; the column 備考 is not in the layout."""
    assert layout.csv
    mark = layout.csv.delimiter_byte.decode()
    lines = [columns.replace(",", mark), *(mark.join(row) for row in rows), ""]
    return "\r\n".join(lines).encode(layout.encoding, "replace")


_DATE_FORMS = {
    "YYYY-MM-DD": "2026-04-{:02d}",
    "YYYYMMDD": "202604{:02d}",
    "YYMMDD": "2604{:02d}",
    "wareki YYMMDD": "0804{:02d}",
    "wareki EYYMMDD": "50804{:02d}",
    "YYYY/MM/DD": "2026/04/{:02d}",
    "YYYY/M/D": "2026/4/{}",
    "YYYY年M月D日": "2026年4月{}日",
    "wareki R8.6.1": "R8.4.{}",
    "wareki 令和8年6月1日": "令和8年4月{}日",
}


@pytest.mark.parametrize(
    ("changes", "day", "yen", "number"),
    [
        *(({"day": date_field(style)}, form, "{}", "{:08d}") for style, form in _DATE_FORMS.items()),
        ({"delimiter": "tab"}, "2026-04-{:02d}", "{}", "{:08d}"),
        ({"delimiter": "semicolon"}, "2026-04-{:02d}", "{}", "{:08d}"),
        ({"yen": "length = 14, formatted = true"}, "2026-04-{:02d}", "{}円", "{:08d}"),
        ({"yen": "length = 24, formatted = true"}, "2026-04-{:02d}", '"{:,}円"', "{:08d}"),
        ({"yen": "length = 24, formatted = true"}, "2026-04-{:02d}", '"￥{:,}"', "{:08d}"),
        ({"yen": "length = 24, formatted = true"}, "2026-04-{:02d}", '" \\{:,} "', "{:08d}"),
        ({"yen": "length = 24, formatted = true", "encoding": "utf-8"}, "2026-04-{:02d}", '"¥{:,}"', "{:08d}"),
        ({"yen": "length = 24"}, "2026-04-{:02d}", "{}", "{:08d}"),
        ({"customer": 'type = "digits", length = 8, zero_pad = true'}, "2026-04-{:02d}", "{}", "{}"),
        ({"customer": 'type = "digits", length = 20'}, "2026-04-{:02d}", "{}", "{:08d}"),
        ({"customer": 'type = "digits", prefix = "C", length = 20'}, "2026-04-{:02d}", "{}", "C{:08d}"),
    ],
)
def test_a_form_of_exports_is_read_by_the_fast_reader(
    changes: dict[str, str], day: str, yen: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_of(**changes)
    rows = [(day.format(i), yen.format(i * 1000), number.format(i), "窓口", "備考") for i in range(1, 31)]
    content = file_of(layout, rows)
    agree(content, layout)
    monkeypatch.setattr(Decoder, "decode", None)  # no record is read singly
    read, totals, issues, _ = reading_of(content, layout)
    assert (totals.accepted, issues) == (30, [])
    assert [row["amount"] for row in read] == [i * 1000 for i in range(1, 31)]
    assert [row["paid_on"].isoformat() for row in read] == [f"2026-04-{i:02d}" for i in range(1, 31)]
    assert [row["customer_number"] for row in read] == [f"{i:08d}" for i in range(1, 31)]
    assert {row["channel"] for row in read} == {"窓口"}


_DAYS = [*_DATE_FORMS.values(), "", "0", "-", " ", "x", "2026/13/{}", "R0.4.{}", "９９９９/4/{}", "令和元年５月{}日"]
_DAYS += [
    "2026-04-{:02d}x",
    "2026/4/{}日",
    "2026/4.{}",
    "明治",
    "R08.04.{:02d}",
    "r8/4/{}",
    "00000000",
    "20260{}",
    "é{}",
]
_YEN = ["{}", "{:,}", "{:,}円", "￥{:,}", "¥{:,}", "\\{:,}", "{},000", "12,34", "1,2345", ",123", "0", "00{}", "", "  "]
_YEN += [
    "円",
    "￥",
    "-{}",
    "{}.0",
    " {:,} ",
    "\u3000{}円",
    "￥￥{}",
    "{}円円",
    "１２３",
    "99,999,999,999",
    "9" * 11,
    "9" * 19,
]
_YEN += ["100,000,000,000", "0" * 20 + "{}", "y{}", "é"]
_NUMBERS = [
    "{:08d}",
    "{}",
    "C{:08d}",
    "C",
    "",
    " ",
    "000",
    "{:08d}x",
    "12 4",
    "9" * 20,
    "9" * 21,
    "１２３",
    "-",
    "é",
    "　",
]
_PLACES = [
    "窓口",
    "",
    "-",
    "　",
    " a ",
    "あ" * 20,
    "é",
    "\ue000",
    "\u2028",
    "C",
    "Cx",
    "a\tb",
    '"',
    '""',
    'q"',
    '"x""y"',
]


def _cell(form: str, number: int) -> str:
    return form.format(number) if "{}" in form or "{:" in form else form


@st.composite
def _rows(draw: st.DrawFn, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Return a row in the usual forms, of which one or two cells may have another one, and its note."""
    number = draw(st.integers(0, 40))
    cells = [_cell(form, number % 30 + 1) for form in usual]
    for at in draw(st.lists(st.integers(0, 3), max_size=2)):
        cells[at] = _cell(draw(st.sampled_from((_DAYS, _YEN, _NUMBERS, _PLACES)[at])), number)
    cells = [f'"{cell}"' if "," in cell or not number else cell for cell in cells]
    return (*cells, draw(st.sampled_from(["", "備考", "備考", "é", '"a,b"', 'a"b'])))


@st.composite
def _options(draw: st.DrawFn, /, **options: list[str]) -> str:
    """Return the text of some options of a field, each with one of its values or left out."""
    drawn = {name: draw(st.sampled_from(["", *values])) for name, values in options.items()}
    return "".join(f", {name} = {value}" for name, value in drawn.items() if value)


@st.composite
def _layouts(draw: st.DrawFn) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return changes of the layout, and the usual form of each cell."""
    style = draw(st.sampled_from([*_DATE_FORMS]))
    is_formatted, is_padded = draw(st.booleans()), draw(st.booleans())
    prefix = draw(st.sampled_from(["", ', prefix = "C"']))
    customer = draw(st.sampled_from(["digits", "text", "digits"]))
    length = draw(st.sampled_from([8, 9, 20]))
    identity = draw(st.sampled_from(['"content"', '{ fields = ["day", "customer"] }', '{ assigned = ["customer"] }']))
    padded = ", zero_pad = true" * (is_padded and customer == "digits")
    options = draw(
        _options(blank=["true"], none=['"-"', '"000"'], codes=['{ "00000001" = "x", "C" = "y" }'], open=["true"])
    )
    treatments = ['over = "cut"', 'over = "drop"', 'blank = "0"', "slice = [1, 4]", 'values = { "00000001" = "A" }']
    number = f'{{ field = "customer", {draw(st.sampled_from(treatments))} }}'
    place = draw(st.sampled_from(["text", "filler", "digits", "kanji"]))
    is_read = place != "filler"
    joined = 'name = { join = ["day", "customer"], separator = "/" }'
    changes = {
        "encoding": draw(st.sampled_from(["cp932", "utf-8"])),
        "identity": identity,
        "day": date_field(style, draw(_options(blank=["true"], none=['"-"', '"0"']))),
        "yen": f"length = {draw(st.sampled_from([6, 14, 18, 24]))}{', formatted = true' * is_formatted}"
        + draw(_options(blank=["true"], none=['"0"', '"-"'])),
        "customer": f'type = "{customer}", length = {length}{prefix}{padded}{options}',
        "place": f'type = "{place}", length = 20' + draw(_options(none=['"-"', '"窓口"'], blank=["true"])),
        "number": draw(st.sampled_from(['"customer"', '"customer"', number])),
        "channel": draw(
            st.sampled_from(['"place"', '{ field = "place", blank = "x" }', '{ field = "place", over = "cut" }'])
        )
        if is_read
        else '{ const = "x" }',
        "more": draw(
            st.sampled_from(["", 'case_key = "customer"', joined, "[together]\nboth = ['customer_number', 'channel']"])
        ),
    }
    yen = "{:,}円" if is_formatted else "{}"
    usual = "{}" if is_padded else "{:08d}"
    return changes, (_DATE_FORMS[style], yen, f"C{usual}" if prefix else usual, "123" if place == "digits" else "窓口")


@settings(deadline=None, max_examples=examples(400))
@given(st.data(), _layouts())
def test_all_readers_agree_on_mixed_forms(data: st.DataObject, drawn: tuple[dict[str, str], tuple[str, ...]]) -> None:
    changes, usual = drawn
    layout = layout_of(**changes)
    rows = data.draw(st.lists(_rows(usual), min_size=16, max_size=40))
    agree(file_of(layout, rows), layout)
