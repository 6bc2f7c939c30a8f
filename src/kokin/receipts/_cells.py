"""One field at a time, outwards: from a value to the bytes of its cell. The inverse of ``_values``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from typing import Any

from kokin.issues import InvalidInputError, Issue
from kokin.receipts._values import wrong
from kokin.receipts.layouts import Field, FieldType, Layout
from kokin.text import encode_half_width, find_control_character, format_wareki

_DATES: dict[str, Callable[[date], str]] = {
    "YYYY-MM-DD": lambda day: day.isoformat(),
    "YYYYMMDD": lambda day: f"{day:%Y%m%d}",
    "MMDD": lambda day: f"{day:%m%d}",
    "YYMMDD": lambda day: f"{day:%y%m%d}",
    "wareki YYMMDD": format_wareki,
    "wareki or western YYMMDD": format_wareki,
    "wareki EYYMMDD": lambda day: format_wareki(day, with_era=True),
}
_TIMES = {"HHMM": "%H%M", "HHMMSS": "%H%M%S", "HH:MM:SS": "%H:%M:%S"}


def cell_writer(field: Field, layout: Layout) -> Callable[[Any], bytes]:
    """The function that writes a value of a field; ``None`` becomes its default, or what stands for nothing.

    It raises a ``InvalidInputError`` of one issue for a value that the field cannot hold.
    """
    fixed, size = layout.format == "fixed", field.length
    numeric = field.type in (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE)
    fill = b"0" if numeric or (field.type in (FieldType.DATE, FieldType.TIME) and not field.blank) else b" "
    nothing = _nothing(field, fill, fixed=fixed)
    text = _text_of(field, layout)

    def write_cell(value: Any) -> bytes:
        if value is None or value == "":
            if nothing is None:
                raise wrong("FIELD_MISSING")
            return nothing
        cell = text(value)
        if len(cell) > size:
            raise wrong("AMOUNT_RANGE" if field.type is FieldType.YEN else "WIDTH", f"at most {size}", str(len(cell)))
        if not fixed:
            return cell
        return cell.rjust(size, fill) if numeric else cell.ljust(size, fill)

    return write_cell


def _nothing(field: Field, fill: bytes, *, fixed: bool) -> bytes | None:
    """What is written where there is no value, or ``None`` where there must be one."""
    if field.const is not None or field.default:
        cell = (field.const or field.default).encode()
    elif field.type is FieldType.DATE and field.blank:
        cell = field.none.encode()
    elif field.blank or field.type in (FieldType.TEXT, FieldType.KANJI, FieldType.FILLER):
        cell = b""
    else:
        return None
    return cell.ljust(field.length, b" ") if fixed else cell


def _text_of(field: Field, layout: Layout) -> Callable[[Any], bytes]:
    encoding = "cp932" if field.type is FieldType.KANJI else layout.encoding

    def digits(value: Any) -> bytes:
        cell = str(value)
        if not (cell.isascii() and cell.isdigit()):
            raise wrong("NOT_DIGITS", "digits")
        return (field.prefix + cell).encode()

    def text(value: Any) -> bytes:
        if control := find_control_character(str(value)):
            raise wrong("CHARACTER", "no control characters", ascii(control))
        if encoding == "half-width":
            return encode_half_width(str(value))
        try:
            return str(value).encode(encoding)
        except UnicodeEncodeError:
            raise InvalidInputError([Issue("CHARACTER", expected=f"characters of {encoding}")]) from None

    def day(value: date) -> bytes:
        return _DATES[str(field.format)](value).encode()

    def at(value: time) -> bytes:
        return value.strftime(_TIMES[str(field.format)]).encode()

    match field.type:
        case FieldType.DIGITS | FieldType.NUMBER | FieldType.YEN | FieldType.BARCODE:
            return digits
        case FieldType.DATE:
            return day
        case FieldType.TIME:
            return at
        case _:
            return text
