r"""The convenience-store barcode (GS1-128 標準料金代理収納): 44 digits for the scanner of a till.

>>> from datetime import date
>>> code = build(company_code="929023", free_field="252070000010123499900", amount=10605)
>>> code.digits
'91929023252070000010123499900099999900106051'
>>> code.lines
('(91)929023-2520700000101234999000', '999999-0-010605-1')
>>> parse(code.digits) == code
True
>>> for issue in check("91929023252070000010123499900099999900106055"):
...     print(issue.location.byte, issue.field, issue.code, issue.expected)
43 check_digit CHECK_DIGIT 1

Typed, scanned and printed texts are accepted:

>>> scanned, printed = "]C1" + code.digits + "\r\n", "\n".join(code.lines)
>>> parse(scanned) == parse(printed) == code
True

A picture is at most 60 mm wide with its quiet zones and at least 10 mm high:

>>> width_mm(), render(code)[:68]
(52.15, '<svg xmlns="http://www.w3.org/2000/svg" width="52.15mm" height="16mm')

The digits are drawn in Code 128, Code Set C, behind FNC1.

Source: GS1 Japan, GS1-128による標準料金代理収納ガイドライン, 6th edition (第6版, March 2024); vendors' published
samples; ISO/IEC 15417 (patterns, check character); GS1 General Specifications 5.4 (FNC1 after the start character).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, overload

from pydantic import model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Date, Digits, Record, Yen
from kokin.slips._render import POINTS_PER_MM, one_page_pdf
from kokin.text import gs1_check_digit

__all__ = ["MAX_YEN", "Barcode", "bars", "build", "check", "from_bill", "parse", "render", "width_mm"]

#: Maximum amount in yen of a slip with a barcode.
MAX_YEN = 300_000

_IDENTIFIER = "91"
_NO_DEADLINE = "999999"
_CENTURY = 2000
# Name and width in digits of each field, in order.
_FIELDS = {
    "identifier": 2,
    "company_code": 6,
    "free_field": 21,
    "reissue": 1,
    "payable_until": 6,
    "stamp": 1,
    "amount": 6,
    "check_digit": 1,
}
_LENGTH = sum(_FIELDS.values())

# The symbology identifier of GS1-128 (ISO/IEC 15424), FNC1 as scanners send it (the control character GS), line ends.
_SYMBOLOGY, _GS, _LINE_ENDS = "]C1", "\x1d", "\r\n"
# The printed form of the identifier, and separators between printed digits.
_PRINTED_IDENTIFIER, _SEPARATORS = f"({_IDENTIFIER})", re.compile(r"[-\s]")

# Two pixels at 300 dpi: the whole symbol is about 52 mm wide.
_MODULE_MM = 25.4 / 150
_MAX_WIDTH_MM, _MIN_HEIGHT_MM = 60, 10
# Height of a text line below the bars, and font size, in mm.
_LINE_MM, _LETTER_MM = 3.0, 2.3

# Code 128: light modules on either side, and values of its special characters.
_QUIET_ZONE = 10
_FNC1, _START_C, _STOP = 102, 105, 106
# Widths in modules of bar, space, bar, space, bar, space (and the last bar of the stop character), by value.
_TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_PATTERNS = _TABLE.split()


class Barcode(Record):
    """The fields of a barcode.

    Raises:
        InvalidInputError: an invalid field, such as an amount above 300,000 yen.
    """

    company_code: Annotated[str, Digits(6)]
    """請求書発行企業コード, assigned by GS1 Japan."""
    free_field: Annotated[str, Digits(21)]
    """自由使用欄: the number that the authority assigns to the slip."""
    reissue: Annotated[str, Digits(1)] = "0"
    """再発行区分."""
    payable_until: Annotated[date, Date()] | None = None
    """支払期限; ``None`` is written as 999999, no deadline."""
    stamp: bool = False
    """印紙フラグ: whether a revenue stamp is required; never for public money."""
    amount: Annotated[int, Yen(1, MAX_YEN)]
    """Yen."""

    @model_validator(mode="after")
    def _check_century(self) -> Self:
        day = self.payable_until
        if day and not _CENTURY <= day.year < _CENTURY + 100:
            issue = Issue("DATE_INVALID", field="payable_until", expected="2000 to 2099", found=day.isoformat())
            raise InvalidInputError([issue])
        return self

    @property
    def digits(self) -> str:
        """The 44 digits, including the check digit."""
        day = f"{self.payable_until:%y%m%d}" if self.payable_until else _NO_DEADLINE
        body = f"{_IDENTIFIER}{self.company_code}{self.free_field}{self.reissue}{day}{self.stamp:d}{self.amount:06d}"
        return f"{body}{gs1_check_digit(body)}"

    @property
    def lines(self) -> tuple[str, str]:
        """The two printed lines (目視文字): number of the slip; deadline, stamp, amount and check digit."""
        field = _split(self.digits)
        return (
            f"({field['identifier']}){field['company_code']}-{field['free_field']}{field['reissue']}",
            f"{field['payable_until']}-{field['stamp']}-{field['amount']}-{field['check_digit']}",
        )

    def _repr_svg_(self) -> str:
        """The barcode as SVG, for a notebook."""
        return render(self)


def build(
    *, company_code: str, free_field: str, amount: int, payable_until: date | None = None, reissue: str = "0"
) -> Barcode:
    """Return the barcode of a slip of public money, which never requires a stamp.

    Raises:
        InvalidInputError: an invalid field; a slip above 300,000 yen has no barcode.
    """
    return Barcode(
        company_code=company_code, free_field=free_field, amount=amount, payable_until=payable_until, reissue=reissue
    )


def from_bill(bill: Bill) -> Barcode:
    """Return the barcode of a bill.

    Raises:
        InvalidInputError: the bill has no barcode, an invalid one, or one whose amount or deadline differs from the
            bill.
    """
    if bill.barcode is None:
        raise InvalidInputError([Issue("FIELD_MISSING", field="barcode")], f"bill {bill.bill_id} has no barcode")
    code = parse(bill.barcode)
    differing = [
        Issue("BARCODE_DIFFERS", field=name, expected=str(expected), found=str(getattr(code, name)))
        for name, expected in (("amount", bill.amount), ("payable_until", bill.payable_until))
        if getattr(code, name) != expected
    ]
    if differing:
        raise InvalidInputError(differing, f"the barcode of bill {bill.bill_id} differs from the bill")
    return code


def check(text: str) -> list[Issue]:
    """Return every problem of a barcode; ``location.byte`` is the first digit of the field, from 0.

    The forms accepted are those of :func:`parse`; only digits are counted.
    """
    return _read(text)[1]


def parse(text: str) -> Barcode:
    """Return the fields of a barcode. A deadline is in the years 2000 to 2099.

    Three forms are accepted: the 44 digits; the output of a scanner, with ``]C1`` before the digits, FNC1 as 0x1D
    anywhere, CR and LF at the end; and the printed text (目視文字), ``(91)`` and digits separated by hyphens, spaces
    and line ends.

    Raises:
        InvalidInputError: ``.issues`` lists every problem.
    """
    values, problems = _read(text)
    if problems:
        raise InvalidInputError(problems, "invalid barcode")
    return Barcode(**values)


def _digits_of(text: str) -> str:
    """Return the digits of a scanned or printed text, and any other text unchanged."""
    text = text.rstrip(_LINE_ENDS).removeprefix(_SYMBOLOGY).replace(_GS, "")
    if text.startswith(_PRINTED_IDENTIFIER):
        return _IDENTIFIER + _SEPARATORS.sub("", text.removeprefix(_PRINTED_IDENTIFIER))
    return text


def _split(text: str) -> dict[str, str]:
    """Split 44 digits into fields."""
    fields, start = {}, 0
    for name, width in _FIELDS.items():
        fields[name] = text[start : start + width]
        start += width
    return fields


def _read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """Return the valid fields, and the problems in the order of the digits."""
    text = _digits_of(text)
    if len(text) != _LENGTH:
        return {}, [Issue("WIDTH", field="barcode", expected=f"{_LENGTH} digits", found=f"{len(text)} characters")]
    if not (text.isascii() and text.isdigit()):
        return {}, [Issue("NOT_DIGITS", field="barcode", expected=f"{_LENGTH} digits")]
    problems = []
    fields = _split(text)
    start = 0

    def report(code: str, name: str, expected: str) -> None:
        problems.append(Issue(code, field=name, expected=expected, found=fields[name], location=Location(byte=start)))

    values: dict[str, Any] = {}
    for name, digits in fields.items():
        match name:
            case "identifier" if digits != _IDENTIFIER:
                report("CODE_UNKNOWN", name, _IDENTIFIER)
            case "payable_until" if digits == _NO_DEADLINE:
                values[name] = None
            case "payable_until":
                try:
                    values[name] = datetime.strptime(f"{_CENTURY // 100}{digits}", "%Y%m%d").date()
                except ValueError:
                    report("DATE_INVALID", name, f"YYMMDD or {_NO_DEADLINE}")
            case "stamp" if digits not in "01":
                report("CODE_UNKNOWN", name, "0 or 1")
            case "stamp":
                values[name] = digits == "1"
            case "amount":
                values[name] = int(digits)
                if not 1 <= values[name] <= MAX_YEN:
                    report("AMOUNT_RANGE", name, f"1 to {MAX_YEN}")
            case "check_digit":
                correct = str(gs1_check_digit(text[:-1]))
                if digits != correct:
                    report("CHECK_DIGIT", name, correct)
            case "company_code" | "free_field" | "reissue":
                values[name] = digits
        start += len(digits)
    return values, problems


def _code128_bars(digits: str) -> Iterator[tuple[int, int]]:
    """Yield left edge and width of each bar in modules, the left quiet zone included, of an even number of digits."""
    values = [_START_C, _FNC1, *(int(digits[place : place + 2]) for place in range(0, len(digits), 2))]
    # The start character has weight 1, and so has the first character behind it.
    check = (values[0] + sum(weight * value for weight, value in enumerate(values))) % 103
    widths = [int(width) for value in (*values, check, _STOP) for width in _PATTERNS[value]]
    left = _QUIET_ZONE
    for number, width in enumerate(widths):
        if number % 2 == 0:
            yield left, width
        left += width


def width_mm(module_mm: float = _MODULE_MM) -> float:
    """Return the width of a picture in mm, quiet zones included, rounded to 0.01 mm; it is the same for all digits."""
    # Eleven modules per character: start, FNC1, check, stop and each pair of digits; two more in the stop character.
    modules = 11 * (_LENGTH // 2 + 4) + 2 + 2 * _QUIET_ZONE
    return round(modules * module_mm, 2)


def bars(code: Barcode, module_mm: float = _MODULE_MM, height_mm: float = _MIN_HEIGHT_MM) -> list[tuple[float, float]]:
    """Return left edge and width of each bar in mm, the left quiet zone included.

    Raises:
        InvalidInputError: wider than 60 mm or lower than 10 mm.
    """
    width = width_mm(module_mm)
    problems = []
    if not 0 < width <= _MAX_WIDTH_MM:
        expected = f"at most {_MAX_WIDTH_MM} mm wide"
        problems.append(Issue("PRINT_SIZE", field="module_mm", expected=expected, found=f"{width} mm"))
    if height_mm < _MIN_HEIGHT_MM:
        expected = f"at least {_MIN_HEIGHT_MM} mm high"
        problems.append(Issue("PRINT_SIZE", field="height_mm", expected=expected, found=f"{height_mm} mm"))
    if problems:
        raise InvalidInputError(problems, "invalid barcode size")
    return [(left * module_mm, width * module_mm) for left, width in _code128_bars(code.digits)]


@overload
def render(
    code: Barcode, picture_format: Literal["svg"] = ..., *, module_mm: float = ..., height_mm: float = ...
) -> str: ...
@overload
def render(
    code: Barcode, picture_format: Literal["pdf"], *, module_mm: float = ..., height_mm: float = ...
) -> bytes: ...
def render(
    code: Barcode,
    picture_format: Literal["svg", "pdf"] = "svg",
    *,
    module_mm: float = _MODULE_MM,
    height_mm: float = _MIN_HEIGHT_MM,
) -> str | bytes:
    """Return the barcode with its two text lines as SVG, or as a PDF of one page in its size.

    ``height_mm`` is the height of the bars.

    Raises:
        InvalidInputError: an unknown format, wider than 60 mm, or lower than 10 mm.
    """
    edges = bars(code, module_mm, height_mm)
    match picture_format:
        case "svg":
            return _svg(code, edges, width_mm(module_mm), height_mm)
        case "pdf":
            return _pdf(code, edges, width_mm(module_mm), height_mm)
    issue = Issue("CODE_UNKNOWN", field="picture_format", expected="svg, pdf", found=str(picture_format))
    raise InvalidInputError([issue], "unknown picture format")


def _svg(code: Barcode, edges: list[tuple[float, float]], width: float, bar_height: float) -> str:
    height = bar_height + 2 * _LINE_MM
    path = "".join(f"M{left:.4f} 0h{wide:.4f}v{bar_height:g}h-{wide:.4f}z" for left, wide in edges)
    lines = "".join(
        f'<text x="{width / 2:.2f}" y="{bar_height + number * _LINE_MM - 0.5:g}">{line}</text>'
        for number, line in enumerate(code.lines, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}"><path fill="#fff" d="M0 0h{width:g}v{height:g}H0z"/><path d="{path}"/>'
        f'<g font-family="OCRB, monospace" font-size="{_LETTER_MM}" text-anchor="middle">{lines}</g></svg>\n'
    )


def _pdf(code: Barcode, edges: list[tuple[float, float]], width: float, bar_height: float) -> bytes:
    points = POINTS_PER_MM
    operators = [
        f"{left * points:.3f} {2 * _LINE_MM * points:.3f} {wide * points:.3f} {bar_height * points:.3f} re"
        for left, wide in edges
    ]
    operators.append("f")
    size = _LETTER_MM * points
    for number, line in ((1, code.lines[0]), (0, code.lines[1])):
        # The advance width of Courier is 0.6 of the font size.
        left = (width * points - 0.6 * size * len(line)) / 2
        text = line.replace("(", r"\(").replace(")", r"\)")
        operators.append(f"BT /F {size:.2f} Tf {left:.3f} {(number * _LINE_MM + 0.8) * points:.3f} Td ({text}) Tj ET")
    font = b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Courier>>>>"
    return one_page_pdf(width, bar_height + 2 * _LINE_MM, "\n".join(operators).encode(), font)
