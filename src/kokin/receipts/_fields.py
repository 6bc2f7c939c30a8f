"""One field, in both directions: from the bytes of a cell to its value, and from a value to the bytes of a cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, time
from functools import partial
from typing import Any

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import redact
from kokin.receipts.layouts import Dates, Field, FieldType, Layout
from kokin.receipts.layouts._schema import DATED, NUMERIC
from kokin.text import (
    decode_cp932,
    decode_half_width,
    encode_half_width,
    find_control_character,
    find_gaiji,
    format_wareki,
    format_wareki_text,
    infer_century,
    infer_era,
    infer_era_or_century,
    infer_year,
    parse_date_text,
    parse_wareki,
    parse_wareki_text,
)

#: Returns the value of a cell. Appends its warnings to the list; raises an ``InvalidInputError`` of one issue.
CellReader = Callable[[bytes, list[Issue]], Any]
#: Returns the bytes of a cell with a value; raises an ``InvalidInputError`` of one issue.
CellWriter = Callable[[Any], bytes]

# More different days, times or codes than a file has.
_MAX_CACHED = 4096
_NO_DATE = b"0-/ "
# Of 43 digits from the right, 22 weigh three and 21 weigh one; each byte is its digit plus 48.
_ASCII_ZEROS = 48 * (3 * 22 + 21)
_INFER: dict[str, Callable[..., date]] = {
    "MMDD": infer_year,
    "YYMMDD": infer_century,
    "wareki YYMMDD": infer_era,
    "wareki or western YYMMDD": infer_era_or_century,
}
_WRITE_DATE: dict[str, Callable[[date], str]] = {
    "YYYY-MM-DD": lambda day: day.isoformat(),
    "YYYYMMDD": lambda day: f"{day:%Y%m%d}",
    "MMDD": lambda day: f"{day:%m%d}",
    "YYMMDD": lambda day: f"{day:%y%m%d}",
    "wareki YYMMDD": format_wareki,
    "wareki or western YYMMDD": format_wareki,
    "wareki EYYMMDD": lambda day: format_wareki(day, with_era=True),
    "YYYY/MM/DD": lambda day: f"{day:%Y/%m/%d}",
    "YYYY/M/D": lambda day: f"{day.year}/{day.month}/{day.day}",
    "YYYY年M月D日": lambda day: f"{day.year}年{day.month}月{day.day}日",
    "wareki R8.6.1": format_wareki_text,
    "wareki 令和8年6月1日": lambda day: format_wareki_text(day, with_kanji=True),
}
_PARSE_DATE_TEXT: dict[str, Callable[[str], date]] = {
    "YYYY/M/D": parse_date_text,
    "YYYY年M月D日": parse_date_text,
    "wareki R8.6.1": parse_wareki_text,
    "wareki 令和8年6月1日": parse_wareki_text,
}
# 12,300 and 12,300円, \\12,300 and ￥12,300; in JIS X 0201 and cp932 fonts the backslash is the yen sign.
_FORMATTED_YEN = re.compile(r"[¥￥\\]?(\d{1,3}(?:,\d{3})+|\d+)円?", re.ASCII)
_DATE_SEPARATORS = {"YYYY-MM-DD": b"-", "YYYY/MM/DD": b"/"}
_TIME_FORMATS = {"HHMM": "%H%M", "HHMMSS": "%H%M%S", "HH:MM:SS": "%H:%M:%S"}


def field_error(code: str, expected: str = "", found: str = "", byte: int | None = None) -> InvalidInputError:
    """Return an error of one issue; ``byte`` counts from the beginning of the cell."""
    return InvalidInputError([Issue(code, expected=expected, found=found, location=Location(byte=byte))])


def decode_cell(cell: bytes, encoding: str) -> str:
    """Decode a cell; raises InvalidInputError for a byte that the encoding does not have."""
    if encoding != "utf-8":
        return (decode_half_width if encoding == "half-width" else decode_cp932)(cell)
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError as error:
        raise field_error("BYTE_UNKNOWN", "UTF-8", f"0x{cell[error.start]:02X}", error.start) from None


# --- reading ----------------------------------------------------------------------------------------------------------


def cell_reader(field: Field, layout: Layout, reference_date: date | None) -> CellReader:
    """Return the function that reads the cells of a field.

    It checks what any field may declare (constant, blank, width, null value, prefix, codes) and leaves the rest to the
    reader of the type. A date, a time or a code is read once per distinct cell, since a file has few of them.
    """
    parse, prefix = _parser(field, layout, reference_date), field.prefix.encode()
    is_fixed, const = layout.format == "fixed", None if field.const is None else field.const.encode()
    codes = field.codes.keys() if field.codes and not field.open else None
    may_be_blank = field.blank or field.type in (FieldType.TEXT, FieldType.KANJI, FieldType.FILLER)
    null_value = field.none.encode()

    def read_cell(cell: bytes, warnings: list[Issue]) -> Any:
        if const is not None and cell != const:
            raise field_error("CODE_UNKNOWN", field.const or "", shown_cell(cell, field))
        if not cell.strip(b" "):
            if may_be_blank:
                return None
            raise field_error("FIELD_MISSING")
        if not is_fixed and len(cell) > field.length:
            raise field_error("WIDTH", f"at most {field.length} bytes", str(len(cell)))
        if null_value and cell == null_value:
            return None
        if prefix and not cell.startswith(prefix):
            raise field_error("CODE_UNKNOWN", f"{field.prefix}...", shown_cell(cell, field))
        value = parse(cell[len(prefix) :] if prefix else cell, warnings)
        if codes is not None and value not in codes:
            raise field_error("CODE_UNKNOWN", "/".join(codes), shown_cell(cell, field))
        return value

    return _cached(read_cell) if codes is not None or field.type in DATED else read_cell


def _cached(read: CellReader) -> CellReader:
    """Cache the values of cells that have neither warnings nor errors."""
    values: dict[bytes, Any] = {}

    def read_cell(cell: bytes, warnings: list[Issue]) -> Any:
        if cell in values:
            return values[cell]
        warning_count = len(warnings)
        value = read(cell, warnings)
        if len(warnings) == warning_count and len(values) < _MAX_CACHED:
            values[cell] = value
        return value

    return read_cell


def shown_cell(cell: bytes, field: Field) -> str:
    """Return a rejected cell as an issue may show it: empty for a personal field, without letters for any other."""
    return "" if field.sensitive else redact(cell.decode("cp932", "replace"))


def _parser(field: Field, layout: Layout, reference_date: date | None) -> CellReader:
    """Return the function that parses a cell with a value by the type of its field."""
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding
    width = field.length - len(field.prefix)

    def parse_digits(cell: bytes, warnings: list[Issue]) -> str:
        if not cell.isdigit():
            byte = len(cell) - len(cell.lstrip(b"0123456789"))
            raise field_error("NOT_DIGITS", "digits", shown_cell(cell, field), byte)
        return cell.decode()

    def parse_number(cell: bytes, warnings: list[Issue]) -> int:
        return int(parse_digits(cell, warnings))

    def parse_padded(cell: bytes, warnings: list[Issue]) -> str:
        return parse_digits(cell, warnings).zfill(width)

    def parse_formatted_yen(cell: bytes, warnings: list[Issue]) -> int:
        match = _FORMATTED_YEN.fullmatch(decode_cell(cell, encoding).strip(" \u3000"))
        if match is None:
            raise field_error("NOT_DIGITS", "yen such as 12,300 or ¥12,300", shown_cell(cell, field))
        return int(match[1].replace(",", ""))

    def parse_text(cell: bytes, warnings: list[Issue]) -> str | None:
        value = decode_cell(cell, encoding)
        _check_control_characters(value)
        if encoding == "cp932" and (user_defined := find_gaiji(value)):
            warnings.append(Issue("GAIJI", field=field.id, found=f"U+{ord(user_defined):04X}"))
        return value.strip(" \u3000") or None

    def parse_barcode(cell: bytes, warnings: list[Issue]) -> str:
        digits = parse_digits(cell, warnings)
        if len(cell) != 44:
            raise field_error("WIDTH", "44 digits", f"{len(cell)} digits")
        total = 3 * sum(cell[42::-2]) + sum(cell[41::-2]) - _ASCII_ZEROS
        if (total + int(digits[43])) % 10:
            expected = str(-total % 10)
            warnings.append(Issue("BARCODE_CHECK_DIGIT", field=field.id, expected=expected, found=digits[43]))
        return digits

    match field.type:
        case FieldType.DIGITS:
            return parse_padded if field.zero_pad else parse_digits
        case FieldType.YEN if field.formatted:
            return parse_formatted_yen
        case FieldType.NUMBER | FieldType.YEN:
            return parse_number
        case FieldType.TEXT | FieldType.KANJI:
            return parse_text
        case FieldType.BARCODE:
            return parse_barcode
        case FieldType.DATE:
            return _date_parser(field, field.dates or layout.dates, reference_date, encoding)
        case FieldType.TIME:
            return _time_parser(field)
        case _:
            return lambda cell, warnings: None


def _date_inference(style: str, limits: Dates, reference_date: date | None) -> Callable[[str], date] | None:
    """Return the function that infers the year, century or era that a format leaves out; ``None`` for a full year."""
    if reference_date is None or style not in _INFER:
        return None
    distance = {"years_back": limits.years_back, "years_ahead": limits.years_ahead}
    if style == "MMDD":
        distance = {"months": limits.months}
    return partial(_INFER[style], reference=reference_date, **distance)


def _date_parser(field: Field, limits: Dates, reference_date: date | None, encoding: str) -> CellReader:
    style = str(field.format)
    infer = _date_inference(style, limits, reference_date)
    parse_text = _PARSE_DATE_TEXT.get(style)

    def parse_date(cell: bytes, warnings: list[Issue]) -> date | None:
        if not cell.strip(_NO_DATE):
            if field.blank:
                return None
            raise field_error("FIELD_MISSING")
        digits = cell
        if style in _DATE_SEPARATORS:
            separator = _DATE_SEPARATORS[style]
            digits = cell.replace(separator, b"") if cell[4::3] == separator * 2 else b""
        if parse_text:
            with suppress(InvalidInputError):
                return parse_text(decode_cell(cell, encoding))
        elif digits.isdigit():
            value = digits.decode()
            if infer:
                try:
                    return infer(value)
                except InvalidInputError as error:
                    (issue,) = error.issues
                    raise field_error(issue.code, issue.expected, "" if field.sensitive else issue.found) from None
            with suppress(ValueError, InvalidInputError):
                if style == "wareki EYYMMDD":
                    return parse_wareki(value)
                if len(value) == 8:  # any other format has fewer digits, or is inferred
                    return date(int(value[:4]), int(value[4:6]), int(value[6:]))
        raise field_error("DATE_INVALID", style, shown_cell(cell, field))

    return parse_date


def _time_parser(field: Field) -> CellReader:
    style = str(field.format)

    def parse_time(cell: bytes, warnings: list[Issue]) -> time:
        digits, widths = cell, {len(style)}
        if style == "HH:MM:SS":  # the seconds may be left out
            digits, widths = cell.replace(b":", b"") if cell[2::3] in (b":", b"::") else b"", {4, 6}
        if digits.isdigit() and len(digits) in widths:
            with suppress(ValueError):
                return time(int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0))
        raise field_error("DATE_INVALID", style, shown_cell(cell, field))

    return parse_time


def _check_control_characters(text: str) -> None:
    if control := find_control_character(text):
        raise field_error("CHARACTER", "no control characters", ascii(control))


# --- writing ----------------------------------------------------------------------------------------------------------


def cell_writer(field: Field, layout: Layout) -> CellWriter:
    """Return the function that writes the values of a field; ``None`` becomes its default, or a blank."""
    fixed, size = layout.format == "fixed", field.length
    numeric = field.type in NUMERIC
    fill = b"0" if numeric or (field.type in DATED and not field.blank) else b" "
    empty = _empty_cell(field, fixed=fixed)
    encode = _encoder(field, layout)

    def write_cell(value: Any) -> bytes:
        if value is None or value == "":
            if empty is None:
                raise field_error("FIELD_MISSING")
            return empty
        cell = encode(value)
        if len(cell) > size:
            code = "AMOUNT_RANGE" if field.type is FieldType.YEN else "WIDTH"
            raise field_error(code, f"at most {size}", str(len(cell)))
        if not fixed:
            return cell
        if cell.startswith(b"-") and numeric:
            return b"-" + cell[1:].rjust(size - 1, fill)
        return cell.rjust(size, fill) if numeric else cell.ljust(size, fill)

    return write_cell


def _empty_cell(field: Field, *, fixed: bool) -> bytes | None:
    """Return the cell without a value, or ``None`` where a value is required."""
    if field.const is not None or field.default:
        cell = (field.const or field.default).encode()
    elif field.type is FieldType.DATE and field.blank:
        cell = field.none.encode()
    elif field.blank or field.type in (FieldType.TEXT, FieldType.KANJI, FieldType.FILLER):
        cell = b""
    else:
        return None
    return cell.ljust(field.length, b" ") if fixed else cell


def _signed_fields(layout: Layout) -> set[str]:
    """Return the fields that can be negative: the yen of account entries, and their totals."""
    names = {layout.account["amount"].field} if layout.account else set()
    return names | {total.field for total in layout.totals if total.sum in names}


def _encoder(field: Field, layout: Layout) -> CellWriter:
    """Return the function that encodes a value by the type of its field, unpadded."""
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding
    is_signed = field.id in _signed_fields(layout)

    def encode_digits(value: Any) -> bytes:
        cell = str(value)
        digits = cell.removeprefix("-") if is_signed else cell
        if not (digits.isascii() and digits.isdigit()):
            raise field_error("NOT_DIGITS", "digits")
        return (field.prefix + (cell.zfill(field.length - len(field.prefix)) if field.zero_pad else cell)).encode()

    def encode_text(value: Any) -> bytes:
        _check_control_characters(str(value))
        if encoding == "half-width":
            return encode_half_width(str(value))
        try:
            return str(value).encode(encoding)
        except UnicodeEncodeError:
            raise InvalidInputError([Issue("CHARACTER", expected=f"characters of {encoding}")]) from None

    style = str(field.format)
    if field.type is FieldType.DATE:
        return lambda day: encode_text(_WRITE_DATE[style](day))
    if field.type is FieldType.TIME:
        return lambda moment: moment.strftime(_TIME_FORMATS[style]).encode()
    return encode_digits if field.type in NUMERIC else encode_text
