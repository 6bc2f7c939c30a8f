"""One eL-QR: its fields, the 255 digits, the symbol, and the checks of each."""

from __future__ import annotations

import io
import re
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from kokin.elqr._checksums import crc, mpn_check_digits
from kokin.elqr._layout import ELEMENTS, HEAD, LOWER_LINE, PAYLOAD_LENGTH, SCANNER_MARKS, UPPER_LINE
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Date, Digits, Record, Yen

if TYPE_CHECKING:
    import segno


class PayloadError(InvalidInputError):
    """Invalid digits or fields of an eL-QR; ``.issues`` lists every problem."""


class ElQr(Record):
    """The fields of an eL-QR (地方税統一QRコード). A notebook shows the symbol.

    Raises:
        PayloadError: a field is invalid; every problem is in ``.issues``. :func:`check_fields` returns them.
    """

    error_class: ClassVar[type[InvalidInputError]] = PayloadError

    payee_code: Annotated[str, Digits(5)]
    """共通納税機関コード."""
    office_code: Annotated[str, Digits(3)]
    """税務事務所コード."""
    item_code: Annotated[str, Digits(3)]
    """税目・料金番号; each authority has its own list."""
    case_key: Annotated[str, Digits(20, zero_pad=True)]
    """案件特定キー; a shorter one is padded with zeros on the left."""
    confirmation: Annotated[str, Digits(6)]
    """確認番号; issued by the authority, never derived from the key."""
    amount: Annotated[int, Yen(1)]
    """Yen, 1 to 99,999,999,999. Stores and most apps stop at 300,000."""
    levy_year: Annotated[int, Yen(0, 9999)]
    """賦課年度."""
    tax_year: Annotated[int, Yen(0, 9999)]
    """課税年度."""
    period: Annotated[str, Digits(2)]
    """期別; ``00`` for a single payment."""
    due_on: Annotated[date, Date()]
    """納期限."""
    payable_until: Annotated[date, Date()] | None
    """支払期限, the date of the barcode. ``None`` writes zeros; it has no default, so that this is a decision."""
    account: Annotated[str, Digits(11, zero_pad=True)] = "0" * 11
    """口座番号 of 地方税共同機構; zeros in every code seen."""
    additional: Annotated[str, Digits(85)] = "0" * 85
    """付加情報２: opaque, not interpreted; zeros in every code seen."""

    @classmethod
    def from_bill(cls, bill: Bill, *, allow_missing_deadline: bool = False) -> Self:
        """Return the code of a bill's slip; ``allow_missing_deadline`` writes zeros for a missing 支払期限.

        Raises:
            PayloadError: the bill lacks a year, or the deadline (支払期限) that a slip should carry.
        """
        names = ("levy_year", "tax_year", *(() if allow_missing_deadline else ("payable_until",)))
        missing = [Issue("FIELD_MISSING", field=name) for name in names if getattr(bill, name) is None]
        if missing:
            raise PayloadError(missing, f"bill {bill.bill_id} has no eL-QR")
        shared = cls.model_fields.keys() & Bill.model_fields.keys()
        return cls(**{name: getattr(bill, name) for name in shared})

    @cached_property
    def payload(self) -> str:
        """The 255 digits, check digits and CRC included."""
        values = {
            **{name: getattr(self, name) for name in ELEMENTS.keys() & type(self).model_fields.keys()},
            "mpn_amount": self.amount,
            "upper_check": "00",
            "lower_check": "00",
            "crc": "",
        }
        text = "".join(e.const or _as_digits(values[e.name], e.width) for e in ELEMENTS.values())
        for line in (UPPER_LINE, LOWER_LINE):
            checks = mpn_check_digits(text[line][2:])
            text = text[: line.start] + checks + text[line.start + 2 :]
        return text + crc(text)

    @property
    def upper_line(self) -> str:
        """The upper OCR line of the MPN slip (上段), 39 digits."""
        return self.payload[UPPER_LINE]

    @property
    def lower_line(self) -> str:
        """The lower OCR line of the MPN slip (下段), 44 digits."""
        return self.payload[LOWER_LINE]

    @property
    def el_number(self) -> str:
        """eL番号 (納付書番号): payee, case key, confirmation and item, joined by hyphens; 34 digits."""
        return f"{self.payee_code}-{self.case_key}-{self.confirmation}-{self.item_code}"

    def qr_code(self) -> segno.QRCode:
        """Return the symbol: QR Code version 6, level M, numeric mode, with the mask of the lowest penalty."""
        import segno

        return segno.make_qr(self.payload, version=6, error="m", mode="numeric", boost_error=False)

    def _repr_svg_(self) -> str:
        drawing = io.BytesIO()
        self.qr_code().save(drawing, kind="svg", xmldecl=False, scale=4, light="#fff")
        return drawing.getvalue().decode()


def _as_digits(value: Any, width: int) -> str:
    match value:
        case None:
            return "0" * width
        case date():
            return value.strftime("%Y%m%d").zfill(width)
        case int():
            return f"{value:0{width}d}"
        case _:
            return str(value)


def strip_scanner_marks(text: str) -> str:
    r"""Return a scanned text without the symbology identifier (``]Q0`` to ``]Q6``) before it and CR and LF after it.

    The functions of this package that read a text or a column of texts call it themselves.

    >>> strip_scanner_marks("]Q1000201\r\n")
    '000201'
    """
    return re.sub(SCANNER_MARKS, "", text)


def is_elqr(text: str) -> bool:
    """Whether a scanned text is an eL-QR: 255 digits with its first elements. Nothing else is checked."""
    text = strip_scanner_marks(text)
    return len(text) == PAYLOAD_LENGTH and text.startswith(HEAD) and text.isascii() and text.isdigit()


def check(text: str) -> list[Issue]:
    """Return every issue of a scanned text; ``location.byte`` is the first digit (from 0) of the invalid field.

    Characters that a scanner adds are accepted and not counted; see :func:`strip_scanner_marks`.
    """
    return _read(text)[1]


def check_fields(**fields: Any) -> list[Issue]:
    """Return every issue of the fields of a code: those that :class:`ElQr` raises as :class:`PayloadError`.

    >>> [(issue.field, issue.code) for issue in check_fields(payee_code="9999X") if issue.found]
    [('payee_code', 'NOT_DIGITS')]
    """
    try:
        ElQr(**fields)
    except PayloadError as error:
        return list(error.issues)
    return []


def parse(text: str) -> ElQr:
    """Return the code of 255 digits, as typed or as a scanner sends them; see :func:`strip_scanner_marks`.

    Raises:
        PayloadError: ``.issues`` lists every problem.
    """
    values, issues = _read(text)
    if any(issue.is_error for issue in issues):
        raise PayloadError(issues, "no valid eL-QR")
    return ElQr(**values)


#: The code of the issue if an element differs from the value that is computed from other elements.
MISMATCH_CODES = {
    "upper_check": "CHECK_DIGIT",
    "lower_check": "CHECK_DIGIT",
    "amount": "PAYLOAD_AMOUNT",
    "crc": "PAYLOAD_CRC",
}


def _read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """Return the fields that can be read, and the issues in the order of the digits."""
    text = strip_scanner_marks(text)
    issues = _check_digits_only(text)
    if issues:
        return {}, issues
    values: dict[str, Any] = {}
    expected = {
        "upper_check": mpn_check_digits(text[UPPER_LINE][2:]),
        "lower_check": mpn_check_digits(text[LOWER_LINE][2:]),
        "amount": text[ELEMENTS["mpn_amount"].span],
        "crc": crc(text[: ELEMENTS["crc"].start]),
    } | {element.name: element.const for element in ELEMENTS.values() if element.const}
    for name, element in ELEMENTS.items():
        digits, at = text[element.span], Location(byte=element.start)
        if digits != expected.get(name, digits):
            code = MISMATCH_CODES.get(name, "PAYLOAD_FORMAT")
            issues.append(Issue(code, field=name, expected=expected[name], found=digits, location=at))
        if name not in ElQr.model_fields:
            continue
        match name:
            case "amount" if not int(digits):
                issues.append(Issue("AMOUNT_RANGE", field=name, expected="1 to 99999999999", found="0", location=at))
            case "amount" | "levy_year" | "tax_year":
                values[name] = int(digits)
            case "payable_until" if digits == "00000000":
                values[name] = None
            case "due_on" | "payable_until":
                try:
                    values[name] = datetime.strptime(digits, "%Y%m%d").date()
                except ValueError:
                    issues.append(Issue("DATE_INVALID", field=name, expected="YYYYMMDD", found=digits, location=at))
            case _:
                values[name] = digits
    return values, issues


def _check_digits_only(text: str) -> list[Issue]:
    """Return the issues of a text that is not 255 digits."""
    issues = []
    if len(text) != PAYLOAD_LENGTH:
        expected, found = f"{PAYLOAD_LENGTH} digits", f"{len(text)} characters"
        issues.append(Issue("PAYLOAD_LENGTH", field="payload", expected=expected, found=found))
    if not (text.isascii() and text.isdigit()):
        byte = next((i for i, c in enumerate(text) if c not in "0123456789"), 0)
        found, location = ascii(text[byte : byte + 1]), Location(byte=byte)
        issues.append(Issue("NOT_DIGITS", field="payload", expected="digits", found=found, location=location))
    return issues
