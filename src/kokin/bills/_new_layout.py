"""Write the layout of a file of bills from the header and the first rows of a sample.

The layout is a beginning: what is guessed is marked ``# ?``, and a comment asks for each required field without a
column. It contains names of columns, types and lengths, and no value of the sample.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from kokin.bills._column_names import LikelyColumn, likely_columns, part_columns
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Amounts, Bill, BillStatus, Date, Digits, Names, PersonalName, Text, Yen, field_types
from kokin.text import file_name, parse_date_text, parse_wareki, parse_wareki_text

_SAMPLE_BYTES = 1 << 20
_SAMPLE_ROWS = 1000
_UTF_8_BOM = b"\xef\xbb\xbf"
_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon"}
_BYTES_PER_CHARACTER = {"utf-8": 3, "cp932": 2}
_YEN = re.compile(r"[¥￥\\]?\d[\d,]*円?", re.ASCII)
_FORMATTING = re.compile(r"[¥￥\\,円]")
# What a required field contains, for the comment that asks for it.
_REQUIRED = {
    "bill_id": (
        '{ join = ["...", "..."] }',
        "your own number of the slip, unique in the file; `kokin issue allot` needs none",
    ),
    "payee_code": ('{ const = "....." }', "共通納税機関コード, 5 digits"),
    "item_code": ('{ const = "..." }', "税目・料金番号, 3 digits"),
    "case_key": ('"..."', "案件特定キー, at most 20 digits; `kokin issue allot` needs none"),
    "confirmation": ('"..."', "確認番号, 6 digits; `kokin issue allot` needs none"),
    "amount": ('"..."', "the yen of the slip"),
    "due_on": ('"..."', "納期限"),
    "levy_year": ('"..."', "賦課年度 of the eL-QR; a reconciliation needs none"),
    "tax_year": ('"..."', "課税年度 of the eL-QR; a reconciliation needs none"),
    "payable_until": ('"..."', "支払期限 of the eL-QR; a reconciliation needs none"),
}


def _iso(text: str) -> date:
    return date.fromisoformat(text)


def _eight_digits(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


# The formats of dates with their longest text in characters; the first that fits every value is used.
_DATE_FORMATS: dict[str, tuple[re.Pattern[str], Callable[[str], date], int]] = {
    "YYYY-MM-DD": (re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII), _iso, 10),
    "YYYYMMDD": (re.compile(r"\d{8}", re.ASCII), _eight_digits, 8),
    "YYYY/MM/DD": (re.compile(r"\d{4}/\d{2}/\d{2}", re.ASCII), parse_date_text, 10),
    "YYYY/M/D": (re.compile(r"[^年]*"), parse_date_text, 10),
    "YYYY年M月D日": (re.compile(r".*"), parse_date_text, 16),
    "wareki R8.6.1": (re.compile(r"[^年]*"), parse_wareki_text, 12),
    "wareki 令和8年6月1日": (re.compile(r".*"), parse_wareki_text, 16),
    "wareki EYYMMDD": (re.compile(r"[1-5]\d{6}", re.ASCII), parse_wareki, 7),
}


def _parses(parse: Callable[[str], date], text: str) -> bool:
    with suppress(InvalidInputError, ValueError):
        parse(text)
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Sample:
    """The form of a file, its column names, and the values of its first rows by column."""

    encoding: str
    has_bom: bool
    newline: str
    delimiter: str
    names: list[str]
    columns: list[list[str]]
    """The values of each column that are not empty."""
    row_count: int
    rows: list[list[str]] = field(repr=False)


@dataclass(slots=True)
class _FieldLine:
    """One line of ``fields``; ``problem`` says why the field is not mapped."""

    id: str
    column: str
    type: str
    length: int
    options: dict[str, Any] = field(default_factory=dict)
    is_guess: bool = False
    problem: str = ""

    def text(self) -> str:
        keys: dict[str, Any] = {"id": self.id, "column": self.column, "ja": self.column}
        keys |= {"en": self.id.replace("_", " "), "type": self.type, "length": self.length, **self.options}
        content = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items())
        return f"{{ {content} }},"


def new_layout(sample: str | Path, name: str) -> str:
    """Return the text of a layout file for bills in the columns of a sample, to be completed and compared.

    The sample is a CSV (comma, tab or semicolon; UTF-8 or cp932) with a header row. Encoding, delimiter, columns, types
    and lengths are those of its first 1,000 rows. The text contains no value of the sample. A sample of which no column
    has a known name is rejected, because its first row may be data.

    Raises:
        InvalidInputError: ``FILE_FORM``: the sample has no header row, or none of the known names; ``BYTE_UNKNOWN``,
            ``FILE_EMPTY``.
        OSError: the sample cannot be read.
    """
    path = Path(sample)
    read = _read_sample(path)
    found = likely_columns(read.names)
    has_data = any(any(character.isdigit() for character in name) and _is_value(name) for name in read.names)
    if has_data or not any(column.is_certain for column in found.values()):
        expected = "a header row in which at least one column has a known name, such as 金額 or 納期限"
        raise InvalidInputError([Issue("FILE_FORM", expected=expected, location=Location(file_name(path)))])
    return "\n".join(_lines(read, found, name)) + "\n"


def _is_value(name: str) -> bool:
    """Whether a cell of the first row is a number, yen or a date, so that the row is no header."""
    return bool(_YEN.fullmatch(name)) or any(_fits(name, *form) for form in _DATE_FORMATS.values())


def _fits(text: str, pattern: re.Pattern[str], parse: Callable[[str], date], _: int) -> bool:
    return bool(pattern.fullmatch(text)) and _parses(parse, text)


def _read_sample(path: Path) -> _Sample:
    with path.open("rb") as file:
        content = file.read(_SAMPLE_BYTES)
        if file.read(1):
            content = content[: content.rfind(b"\n") + 1]
    has_bom = content.startswith(_UTF_8_BOM)
    content = content.removeprefix(_UTF_8_BOM)
    location = Location(file_name(path))
    if not content.strip():
        raise InvalidInputError([Issue("FILE_EMPTY", location=location)])
    for encoding in ("utf-8", "cp932"):
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            break
    else:
        raise InvalidInputError([Issue("BYTE_UNKNOWN", expected="UTF-8 or cp932", location=location)])
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    delimiter = max(_DELIMITERS, key=re.sub(r'"[^"]*"', "", lines[0]).count)
    names, *rows = csv.reader(lines[: _SAMPLE_ROWS + 1], delimiter=delimiter)
    names = [each.strip() for each in names]
    rows = [[cell.strip(" \u3000") for cell in row] for row in rows if len(row) == len(names)]
    columns = [[row[i] for row in rows if row[i]] for i in range(len(names))]
    newline = "CRLF" if "\r\n" in text else "LF"
    return _Sample(encoding, has_bom, newline, delimiter, names, columns, len(rows), rows)


def _lines(sample: _Sample, found: dict[str, LikelyColumn], name: str) -> Iterator[str]:
    """Yield the lines of the layout."""
    mapped = {field_name: _field_line(sample, field_name, column) for field_name, column in found.items()}
    parts = _parts(sample, mapped)
    yield f"# {name}: written by `kokin layouts --new --bill` from the header and the first rows of a sample."
    yield '# Check the lines marked "# ?", complete the fields that a comment asks for, compare the layout with the'
    yield "# specification of the file, and set verified = true. `kokin layouts FILE.toml` prints it as a table."
    yield ""
    yield f"ja = {json.dumps(name, ensure_ascii=False)}"
    yield f"en = {json.dumps(name, ensure_ascii=False)}"
    yield 'format = "csv"'
    yield f'encoding = "{sample.encoding}"'
    yield f'newline = "{sample.newline}"'
    yield "verified = false"
    yield 'source = ["header of a sample; write title, edition and date of the specification"]'
    yield ""
    yield "[csv]"
    yield 'header = "names"'
    yield f'delimiter = "{_DELIMITERS[sample.delimiter]}"'
    if sample.has_bom:
        yield "bom = true"
    yield 'other_columns = "ignore"     # columns that are not in fields are not read'
    yield ""
    yield "[records.data]"
    yield 'role = "data"'
    yield 'ja = "調定"'
    yield 'en = "bill"'
    yield "fields = ["
    used = {line.column: line for line in [*mapped.values(), *parts]}
    for position, column in enumerate(sample.names):
        if line := used.get(column):
            yield f"  {line.text()}{'  # ?' * line.is_guess}"
        elif column and sample.names.count(column) == 1:
            length = _round_up(2 * max((_size(value, sample) for value in sample.columns[position]), default=50))
            yield f"  # {_FieldLine(f'column_{position + 1}', column, 'text', length).text()}"
    yield "]"
    yield ""
    yield "[bill]"
    for field_name in Bill.model_fields:
        yield from _mapping_lines(field_name, mapped.get(field_name), parts)


def _mapping_lines(field_name: str, line: _FieldLine | None, parts: Sequence[_FieldLine]) -> Iterator[str]:
    """Yield the line of ``[bill]`` of a field, or the comment that asks for it."""
    if field_name == "parts" and parts:
        amounts = ", ".join(f"{json.dumps(part.column, ensure_ascii=False)} = {json.dumps(part.id)}" for part in parts)
        yield f"parts = {{ amounts = {{ {amounts} }} }}"
    elif line and not line.problem:
        yield f'{field_name} = "{line.id}"{"  # ?" * line.is_guess}'
    elif line:
        is_required = Bill.model_fields[field_name].is_required()
        yield f'# {field_name} = "{line.id}"  # ? {"required: " * is_required}{line.problem}'
    elif field_name in _REQUIRED:
        example, meaning = _REQUIRED[field_name]
        yield f"# {field_name} = {example}  # required: {meaning}"


def _field_line(sample: _Sample, field_name: str, column: LikelyColumn) -> _FieldLine:
    """Return the line of a field of a bill, in the type that fits every value of its column."""
    name, values = sample.names[column.position], sample.columns[column.position]
    rule = field_types(Bill).get(field_name)
    line = _FieldLine(field_name, name, "text", 0, is_guess=not column.is_certain or not values)
    is_required = Bill.model_fields[field_name].is_required()
    match rule:
        case Yen(max=maximum):
            _set_yen(line, values, len(str(maximum)))
        case Date():
            _set_date(line, values, sample)
        case Digits():
            _set_digits(line, values, rule)
        case Text(width=width):
            line.length = width * _BYTES_PER_CHARACTER[sample.encoding]
            if isinstance(rule, PersonalName):
                line.options["sensitive"] = True
        case Names() | Amounts():
            line.length, line.problem = 200, "a text a;b" if isinstance(rule, Names) else "a text name=yen;name=yen"
        case _:
            line.length = 20
            codes = " | ".join(BillStatus)
            line.problem = f'write {{ field = "{field_name}", values = {{ "code of the file" = "..." }} }}: {codes}'
    if not is_required and line.type != "text":
        line.options["blank"] = True
    if sample.names.count(name) > 1:
        line.problem = "several columns have this name"
    if line.problem and line.type != "text":
        line.type, line.options = "text", {}
    line.length = max(line.length, *(_size(value, sample) for value in values), 1)
    return line


def _set_yen(line: _FieldLine, values: Sequence[str], max_digits: int) -> None:
    line.type, line.length = ("yen", max_digits) if max_digits > 4 else ("number", max_digits)
    if not all(_YEN.fullmatch(value) for value in values):
        line.problem = "not all values are digits"
    elif any(_FORMATTING.search(value) for value in values):
        line.type, line.length, line.options = "yen", max_digits + 10, {"formatted": True}


def _set_date(line: _FieldLine, values: Sequence[str], sample: _Sample) -> None:
    line.type = "date"
    for style, form in _DATE_FORMATS.items():
        if all(_fits(value, *form) for value in values):
            line.options["format"] = style
            is_ascii = "年" not in style
            line.length = form[2] * (1 if is_ascii else _BYTES_PER_CHARACTER[sample.encoding])
            return
    line.problem = 'no known format of a date; six digits need format = "YYMMDD" or "wareki YYMMDD"'


def _set_digits(line: _FieldLine, values: Sequence[str], rule: Digits) -> None:
    line.type, line.length = "barcode" if rule.width == 44 else "digits", rule.width
    if not all(value.isascii() and value.isdigit() for value in values):
        line.problem = f"not all values are digits; expected {rule.expected}"
    elif any(len(value) > rule.width for value in values):
        line.problem = f"a value is longer; expected {rule.expected}"
    elif not rule.zero_pad and any(len(value) < rule.width for value in values):
        line.options["zero_pad"], line.is_guess = True, True
        if line.type == "barcode":
            line.problem = f"a value is shorter; expected {rule.expected}"


def _parts(sample: _Sample, mapped: dict[str, _FieldLine]) -> list[_FieldLine]:
    """Return the lines of the columns that are parts of the amount, if they add up to it in every row."""
    positions = part_columns(sample.names)
    amount = mapped.get("amount")
    if not positions or amount is None or amount.problem or not sample.rows:
        return []
    total = sample.names.index(amount.column)
    lines = []
    for position in positions:
        values = sample.columns[position]
        line = _FieldLine(f"part_{position + 1}", sample.names[position], "yen", 11)
        _set_yen(line, values, 11)
        if line.problem or sample.names.count(line.column) > 1:
            return []
        line.options["blank"] = True
        lines.append(line)
    is_sum = all(sum(_yen_of(row[i]) for i in positions) == _yen_of(row[total]) for row in sample.rows)
    return lines if is_sum else []


def _yen_of(text: str) -> int:
    digits = _FORMATTING.sub("", text)
    return int(digits) if digits.isdecimal() else 0


def _size(value: str, sample: _Sample) -> int:
    return len(value.encode(sample.encoding))


def _round_up(length: int) -> int:
    """Return the next multiple of 10."""
    return -(-length // 10) * 10
