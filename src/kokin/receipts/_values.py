"""One field at a time: from its bytes to a value, or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from functools import partial
from typing import Any

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import redact
from kokin.receipts.layouts import Dates, Field, FieldType, Layout
from kokin.text import (
    decode_cp932,
    decode_half_width,
    find_control_character,
    find_gaiji,
    infer_century,
    infer_era,
    infer_era_or_century,
    infer_year,
    parse_wareki,
)

#: From the bytes of a cell to its value; warnings are added to the list, an error is a ``InvalidInputError`` of one
#: issue.
Reader = Callable[[bytes, list[Issue]], Any]

# More different days or times than a file has.
_MOST_SEEN = 4096
_NO_DAY = b"0-/ "
# Of 43 digits from the right, 22 weigh three and 21 weigh one; each byte is its digit plus 48.
_ASCII_ZEROS = 48 * (3 * 22 + 21)


def wrong(code: str, expected: str = "", found: str = "", at: int | None = None) -> InvalidInputError:
    """A problem of one field; ``at`` counts its bytes."""
    return InvalidInputError([Issue(code, expected=expected, found=found, location=Location(byte=at))])


def text_of(cell: bytes, encoding: str) -> str:
    """The text of a cell in its encoding.

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
        raise wrong("BYTE_UNKNOWN", "UTF-8", f"0x{cell[error.start]:02X}", error.start) from None


def reader(field: Field, layout: Layout, reference_date: date | None) -> Reader:
    """The function that reads a field's cell."""
    read = _by_type(field, layout, reference_date)
    fixed, const = layout.format == "fixed", None if field.const is None else field.const.encode()
    closed = field.codes.keys() if field.codes and not field.open else None
    may_be_blank = field.blank or field.type in (FieldType.TEXT, FieldType.KANJI, FieldType.FILLER)
    prefix, none = field.prefix.encode(), field.none.encode()

    # A file has few days and codes: each is read once.
    seldom_new = closed is not None or field.type in (FieldType.DATE, FieldType.TIME)
    seen: dict[bytes, Any] = {}

    def read_cell(cell: bytes, warnings: list[Issue]) -> Any:
        if cell in seen:
            return seen[cell]
        if const is not None and cell != const:
            raise wrong("CODE_UNKNOWN", field.const or "", found(cell, field))
        if not cell.strip(b" "):
            if may_be_blank:
                return None
            raise wrong("FIELD_MISSING")
        if not fixed and len(cell) > field.length:
            raise wrong("WIDTH", f"at most {field.length} bytes", str(len(cell)))
        if none and cell == none:
            return None
        if prefix:
            if not cell.startswith(prefix):
                raise wrong("CODE_UNKNOWN", f"{field.prefix}...", found(cell, field))
            cell = cell[len(prefix) :]
        value = read(cell, warnings)
        if closed is not None and value not in closed:
            raise wrong("CODE_UNKNOWN", "/".join(closed), found(cell, field))
        if seldom_new and not prefix and len(seen) < _MOST_SEEN:
            seen[cell] = value
        return value

    return read_cell


def found(cell: bytes, field: Field) -> str:
    """A rejected cell as an issue may show it: nothing of a field that is personal, and no letters of any other."""
    return "" if field.sensitive else redact(cell.decode("cp932", "replace"))


def _by_type(field: Field, layout: Layout, reference_date: date | None) -> Reader:
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding

    def digits(cell: bytes, warnings: list[Issue]) -> str:
        if not cell.isdigit():
            raise not_digits(cell, field)
        return cell.decode()

    def number(cell: bytes, warnings: list[Issue]) -> int:
        if not cell.isdigit():
            raise not_digits(cell, field)
        return int(cell)

    def text(cell: bytes, warnings: list[Issue]) -> str | None:
        value = text_of(cell, encoding)
        if control := find_control_character(value):
            raise wrong("CHARACTER", "no control characters", ascii(control))
        if encoding == "cp932" and (user_defined := find_gaiji(value)):
            warnings.append(Issue("GAIJI", field=field.id, found=f"U+{ord(user_defined):04X}"))
        return value.strip(" \u3000") or None

    def barcode(cell: bytes, warnings: list[Issue]) -> str:
        if not cell.isdigit():
            raise not_digits(cell, field)
        if len(cell) != 44:
            raise wrong("WIDTH", "44 digits", f"{len(cell)} digits")
        total = 3 * sum(cell[42::-2]) + sum(cell[41::-2]) - _ASCII_ZEROS
        if (total + cell[43] - 48) % 10:
            warnings.append(
                Issue("BARCODE_CHECK_DIGIT", field=field.id, expected=str(-total % 10), found=chr(cell[43]))
            )
        return cell.decode()

    def filler(cell: bytes, warnings: list[Issue]) -> None:
        return None

    match field.type:
        case FieldType.DIGITS:
            return digits
        case FieldType.NUMBER | FieldType.YEN:
            return number
        case FieldType.TEXT | FieldType.KANJI:
            return text
        case FieldType.BARCODE:
            return barcode
        case FieldType.DATE:
            return _date_reader(field, field.dates or layout.dates, reference_date)
        case FieldType.TIME:
            return _time_reader(field)
        case _:
            return filler


def not_digits(cell: bytes, field: Field) -> InvalidInputError:
    """The problem of a cell that should be digits, with the first byte that is none."""
    at = len(cell) - len(cell.lstrip(b"0123456789"))
    return wrong("NOT_DIGITS", "digits", found(cell, field), at)


def _assume(style: str, reach: Dates, reference_date: date | None) -> Callable[[str], date] | None:
    """The function that infers what a day's format leaves out; ``None`` for a format with its full year."""
    if reference_date is None:
        return None
    if style == "MMDD":
        return partial(infer_year, reference=reference_date, months=reach.months)
    assume = {
        "YYMMDD": infer_century,
        "wareki YYMMDD": infer_era,
        "wareki or western YYMMDD": infer_era_or_century,
    }.get(style)
    if assume is None:
        return None
    return partial(assume, reference=reference_date, years_back=reach.years_back, years_ahead=reach.years_ahead)


def _date_reader(field: Field, reach: Dates, reference_date: date | None) -> Reader:
    style = str(field.format)
    assume = _assume(style, reach, reference_date)

    def day(cell: bytes, warnings: list[Issue]) -> date | None:
        if not cell.strip(_NO_DAY):
            if field.blank:
                return None
            raise wrong("FIELD_MISSING")
        digits = cell
        if style == "YYYY-MM-DD":
            digits = cell.replace(b"-", b"") if cell[4::3] == b"--" else b""
        if digits.isdigit():
            value = digits.decode()
            if assume:
                try:
                    return assume(value)
                except InvalidInputError as error:
                    (issue,) = error.issues
                    raise wrong(issue.code, issue.expected, "" if field.sensitive else issue.found) from None
            try:
                match style:
                    case "wareki EYYMMDD":
                        return parse_wareki(value)
                    case "YYYYMMDD" | "YYYY-MM-DD" if len(value) == 8:
                        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
            except (ValueError, InvalidInputError):
                pass
        raise wrong("DATE_INVALID", style, found(cell, field))

    return day


def _time_reader(field: Field) -> Reader:
    style = str(field.format)

    def at(cell: bytes, warnings: list[Issue]) -> time:
        digits, widths = cell, {len(style)}
        if style == "HH:MM:SS":  # the seconds may be left out
            digits, widths = cell.replace(b":", b"") if cell[2::3] in (b":", b"::") else b"", {4, 6}
        if digits.isdigit() and len(digits) in widths:
            try:
                return time(int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0))
            except ValueError:
                pass
        raise wrong("DATE_INVALID", style, found(cell, field))

    return at
