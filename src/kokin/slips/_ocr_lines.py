"""The OCR lines of a slip (MPN), and the numbers that a payer types."""

from __future__ import annotations

from typing import Annotated

from kokin.elqr import ElQr, parse
from kokin.model import Digits, Record


def mpn_lines(code: ElQr | str) -> tuple[str, str]:
    """Return the upper (上段, 39 digits) and lower (下段, 44 digits) OCR line of the MPN slip.

    Raises:
        PayloadError: a text that is not a valid eL-QR.

    Source: MPN 標準帳票; the eL-QR contains the same digits.
    """
    code = code if isinstance(code, ElQr) else parse(code)
    return code.upper_line, code.lower_line


class PaymentNumbers(Record):
    """The four numbers that a payer types at an ATM or on a web site (Pay-easy), under their printed names.

    Raises:
        InvalidInputError: a number has other characters than digits, or another width.
    """

    biller: Annotated[str, Digits(5)]
    """収納機関番号."""
    payment: Annotated[str, Digits(20, allow_shorter=True)]
    """納付番号, at most 20 digits."""
    confirmation: Annotated[str, Digits(6, allow_shorter=True)]
    """確認番号, at most 6 digits."""
    category: Annotated[str, Digits(3)]
    """納付区分."""


def payment_numbers(code: ElQr | str) -> PaymentNumbers:
    """Return the input of 地方税お支払サイト: the four numbers of the eL number under their Pay-easy names.

    The Pay-easy number that the site itself issues on request, valid for about a day, is a different one.

    Raises:
        PayloadError: a text that is not a valid eL-QR.
    """
    code = code if isinstance(code, ElQr) else parse(code)
    return PaymentNumbers(
        biller=code.payee_code, payment=code.case_key, confirmation=code.confirmation, category=code.item_code
    )
