"""One eL-QR: from its fields to 255 digits and back."""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from kokin.elqr._check_digits import crc, mpn_check_digits
from kokin.elqr._parts import ELEMENTS, HEAD, LOWER_LINE, PAYLOAD_LENGTH, SCANNER_MARKS, UPPER_LINE
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Date, Digits, Record, Yen


class PayloadError(InvalidInputError):
    """Digits that are no eL-QR, or fields that make none; ``.issues`` lists every problem."""


class ElQr(Record):
    """What an eL-QR says (地方税統一QRコード).

    Raises:
        PayloadError: a field that cannot be written; every problem is in ``.issues``.
    """

    error_class: ClassVar[type[InvalidInputError]] = PayloadError

    payee_code: Annotated[str, Digits(5)]
    """共通納税機関コード."""
    office_code: Annotated[str, Digits(3)]
    """税務事務所コード."""
    item_code: Annotated[str, Digits(3)]
    """税目・料金番号; the list is the body's own."""
    case_key: Annotated[str, Digits(20, zero_pad=True)]
    """案件特定キー; a shorter one is filled with zeros on the left."""
    confirmation: Annotated[str, Digits(6)]
    """確認番号; issued by the body, never derived from the key."""
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
    """支払期限, the date of the barcode. ``None`` writes zeros; it has no default, so nobody does so unawares."""
    account: Annotated[str, Digits(11, zero_pad=True)] = "0" * 11
    """口座番号 of 地方税共同機構; zeros in every code seen."""
    additional: Annotated[str, Digits(85)] = "0" * 85
    """付加情報２: opaque; zeros in every code seen, kept as it stands."""

    @classmethod
    def from_bill(cls, bill: Bill) -> Self:
        """The code of a bill's slip.

        Raises:
            PayloadError: the bill lacks a year, or the deadline (支払期限) that a slip should carry.
        """
        names = ("levy_year", "tax_year", "payable_until")
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
        text = "".join(part.const or _as_digits(values[part.name], part.width) for part in ELEMENTS.values())
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
    r"""A scanned text without the symbology identifier (``]Q0`` to ``]Q6``) before it and CR and LF behind it.

    The functions of this package that read a text or a column of texts do so themselves.

    >>> strip_scanner_marks("]Q1000201\r\n")
    '000201'
    """
    return re.sub(SCANNER_MARKS, "", text)


def is_elqr(text: str) -> bool:
    """Whether a scanned text is an eL-QR at all: 255 digits with its beginning. Nothing else is checked."""
    text = strip_scanner_marks(text)
    return len(text) == PAYLOAD_LENGTH and text.startswith(HEAD) and text.isascii() and text.isdigit()


def check(text: str) -> list[Issue]:
    """Everything that is wrong with 255 digits, with the field and the first digit of it (from 0) in ``where.byte``.

    What a scanner sends around the digits is accepted and not counted; see :func:`strip_scanner_marks`.
    """
    return _read(text)[1]


def parse(text: str) -> ElQr:
    """The code that 255 digits say, as typed or as a scanner sends them; see :func:`strip_scanner_marks`.

    Raises:
        PayloadError: ``.issues`` lists every problem.
    """
    values, problems = _read(text)
    if any(problem.is_error for problem in problems):
        raise PayloadError(problems, "no valid eL-QR")
    return ElQr(**values)


def _read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """The fields as far as they can be read, and the problems in the order of the digits."""
    problems = []
    text = strip_scanner_marks(text)
    if len(text) != PAYLOAD_LENGTH:
        problems.append(
            Issue(
                "PAYLOAD_LENGTH", field="payload", expected=f"{PAYLOAD_LENGTH} digits", found=f"{len(text)} characters"
            )
        )
    if not (text.isascii() and text.isdigit()):
        wrong = next((i for i, c in enumerate(text) if c not in "0123456789"), 0)
        problems.append(
            Issue(
                "NOT_DIGITS",
                field="payload",
                expected="digits",
                found=ascii(text[wrong : wrong + 1]),
                location=Location(byte=wrong),
            )
        )
    if problems:
        return {}, problems

    values: dict[str, Any] = {}
    expected = {
        "upper_check": mpn_check_digits(text[UPPER_LINE][2:]),
        "lower_check": mpn_check_digits(text[LOWER_LINE][2:]),
        "amount": text[ELEMENTS["mpn_amount"].span],
        "crc": crc(text[: ELEMENTS["crc"].start]),
    }
    codes = {"upper_check": "CHECK_DIGIT", "lower_check": "CHECK_DIGIT", "amount": "PAYLOAD_AMOUNT"}
    for part in ELEMENTS.values():
        digits = text[part.span]
        place = Location(byte=part.start)
        if part.const:
            if digits != part.const:
                problems.append(
                    Issue("PAYLOAD_FORMAT", field=part.name, expected=part.const, found=digits, location=place)
                )
        elif digits != expected.get(part.name, digits):
            code = codes.get(part.name, "PAYLOAD_CRC")
            problems.append(Issue(code, field=part.name, expected=expected[part.name], found=digits, location=place))
        match part.name:
            case "amount":
                values["amount"] = int(digits)
                if not values["amount"]:
                    problems.append(
                        Issue("AMOUNT_RANGE", field="amount", expected="1 to 99999999999", found="0", location=place)
                    )
            case "levy_year" | "tax_year":
                values[part.name] = int(digits)
            case "payable_until" if digits == "00000000":
                values["payable_until"] = None
            case "due_on" | "payable_until":
                try:
                    values[part.name] = datetime.strptime(digits, "%Y%m%d").date()
                except ValueError:
                    problems.append(
                        Issue("DATE_INVALID", field=part.name, expected="YYYYMMDD", found=digits, location=place)
                    )
            case name if name in ElQr.model_fields:
                values[name] = digits
    return values, problems
