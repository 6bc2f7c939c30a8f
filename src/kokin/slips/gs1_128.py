r"""The convenience-store barcode (GS1-128 標準料金代理収納): 44 digits that a till reads.

>>> from datetime import date
>>> code = build(company_code="929023", free="252070000010123499900", amount=10605)
>>> code.digits
'91929023252070000010123499900099999900106051'
>>> code.lines
('(91)929023-2520700000101234999000', '999999-0-010605-1')
>>> parse(code.digits) == code
True
>>> for issue in check("91929023252070000010123499900099999900106055"):
...     print(issue.location.byte, issue.field, issue.code, issue.expected)
43 check_digit CHECK_DIGIT 1

A text is read as it is typed, scanned or printed:

>>> scanned, printed = "]C1" + code.digits + "\r\n", "\n".join(code.lines)
>>> parse(scanned) == parse(printed) == code
True

A drawing is at most 60 mm wide with its quiet zones and at least 10 mm high:

>>> width_mm()
52.15

Source: GS1 Japan, GS1-128による標準料金代理収納ガイドライン; vendors' published samples.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Date, Digits, Record, Yen
from kokin.slips import _code128
from kokin.slips._pdf_file import POINTS_PER_MM, one_page
from kokin.text import gs1_check_digit

__all__ = ["MOST_YEN", "Barcode", "bars", "build", "check", "from_bill", "parse", "pdf", "svg", "width_mm"]

#: No slip above this amount carries a barcode.
MOST_YEN = 300_000

_IDENTIFIER = "91"
_NO_DEADLINE = "999999"
_CENTURY = 2000
# Name and width of each field, in the order of the digits.
_FIELDS = {
    "identifier": 2,
    "company_code": 6,
    "free": 21,
    "reissue": 1,
    "payable_until": 6,
    "stamp": 1,
    "amount": 6,
    "check_digit": 1,
}
_LENGTH = sum(_FIELDS.values())

# The symbology identifier of GS1-128 (ISO/IEC 15424), FNC1 as readers send it, and the ends of lines.
_SYMBOLOGY, _FNC1, _LINE_ENDS = "]C1", "\x1d", "\r\n"
# The identifier as it is printed, and what may separate printed digits.
_PRINTED_IDENTIFIER, _SEPARATORS = f"({_IDENTIFIER})", re.compile(r"[-\s]")

# Two dots at 300 dpi: the whole symbol takes about 52 mm.
_MODULE_MM = 25.4 / 150
_MOST_WIDE_MM, _LEAST_HIGH_MM = 60, 10


class Barcode(Record):
    """What a barcode says.

    Raises:
        InvalidInputError: a field that cannot be written, such as an amount above 300,000 yen.
    """

    company_code: Annotated[str, Digits(6)]
    """請求書発行企業コード, given out by GS1 Japan."""
    free: Annotated[str, Digits(21)]
    """自由使用欄: the body's own number of the slip."""
    reissue: Annotated[str, Digits(1)] = "0"
    """再発行区分."""
    payable_until: Annotated[date, Date()] | None = None
    """支払期限; ``None`` writes 999999, no deadline."""
    stamp: bool = False
    """印紙フラグ: whether a revenue stamp is due; never for public money."""
    amount: Annotated[int, Yen(1, MOST_YEN)]
    """Yen."""

    @model_validator(mode="after")
    def _in_a_century_of_two_digits(self) -> Self:
        day = self.payable_until
        if day and not _CENTURY <= day.year < _CENTURY + 100:
            raise InvalidInputError(
                [Issue("DATE_INVALID", field="payable_until", expected="2000 to 2099", found=day.isoformat())]
            )
        return self

    @property
    def digits(self) -> str:
        """The 44 digits, check digit included."""
        day = f"{self.payable_until:%y%m%d}" if self.payable_until else _NO_DEADLINE
        body = f"{_IDENTIFIER}{self.company_code}{self.free}{self.reissue}{day}{self.stamp:d}{self.amount:06d}"
        return f"{body}{gs1_check_digit(body)}"

    @property
    def lines(self) -> tuple[str, str]:
        """The two lines that people read (目視文字): number of the slip; deadline, stamp, amount and check digit."""
        text = _cut(self.digits)
        return (
            f"({text['identifier']}){text['company_code']}-{text['free']}{text['reissue']}",
            f"{text['payable_until']}-{text['stamp']}-{text['amount']}-{text['check_digit']}",
        )


def build(
    *, company_code: str, free: str, amount: int, payable_until: date | None = None, reissue: str = "0"
) -> Barcode:
    """The barcode of a slip of public money, which never needs a stamp.

    Raises:
        InvalidInputError: a field that cannot be written; above 300,000 yen a slip carries no barcode.
    """
    return Barcode(company_code=company_code, free=free, amount=amount, payable_until=payable_until, reissue=reissue)


def from_bill(bill: Bill) -> Barcode:
    """The barcode of a bill's slip, whose amount and deadline must be the bill's own.

    Raises:
        InvalidInputError: the bill has no barcode, a wrong one, or one that says something else than the bill.
    """
    if bill.barcode is None:
        raise InvalidInputError([Issue("FIELD_MISSING", field="barcode")], f"bill {bill.bill_id} has no barcode")
    code = parse(bill.barcode)
    differing = [
        Issue("BARCODE_DIFFERS", field=name, expected=str(stated), found=str(getattr(code, name)))
        for name, stated in (("amount", bill.amount), ("payable_until", bill.payable_until))
        if getattr(code, name) != stated
    ]
    if differing:
        raise InvalidInputError(differing, f"the barcode of bill {bill.bill_id} is not its own")
    return code


def check(text: str) -> list[Issue]:
    """Everything that is wrong with 44 digits, with the first digit of the field (from 0) in ``where.byte``.

    The digits may be written as in :func:`parse`; what comes around and between them is not counted.
    """
    return _read(text)[1]


def parse(text: str) -> Barcode:
    """What 44 digits say. A deadline is one of the years 2000 to 2099.

    Accepted are the digits themselves; what a reader sends (``]C1`` before them, FNC1 as 0x1D anywhere, CR and LF
    behind them); and the printed text (目視文字): ``(91)`` and digits with hyphens, spaces and line ends between them.

    Raises:
        InvalidInputError: ``.issues`` lists every problem.
    """
    values, problems = _read(text)
    if problems:
        raise InvalidInputError(problems, "no valid barcode")
    return Barcode(**values)


def _digits_of(text: str) -> str:
    """The digits of a scanned or printed text; any other text as it is."""
    text = text.rstrip(_LINE_ENDS).removeprefix(_SYMBOLOGY).replace(_FNC1, "")
    if text.startswith(_PRINTED_IDENTIFIER):
        return _IDENTIFIER + _SEPARATORS.sub("", text.removeprefix(_PRINTED_IDENTIFIER))
    return text


def _cut(text: str) -> dict[str, str]:
    fields, start = {}, 0
    for name, width in _FIELDS.items():
        fields[name] = text[start : start + width]
        start += width
    return fields


def _read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """The fields as far as they can be read, and the problems in the order of the digits."""
    text = _digits_of(text)
    if len(text) != _LENGTH:
        return {}, [Issue("WIDTH", field="barcode", expected=f"{_LENGTH} digits", found=f"{len(text)} characters")]
    if not (text.isascii() and text.isdigit()):
        return {}, [Issue("NOT_DIGITS", field="barcode", expected=f"{_LENGTH} digits")]
    problems = []
    fields = _cut(text)
    start = 0

    def tell(code: str, name: str, expected: str) -> None:
        problems.append(Issue(code, field=name, expected=expected, found=fields[name], location=Location(byte=start)))

    values: dict[str, Any] = {}
    for name, digits in fields.items():
        match name:
            case "identifier" if digits != _IDENTIFIER:
                tell("CODE_UNKNOWN", name, _IDENTIFIER)
            case "payable_until" if digits == _NO_DEADLINE:
                values[name] = None
            case "payable_until":
                try:
                    values[name] = datetime.strptime(f"{_CENTURY // 100}{digits}", "%Y%m%d").date()
                except ValueError:
                    tell("DATE_INVALID", name, f"YYMMDD or {_NO_DEADLINE}")
            case "stamp" if digits not in "01":
                tell("CODE_UNKNOWN", name, "0 or 1")
            case "stamp":
                values[name] = digits == "1"
            case "amount":
                values[name] = int(digits)
                if not 1 <= values[name] <= MOST_YEN:
                    tell("AMOUNT_RANGE", name, f"1 to {MOST_YEN}")
            case "check_digit":
                right = str(gs1_check_digit(text[:-1]))
                if digits != right:
                    tell("CHECK_DIGIT", name, right)
            case "company_code" | "free" | "reissue":
                values[name] = digits
        start += len(digits)
    return values, problems


def width_mm(module_mm: float = _MODULE_MM) -> float:
    """The width of every drawing in mm, quiet zones included, to a hundredth: Code Set C has no wide digits."""
    return round(_code128.modules(_LENGTH) * module_mm, 2)


def bars(code: Barcode, module_mm: float = _MODULE_MM, height_mm: float = _LEAST_HIGH_MM) -> list[tuple[float, float]]:
    """Each bar's left edge and width in mm, the left quiet zone included: Code Set C, with FNC1 behind the start.

    Raises:
        InvalidInputError: wider than 60 mm or lower than 10 mm.
    """
    width = width_mm(module_mm)
    problems = []
    if not 0 < width <= _MOST_WIDE_MM:
        problems.append(
            Issue("PRINT_SIZE", field="module_mm", expected=f"at most {_MOST_WIDE_MM} mm wide", found=f"{width} mm")
        )
    if height_mm < _LEAST_HIGH_MM:
        problems.append(
            Issue(
                "PRINT_SIZE", field="height_mm", expected=f"at least {_LEAST_HIGH_MM} mm high", found=f"{height_mm} mm"
            )
        )
    if problems:
        raise InvalidInputError(problems, "no barcode of this size")
    return [(left * module_mm, wide * module_mm) for left, wide in _code128.bars(code.digits)]


# Height of a line of digits below the bars in mm, and of its letters.
_LINE_MM, _LETTER_MM = 3.0, 2.3


def svg(code: Barcode, module_mm: float = _MODULE_MM, height_mm: float = _LEAST_HIGH_MM) -> str:
    """The barcode with its two lines as an SVG document, its size in mm.

    Raises:
        InvalidInputError: wider than 60 mm or lower than 10 mm.
    """
    drawn = bars(code, module_mm, height_mm)
    width, height = width_mm(module_mm), height_mm + 2 * _LINE_MM
    path = "".join(f"M{left:.4f} 0h{wide:.4f}v{height_mm:g}h-{wide:.4f}z" for left, wide in drawn)
    lines = "".join(
        f'<text x="{width / 2:.2f}" y="{height_mm + number * _LINE_MM - 0.5:g}">{line}</text>'
        for number, line in enumerate(code.lines, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}"><path fill="#fff" d="M0 0h{width:g}v{height:g}H0z"/><path d="{path}"/>'
        f'<g font-family="OCRB, monospace" font-size="{_LETTER_MM}" text-anchor="middle">{lines}</g></svg>\n'
    )


def pdf(code: Barcode, module_mm: float = _MODULE_MM, height_mm: float = _LEAST_HIGH_MM) -> bytes:
    """The barcode with its two lines as a PDF of one page in its size.

    Raises:
        InvalidInputError: wider than 60 mm or lower than 10 mm.
    """
    drawn = bars(code, module_mm, height_mm)
    width, height = width_mm(module_mm), height_mm + 2 * _LINE_MM
    points = POINTS_PER_MM
    parts = [
        f"{left * points:.3f} {2 * _LINE_MM * points:.3f} {wide * points:.3f} {height_mm * points:.3f} re"
        for left, wide in drawn
    ]
    parts.append("f")
    size = _LETTER_MM * points
    for number, line in ((1, code.lines[0]), (0, code.lines[1])):
        # A letter of Courier is six tenths of its size wide.
        left = (width * points - 0.6 * size * len(line)) / 2
        shown = line.replace("(", r"\(").replace(")", r"\)")
        parts.append(f"BT /F {size:.2f} Tf {left:.3f} {(number * _LINE_MM + 0.8) * points:.3f} Td ({shown}) Tj ET")
    font = b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Courier>>>>"
    return one_page(width, height, "\n".join(parts).encode(), font)
