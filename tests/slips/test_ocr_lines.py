"""The OCR lines and the payment numbers of a slip."""

from __future__ import annotations

import pytest

from kokin.elqr import PayloadError, parse
from kokin.issues import InvalidInputError
from kokin.slips import PaymentNumbers, mpn_lines, payment_numbers

# An invented code: authority 99999, 12,300 yen.
PAYLOAD = (
    "000201010212279600051380001834800000000000000000123002138000127000003000000000001234567890123456099999001000000054"
    "110000001230062262026202600202606012026071080850000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000630508191"
)


def test_the_el_qr_contains_both_ocr_lines() -> None:
    upper, lower = mpn_lines(PAYLOAD)
    assert (len(upper), len(lower)) == (39, 44)
    assert PAYLOAD[29:].startswith(upper + lower)
    assert mpn_lines(parse(PAYLOAD)) == (upper, lower)


def test_payment_numbers_are_the_parts_of_the_el_number() -> None:
    assert payment_numbers(PAYLOAD) == PaymentNumbers(
        biller="99999", payment="00000000001234567890", confirmation="123456", category="127"
    )


def test_an_invalid_code_has_no_ocr_lines() -> None:
    with pytest.raises(PayloadError):
        mpn_lines(PAYLOAD.replace("12300", "12400"))


def test_a_payment_number_that_is_too_long_is_rejected() -> None:
    with pytest.raises(InvalidInputError):
        PaymentNumbers(biller="99999", payment="1" * 21, confirmation="1", category="127")
