"""The lines of digits on a slip."""

from __future__ import annotations

import pytest

from kokin.elqr import PayloadError, parse
from kokin.issues import InvalidInputError
from kokin.slips import PaymentNumbers, mpn_lines, payment_numbers

# Code A of the synthetic ones: body 99999, 12,300 yen.
PAYLOAD = (
    "000201010212279600051380001834800000000000000000123002138000127000003000000000001234567890123456099999001000000054"
    "110000001230062262026202600202606012026071080850000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000630508191"
)


def test_the_lines_stand_in_the_code() -> None:
    upper, lower = mpn_lines(PAYLOAD)
    assert (len(upper), len(lower)) == (39, 44)
    assert PAYLOAD[29:].startswith(upper + lower)
    assert mpn_lines(parse(PAYLOAD)) == (upper, lower)


def test_the_numbers_a_payer_types() -> None:
    assert payment_numbers(PAYLOAD) == PaymentNumbers(
        biller="99999", payment="00000000001234567890", confirmation="123456", category="127"
    )


def test_a_wrong_code_has_no_lines() -> None:
    with pytest.raises(PayloadError):
        mpn_lines(PAYLOAD.replace("12300", "12400"))


def test_numbers_that_are_too_wide_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        PaymentNumbers(biller="99999", payment="1" * 21, confirmation="1", category="127")
