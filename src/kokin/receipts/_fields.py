"""One field, in both directions: from the bytes of a cell to its value, and from a value to the bytes of a cell."""

from __future__ import annotations

from collections.abc import Callable
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
    infer_century,
    infer_era,
    infer_era_or_century,
    infer_year,
    parse_wareki,
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
_WRITE_DATE: dict[str, Callable[[date], str]] = {
    "YYYY-MM-DD": lambda day: day.isoformat(),
    "YYYYMMDD": lambda day: f"{day:%Y%m%d}",
    "MMDD": lambda day: f"{day:%m%d}",
    "YYMMDD": lambda day: f"{day:%y%m%d}",
    "wareki YYMMDD": format_wareki,
    "wareki or western YYMMDD": format_wareki,
    "wareki EYYMMDD": lambda day: format_wareki(day, with_era=True),
}
_TIME_FORMATS = {"HHMM": "%H%M", "HHMMSS": "%H%M%S", "HH:MM:SS": "%H:%M:%S"}


def field_error(code: str, expected: str = "", found: str = "", byte: int | None = None) -> InvalidInputError:
    """Return an error of one issue; ``byte`` counts from the beginning of the cell."""
    return InvalidInputError([Issue(code, expected=expected, found=found, location=Location(byte=byte))])


def decode_cell(cell: bytes, encoding: str) -> str:
    """Decode a cell.

    Raises:
        InvalidInputError: a byte that the encoding does not have.
    """
    if encoding == "half-width":
        return decode_half_width(cell)
    if encoding == "cp932":
        return decode_cp932(cell)
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
    parse = _parser(field, layout, reference_date)
    if field.prefix:
        parse = _without_prefix(field, parse)
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
        value = parse(cell, warnings)
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


def _without_prefix(field: Field, parse: CellReader) -> CellReader:
    """Remove the prefix of a field from its cells before they are parsed."""
    prefix = field.prefix.encode()

    def parse_rest(cell: bytes, warnings: list[Issue]) -> Any:
        if not cell.startswith(prefix):
            raise field_error("CODE_UNKNOWN", f"{field.prefix}...", shown_cell(cell, field))
        return parse(cell[len(prefix) :], warnings)

    return parse_rest


def shown_cell(cell: bytes, field: Field) -> str:
    """Return a rejected cell as an issue may show it: empty for a personal field, without letters for any other."""
    return "" if field.sensitive else redact(cell.decode("cp932", "replace"))


def _parser(field: Field, layout: Layout, reference_date: date | None) -> CellReader:
    """Return the function that parses a cell with a value by the type of its field."""
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding

    def parse_digits(cell: bytes, warnings: list[Issue]) -> str:
        if not cell.isdigit():
            raise _not_digits(cell, field)
        return cell.decode()

    def parse_number(cell: bytes, warnings: list[Issue]) -> int:
        if not cell.isdigit():
            raise _not_digits(cell, field)
        return int(cell)

    def parse_text(cell: bytes, warnings: list[Issue]) -> str | None:
        value = decode_cell(cell, encoding)
        _check_control_characters(value)
        if encoding == "cp932" and (user_defined := find_gaiji(value)):
            warnings.append(Issue("GAIJI", field=field.id, found=f"U+{ord(user_defined):04X}"))
        return value.strip(" \u3000") or None

    def parse_barcode(cell: bytes, warnings: list[Issue]) -> str:
        if not cell.isdigit():
            raise _not_digits(cell, field)
        if len(cell) != 44:
            raise field_error("WIDTH", "44 digits", f"{len(cell)} digits")
        total = 3 * sum(cell[42::-2]) + sum(cell[41::-2]) - _ASCII_ZEROS
        if (total + cell[43] - 48) % 10:
            warnings.append(
                Issue("BARCODE_CHECK_DIGIT", field=field.id, expected=str(-total % 10), found=chr(cell[43]))
            )
        return cell.decode()

    def parse_filler(cell: bytes, warnings: list[Issue]) -> None:
        return None

    match field.type:
        case FieldType.DIGITS:
            return parse_digits
        case FieldType.NUMBER | FieldType.YEN:
            return parse_number
        case FieldType.TEXT | FieldType.KANJI:
            return parse_text
        case FieldType.BARCODE:
            return parse_barcode
        case FieldType.DATE:
            return _date_parser(field, field.dates or layout.dates, reference_date)
        case FieldType.TIME:
            return _time_parser(field)
        case _:
            return parse_filler


def _not_digits(cell: bytes, field: Field) -> InvalidInputError:
    """Return the error of a cell that should be digits, at its first other byte."""
    byte = len(cell) - len(cell.lstrip(b"0123456789"))
    return field_error("NOT_DIGITS", "digits", shown_cell(cell, field), byte)


def _date_inference(style: str, limits: Dates, reference_date: date | None) -> Callable[[str], date] | None:
    """Return the function that infers the year, century or era that a format leaves out; ``None`` for a full year."""
    if reference_date is None:
        return None
    if style == "MMDD":
        return partial(infer_year, reference=reference_date, months=limits.months)
    infer = {
        "YYMMDD": infer_century,
        "wareki YYMMDD": infer_era,
        "wareki or western YYMMDD": infer_era_or_century,
    }.get(style)
    if infer is None:
        return None
    return partial(infer, reference=reference_date, years_back=limits.years_back, years_ahead=limits.years_ahead)


def _date_parser(field: Field, limits: Dates, reference_date: date | None) -> CellReader:
    """Return the parser of a date field."""
    style = str(field.format)
    infer = _date_inference(style, limits, reference_date)

    def parse_date(cell: bytes, warnings: list[Issue]) -> date | None:
        if not cell.strip(_NO_DATE):
            if field.blank:
                return None
            raise field_error("FIELD_MISSING")
        digits = cell
        if style == "YYYY-MM-DD":
            digits = cell.replace(b"-", b"") if cell[4::3] == b"--" else b""
        if digits.isdigit():
            value = digits.decode()
            if infer:
                try:
                    return infer(value)
                except InvalidInputError as error:
                    (issue,) = error.issues
                    raise field_error(issue.code, issue.expected, "" if field.sensitive else issue.found) from None
            try:
                match style:
                    case "wareki EYYMMDD":
                        return parse_wareki(value)
                    case "YYYYMMDD" | "YYYY-MM-DD" if len(value) == 8:
                        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
            except (ValueError, InvalidInputError):
                pass
        raise field_error("DATE_INVALID", style, shown_cell(cell, field))

    return parse_date


def _time_parser(field: Field) -> CellReader:
    """Return the parser of a time field."""
    style = str(field.format)

    def parse_time(cell: bytes, warnings: list[Issue]) -> time:
        digits, widths = cell, {len(style)}
        if style == "HH:MM:SS":  # the seconds may be left out
            digits, widths = cell.replace(b":", b"") if cell[2::3] in (b":", b"::") else b"", {4, 6}
        if digits.isdigit() and len(digits) in widths:
            try:
                return time(int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0))
            except ValueError:
                pass
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
            raise field_error(
                "AMOUNT_RANGE" if field.type is FieldType.YEN else "WIDTH", f"at most {size}", str(len(cell))
            )
        if not fixed:
            return cell
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


def _encoder(field: Field, layout: Layout) -> CellWriter:
    """Return the function that encodes a value by the type of its field, unpadded."""
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding

    def encode_digits(value: Any) -> bytes:
        cell = str(value)
        if not (cell.isascii() and cell.isdigit()):
            raise field_error("NOT_DIGITS", "digits")
        return (field.prefix + cell).encode()

    def encode_text(value: Any) -> bytes:
        _check_control_characters(str(value))
        if encoding == "half-width":
            return encode_half_width(str(value))
        try:
            return str(value).encode(encoding)
        except UnicodeEncodeError:
            raise InvalidInputError([Issue("CHARACTER", expected=f"characters of {encoding}")]) from None

    def encode_date(value: date) -> bytes:
        return _WRITE_DATE[str(field.format)](value).encode()

    def encode_time(value: time) -> bytes:
        return value.strftime(_TIME_FORMATS[str(field.format)]).encode()

    match field.type:
        case _ if field.type in NUMERIC:
            return encode_digits
        case FieldType.DATE:
            return encode_date
        case FieldType.TIME:
            return encode_time
        case _:
            return encode_text
